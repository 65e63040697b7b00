/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The rules. Order carries meaning: states that are causes by themselves, then
 * where in memory management it blocked, then what the stack shows, then what
 * the system call says, then the source of the wake, then what is left.
 */
#include "model/classify.h"

#define ST(x)  (1u << SG_STOP_##x)
#define KN(x)  (1u << SG_K_##x)
#define FD(x)  (1u << SG_FD_##x)
#define OR(x)  (1u << SG_ORG_##x)
#define SR(x)  (1u << SG_WSRC_##x)
#define FR(x)  (1u << SG_FLT_##x)
#define VW(x)  (1u << SG_VW_##x)
#define BX(x)  (1u << SG_BOX_##x)
#define SET(x) SG_SET_##x
#define SYM(x) SG_SYM_##x
#define FAULTS (KN(FAULT) | KN(KFAULT))

static const struct sg_rule rules[] = {
	/* the stop is the cause */
	{ .name = "stop", .stops = ST(STOPPED), .cause = SG_C_TRAP_STOP, .attr = SG_RA_TRAP },
	/* a sandbox's guest stopped for its kernel: who resumes it has served it */
	{ .name = "guest.call", .kinds = KN(GUESTCALL), .cause = SG_C_TRAP_PTRACE, .attr = SG_RA_SURE },
	{ .name = "guest.stop",
	  .stops = ST(TRACED),
	  .boxes = BX(STUB),
	  .cause = SG_C_TRAP_PTRACE,
	  .attr = SG_RA_SURE },
	{ .name = "ptrace", .stops = ST(TRACED), .cause = SG_C_TRAP_PTRACE, .attr = SG_RA_TRAP },
	{ .name = "freeze", .stops = ST(FROZEN), .cause = SG_C_TRAP_FREEZE, .attr = SG_RA_TRAP },
	/* what a device has done is finished by a kernel worker (direct writes, ends of writeback): it had nothing else to do */
	{ .name = "idle.block",
	  .stops = ST(IDLE),
	  .srcs = SR(BLOCK),
	  .cause = SG_C_IO_BLOCK,
	  .attr = SG_RA_DEVICE },
	{ .name = "idle", .stops = ST(IDLE), .cause = SG_C_IDLE_WORKER, .attr = SG_RA_IDLE },
	/* a vCPU: its guest is idle, unless an exit says otherwise */
	{ .name = "vcpu.halt", .vcpus = VW(HALT) | VW(RUN), .cause = SG_C_KVM_HALT },
	{ .name = "balloon", .vcpus = VW(BALLOON), .cause = SG_C_MEM_BALLOON },
	{ .name = "vcpu.swapin", .vcpus = VW(SWAPIN), .cause = SG_C_MEM_SWAPIN, .attr = SG_RA_REFINE },
	/* between the parts of a sandbox */
	{ .name = "gofer",
	  .kinds = KN(SYSCALL),
	  .boxes = BX(SENTRY),
	  .waker_boxes = BX(GOFER),
	  .cause = SG_C_IO_GOFER },
	{ .name = "gofer.idle",
	  .kinds = KN(SYSCALL),
	  .boxes = BX(GOFER),
	  .waker_boxes = BX(SENTRY),
	  .cause = SG_C_IDLE_WORKER,
	  .attr = SG_RA_IDLE },
	{ .name = "guest.trap",
	  .kinds = KN(SYSCALL),
	  .boxes = BX(STUB),
	  .sets = SET(FUTEX),
	  .cause = SG_C_TRAP_SECCOMP,
	  .attr = SG_RA_SURE },
	{ .name = "guest.run.ptrace",
	  .kinds = KN(SYSCALL),
	  .boxes = BX(SENTRY),
	  .waker_boxes = BX(STUB),
	  .sets = SET(CHILD),
	  .cause = SG_C_TRAP_PTRACE,
	  .attr = SG_RA_SURE },
	{ .name = "guest.run.seccomp",
	  .kinds = KN(SYSCALL),
	  .boxes = BX(SENTRY),
	  .waker_boxes = BX(STUB),
	  .sets = SET(FUTEX),
	  .cause = SG_C_TRAP_SECCOMP,
	  .attr = SG_RA_SURE },
	/* A guest's task, outside calls and faults: its host tells it of memory by an interrupt, whoever that interrupts. */
	{ .name = "host.page", .srcs = SR(PAGE), .cause = SG_C_MEM_HOST, .attr = SG_RA_TRAP },
	{ .name = "host.page.stack", .syms = SYM(HOSTPAGE), .cause = SG_C_MEM_HOST, .attr = SG_RA_TRAP },
	/* sandboxes and memory limits: blocks outside system calls that a stack tells apart */
	{ .name = "seccomp", .syms = SYM(SECCOMP), .cause = SG_C_TRAP_SECCOMP },
	{ .name = "memory.high", .syms = SYM(MEMHIGH), .cause = SG_C_MEM_THROTTLE },
	/* reclaim: whatever it waits for in there */
	{ .name = "reclaim.direct",
	  .kinds = KN(RDIRECT),
	  .cause = SG_C_MEM_RECLAIM_DIRECT,
	  .attr = SG_RA_REFINE },
	{ .name = "reclaim.memcg",
	  .kinds = KN(RMEMCG),
	  .cause = SG_C_MEM_RECLAIM_MEMCG,
	  .attr = SG_RA_REFINE },
	{ .name = "compact", .kinds = KN(COMPACT), .cause = SG_C_MEM_COMPACT, .attr = SG_RA_REFINE },
	/* what the stack shows */
	{ .name = "fuse.stack", .syms = SYM(FUSE), .cause = SG_C_IO_FUSE },
	{ .name = "9p.stack", .syms = SYM(P9), .cause = SG_C_IO_9P },
	{ .name = "dirty", .syms = SYM(DIRTY), .cause = SG_C_IO_WRITEBACK, .attr = SG_RA_REFINE },
	/* A grace period ends when every CPU has been seen: whoever reports the last one has not caused the wait. */
	{ .name = "rcu", .syms = SYM(RCU), .cause = SG_C_LOCK_KERNEL, .attr = SG_RA_TRAP },
	{ .name = "lock.stack", .syms = SYM(LOCK), .cause = SG_C_LOCK_KERNEL, .attr = SG_RA_LOCK },
	/* page faults, by how they ended */
	{ .name = "fault.swapin",
	  .kinds = FAULTS,
	  .fltres = FR(SWAPIN),
	  .cause = SG_C_MEM_SWAPIN,
	  .attr = SG_RA_REFINE },
	{ .name = "fault.9p", .kinds = FAULTS, .fds = FD(9P), .cause = SG_C_IO_9P },
	{ .name = "fault.major", .kinds = FAULTS, .fltres = FR(MAJOR), .cause = SG_C_IO_BLOCK },
	{ .name = "fault.block", .kinds = FAULTS, .srcs = SR(BLOCK), .cause = SG_C_IO_BLOCK },
	{ .name = "fault.iowait", .kinds = FAULTS, .iowait = 1, .cause = SG_C_IO_BLOCK },
	{ .name = "fault.page", .kinds = FAULTS, .syms = SYM(PAGE), .cause = SG_C_IO_BLOCK },
	{ .name = "fault", .kinds = FAULTS, .cause = SG_C_MEM_FAULT },
	/* system calls that say it all */
	{ .name = "fuse.server",
	  .kinds = KN(SYSCALL),
	  .fds = FD(FUSEDEV),
	  .cause = SG_C_IDLE_WORKER,
	  .attr = SG_RA_IDLE },
	{ .name = "fuse.fd", .kinds = KN(SYSCALL), .fds = FD(FUSE), .cause = SG_C_IO_FUSE },
	{ .name = "9p.fd", .kinds = KN(SYSCALL), .fds = FD(9P), .cause = SG_C_IO_9P },
	{ .name = "fsync",
	  .kinds = KN(SYSCALL),
	  .sets = SET(FSYNC),
	  .cause = SG_C_IO_FSYNC,
	  .attr = SG_RA_REFINE },
	{ .name = "child", .kinds = KN(SYSCALL), .sets = SET(CHILD), .cause = SG_C_IPC_CHILD },
	{ .name = "signal.call",
	  .kinds = KN(SYSCALL),
	  .sets = SET(SIGNAL),
	  .timeout = -1,
	  .cause = SG_C_IPC_SIGNAL },
	{ .name = "sleep.signal",
	  .kinds = KN(SYSCALL),
	  .sets = SET(SLEEP) | SET(SIGNAL) | SET(POLL),
	  .srcs = SR(SIGNAL),
	  .cause = SG_C_IPC_SIGNAL },
	{ .name = "sleep", .kinds = KN(SYSCALL), .sets = SET(SLEEP), .cause = SG_C_TIMER_SLEEP },
	{ .name = "timeout",
	  .kinds = KN(SYSCALL),
	  .origins = OR(TIMER),
	  .timeout = 1,
	  .cause = SG_C_TIMER_SLEEP,
	  .attr = SG_RA_DEVICE },
	{ .name = "signal.wait", .kinds = KN(SYSCALL), .sets = SET(SIGNAL), .cause = SG_C_IPC_SIGNAL },
	{ .name = "futex",
	  .kinds = KN(SYSCALL),
	  .sets = SET(FUTEX),
	  .cause = SG_C_IPC_FUTEX,
	  .attr = SG_RA_LOCK },
	{ .name = "file.lock",
	  .kinds = KN(SYSCALL),
	  .sets = SET(LOCKF),
	  .cause = SG_C_IPC_FUTEX,
	  .attr = SG_RA_LOCK },
	{ .name = "semaphore",
	  .kinds = KN(SYSCALL),
	  .sets = SET(SEM),
	  .cause = SG_C_IPC_FUTEX,
	  .attr = SG_RA_LOCK },
	{ .name = "message", .kinds = KN(SYSCALL), .sets = SET(MSG), .cause = SG_C_IPC_PIPE },
	{ .name = "pipe", .kinds = KN(SYSCALL), .fds = FD(FIFO), .cause = SG_C_IPC_PIPE },
	{ .name = "accept.remote",
	  .kinds = KN(SYSCALL),
	  .sets = SET(ACCEPT),
	  .fds = FD(SOCK_INET),
	  .origins = OR(DEVICE),
	  .cause = SG_C_NET_REMOTE,
	  .attr = SG_RA_DEVICE },
	{ .name = "accept",
	  .kinds = KN(SYSCALL),
	  .sets = SET(ACCEPT),
	  .cause = SG_C_IPC_SOCKET,
	  .attr = SG_RA_IDLE },
	{ .name = "poll.remote",
	  .kinds = KN(SYSCALL),
	  .sets = SET(POLL),
	  .origins = OR(DEVICE),
	  .srcs = SR(NET),
	  .cause = SG_C_NET_REMOTE,
	  .attr = SG_RA_DEVICE },
	/* completions by a descriptor (Linux's own asynchronous I/O, io_uring): the device ends the poll */
	{ .name = "poll.block",
	  .kinds = KN(SYSCALL),
	  .sets = SET(POLL),
	  .srcs = SR(BLOCK),
	  .cause = SG_C_IO_BLOCK,
	  .attr = SG_RA_DEVICE },
	{ .name = "poll.timer",
	  .kinds = KN(SYSCALL),
	  .sets = SET(POLL),
	  .origins = OR(TIMER),
	  .cause = SG_C_TIMER_SLEEP,
	  .attr = SG_RA_DEVICE },
	{ .name = "poll.idle",
	  .kinds = KN(SYSCALL),
	  .sets = SET(POLL),
	  .timeout = -1,
	  .cause = SG_C_IPC_EVENT,
	  .attr = SG_RA_IDLE },
	{ .name = "poll", .kinds = KN(SYSCALL), .sets = SET(POLL), .cause = SG_C_IPC_EVENT },
	{ .name = "socket.unix",
	  .kinds = KN(SYSCALL),
	  .fds = FD(SOCK_UNIX) | FD(SOCK_OTHER),
	  .cause = SG_C_IPC_SOCKET },
	{ .name = "socket.loopback",
	  .kinds = KN(SYSCALL),
	  .fds = FD(SOCK_INET),
	  .origins = OR(TASK) | OR(RAISER),
	  .cause = SG_C_IPC_SOCKET },
	{ .name = "socket.remote", .kinds = KN(SYSCALL), .fds = FD(SOCK_INET), .cause = SG_C_NET_REMOTE },
	{ .name = "socket.call",
	  .kinds = KN(SYSCALL),
	  .sets = SET(SOCK),
	  .origins = OR(TASK) | OR(RAISER),
	  .cause = SG_C_IPC_SOCKET },
	{ .name = "socket.call.remote", .kinds = KN(SYSCALL), .sets = SET(SOCK), .cause = SG_C_NET_REMOTE },
	/* the source of the wake */
	{ .name = "block", .srcs = SR(BLOCK), .cause = SG_C_IO_BLOCK },
	{ .name = "iowait", .iowait = 1, .cause = SG_C_IO_BLOCK },
	{ .name = "journal.stack", .syms = SYM(JOURNAL) | SYM(PAGE), .cause = SG_C_IO_BLOCK },
	/* Serving an exit it sleeps where no signal reaches it, and a thread ends that: the VMM's memory map, or KVM's own locks. */
	{ .name = "vcpu.lock",
	  .vcpus = VW(EXIT),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .origins = OR(TASK),
	  .iowait = -1,
	  .kthread = -1,
	  .cause = SG_C_LOCK_KERNEL,
	  .attr = SG_RA_LOCK },
	{ .name = "timerfd",
	  .kinds = KN(SYSCALL),
	  .fds = FD(ANON),
	  .origins = OR(TIMER),
	  .cause = SG_C_TIMER_SLEEP,
	  .attr = SG_RA_DEVICE },
	{ .name = "anon", .kinds = KN(SYSCALL), .fds = FD(ANON), .cause = SG_C_IPC_EVENT },
	{ .name = "char",
	  .kinds = KN(SYSCALL),
	  .fds = FD(CHR),
	  .stops = ST(SLEEP) | ST(BLOCKED),
	  .cause = SG_C_IPC_EVENT },
	{ .name = "net.device",
	  .origins = OR(DEVICE),
	  .srcs = SR(NET),
	  .cause = SG_C_NET_REMOTE,
	  .attr = SG_RA_DEVICE },
	/* Locks leave no frame on the stack (their code is the scheduler's section), but are no I/O and a user thread ends them. */
	{ .name = "file.held",
	  .kinds = KN(SYSCALL),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .fds = FD(REG) | FD(DIR) | FD(BLK),
	  .origins = OR(TASK),
	  .iowait = -1,
	  .kthread = -1,
	  .cause = SG_C_LOCK_KERNEL,
	  .attr = SG_RA_LOCK },
	{ .name = "path.held",
	  .kinds = KN(SYSCALL),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .sets = SET(FILE),
	  .origins = OR(TASK),
	  .iowait = -1,
	  .kthread = -1,
	  .cause = SG_C_LOCK_KERNEL,
	  .attr = SG_RA_LOCK },
	{ .name = "file",
	  .kinds = KN(SYSCALL),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .fds = FD(REG) | FD(DIR) | FD(BLK),
	  .cause = SG_C_IO_BLOCK },
	{ .name = "path",
	  .kinds = KN(SYSCALL),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .sets = SET(FILE),
	  .cause = SG_C_IO_BLOCK },
	{ .name = "mm",
	  .kinds = KN(SYSCALL),
	  .stops = ST(DISK) | ST(BLOCKED),
	  .sets = SET(MM),
	  .cause = SG_C_LOCK_KERNEL,
	  .attr = SG_RA_LOCK },
	/* kernel threads */
	{ .name = "kthread.timer",
	  .kinds = KN(KTHREAD),
	  .origins = OR(TIMER),
	  .cause = SG_C_TIMER_SLEEP,
	  .attr = SG_RA_IDLE },
	{ .name = "kthread", .kinds = KN(KTHREAD), .cause = SG_C_IDLE_WORKER, .attr = SG_RA_IDLE },
	{ .name = "signal", .kinds = KN(SYSCALL), .srcs = SR(SIGNAL), .cause = SG_C_IPC_SIGNAL },
	/* a block no rule explains: entered when a thread woke it, else unknown; never cpu.user */
	{ .name = "unseen", .cause = SG_C_UNKNOWN },
	{ 0 },
};

