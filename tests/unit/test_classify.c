/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Wait classification: every rule of the table is reached by a case, and says what the case expects. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "model/classify.h"
#include "model/model.h"

#define SYS(n)	 .stop = SG_STOP_SLEEP, .wkind = SG_K_SYSCALL, .nr = SYS_##n
#define DSYS(n)	 .stop = SG_STOP_DISK, .wkind = SG_K_SYSCALL, .nr = SYS_##n
#define TASK	 .wctx = SG_WCTX_TASK, .waker = 9
#define RAISED	 .wctx = SG_WCTX_SOFT, .wsrc = SG_WSRC_NET, .raiser = 9
#define NETDEV	 .wctx = SG_WCTX_SOFT, .wsrc = SG_WSRC_NET
#define BLOCKDEV .wctx = SG_WCTX_SOFT, .wsrc = SG_WSRC_BLOCK
#define HARD	 .wctx = SG_WCTX_HARD
#define BOX(x)	 .box = SG_BOX_##x
#define FROM(x)	 TASK, .waker_box = SG_BOX_##x
#define TIMER	 .wctx = SG_WCTX_TIMER, .wsrc = SG_WSRC_TIMER

static const struct {
	const char *rule;
	uint16_t cause;
	struct sg_wait w;
} cases[] = {
	{ "stop", SG_C_TRAP_STOP, { .stop = SG_STOP_STOPPED, TASK } },
	/* a sandbox's: the guest's call says so itself, other stops of a stub by its role */
	{ "stop", SG_C_TRAP_STOP, { .stop = SG_STOP_STOPPED, BOX(GOFER), FROM(SENTRY) } },
	{ "guest.call",
	  SG_C_TRAP_PTRACE,
	  { .stop = SG_STOP_TRACED, .wkind = SG_K_GUESTCALL, .nr = SYS_getpid, BOX(STUB), FROM(SENTRY) } },
	{ "guest.call", SG_C_TRAP_PTRACE, { .stop = SG_STOP_TRACED, .wkind = SG_K_GUESTCALL } },
	{ "guest.stop",
	  SG_C_TRAP_PTRACE,
	  { .stop = SG_STOP_TRACED, .wkind = SG_K_USER, BOX(STUB), FROM(SENTRY) } },
	{ "guest.stop", SG_C_TRAP_PTRACE, { .stop = SG_STOP_TRACED, .wkind = SG_K_FAULT, BOX(STUB) } },
	{ "ptrace", SG_C_TRAP_PTRACE, { .stop = SG_STOP_TRACED, .wkind = SG_K_SYSCALL, TASK } },
	{ "ptrace", SG_C_TRAP_PTRACE, { .stop = SG_STOP_TRACED, .wkind = SG_K_USER, BOX(SENTRY), TASK } },
	{ "freeze", SG_C_TRAP_FREEZE, { .stop = SG_STOP_FROZEN, TASK } },
	{ "idle", SG_C_IDLE_WORKER, { .stop = SG_STOP_IDLE, .wkind = SG_K_KTHREAD, TASK } },
	{ "idle.block", SG_C_IO_BLOCK, { .stop = SG_STOP_IDLE, .wkind = SG_K_KTHREAD, BLOCKDEV } },
	{ "vcpu.halt", SG_C_KVM_HALT, { SYS(ioctl), .vcpu = SG_VW_HALT, TIMER } },
	{ "vcpu.halt", SG_C_KVM_HALT, { SYS(ioctl), .vcpu = SG_VW_RUN, TASK } },
	{ "balloon",
	  SG_C_MEM_BALLOON,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_KTHREAD, .vcpu = SG_VW_BALLOON, HARD } },
	{ "vcpu.swapin", SG_C_MEM_SWAPIN, { DSYS(ioctl), .vcpu = SG_VW_SWAPIN, .iowait = true, BLOCKDEV } },
	{ "lock.stack", SG_C_LOCK_KERNEL, { DSYS(ioctl), .vcpu = SG_VW_EXIT, .syms = SG_SYM_LOCK, TASK } },
	{ "vcpu.lock", SG_C_LOCK_KERNEL, { DSYS(ioctl), .fdtype = SG_FD_ANON, .vcpu = SG_VW_EXIT, TASK } },
	{ "anon", SG_C_IPC_EVENT, { SYS(ioctl), .fdtype = SG_FD_ANON, .vcpu = SG_VW_EXIT, TASK } },
	{ "gofer", SG_C_IO_GOFER, { SYS(futex), BOX(SENTRY), FROM(GOFER) } },
	{ "gofer", SG_C_IO_GOFER, { SYS(recvmsg), .fdtype = SG_FD_SOCK_UNIX, BOX(SENTRY), FROM(GOFER) } },
	{ "gofer.idle", SG_C_IDLE_WORKER, { SYS(futex), BOX(GOFER), FROM(SENTRY) } },
	{ "guest.trap", SG_C_TRAP_SECCOMP, { SYS(futex), BOX(STUB), FROM(SENTRY) } },
	{ "guest.trap", SG_C_TRAP_SECCOMP, { SYS(futex), BOX(STUB) } },
	{ "guest.run.ptrace", SG_C_TRAP_PTRACE, { SYS(wait4), BOX(SENTRY), FROM(STUB) } },
	{ "guest.run.seccomp", SG_C_TRAP_SECCOMP, { SYS(futex), BOX(SENTRY), FROM(STUB) } },
	/* what the parts wait for beside each other is what anybody would */
	{ "futex", SG_C_IPC_FUTEX, { SYS(futex), BOX(SENTRY), FROM(SENTRY) } },
	{ "timeout", SG_C_TIMER_SLEEP, { SYS(futex), BOX(SENTRY), .timeout = true, TIMER } },
	{ "child", SG_C_IPC_CHILD, { SYS(wait4), BOX(SENTRY), TASK } },
	{ "socket.unix", SG_C_IPC_SOCKET, { SYS(recvmsg), .fdtype = SG_FD_SOCK_UNIX, BOX(GOFER), TASK } },
	{ "file", SG_C_IO_BLOCK, { DSYS(pread64), .fdtype = SG_FD_REG, BOX(GOFER), HARD } },
	{ "fault.major",
	  SG_C_IO_BLOCK,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .fltres = SG_FLT_MAJOR, BOX(STUB), HARD } },
	{ "seccomp",
	  SG_C_TRAP_SECCOMP,
	  { .stop = SG_STOP_SLEEP, .wkind = SG_K_USER, .syms = SG_SYM_SECCOMP, TASK } },
	/* what a guest's host brings: by the interrupt that tells, whoever it interrupted; else by the stack */
	{ "host.page",
	  SG_C_MEM_HOST,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_USER, HARD, .wsrc = SG_WSRC_PAGE } },
	{ "host.page.stack",
	  SG_C_MEM_HOST,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_USER, .syms = SG_SYM_HOSTPAGE, TASK } },
	{ "host.page.stack",
	  SG_C_MEM_HOST,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .syms = SG_SYM_HOSTPAGE } },
	{ "memory.high", SG_C_MEM_THROTTLE, { .stop = SG_STOP_DISK, .syms = SG_SYM_MEMHIGH, TIMER } },
	{ "reclaim.direct",
	  SG_C_MEM_RECLAIM_DIRECT,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_RDIRECT, BLOCKDEV } },
	{ "reclaim.memcg", SG_C_MEM_RECLAIM_MEMCG, { .stop = SG_STOP_DISK, .wkind = SG_K_RMEMCG, TASK } },
	{ "compact", SG_C_MEM_COMPACT, { .stop = SG_STOP_DISK, .wkind = SG_K_COMPACT, TASK } },
	{ "fuse.stack", SG_C_IO_FUSE, { DSYS(openat), .syms = SG_SYM_FUSE, TASK } },
	{ "9p.stack", SG_C_IO_9P, { DSYS(openat), .syms = SG_SYM_P9, TASK } },
	{ "dirty", SG_C_IO_WRITEBACK, { DSYS(write), .fdtype = SG_FD_REG, .syms = SG_SYM_DIRTY, TIMER } },
	{ "rcu",
	  SG_C_LOCK_KERNEL,
	  { DSYS(write), .fdtype = SG_FD_REG, .syms = SG_SYM_RCU, TASK, .kthread_waker = true } },
	{ "lock.stack", SG_C_LOCK_KERNEL, { DSYS(fsync), .syms = SG_SYM_LOCK, TASK } },
	{ "fault.swapin",
	  SG_C_MEM_SWAPIN,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .fltres = SG_FLT_SWAPIN, .iowait = true, BLOCKDEV } },
	{ "fault.9p", SG_C_IO_9P, { .stop = SG_STOP_DISK, .wkind = SG_K_KFAULT, .fdtype = SG_FD_9P, TASK } },
	{ "fault.major",
	  SG_C_IO_BLOCK,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_KFAULT, .fltres = SG_FLT_MAJOR, TASK } },
	{ "fault.block", SG_C_IO_BLOCK, { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, BLOCKDEV } },
	{ "fault.iowait",
	  SG_C_IO_BLOCK,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .iowait = true, HARD } },
	{ "fault.page",
	  SG_C_IO_BLOCK,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .syms = SG_SYM_PAGE, TASK } },
	{ "fault",
	  SG_C_MEM_FAULT,
	  { .stop = SG_STOP_DISK, .wkind = SG_K_FAULT, .fltres = SG_FLT_MINOR, TASK } },
	{ "fuse.server", SG_C_IDLE_WORKER, { SYS(read), .fdtype = SG_FD_FUSEDEV, TASK } },
	{ "fuse.fd", SG_C_IO_FUSE, { SYS(read), .fdtype = SG_FD_FUSE, TASK } },
	{ "9p.fd", SG_C_IO_9P, { SYS(read), .fdtype = SG_FD_9P, TASK } },
	{ "fsync", SG_C_IO_FSYNC, { DSYS(fdatasync), .iowait = true, BLOCKDEV } },
	{ "child", SG_C_IPC_CHILD, { SYS(wait4), .wctx = SG_WCTX_TASK, .waker = 9, .wsrc = SG_WSRC_SIGNAL } },
	{ "signal.call", SG_C_IPC_SIGNAL, { SYS(pause), TASK } },
	{ "sleep.signal",
	  SG_C_IPC_SIGNAL,
	  { SYS(nanosleep), .wctx = SG_WCTX_TASK, .waker = 9, .wsrc = SG_WSRC_SIGNAL } },
	{ "sleep", SG_C_TIMER_SLEEP, { SYS(clock_nanosleep), .timeout = true, TIMER } },
	{ "timeout", SG_C_TIMER_SLEEP, { SYS(futex), .timeout = true, TIMER } },
	{ "signal.wait", SG_C_IPC_SIGNAL, { SYS(rt_sigtimedwait), .timeout = true, TASK } },
	{ "futex", SG_C_IPC_FUTEX, { SYS(futex), .timeout = true, TASK } },
	{ "file.lock", SG_C_IPC_FUTEX, { SYS(flock), TASK } },
	{ "semaphore", SG_C_IPC_FUTEX, { SYS(semop), TASK } },
	{ "message", SG_C_IPC_PIPE, { SYS(msgrcv), TASK } },
	{ "pipe", SG_C_IPC_PIPE, { SYS(read), .fdtype = SG_FD_FIFO, TASK } },
	{ "accept.remote", SG_C_NET_REMOTE, { SYS(accept4), .fdtype = SG_FD_SOCK_INET, NETDEV } },
	{ "accept", SG_C_IPC_SOCKET, { SYS(accept), .fdtype = SG_FD_SOCK_UNIX, TASK } },
	{ "poll.remote", SG_C_NET_REMOTE, { SYS(epoll_wait), NETDEV } },
	{ "poll.block", SG_C_IO_BLOCK, { SYS(ppoll), BLOCKDEV } },
	{ "poll.timer", SG_C_TIMER_SLEEP, { SYS(epoll_wait), .fdtype = SG_FD_ANON, TIMER } },
	{ "poll.idle", SG_C_IPC_EVENT, { SYS(epoll_wait), .fdtype = SG_FD_ANON, RAISED } },
	{ "poll", SG_C_IPC_EVENT, { SYS(poll), .timeout = true, TASK } },
	{ "socket.unix", SG_C_IPC_SOCKET, { SYS(recvmsg), .fdtype = SG_FD_SOCK_UNIX, TASK } },
	{ "socket.loopback", SG_C_IPC_SOCKET, { SYS(read), .fdtype = SG_FD_SOCK_INET, RAISED } },
	{ "socket.remote", SG_C_NET_REMOTE, { SYS(read), .fdtype = SG_FD_SOCK_INET, NETDEV } },
	/* by the thread for soft interrupts: whose it served counts */
	{ "socket.remote",
	  SG_C_NET_REMOTE,
	  { SYS(read), .fdtype = SG_FD_SOCK_INET, TASK, .softirqd = true, .wsrc = SG_WSRC_NET } },
	{ "socket.loopback",
	  SG_C_IPC_SOCKET,
	  { SYS(read), .fdtype = SG_FD_SOCK_INET, TASK, .softirqd = true, .wsrc = SG_WSRC_NET,
	    .raiser = 9 } },
	{ "socket.call", SG_C_IPC_SOCKET, { SYS(connect), RAISED } },
	{ "socket.call.remote", SG_C_NET_REMOTE, { SYS(connect), NETDEV } },
	{ "block", SG_C_IO_BLOCK, { DSYS(read), .fdtype = SG_FD_REG, BLOCKDEV } },
	{ "iowait", SG_C_IO_BLOCK, { DSYS(read), .iowait = true, TASK } },
	{ "journal.stack", SG_C_IO_BLOCK, { DSYS(unlink), .syms = SG_SYM_JOURNAL, TASK } },
	{ "timerfd", SG_C_TIMER_SLEEP, { SYS(read), .fdtype = SG_FD_ANON, TIMER } },
	{ "anon", SG_C_IPC_EVENT, { SYS(read), .fdtype = SG_FD_ANON, TASK } },
	{ "char", SG_C_IPC_EVENT, { SYS(read), .fdtype = SG_FD_CHR, TASK } },
	{ "net.device", SG_C_NET_REMOTE, { SYS(getrandom), NETDEV } },
	{ "file.held", SG_C_LOCK_KERNEL, { DSYS(pwrite64), .fdtype = SG_FD_REG, TASK } },
	{ "path.held", SG_C_LOCK_KERNEL, { DSYS(rename), TASK } },
	{ "file", SG_C_IO_BLOCK, { DSYS(read), .fdtype = SG_FD_REG, TASK, .kthread_waker = true } },
	{ "file", SG_C_IO_BLOCK, { DSYS(read), .fdtype = SG_FD_REG, HARD } },
	{ "path", SG_C_IO_BLOCK, { DSYS(rename), TASK, .kthread_waker = true } },
	{ "mm", SG_C_LOCK_KERNEL, { DSYS(munmap), TASK } },
	{ "kthread.timer", SG_C_TIMER_SLEEP, { .stop = SG_STOP_SLEEP, .wkind = SG_K_KTHREAD, TIMER } },
	{ "kthread", SG_C_IDLE_WORKER, { .stop = SG_STOP_SLEEP, .wkind = SG_K_KTHREAD, TASK } },
	{ "signal",
	  SG_C_IPC_SIGNAL,
	  { SYS(getrandom), .wctx = SG_WCTX_TASK, .waker = 9, .wsrc = SG_WSRC_SIGNAL } },
	{ "unseen", SG_C_UNKNOWN, { .stop = SG_STOP_SLEEP, .wkind = SG_K_USER, HARD } },
};
#define NCASE (sizeof(cases) / sizeof(*cases))

