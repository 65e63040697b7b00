/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * libvirt while it is recorded: names, balloons, and what becomes of virtual machines. One thread that
 * runs the library's event loop. Nothing is set, nothing is started: connections are read-only.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/libvirt.h"
#include "env/vmwatch_priv.h"
#include "out/text.h"

#define EACH_MS 1000
#define LAST_MS 700 /* at the end, for the word of a virtual machine that is gone */

/* A tag of libvirt's, in units of @factor; what our list names. */
static const struct {
	int tag;
	enum sg_balloon_what what;
	unsigned factor;
} tags[] = {
	{ VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, SG_BALLOON_ACTUAL, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_RSS, SG_BALLOON_RSS, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_SWAP_IN, SG_BALLOON_SWAP_IN, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, SG_BALLOON_SWAP_OUT, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, SG_BALLOON_MAJOR_FAULT, 1 },
	{ VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT, SG_BALLOON_MINOR_FAULT, 1 },
	{ VIR_DOMAIN_MEMORY_STAT_UNUSED, SG_BALLOON_UNUSED, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_AVAILABLE, SG_BALLOON_AVAILABLE, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_USABLE, SG_BALLOON_USABLE, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_DISK_CACHES, SG_BALLOON_DISK_CACHES, 1024 },
	{ VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC, SG_BALLOON_HUGETLB_PGALLOC, 1 },
	{ VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL, SG_BALLOON_HUGETLB_PGFAIL, 1 },
};

/* One domain that is followed: whose process is known, and wanted. */
struct followed {
	virDomainPtr dom;
	uint32_t pid;
	bool ended;	    /* libvirt told so */
	bool first, period; /* nothing was told yet; the guest's driver gives statistics every now and then */
};

struct speaker {
	struct sg_vmw *w;
	const struct sg_libvirt *lv; /* NULL until there is somebody to connect to */
	virConnectPtr conn[SG_VM_URIS];
	int cb[SG_VM_URIS][2];
	size_t nconn;
	struct followed f[SG_VMW_MAX];
	size_t n;
	size_t known; /* virtual machines when the domains were listed last */
	bool tried, lost, tick, news;
};

static bool is_gone(const struct followed *f)
{
	return kill((pid_t)f->pid, 0) && errno == ESRCH;
}

/* ---- one domain ----------------------------------------------------------------------------------- */

/* Was its driver told to give statistics? Then libvirt's text of it says so; names in it are escaped. */
static bool has_period(const struct sg_libvirt *lv, virDomainPtr d)
{
	char *xml = lv->virDomainGetXMLDesc(d, 0), *s = xml ? strstr(xml, "<memballoon ") : NULL, *end;
	bool is;

	end = s ? strstr(s, "</memballoon>") : NULL;
	if (end)
		*end = 0;
	s = end ? strstr(s, "<stats period='") : NULL;
	is = s && atoi(s + 15) > 0;
	free(xml);
	return is;
}

static void ask_memory(struct speaker *s, struct followed *f)
{
	virDomainMemoryStatStruct st[VIR_DOMAIN_MEMORY_STAT_NR];
	virDomainInfo info;
	int n;

	if (f->first && !s->lv->virDomainGetInfo(f->dom, &info))
		sg_vmw_balloon(s->w, f->pid, SG_BALLOON_MAXIMUM, (uint64_t)info.maxMem * 1024);
	if (!f->first && !f->period && !atomic_load(&s->w->ending))
		return;
	n = s->lv->virDomainMemoryStats(f->dom, st, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(tags) / sizeof(tags[0]); k++)
			if (tags[k].tag == st[i].tag)
				sg_vmw_balloon(s->w, f->pid, tags[k].what,
					       (uint64_t)st[i].val * tags[k].factor);
	if (f->first)
		f->period = has_period(s->lv, f->dom);
	f->first = false;
}

/* Libvirt's word about a domain is about its process of now: an earlier one of @uuid is not followed on. */
static void forget_others(struct speaker *s, const char *uuid, uint32_t pid)
{
	char other[VIR_UUID_STRING_BUFLEN];

	for (size_t i = 0; i < s->n;)
		if (s->f[i].pid != pid && !s->lv->virDomainGetUUIDString(s->f[i].dom, other) &&
		    !strcmp(uuid, other)) {
			s->lv->virDomainFree(s->f[i].dom);
			s->f[i] = s->f[--s->n];
		} else {
			i++;
		}
}

