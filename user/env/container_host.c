// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * This machine's containers by its processes. Which there are and what is in them, cgroups
 * say. What they are called is in files that are found through the process that
 * looks after each: the parent of its first one. A process in a container may call itself a
 * shim or dockerd; it is no other container's parent, so nobody believes it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/container_host.h"
#include "env/container_priv.h"
#include "env/gvisor.h"
#include "kern/proc.h"

#define CGROUP_MAX  (64u << 10)
#define CMDLINE_MAX (64u << 10)

/* One more of @size bytes, zeroed; NULL: out of memory or more than @max. */
static void *more(void *vec, size_t *n, size_t *cap, size_t size, size_t max)
{
	char **v = vec, *grown;

	if (*n == *cap) {
		size_t want = *cap ? *cap * 2 : 16;

		grown = *n < max ? reallocarray(*v, want, size) : NULL;
		if (!grown)
			return NULL;
		*v = grown;
		*cap = want;
	}
	return memset(*v + (*n)++ * size, 0, size);
}

static char *proc_text(const struct sg_container_opts *o, uint32_t pid, const char *file, size_t max,
		       size_t *ret_n)
{
	char path[512], *text;
	ssize_t n;

	snprintf(path, sizeof(path), "%.400s/%u/%s", sg_ct_proc(o), pid, file);
	n = sg_proc_read(path, max, &text);
	if (n < 0)
		return NULL;
	if (ret_n)
		*ret_n = (size_t)n;
	return text;
}

static int proc_stat(const struct sg_container_opts *o, uint32_t pid, struct sg_proc_stat *ret)
{
	char *text = proc_text(o, pid, "stat", 4096, NULL);
	int r = text ? sg_proc_stat_parse(text, (uint64_t)sysconf(_SC_CLK_TCK), ret) : -ESRCH;

	free(text);
	return r;
}

static uint32_t owner(const struct sg_container_opts *o, uint32_t pid)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%.400s/%u", sg_ct_proc(o), pid);
	return stat(path, &st) ? UINT32_MAX : st.st_uid;
}

int sg_ct_of_proc(const struct sg_container_opts *o, uint32_t pid, struct sg_container_info *c)
{
	char *text = proc_text(o, pid, "cgroup", CGROUP_MAX, NULL);
	int r;

	if (!text)
		return -ESRCH;
	r = sg_ct_proc_cgroup(text, c) ? 0 : -ENOENT;
	free(text);
	if (!r)
		sg_ct_cgroup_stat(o, c);
	return r;
}

/* ---- the scan ------------------------------------------------------------------- */

static int note_member(struct sg_ct_host *h, uint32_t pid, const struct sg_container_info *is)
{
	struct sg_container_info *c = sg_ct_by_id(h->l, is->id);
	struct sg_proc_stat st;
	struct sg_ct_proc_entry *m;

	if (proc_stat(h->o, pid, &st))
		return 0; /* gone */
	if (!c) {
		c = sg_ct_add(h->l);
		if (!c)
			return -ENOMEM;
		*c = *is;
		c->running = true;
	}
	m = more(&h->m, &h->nm, &h->capm, sizeof(*m), SIZE_MAX);
	if (!m)
		return -ENOMEM;
	*m = (struct sg_ct_proc_entry){
		.pid = pid, .ppid = (uint32_t)st.ppid, .start_ns = st.start_ns, .of = (size_t)(c - h->l->c)
	};
	return 0;
}

static int note_daemon(struct sg_ct_host *h, const struct sg_ct_daemon *found, uint32_t pid,
		       const char *config, const struct sg_container_info *in)
{
	struct sg_ct_daemon *d = more(&h->d, &h->nd, &h->capd, sizeof(*d), SG_CT_MAX);
	char path[2048], *text;

	if (!d)
		return -ENOMEM;
	*d = *found;
	d->pid = pid;
	d->uid = owner(h->o, pid);
	if (in)
		sg_ct_copy(d->cgroup, sizeof(d->cgroup), in->cgroup);
	snprintf(path, sizeof(path), "%.400s/%u/root%s", sg_ct_proc(h->o), pid, config);
	text = sg_ct_read(path);
	sg_ct_daemon_config(text, d);
	free(text);
	return 0;
}