const struct sg_rule *sg_rules(void)
{
	return rules;
}

enum sg_origin sg_wait_origin(const struct sg_wait *w, uint32_t *ret_uid)
{
	*ret_uid = 0;
	switch (w->wctx) {
	case SG_WCTX_TASK:
		if (!w->waker)
			return SG_ORG_NONE;
		/* Whoever happens to complete a request is not its cause; a kernel worker is. */
		if (w->wsrc == SG_WSRC_BLOCK && !w->kthread_waker)
			return SG_ORG_DEVICE;
		*ret_uid = w->waker;
		return SG_ORG_TASK;
	case SG_WCTX_SOFT:
		if (w->wsrc == SG_WSRC_TIMER)
			return SG_ORG_TIMER;
		if (!w->raiser || w->mixed || w->wsrc == SG_WSRC_BLOCK)
			return SG_ORG_DEVICE;
		*ret_uid = w->raiser;
		return SG_ORG_RAISER;
	case SG_WCTX_HARD:
		return w->wsrc == SG_WSRC_TIMER ? SG_ORG_TIMER : SG_ORG_DEVICE;
	case SG_WCTX_TIMER:
		return SG_ORG_TIMER;
	default:
		return SG_ORG_NONE;
	}
}

/* What a wait is, by where its end came from: not from the thread for soft interrupts, which is nobody's peer on a network. */
static enum sg_origin origin_of(const struct sg_wait *w)
{
	uint32_t uid;