Test(classify, every_rule_is_reached)
{
	for (const struct sg_rule *r = sg_rules(); r->name; r++) {
		unsigned hits = 0;

		for (size_t i = 0; i < NCASE; i++)
			hits += sg_classify(&cases[i].w) == r;
		cr_expect_gt(hits, 0, "no case reaches rule '%s'", r->name);
	}
}

Test(classify, every_case_is_right)
{
	for (size_t i = 0; i < NCASE; i++) {
		const struct sg_rule *r = sg_classify(&cases[i].w);

		cr_expect_str_eq(r->name, cases[i].rule, "case %zu", i);
		cr_expect_eq(r->cause, cases[i].cause, "case %zu (%s)", i, cases[i].rule);
	}
}

Test(classify, names_are_unique_and_causes_are_off_cpu)
{
	for (const struct sg_rule *r = sg_rules(); r->name; r++) {
		char name[64];

		cr_expect(r->cause >= SG_C_SCHED_RUNQ || r->cause == SG_C_MEM_SWAPIN ||
				  (r->cause >= SG_C_MEM_RECLAIM_DIRECT && r->cause <= SG_C_MEM_COMPACT),
			  "'%s' books a wait as %s", r->name, sg_cause_name(r->cause, name, sizeof(name)));
		for (const struct sg_rule *q = r + 1; q->name; q++)
			cr_expect_str_neq(r->name, q->name);
	}
}