static int note_keeper(struct sg_ct_host *h, const struct sg_ct_keeper *found, uint32_t pid)
{
	struct sg_ct_keeper *k = more(&h->k, &h->nk, &h->capk, sizeof(*k), SG_CT_MAX);

	if (!k)
		return -ENOMEM;
	*k = *found;
	k->pid = pid;
	k->uid = owner(h->o, pid);
	return 0;
}

static int note_process(struct sg_ct_host *h, uint32_t pid)
{
	struct sg_container_info is = { 0 };
	struct sg_ct_keeper k;
	struct sg_ct_daemon d;
	char config[sizeof(d.data)], *text = proc_text(h->o, pid, "cgroup", CGROUP_MAX, NULL);
	bool inside = text && sg_ct_proc_cgroup(text, &is);
	size_t n = 0;
	int r = 0;

	free(text);
	if (inside)
		r = note_member(h, pid, &is);
	text = r ? NULL : proc_text(h->o, pid, "cmdline", CMDLINE_MAX, &n);
	if (!text || !n)
		; /* gone, or a kernel thread */
	else if (sg_ct_keeper_parse(text, n, &k))
		r = note_keeper(h, &k, pid);
	else if (sg_ct_daemon_parse(text, n, &d, config))
		r = note_daemon(h, &d, pid, config, inside ? &is : NULL);
	free(text);
	return r;
}

