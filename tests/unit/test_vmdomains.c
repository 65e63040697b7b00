/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A domain that is destroyed and started again while it is recorded: two processes of one name and one UUID. */
#include <criterion/criterion.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "env/vmwatch_virt.c"
#include "fakehost.h"

#define UUID "11111111-2222-3333-4444-555555555555"

static struct sg_vmw *w;

static struct balloon_seen {
	uint32_t tgid, what;
	uint64_t value;
} seen[16];
static size_t nseen;

static int on_put(void *ctx, const struct sg_hdr *h)
{
	const struct sg_balloon *b = (const void *)h;

	(void)ctx;
	if (h->kind == SG_REC_BALLOON && nseen < 16)
		seen[nseen++] = (struct balloon_seen){ b->tgid, b->what, b->value };
	return 0;
}

static void setup(void)
{
	host_make("vmdomains");
	w = calloc(1, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	w->put = on_put;
	w->o.from.proc = host.proc;
}

static void fini(void)
{
	free(w);
	host_gone();
}

TestSuite(vmdomains, .init = setup, .fini = fini, .timeout = 60);

static void runs(uint32_t pid, const char *uuid)
{
	struct sg_vm_info v = { .name = "web", .vmm = "qemu", .source = "process", .pid = pid };
	char path[256];

	snprintf(v.uuid, sizeof(v.uuid), "%s", uuid);
	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	cr_assert_eq(mkdir(path, 0700), 0);
	sg_vmw_found(w, &v);
}

static void dies(uint32_t pid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	cr_assert_eq(rmdir(path), 0);
}

Test(vmdomains, the_process_that_runs)
{
	runs(100, UUID);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 100);
	sg_vmw_balloon(w, 100, SG_BALLOON_ACTUAL, 4096);
	dies(100);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 0, "nothing runs it");
	runs(200, UUID);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 200);
	sg_vmw_balloon(w, 100, SG_BALLOON_ACTUAL, 8192);
	sg_vmw_balloon(w, 200, SG_BALLOON_ACTUAL, 4096);
	cr_assert_eq(nseen, 2, "%zu", nseen);
	cr_assert_eq(seen[1].tgid, 200, "the new one's first value is told though it is the old one's last");
	dies(200);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 0);
	runs(100, UUID); /* the number comes again */
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 100);
	sg_vmw_balloon(w, 100, SG_BALLOON_ACTUAL, 4096);
	cr_assert_eq(nseen, 3);
}

Test(vmdomains, two_that_claim_to_be_it)
{
	runs(100, UUID);
	runs(200, UUID);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 0, "either could be it");
	dies(100);
	cr_assert_eq(sg_vmw_domain(w, "web", UUID), 200);
}

/* ---- libvirt's side: a domain is its name here ---------------------------------------------------- */
static int refs, memory_kib;
static virDomainPtr domain = (virDomainPtr)&refs;

static const char *fake_name(virDomainPtr d)
{
	(void)d;
	return "web";
}

static int fake_uuid(virDomainPtr d, char *buf)
{
	(void)d;
	strcpy(buf, UUID);
	return 0;
}

static int fake_ref(virDomainPtr d)
{
	(void)d;
	refs++;
	return 0;
}

static int fake_free(virDomainPtr d)
{
	(void)d;
	refs--;
	return 0;
}

static int fake_info(virDomainPtr d, virDomainInfoPtr info)
{
	(void)d, (void)info;
	return -1;
}

static int fake_stats(virDomainPtr d, virDomainMemoryStatPtr st, unsigned n, unsigned flags)
{
	(void)d, (void)n, (void)flags;
	st[0].tag = VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON;
	st[0].val = (unsigned long long)memory_kib;
	return 1;
}

static char *fake_xml(virDomainPtr d, unsigned flags)
{
	(void)d, (void)flags;
	return NULL;
}

static const struct sg_libvirt fake = { .virDomainGetName = fake_name,
					.virDomainGetUUIDString = fake_uuid,
					.virDomainRef = fake_ref,
					.virDomainFree = fake_free,
					.virDomainGetInfo = fake_info,
					.virDomainMemoryStats = fake_stats,
					.virDomainGetXMLDesc = fake_xml };

/* A process that sleeps until it is killed. */
static uint32_t process(void)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	while (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	runs((uint32_t)pid, UUID);
	return (uint32_t)pid;
}

static void kill_it(uint32_t pid)
{
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
	dies(pid);
}

Test(vmdomains, what_libvirt_says_is_of_the_new_one)
{
	struct speaker *s = calloc(1, sizeof(*s));
	uint32_t a = process(), b;

	s->w = w;
	s->lv = &fake;
	memory_kib = 1000;
	follow(s, domain);
	cr_assert_eq(s->n, 1);
	ask_memory(s, &s->f[0]);
	on_balloon(NULL, domain, 900, s);
	cr_assert_eq(nseen, 2);
	kill_it(a);
	cr_assert(one_is_gone_untold(s));
	on_lifecycle(NULL, domain, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, s);
	cr_assert(!one_is_gone_untold(s), "its end was told");
	cr_assert(strstr(w->st.fate, "was destroyed"), "%s", w->st.fate);
	b = process();
	on_lifecycle(NULL, domain, VIR_DOMAIN_EVENT_STARTED, 0, s);
	on_balloon(NULL, domain, 800, s);
	cr_assert_eq(nseen, 2, "that was not the dead one's");
	follow(s, domain);
	cr_assert_eq(s->n, 1);
	cr_assert_eq(refs, 1);
	cr_assert_eq(s->f[0].pid, b);
	ask_memory(s, &s->f[0]);
	on_balloon(NULL, domain, 700, s);
	cr_assert_eq(nseen, 4);
	for (size_t i = 0; i < nseen; i++)
		cr_expect_eq(seen[i].tgid, i < 2 ? a : b, "value %zu, of %u", i, seen[i].tgid);
	cr_assert(!one_is_gone_untold(s));
	kill_it(b);
	cr_assert(one_is_gone_untold(s), "its end, too, is waited for");
	free(s);
}