	if (w->softirqd && w->wctx == SG_WCTX_TASK && w->wsrc == SG_WSRC_NET)
		return w->raiser && !w->mixed ? SG_ORG_RAISER : SG_ORG_DEVICE;
	return sg_wait_origin(w, &uid);
}

struct facts {
	uint32_t stop, kind, sets, syms, fd, origin, src, fltres, box, waker_box, vcpu;
	int8_t iowait, timeout, kthread;
};

static bool hit(uint32_t mask, uint32_t fact)
{
	return !mask || (mask & fact);
}

static bool must(int8_t want, int8_t have)
{
	return !want || want == have;
}

static bool matches(const struct sg_rule *r, const struct facts *f)
{
	return hit(r->stops, f->stop) && hit(r->kinds, f->kind) && hit(r->sets, f->sets) &&
	       hit(r->syms, f->syms) && hit(r->fds, f->fd) && hit(r->origins, f->origin) &&
	       hit(r->srcs, f->src) && hit(r->fltres, f->fltres) && hit(r->boxes, f->box) &&
	       hit(r->waker_boxes, f->waker_box) && hit(r->vcpus, f->vcpu) && must(r->iowait, f->iowait) &&
	       must(r->timeout, f->timeout) && must(r->kthread, f->kthread);
}

const struct sg_rule *sg_classify(const struct sg_wait *w)
{
	struct facts f = {
		.stop = 1u << (w->stop % 32),
		.kind = 1u << (w->wkind % 32),
		.sets = w->wkind == SG_K_SYSCALL ? sg_syscall_sets(w->nr, w->compat) : 0,
		.syms = w->syms,
		.fd = 1u << (w->fdtype % 32),
		.origin = 1u << origin_of(w),
		.src = 1u << (w->wsrc % 32),
		.fltres = 1u << (w->fltres % 32),
		.box = 1u << (w->box % 32),
		.waker_box = 1u << (w->waker_box % 32),
		.vcpu = 1u << (w->vcpu % 32),
		.iowait = w->iowait ? 1 : -1,
		.timeout = w->timeout ? 1 : -1,
		.kthread = w->kthread_waker ? 1 : -1,
	};
	const struct sg_rule *r = rules;

	while (r[1].name && !matches(r, &f))
		r++;
	return r;
}
