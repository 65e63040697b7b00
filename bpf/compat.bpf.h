/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel differences, one accessor each, with the commit that made them. Nothing
 * else in bpf/ knows that kernels differ.
 */
#ifndef SG_COMPAT_BPF_H
#define SG_COMPAT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Not in BTF (macros of the kernel's headers). */
#define TASK_RUNNING_	      0x0
#define TASK_INTERRUPTIBLE_   0x1
#define TASK_UNINTERRUPTIBLE_ 0x2
#define TASK_STOPPED_	      0x4
#define TASK_TRACED_	      0x8
#define SIGTRAP_	      5
#define SYSGOOD_	      0x80 /* PTRACE_O_TRACESYSGOOD */
#define EXIT_DEAD_	      0x10
#define EXIT_ZOMBIE_	      0x20
#define TASK_PARKED_	      0x40
#define TASK_DEAD_	      0x80
#define TASK_WAKING_	      0x200
#define TASK_NOLOAD_	      0x400
#define PF_EXITING_	      0x4
#define PF_MEMALLOC_	      0x800
#define PF_IO_WORKER_	      0x10
#define PF_USER_WORKER_	      0x4000
#define PF_KTHREAD_	      0x200000
#define S_IFMT_		      00170000
#define S_IFSOCK_	      0140000
#define S_IFREG_	      0100000
#define S_IFBLK_	      0060000
#define S_IFDIR_	      0040000
#define S_IFCHR_	      0020000
#define S_IFIFO_	      0010000
#define FUSE_SUPER_MAGIC_     0x65735546
#define V9FS_MAGIC_	      0x01021997
#define AF_UNIX_	      1
#define AF_INET_	      2
#define AF_INET6_	      10

/* sched_switch got its 4th argument in 5.18 (fa2c3254d7cf): user space counts the arguments in BTF. */
const volatile bool has_switch_state = true;
/* TASK_FROZEN appeared in 6.1 (f5d39b020809); its bit moved: user space reads it from no BTF, so both are given. */
#define TASK_FROZEN_ 0x8000

/*
 * A thread of a process that never leaves the kernel: io_uring's, and since Linux 6.4 vhost's
 * (54e6842d0775, 6e890c5d5021). Their bit was another one's until 5.17.
 */
static __always_inline bool compat_user_worker(const struct task_struct *p)
{
	struct kernel_clone_args *args = NULL;

	return p->flags & PF_IO_WORKER_ ||
	       (bpf_core_field_exists(args->user_worker) && p->flags & PF_USER_WORKER_);
}

/* task->__state was task->state before 5.14 (2f064a59a11f). */
struct task_struct___old_state {
	long state;
} __attribute__((preserve_access_index));

static __always_inline u32 compat_task_state(struct task_struct *p)
{
	if (bpf_core_field_exists(p->__state))
		return p->__state;
	return BPF_CORE_READ((struct task_struct___old_state *)p, state);
}

/*
 * The freezer of cgroup v2 marks the thread itself (76f969e8948d, 5.2); so do vfork
 * and ptrace stops, which only count as frozen: the pending trap tells them apart.
 */
#define JOBCTL_TRAP_FREEZE_ (1ul << 23)
static __always_inline bool compat_task_frozen(struct task_struct *task)
{
	return bpf_core_field_exists(task->frozen) && BPF_CORE_READ_BITFIELD(task, frozen) &&
	       (BPF_CORE_READ(task, jobctl) & JOBCTL_TRAP_FREEZE_);
}

static __always_inline bool compat_in_memstall(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_memstall) && BPF_CORE_READ_BITFIELD(task, in_memstall);
}

static __always_inline bool compat_in_iowait(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait);
}

/* An int up to 6.18, a byte in 7.2 (both by the BTF of Debian's 6.12 and 7.2.13): a load of one is refused where the other is. */
struct task_struct___byte_on_cpu {
	u8 on_cpu;
} __attribute__((preserve_access_index));

static __always_inline bool compat_on_cpu(struct task_struct *p)
{
	if (bpf_core_field_size(p->on_cpu) == 1)
		return ((struct task_struct___byte_on_cpu *)p)->on_cpu;
	return p->on_cpu;
}

/*
 * Up to 6.1 a thread counts its pages for itself, and every 64 faults adds the sum to its process's count
 * (SPLIT_RSS_COUNTING; per-CPU counters since f1a7941243c1, 6.2): what rss_stat then tells is of earlier faults.
 */
struct task_struct___own_rss {
	struct {
		int events;
	} rss_stat;
} __attribute__((preserve_access_index));

static __always_inline bool compat_rss_is_late(void)
{
	struct task_struct___own_rss *p = NULL;

	return bpf_core_field_exists(p->rss_stat);
}

/* EEVDF's delayed dequeue: blocked though on_rq (152e11f6df29, 6.12). */
static __always_inline bool compat_sched_delayed(struct task_struct *p)
{
	return bpf_core_field_exists(p->se.sched_delayed) && p->se.sched_delayed;
}