static int by_pid(const void *a, const void *b)
{
	const struct sg_ct_proc_entry *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int scan(struct sg_ct_host *h, struct sg_err *err)
{
	DIR *d = opendir(sg_ct_proc(h->o));
	struct dirent *e;
	int r = 0;

	if (!d)
		return sg_err_set(err, -errno, "%s cannot be read: %s", sg_ct_proc(h->o), strerror(errno));
	while (!r && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			r = note_process(h, (uint32_t)strtoul(e->d_name, NULL, 10));
	closedir(d);
	if (h->nm)
		qsort(h->m, h->nm, sizeof(*h->m), by_pid);
	return r ? sg_err_set(err, r, "out of memory, or more than %d containers", SG_CT_MAX) : 0;
}

/* ---- the first process of each ------------------------------------------------------ */

static const struct sg_ct_proc_entry *member(const struct sg_ct_host *h, uint32_t pid)
{
	struct sg_ct_proc_entry key = { .pid = pid };

	return h->nm ? bsearch(&key, h->m, h->nm, sizeof(*h->m), by_pid) : NULL;
}

/* Its parent, when that is in the same container. */
static const struct sg_ct_proc_entry *parent_inside(const struct sg_ct_host *h,
						    const struct sg_ct_proc_entry *m)
{
	const struct sg_ct_proc_entry *p = member(h, m->ppid);

	return p && p->of == m->of ? p : NULL;
}

/*
 * The oldest one whose parent is outside: later ones of that kind were started into the container
 * ("exec"). In gVisor the Gofer is older than the Sentry, and the Sentry is what counts; until "runsc create"
 * ends, that is its parent and in the container, too.
 */
static int choose_first(struct sg_ct_host *h)
{
	bool *sentry = h->l->n ? calloc(h->l->n, sizeof(*sentry)) : NULL;
	uint64_t *start = h->l->n ? calloc(h->l->n, sizeof(*start)) : NULL;

	for (size_t i = 0; sentry && start && i < h->nm; i++) {
		const struct sg_ct_proc_entry *m = &h->m[i], *parent = parent_inside(h, m);
		struct sg_container_info *c = &h->l->c[m->of];
		struct sg_gv_proc gv = { 0 };
		bool is;

		if (parent && parent_inside(h, parent))
			continue;
		is = !sg_gv_identify(h->o ? h->o->proc : NULL, m->pid, &gv) && gv.role == SG_GV_SENTRY;
		if (parent && !is)
			continue;
		if (c->pid && (is == sentry[m->of] ? m->start_ns >= start[m->of] : !is))
			continue;
		c->pid = m->pid;
		sentry[m->of] = is;
		start[m->of] = m->start_ns;
	}
	free(sentry);
	free(start);
	return h->l->n && (!sentry || !start) ? -ENOMEM : 0;
}

static const struct sg_ct_keeper *keeper(const struct sg_ct_host *h, uint32_t pid)
{
	for (size_t i = 0; pid && i < h->nk; i++)
		if (h->k[i].pid == pid)
			return &h->k[i];
	return NULL;
}

/* Of the process's ancestors the nearest that keeps containers: while one is being made, its runtime stands between. */
static const struct sg_ct_keeper *keeper_of(const struct sg_ct_host *h, uint32_t pid)
{
	const struct sg_ct_keeper *k = NULL;

	for (int up = 0; !k && up < 4 && pid > 1; up++) {
		const struct sg_ct_proc_entry *m = member(h, pid);
		struct sg_proc_stat st = { 0 };

		if (m)
			pid = m->ppid;
		else
			pid = proc_stat(h->o, pid, &st) ? 0 : (uint32_t)st.ppid;
		k = keeper(h, pid);
	}
	return k;
}

/* A container without a cgroup of its own (runsc --ignore-cgroups): the shim alone tells of it. */
static int lone_keepers(struct sg_ct_host *h)
{
	for (size_t i = 0; i < h->nk; i++) {
		struct sg_container_info c = { 0 }, *new;
		struct sg_proc_stat st;

		if (h->k[i].conmon || !sg_ct_is_id(h->k[i].id, strlen(h->k[i].id)) ||
		    sg_ct_by_id(h->l, h->k[i].id))
			continue;
		sg_ct_copy(c.id, sizeof(c.id), h->k[i].id);
		sg_ct_files_state(h, &c, &h->k[i]);
		if (!c.pid || proc_stat(h->o, c.pid, &st) || (uint32_t)st.ppid != h->k[i].pid)
			continue;
		new = sg_ct_add(h->l);
		if (!new)
			return -ENOMEM;
		c.running = true;
		*new = c;
		sg_ct_files(h, new, &h->k[i]);
	}
	return 0;
}

void sg_ct_platform(const struct sg_container_opts *o, struct sg_container_info *c)
{
	const char *proc = o ? o->proc : NULL;
	struct sg_gv_sandbox *box;
	struct sg_gv_proc gv;

	if (!c->pid)
		return;
	if (strstr(c->runtime, "kata") || !strcmp(c->manager, "kata")) {
		sg_ct_copy(c->platform, sizeof(c->platform), "kata");
		return;
	}
	if (sg_gv_identify(proc, c->pid, &gv) || gv.role != SG_GV_SENTRY) {
		/* The runtime itself, while its Sentry is not there yet, is neither. */
		if (!c->platform[0] && !strstr(c->runtime, "runsc"))
			sg_ct_copy(c->platform, sizeof(c->platform), "runc");
		return;
	}
	box = calloc(1, sizeof(*box));
	if (box && !sg_gv_sandbox(proc, c->pid, box, NULL) && *sg_gv_platform_name(box->platform))
		sg_ct_copy(c->platform, sizeof(c->platform), sg_gv_platform_name(box->platform));
	free(box);
}

/* What belongs to container @c by its place: same user's, and not from inside another container. */
bool sg_ct_host_trusts(const struct sg_ct_daemon *d, const struct sg_container_info *c,
		       const struct sg_ct_keeper *k)
{
	size_t n = strlen(d->cgroup);

	if (d->uid != (k ? k->uid : 0) || strncmp(c->cgroup, d->cgroup, n))
		return false;
	return !n || c->cgroup[n] == '/';
}

/* Is process @pid in container @c? */
bool sg_ct_host_member(const struct sg_ct_host *h, const struct sg_container_info *c, uint32_t pid)
{
	const struct sg_ct_proc_entry *m = member(h, pid);

	return m && !strcmp(h->l->c[m->of].id, c->id);
}

static void describe(struct sg_ct_host *h)
{
	size_t n = h->l->n;

	for (size_t i = 0; i < n; i++) {
		struct sg_container_info *c = &h->l->c[i];

		sg_ct_cgroup_stat(h->o, c);
		sg_ct_files(h, c, keeper_of(h, c->pid));
	}
}

int sg_ct_host_list(struct sg_container_list *l, const struct sg_container_opts *o, struct sg_err *err)
{
	struct sg_ct_host h = { .o = o, .l = l };
	int r = scan(&h, err);

	if (!r && choose_first(&h))
		r = sg_err_set(err, -ENOMEM, "out of memory");
	if (!r) {
		describe(&h);
		if (lone_keepers(&h))
			r = sg_err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; !r && i < l->n; i++)
		sg_ct_platform(o, &l->c[i]);
	free(h.m);
	free(h.k);
	free(h.d);
	return r;
}
