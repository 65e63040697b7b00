// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Probes in a Sentry: a guest that makes a known number of system calls, in a
 * sandbox that this test starts (runsc do). */
#include "kern/live.h"
#include "trace/wire.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNSC	   "/usr/bin/runsc"
#define CALLS	   1500
#define UIDS	   65536
#define PATIENCE_S 40

struct seen {
	uint64_t call[512], rpc[512], failed[512];
	uint64_t odd, other;
	uint32_t sandbox;
	bool known[UIDS];    /* threads announced */
	uint32_t made[UIDS]; /* their calls: CPUs are drained in turn, so a call may come before its thread */
};

static void on_guest(struct seen *s, const struct sg_guest *g)
{
	if (g->src != SG_GSRC_UPROBE) {
		s->other++;
		return;
	}
	s->odd += !g->begin || g->begin > g->h.ts || g->nr >= 512 || g->len || !g->sandbox ||
		  (s->sandbox && s->sandbox != g->sandbox);
	s->made[g->h.uid % UIDS]++;
	s->sandbox = g->sandbox;
	if (g->what == SG_GUEST_CALL)
		s->call[g->nr & 511]++;
	else
		s->rpc[g->nr & 511]++;
	s->failed[g->nr & 511] += g->what == SG_GUEST_CALL && g->ret == -ENOENT;
}

static int on_event(void *ctx, const struct sg_hdr *h)
{
	struct seen *s = ctx;

	if (h->kind == SG_REC_THREAD)
		s->known[h->uid % UIDS] = true;
	if (h->kind == SG_REC_GUEST)
		on_guest(s, (const struct sg_guest *)h);
	return 0;
}

static int on_record(void *ctx, const struct sg_hdr *raw, size_t size)
{
	union sg_wire_slice room;

	return sg_wire_each(raw, size, &room, on_event, ctx);
}

/* A sandbox whose guest begins after a while; its leader ends with it. */
static pid_t sandbox_fork(const char *runsc, const char *platform, const char *root, char *guest)
{
	char *argv[] = { (char *)runsc, (char *)root, (char *)platform, "--network=none", "do", "sh", "-c",
			 guest,		NULL };
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		/* Of the test runner's pipes runsc would wait for the end. */
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		close_range(3, ~0u, 0);
		setsid();
		execv(runsc, argv);
		_exit(127);
	}
	return pid;
}

/* The Sentry among the children of @parent; it is not up at once. */
static pid_t sentry_of(pid_t parent)
{
	char cmd[128], out[32] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "pgrep -P %d -f '^runsc-sandbox'", parent);
	for (int turn = 0; turn < 200 && !atoi(out); turn++) {
		usleep(50000);
		f = popen(cmd, "r");
		if (f && !fgets(out, sizeof(out), f))
			out[0] = 0;
		if (f)
			pclose(f);
	}
	sleep(2);
	return atoi(out);
}

static void drain_until(struct sg_live *l, struct seen *s, pid_t pid)
{
	for (int turn = 0; !waitpid(pid, NULL, WNOHANG); turn++) {
		if (turn == PATIENCE_S * 100) {
			kill(-pid, SIGKILL);
			cr_expect(false, "the sandbox hangs");
		}
		cr_assert_geq(sg_live_drain(l, on_record, s), 0);
		usleep(10000);
	}
}