/*
 * CFS bandwidth. Task-based throttling (e1fad12dcb66, 6.18) sets task->throttled;
 * before, the run queue's throttle_count tells. The clock that stops while
 * throttled is per queue since 6.6 (677ea015f231).
 */
static __always_inline bool compat_throttled(struct task_struct *p)
{
	struct cfs_rq *q = NULL;

	if (bpf_core_field_exists(p->throttled))
		return p->throttled;
	if (!bpf_core_field_exists(q->throttle_count))
		return false;
	q = p->se.cfs_rq;
	return q && q->throttle_count > 0;
}

/* 0 when the kernel has no such clock; then throttling can't be told from the run queue exactly. */
static __always_inline u64 compat_throttle_clock(struct task_struct *p)
{
	struct cfs_rq *q = p->se.cfs_rq;

	if (!q || !bpf_core_field_exists(q->throttled_clock_self_time))
		return 0;
	return q->throttled_clock_self_time;
}

/*
 * Number of the system call that @p, just stopped, has asked its tracer to emulate
 * (PTRACE_SYSEMU); -1 when it stopped for something else. The flag moved from
 * TIF_SYSCALL_EMU to thread_info.syscall_work in 5.12 (64eb35f701f0). It and the number
 * are still there when a signal stops it after the call; what it stopped for is
 * in its siginfo, which unlike exit_code no wait4() of the tracer takes away.
 */
static __always_inline int compat_emulated_call(struct task_struct *p)
{
	struct pt_regs *regs;
	int code;
	long nr;

	if (!bpf_core_field_exists(p->thread_info.syscall_work) ||
	    !(p->thread_info.syscall_work &
	      (1ul << bpf_core_enum_value(enum syscall_work_bit, SYSCALL_WORK_BIT_SYSCALL_EMU))))
		return -1;
	if (BPF_CORE_READ(p, last_siginfo, si_signo) != SIGTRAP_)
		return -1;
	code = BPF_CORE_READ(p, last_siginfo, si_code);
	if (code != SIGTRAP_ && code != (SIGTRAP_ | SYSGOOD_))
		return -1;
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	nr = regs ? (long)BPF_CORE_READ(regs, orig_ax) : -1;
	return nr >= 0 && nr < 0x7fff ? nr : -1;
}

/*
 * Which thread of a guest a stub has run: the low word of its thread pointer, as the
 * tracer set it. A guest's thread goes on in another stub when its Sentry's thread changes.
 */
static __always_inline u32 compat_thread_pointer(struct task_struct *p)
{
#ifdef __TARGET_ARCH_x86
	return (u32)BPF_CORE_READ(p, thread.fsbase);
#else
	return 0;
#endif
}

/* The scheduler's own books (CONFIG_SCHED_INFO): 0 where the kernel keeps none. */
static __always_inline u64 compat_last_arrival(struct task_struct *p)
{
	return bpf_core_field_exists(p->sched_info.last_arrival) ? p->sched_info.last_arrival : 0;
}

static __always_inline u64 compat_run_delay(struct task_struct *p)
{
	return bpf_core_field_exists(p->sched_info.run_delay) ? p->sched_info.run_delay : 0;
}

/*
 * Was user code interrupted? pt_regs.cs by place, not by name: FRED (ee63291aa82f,
 * 6.9) made the field 16 bits wide, and a context may only be read by whole words.
 */
static __always_inline bool compat_user_mode(struct bpf_perf_event_data *ctx)
{
#ifdef __TARGET_ARCH_x86
	return *(volatile u64 *)((char *)ctx + 17 * 8) & 3;
#else
#error "say where this architecture keeps the mode that was interrupted"
#endif
}

/* request->part was request->rq_disk before 5.17 (f3fa33acca9f). */
struct request___old_disk {
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

static __always_inline u32 compat_request_dev(struct request *rq)
{
	struct gendisk *disk;

	if (bpf_core_field_exists(((struct request___old_disk *)rq)->rq_disk))
		disk = BPF_CORE_READ((struct request___old_disk *)rq, rq_disk);
	else
		disk = BPF_CORE_READ(rq, q, disk);
	if (!disk)
		return 0;
	return (BPF_CORE_READ(disk, major) << 20) | BPF_CORE_READ(disk, first_minor);
}

/* cgroup->ancestors[] since 6.1 (7f203bc89eb6); before: ancestor_ids[]. */
struct cgroup___old_ancestors {
	u64 ancestor_ids[1];
} __attribute__((preserve_access_index));

static __always_inline u64 compat_cgroup_ancestor_id(struct cgroup *cg, int level)
{
	u64 id = 0;

	if (BPF_CORE_READ(cg, level) < level)
		return 0;
	if (bpf_core_field_exists(cg->ancestors)) {
		struct cgroup *a = NULL;

		bpf_probe_read_kernel(&a, sizeof(a), &cg->ancestors[level]);
		return a ? BPF_CORE_READ(a, kn, id) : 0;
	}
	bpf_probe_read_kernel(&id, sizeof(id), &((struct cgroup___old_ancestors *)cg)->ancestor_ids[level]);
	return id;
}

#endif