Test(classify, origin)
{
	static const struct {
		struct sg_wait w;
		enum sg_origin origin;
		uint32_t uid;
	} o[] = {
		{ { TASK }, SG_ORG_TASK, 9 },
		{ { .wctx = SG_WCTX_TASK }, SG_ORG_NONE, 0 },
		{ { RAISED }, SG_ORG_RAISER, 9 },
		{ { RAISED, .mixed = true }, SG_ORG_DEVICE, 0 },
		{ { NETDEV }, SG_ORG_DEVICE, 0 },
		/* whoever is interrupted by the completion, or completes it, is not the cause (W2) */
		{ { .wctx = SG_WCTX_SOFT, .wsrc = SG_WSRC_BLOCK, .raiser = 9 }, SG_ORG_DEVICE, 0 },
		{ { .wctx = SG_WCTX_TASK, .wsrc = SG_WSRC_BLOCK, .waker = 9 }, SG_ORG_DEVICE, 0 },
		{ { .wctx = SG_WCTX_TASK, .wsrc = SG_WSRC_BLOCK, .waker = 9, .kthread_waker = true },
		  SG_ORG_TASK,
		  9 },
		{ { HARD, .waker = 9 }, SG_ORG_DEVICE, 0 },
		{ { TIMER, .waker = 9 }, SG_ORG_TIMER, 0 },
		{ { .wctx = SG_WCTX_SOFT, .wsrc = SG_WSRC_TIMER, .raiser = 9 }, SG_ORG_TIMER, 0 },
		{ { .wctx = SG_WCTX_NONE, .waker = 9 }, SG_ORG_NONE, 0 },
		{ { .wctx = 200, .waker = 9 }, SG_ORG_NONE, 0 },
	};

	for (size_t i = 0; i < sizeof(o) / sizeof(*o); i++) {
		uint32_t uid;

		cr_expect_eq(sg_wait_origin(&o[i].w, &uid), o[i].origin, "case %zu", i);
		cr_expect_eq(uid, o[i].uid, "case %zu", i);
	}
}