static void record(struct seen *s, const char *runsc, const char *platform, char *guest)
{
	struct sg_live_opts o = { .cgroup_subsys = -1,
				  .ring_bytes = 4u << 20,
				  .only_groups = "sched,gvisor",
				  .gvisor_uprobes = true };
	char dir[] = "/tmp/sandglass-gvprobe.XXXXXX", root[64], exe[64];
	struct sg_err err = { 0 };
	struct sg_live *l;
	pid_t pid, sentry;
	uint64_t ns;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(root, sizeof(root), "--root=%s", dir);
	cr_assert_eq(sg_live_open(&l, &o, &err), 0, "%s", err.msg);
	pid = sandbox_fork(runsc, platform, root, guest);
	sentry = sentry_of(pid);
	cr_assert_gt(sentry, 0, "no sandbox started");
	cr_expect_eq(sg_live_gvisor(l, "/bin/sh", &err), 0);
	cr_expect_eq(sg_live_gvisor(l, "/no/such", &err), -ENOENT);
	snprintf(exe, sizeof(exe), "/proc/%d/exe", sentry);
	cr_assert_eq(sg_live_gvisor(l, exe, &err), 1, "%s", err.msg);
	cr_expect_eq(sg_live_gvisor(l, exe, &err), 0, "twice would count twice");
	cr_expect_eq(sg_live_gvisor_probed(l, &err), 1);
	cr_assert_eq(sg_live_scope(l, (uint32_t)sentry, false, &err), 0);
	cr_assert_eq(sg_live_start(l, &ns, &err), 0);
	drain_until(l, s, pid);
	sg_live_stop(l, &ns, &err);
	cr_assert_geq(sg_live_drain(l, on_record, s), 0);
	sg_live_close(l);
	rmdir(dir);
}

static unsigned long strangers(const struct seen *s)
{
	unsigned long n = 0;

	for (unsigned i = 0; i < UIDS; i++)
		n += s->known[i] ? 0 : s->made[i];
	return n;
}

static void expect_exact(const char *runsc, const char *platform)
{
	char guest[128];
	struct seen *s = calloc(1, sizeof(*s));

	if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK))
		cr_skip_test("needs root and BTF");
	snprintf(guest, sizeof(guest), "sleep 6; dd if=/dev/zero of=/dev/null bs=1 count=%d status=none",
		 CALLS);
	record(s, runsc, platform, guest);
	cr_expect_eq(s->call[SYS_write], CALLS, "%lu of %d", (unsigned long)s->call[SYS_write], CALLS);
	cr_expect_geq(s->call[SYS_read], CALLS);
	cr_expect_lt(s->call[SYS_read], CALLS + 100);
	cr_expect_gt(s->failed[SYS_access], 0, "ld.so looks for /etc/ld.so.preload: errors are told");
	if (!strcmp(runsc, RUNSC)) /* the newer release opens files itself */
		cr_expect_gt(s->rpc[5] + s->rpc[6], 0, "Walk or WalkStat");
	cr_expect_eq(s->odd, 0, "%lu", (unsigned long)s->odd);
	cr_expect_eq(strangers(s), 0, "%lu by threads nobody announced", strangers(s));
	free(s);
}

Test(gvprobe, counts_are_exact_bookworm_ptrace, .timeout = 120)
{
	expect_exact(RUNSC, "--platform=ptrace");
}

Test(gvprobe, counts_are_exact_trixie_systrap, .timeout = 120)
{
	const char *path = getenv("SANDGLASS_TEST_RUNSC_TRIXIE");

	if (!path)
		cr_skip_test("SANDGLASS_TEST_RUNSC_TRIXIE names no runsc of trixie");
	expect_exact(path, "--platform=systrap");
}

/* Unless asked for, nobody pays: no probe, no map. */
Test(gvprobe, nothing_unless_asked, .timeout = 60)
{
	struct sg_live_opts o = { .cgroup_subsys = -1,
				  .ring_bytes = 1u << 20,
				  .only_groups = "sched,gvisor" };
	struct sg_err err = { 0 };
	struct sg_live *l;

	if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK))
		cr_skip_test("needs root and BTF");
	cr_assert_eq(sg_live_open(&l, &o, &err), 0, "%s", err.msg);
	cr_expect_eq(sg_live_gvisor(l, RUNSC, &err), 0);
	cr_expect_eq(sg_live_gvisor_probed(l, &err), 0);
	for (size_t i = 0; i < sg_live_plan(l)->n; i++)
		if (!strncmp(sg_live_plan(l)->row[i].probe->name, "gvisor.call", 11))
			cr_expect_str_eq(sg_live_plan(l)->row[i].reason, SG_PLAN_IDLE);
	sg_live_close(l);
}