static void follow(struct speaker *s, virDomainPtr d)
{
	const char *name = s->lv->virDomainGetName(d);
	char uuid[VIR_UUID_STRING_BUFLEN];
	uint32_t pid;

	if (!name || s->lv->virDomainGetUUIDString(d, uuid))
		return;
	pid = sg_vmw_domain(s->w, name, uuid);
	if (pid)
		forget_others(s, uuid, pid);
	if (!sg_vmw_wanted(s->w, pid) || s->n == SG_VMW_MAX)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->f[i].pid == pid)
			return;
	if (s->lv->virDomainRef(d))
		return;
	s->f[s->n++] = (struct followed){ .dom = d, .pid = pid, .first = true };
}

static void list(struct speaker *s)
{
	size_t known = sg_vmw_count(s->w);

	if (known == s->known)
		return;
	s->known = known;
	for (size_t c = 0; c < s->nconn; c++) {
		virDomainPtr *d = NULL;
		int n = s->lv->virConnectListAllDomains(s->conn[c], &d, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			follow(s, d[i]);
			s->lv->virDomainFree(d[i]);
		}
		free(d);
	}
}

/* ---- events ------------------------------------------------------------------------------------------ */

/* NULL: it may have begun just now. */
static struct followed *followed_as(struct speaker *s, virDomainPtr d)
{
	char uuid[VIR_UUID_STRING_BUFLEN], other[VIR_UUID_STRING_BUFLEN];

	if (s->lv->virDomainGetUUIDString(d, uuid))
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		if (!s->lv->virDomainGetUUIDString(s->f[i].dom, other) && !strcmp(uuid, other))
			return &s->f[i];
	return NULL;
}

static void on_balloon(virConnectPtr conn, virDomainPtr d, unsigned long long actual_kib, void *arg)
{
	struct speaker *s = arg;
	struct followed *f = followed_as(s, d);

	(void)conn;
	if (f && !is_gone(f)) /* else it is of the next one, which is not known yet */
		sg_vmw_balloon(s->w, f->pid, SG_BALLOON_ACTUAL, actual_kib * 1024);
}

static const char *fate(int event, int detail)
{
	switch (event) {
	case VIR_DOMAIN_EVENT_SUSPENDED:
		return "was paused while it was recorded: its vCPUs ran no more";
	case VIR_DOMAIN_EVENT_RESUMED:
		return "was paused and resumed while it was recorded";
	case VIR_DOMAIN_EVENT_CRASHED:
		return "crashed while it was recorded";
	case VIR_DOMAIN_EVENT_STOPPED:
		return detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED ? "was destroyed while it was recorded"
		       : detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED
			       ? "was migrated to another machine while it was recorded"
		       : detail == VIR_DOMAIN_EVENT_STOPPED_SAVED ? "was saved while it was recorded"
		       : detail == VIR_DOMAIN_EVENT_STOPPED_FAILED ||
				       detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED
			       ? "crashed while it was recorded"
			       : "was shut down while it was recorded";
	default:
		return NULL;
	}
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr d, int event, int detail, void *arg)
{
	struct speaker *s = arg;
	const char *what = fate(event, detail), *name = s->lv->virDomainGetName(d);

	struct followed *f = followed_as(s, d);

	(void)conn;
	if (event == VIR_DOMAIN_EVENT_STARTED)
		s->known = SIZE_MAX; /* its process is looked for, too */
	if (what && name && f)
		sg_vmw_fate(s->w, name, what);
	if (f)
		f->ended |= event == VIR_DOMAIN_EVENT_STOPPED || event == VIR_DOMAIN_EVENT_CRASHED;
	return 0;
}

/* ---- connections -------------------------------------------------------------------------------------- */