/* Hostile values reach a rule too: nothing is shifted out of range or read beyond a table. */
Test(classify, any_bytes)
{
	unsigned seed = 7;

	for (unsigned k = 0; k < 200000; k++) {
		struct sg_wait w;
		unsigned char *p = (void *)&w;

		for (size_t i = 0; i < sizeof(w); i++)
			p[i] = rand_r(&seed) >> 5;
		w.compat = p[0] & 1;
		w.iowait = p[1] & 1;
		w.timeout = p[2] & 1;
		w.mixed = p[3] & 1;
		w.kthread_waker = p[4] & 1;
		w.softirqd = p[5] & 1;
		cr_assert_not_null(sg_classify(&w)->name);
	}
}

Test(classify, compat_numbers)
{
	cr_expect_eq(sg_syscall_sets(240, true), SG_SET_FUTEX);
	cr_expect_eq(sg_syscall_sets(SYS_futex, false), SG_SET_FUTEX);
	cr_expect_eq(sg_syscall_sets(114, true), SG_SET_CHILD);
	cr_expect_eq(sg_syscall_sets(65535, true), 0);
	cr_expect_eq(sg_syscall_sets(65535, false), 0);
}

Test(classify, symbols)
{
	static const struct {
		const char *sym;
		uint32_t syms;
	} s[] = {
		{ "request_wait_answer", SG_SYM_FUSE },
		{ "fuse_file_read_iter", SG_SYM_FUSE },
		{ "fuse_dev_do_read.constprop.0", 0 },
		{ "p9_client_rpc", SG_SYM_P9 },
		{ "balance_dirty_pages_ratelimited_flags", SG_SYM_DIRTY },
		{ "__mem_cgroup_handle_over_high", SG_SYM_MEMHIGH },
		{ "kvm_async_pf_task_wait_schedule", SG_SYM_HOSTPAGE },
		{ "__kvm_handle_async_pf", SG_SYM_HOSTPAGE },
		{ "rwsem_down_write_slowpath", SG_SYM_LOCK },
		{ "__mutex_lock.constprop.0", SG_SYM_LOCK },
		{ "jbd2_log_wait_commit", SG_SYM_JOURNAL },
		{ "synchronize_rcu", SG_SYM_RCU },
		{ "seccomp_do_user_notification", SG_SYM_SECCOMP },
		{ "__folio_lock_or_retry", SG_SYM_PAGE },
		{ "schedule", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < sizeof(s) / sizeof(*s); i++)
		cr_expect_eq(sg_symbol_syms(s[i].sym), s[i].syms, "%s", s[i].sym);
}

Test(classify, cause_names)
{
	char b[64];

	cr_expect_str_eq(sg_cause_name(SG_C_MEM_SWAPIN, b, sizeof(b)), "mem.swapin");
	cr_expect_str_eq(sg_cause_name(SG_KEY_SYSCALL | SYS_read, b, sizeof(b)), "cpu.sys.read");
	cr_expect_str_eq(sg_cause_name(SG_KEY_SYSCALL | 9999, b, sizeof(b)), "cpu.sys.nr9999");
	cr_expect_str_eq(sg_cause_name(0, b, sizeof(b)), "none");
	cr_expect_str_eq(sg_cause_name(61, b, sizeof(b)), "cause61");
	cr_expect_str_eq(sg_syscall_name(0), "read");
	cr_expect_str_eq(sg_syscall_name(449), "futex_waitv");
	cr_expect_null(sg_syscall_name(400));
	cr_expect_null(sg_syscall_name(1u << 30));
}