static void connect_all(struct speaker *s)
{
	char uri[SG_VM_URIS][SG_VM_URI];
	size_t n = sg_vm_virt_uris(&s->w->o.from, uri);
	struct sg_err err = { 0 };
	char clean[200];

	s->tried = true;
	if (!n && s->w->o.only && !strcmp(s->w->only.source, "libvirt"))
		sg_vmw_note(s->w, "libvirt does not answer here, so it tells nothing of the VM's balloon");
	s->lv = n ? sg_vm_virt(&err) : NULL;
	if (n && !s->lv)
		sg_vmw_note(s->w, "libvirt cannot be asked for names and balloons: %s", err.msg);
	for (size_t i = 0; s->lv && i < n; i++) {
		virConnectPtr c = s->lv->virConnectOpenReadOnly(uri[i]);

		if (!c) {
			sg_vmw_note(s->w, "libvirt (%s) refuses, so it tells no names and no balloons: %s",
				    uri[i],
				    sg_text_clean(clean, sizeof(clean), s->lv->virGetLastErrorMessage()));
			continue;
		}
		s->lv->virConnectSetKeepAlive(c, 1, 3); /* one that hangs is given up */
		s->cb[s->nconn][0] = s->lv->virConnectDomainEventRegisterAny(
			c, NULL, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon), s,
			NULL);
		s->cb[s->nconn][1] = s->lv->virConnectDomainEventRegisterAny(
			c, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), s,
			NULL);
		s->conn[s->nconn++] = c;
	}
}

static void close_all(struct speaker *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->lv->virDomainFree(s->f[i].dom);
	for (size_t c = 0; c < s->nconn; c++) {
		for (int k = 0; k < 2; k++)
			if (s->cb[c][k] >= 0)
				s->lv->virConnectDomainEventDeregisterAny(s->conn[c], s->cb[c][k]);
		s->lv->virConnectClose(s->conn[c]);
	}
}

static void on_tick(int timer, void *arg)
{
	(void)timer;
	((struct speaker *)arg)->tick = true;
}

static void on_news(int watch, int fd, int events, void *arg)
{
	uint64_t n;

	(void)watch, (void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		((struct speaker *)arg)->news = true;
}

/* Ask once more, at the end too: what changed last must not be missing. */
static void ask_all(struct speaker *s)
{
	for (size_t c = 0; c < s->nconn && !s->lost; c++) {
		s->lost = s->lv->virConnectIsAlive(s->conn[c]) != 1;
		if (s->lost)
			sg_vmw_note(s->w, "libvirt went away while it was recorded: balloons are not told "
					  "from then on");
	}
	list(s);
	for (size_t i = 0; i < s->n; i++)
		ask_memory(s, &s->f[i]);
}

static bool one_is_gone_untold(const struct speaker *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->f[i].ended && is_gone(&s->f[i]))
			return true;
	return false;
}

/* Its end reaches us before libvirt's word of how it came to it. */
static void wait_for_fate(struct speaker *s, int timer)
{
	s->lv->virEventUpdateTimeout(timer, LAST_MS / 10);
	for (int i = 0; i < 10 && !s->lost && one_is_gone_untold(s); i++)
		for (s->tick = false; !s->tick && one_is_gone_untold(s) && !s->lv->virEventRunDefaultImpl();)
			;
}

static void loop(struct speaker *s)
{
	int timer = s->lv->virEventAddTimeout(EACH_MS, on_tick, s, NULL);
	int watch = s->lv->virEventAddHandle(s->w->virt_fd, VIR_EVENT_HANDLE_READABLE, on_news, s, NULL);

	ask_all(s);
	while (timer >= 0 && watch >= 0 && !atomic_load(&s->w->ending) && !s->lv->virEventRunDefaultImpl()) {
		if (s->tick || s->news)
			ask_all(s);
		s->tick = s->news = false;
	}
	ask_all(s);
	if (timer >= 0)
		wait_for_fate(s, timer);
	if (timer >= 0)
		s->lv->virEventRemoveTimeout(timer);
	if (watch >= 0)
		s->lv->virEventRemoveHandle(watch);
}

void *sg_vmw_virt_main(void *arg)
{
	struct sg_vmw *w = arg;
	struct speaker *s = calloc(1, sizeof(*s));
	uint64_t n;

	if (s)
		s->w = w;
	/* Nobody is asked before there is a virtual machine to ask about. */
	while (s && !atomic_load(&w->ending) && !s->nconn) {
		struct pollfd p = { .fd = w->virt_fd, .events = POLLIN };

		if (sg_vmw_count(w) && !s->tried)
			connect_all(s);
		if (!s->nconn && poll(&p, 1, EACH_MS) > 0 && read(w->virt_fd, &n, sizeof(n)) == sizeof(n))
			s->tried = false;
	}
	if (s && s->nconn) {
		loop(s);
		close_all(s);
	}
	free(s);
	sg_vmw_speaker_ends(w);
	return NULL;
}
