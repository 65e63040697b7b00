/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The catalogue's rows: every probe of the kernel side, its variants in order of preference, and what is missing without it. */
#include "kern/catalogue.h"

#define BTF(p, t)                         \
	{                                 \
		SG_AT_TP_BTF, p "_btf", t \
	}
#define TP(p, cat, t)                        \
	{                                    \
		SG_AT_TP, p "_tp", cat "/" t \
	}
/* A probe whose one variant is the typed tracepoint of the same name. */
/* clang-format off */
#define ROW_BTF(nm, grp, cx, req, tp, gv, wo)                                                      \
	{ .name = nm, .group = grp, .ctx = cx, .required = req, .gives = gv, .without = wo, .v = { BTF(tp, tp) } }
#define ROW_BOTH(nm, grp, cat, tp, gv, wo)                                                         \
	{ .name = nm, .group = grp, .ctx = SG_CTX_PREEMPTIBLE, .gives = gv, .without = wo,            \
	  .v = { BTF(tp, tp), TP(tp, cat, tp) } }
/* clang-format on */
#define ROW_VECTOR(tp)                                                                           \
	ROW_BTF("irq." tp ".entry", "irq", SG_CTX_IRQS_OFF, false, tp "_entry", "cpu.irq",       \
		"time in this interrupt is counted as the interrupted thread's own"),            \
		ROW_BTF("irq." tp ".exit", "irq", SG_CTX_IRQS_OFF, false, tp "_exit", "cpu.irq", \
			"time in this interrupt is counted as the interrupted thread's own")

/* clang-format off */
const struct sg_probe sg_catalogue[] = {
	ROW_BTF("sched.switch", "sched", SG_CTX_IRQS_OFF, true, "sched_switch", "slices, sched.runq",
		"nothing can be recorded"),
	ROW_BTF("sched.waking", "sched", SG_CTX_IRQS_OFF, true, "sched_waking", "wakers, the path",
		"no wait can be explained"),
	ROW_BTF("sched.wakeup_new", "sched", SG_CTX_IRQS_OFF, false, "sched_wakeup_new", "start of new threads",
		"the first wait of a new thread has no waker"),
	ROW_BTF("sched.fork", "sched", SG_CTX_PREEMPTIBLE, true, "sched_process_fork", "new threads, their creator",
		"children of the target would not be followed"),
	ROW_BTF("sched.exec", "sched", SG_CTX_PREEMPTIBLE, false, "sched_process_exec", "task begin of commands",
		"commands have no begin: the recording's start is taken"),
	ROW_BTF("sched.exit", "sched", SG_CTX_PREEMPTIBLE, false, "sched_process_exit", "task end of commands, cpu.sys.exit",
		"commands have no end: the recording's end is taken"),
	ROW_BTF("sched.rename", "sched", SG_CTX_PREEMPTIBLE, false, "task_rename", "thread names",
		"threads keep the name they were first seen with"),
	ROW_BTF("sched.cgroup", "sched", SG_CTX_PREEMPTIBLE, false, "cgroup_attach_task", "scope of -G",
		"a process that moves into the target cgroup later is not recorded"),
	ROW_BTF("sched.work.queue", "sched", SG_CTX_PREEMPTIBLE, false, "workqueue_queue_work", "who queued kernel work",
		"waits for busy kernel workers end at the worker"),
	ROW_BTF("sched.work.start", "sched", SG_CTX_PREEMPTIBLE, false, "workqueue_execute_start",
		"who queued kernel work", "waits for busy kernel workers end at the worker"),
	{ .name = "seed", .group = "sched", .ctx = SG_CTX_PREEMPTIBLE, .gives = "threads that exist before the start",
	  .without = "threads older than the recording are explained from their second slice on",
	  .v = { { SG_AT_ITER, "seed_tasks", "task" } } },
	{ .name = "close", .group = "sched", .ctx = SG_CTX_PREEMPTIBLE, .gives = "what is open when the recording ends",
	  .without = "the last slice or wait of every thread is missing", .v = { { SG_AT_ITER, "close_tasks", "task" } } },

	{ .name = "syscall.enter", .group = "syscall", .ctx = SG_CTX_PREEMPTIBLE, .gives = "cpu.sys by system call, kind of waits, marks by access(2)",
	  .without = "system time is counted as cpu.user, and waits are told by their kernel stack only",
	  .v = { BTF("sys_enter", "sys_enter"), TP("sys_enter", "raw_syscalls", "sys_enter") } },
	{ .name = "syscall.exit", .group = "syscall", .ctx = SG_CTX_PREEMPTIBLE, .gives = "end of system calls, user stacks of long waits",
	  .without = "user time after a system call is counted as cpu.sys",
	  .v = { BTF("sys_exit", "sys_exit"), TP("sys_exit", "raw_syscalls", "sys_exit") } },

	ROW_BTF("fault.user", "fault", SG_CTX_PREEMPTIBLE, false, "page_fault_user", "cpu.fault, mem.swapin",
		"page faults are counted as cpu.user, swap-in as unknown waits"),
	ROW_BTF("fault.kernel", "fault", SG_CTX_PREEMPTIBLE, false, "page_fault_kernel", "faults inside system calls",
		"page faults inside system calls are counted as the call's own time"),
	{ .name = "fault.end.min", .group = "fault", .ctx = SG_CTX_PREEMPTIBLE, .gives = "end of page faults",
	  .without = "a page fault seems to last until the next event of its thread",
	  .v = { { SG_AT_PERF_SW, "fault_end_min", "page-faults-min" } } },
	{ .name = "fault.end.maj", .group = "fault", .ctx = SG_CTX_PREEMPTIBLE, .gives = "end of major page faults",
	  .without = "major page faults can't be told from minor ones",
	  .v = { { SG_AT_PERF_SW, "fault_end_maj", "page-faults-maj" } } },

	{ .name = "swap.in", .group = "swap", .ctx = SG_CTX_PREEMPTIBLE, .gives = "mem.swapin, before the wait",
	  .without = "a page fault is known to be a swap-in only when it has ended, up to Linux 6.1 not at all",
	  .v = { { SG_AT_FENTRY, "do_swap_page_fentry", "do_swap_page" },
		 { SG_AT_KPROBE, "do_swap_page_kprobe", "do_swap_page" },
		 BTF("count_memcg_events", "count_memcg_events") } },
	ROW_BTF("swap.entries", "swap", SG_CTX_PREEMPTIBLE, false, "rss_stat", "mem.swapin, swap-out per process",
		"a swapped page that another thread already read looks like a minor fault; swap-out has no victims"),

	ROW_BOTH("reclaim.direct.begin", "reclaim", "vmscan", "mm_vmscan_direct_reclaim_begin", "mem.reclaim.direct",
		 "direct reclaim is counted as the system call or fault it happened in"),
	ROW_BOTH("reclaim.direct.end", "reclaim", "vmscan", "mm_vmscan_direct_reclaim_end", "mem.reclaim.direct",
		 "direct reclaim seems to last until its system call or fault ends"),
	ROW_BOTH("reclaim.memcg.begin", "reclaim", "vmscan", "mm_vmscan_memcg_reclaim_begin", "mem.reclaim.memcg",
		 "reclaim for a memory limit is counted as the system call or fault it happened in"),
	ROW_BOTH("reclaim.memcg.end", "reclaim", "vmscan", "mm_vmscan_memcg_reclaim_end", "mem.reclaim.memcg",
		 "reclaim for a memory limit seems to last until its system call or fault ends"),
	ROW_BOTH("reclaim.compact.begin", "reclaim", "compaction", "mm_compaction_begin", "mem.reclaim.compact",
		 "compaction is counted as the system call or fault it happened in"),
	ROW_BOTH("reclaim.compact.end", "reclaim", "compaction", "mm_compaction_end", "mem.reclaim.compact",
		 "compaction seems to last until its system call or fault ends"),

	ROW_VECTOR("irq_handler"),
	ROW_VECTOR("reschedule"),
	ROW_VECTOR("call_function"),
	ROW_VECTOR("call_function_single"),
	ROW_VECTOR("irq_work"),
	ROW_VECTOR("x86_platform_ipi"),
	{ .name = "irq.page.entry", .group = "irq", .ctx = SG_CTX_IRQS_OFF, .gives = "mem.host inside a guest, cpu.irq",
	  .without = "a guest's waits for memory that its host brings are known by their kernel stack only, not which fault of the host's each is",
	  .v = { { SG_AT_FENTRY, "kvm_async_pf_task_wake_fentry", "kvm_async_pf_task_wake" },
		 { SG_AT_FENTRY, "kvm_asyncpf_interrupt_fentry", "__sysvec_kvm_asyncpf_interrupt" } } },
	{ .name = "irq.page.exit", .group = "irq", .ctx = SG_CTX_IRQS_OFF, .gives = "mem.host inside a guest, cpu.irq",
	  .without = "time in this interrupt is counted as the interrupted thread's own",
	  .v = { { SG_AT_FEXIT, "kvm_async_pf_task_wake_fexit", "kvm_async_pf_task_wake" },
		 { SG_AT_FEXIT, "kvm_asyncpf_interrupt_fexit", "__sysvec_kvm_asyncpf_interrupt" } } },
	ROW_BTF("irq.local_timer.entry", "irq", SG_CTX_IRQS_OFF, false, "local_timer_entry", "cpu.irq, cuts of long slices",
		"timer interrupts are counted as the interrupted thread's own, and long slices are not cut"),
	ROW_BTF("irq.local_timer.exit", "irq", SG_CTX_IRQS_OFF, false, "local_timer_exit", "cpu.irq",
		"timer interrupts are counted as the interrupted thread's own"),
	ROW_BTF("irq.timer", "irq", SG_CTX_IRQS_OFF, false, "hrtimer_expire_entry", "inside a guest: how late its timers are",
		"a guest's sleep that its host makes longer is all sleep"),
	ROW_BTF("irq.softirq.raise", "irq", SG_CTX_IRQS_OFF, false, "softirq_raise", "who a soft interrupt works for",
		"loopback peers can't be told from devices"),
	ROW_BTF("irq.softirq.entry", "irq", SG_CTX_BH_OFF, false, "softirq_entry", "cpu.irq",
		"soft interrupts are counted as the interrupted thread's own"),
	ROW_BTF("irq.softirq.exit", "irq", SG_CTX_BH_OFF, false, "softirq_exit", "cpu.irq",
		"soft interrupts are counted as the interrupted thread's own"),

	ROW_BTF("block.issue", "block", SG_CTX_PREEMPTIBLE, false, "block_rq_issue", "device service time",
		"device time can't be told from time queued before the device"),
	ROW_BTF("block.complete", "block", SG_CTX_BH_OFF, false, "block_rq_complete", "io.block by device",
		"waits for devices have no device name"),

	ROW_BTF("trap.signal", "trap", SG_CTX_IRQS_OFF, false, "signal_generate", "trap.seccomp, gVisor's systrap calls",
		"system calls that a sandbox traps by seccomp are counted as its guest's own time"),

	{ .name = "kvm.exit", .group = "kvm", .ctx = SG_CTX_PREEMPTIBLE, .gives = "kvm.exit.* by reason, mem.swapin of guests",
	  .without = "what a vCPU's thread does is counted as its system call ioctl", .v = { TP("kvm_exit", "kvm", "kvm_exit") } },
	ROW_BOTH("kvm.entry", "kvm", "kvm", "kvm_entry", "cpu.guest", "guest mode can't be told from the handling of exits"),
	ROW_BOTH("kvm.userspace", "kvm", "kvm", "kvm_userspace_exit", "vmm.user.*, mem.balloon",
		 "the VMM's own time in a vCPU's thread is counted as cpu.user"),
	ROW_BOTH("kvm.mmio", "kvm", "kvm", "kvm_mmio", "exits that are device registers",
		"device registers served by the kernel are counted as page faults of the guest"),
	ROW_BOTH("kvm.halt", "kvm", "kvm", "kvm_vcpu_wakeup", "kvm.exit.halt-poll",
		"polling for the end of a halt is counted as handling it"),
	ROW_BOTH("kvm.dirty", "kvm", "kvmmmu", "fast_page_fault", "kvm.exit.dirty",
		"page faults of guests because writes are logged can't be told from others"),
	ROW_BOTH("kvm.async", "kvm", "kvm", "kvm_try_async_get_page", "kvm.exit.async-page-fault",
		"page faults of guests that a kernel worker serves can't be told from others"),
	ROW_BOTH("kvm.fetch.brought", "kvm", "kvm", "kvm_async_pf_completed", "which worker of the host brought memory that a guest's task waits for",
		"such waits are left to the guest: mem.host"),
	ROW_BOTH("kvm.fetch.told", "kvm", "kvm", "kvm_async_pf_ready", "which of a guest's waits for memory of its host ended when",
		"such waits are left to the guest: mem.host"),
	ROW_BOTH("kvm.inject", "kvm", "kvm", "kvm_apic_accept_irq", "which thread of the host ended a guest's wait for a device",
		"known only where that woke a halted vCPU; else the wait is left to the guest"),
	{ .name = "kvm.refault", .group = "kvm", .ctx = SG_CTX_PREEMPTIBLE, .gives = "page faults of guests on pages that the balloon had taken (--vm)",
	  .without = "a guest's page faults after its balloon let go can't be told from others",
	  .v = { { SG_AT_FENTRY, "handle_mm_fault_fentry", "handle_mm_fault" },
		 { SG_AT_KPROBE, "handle_mm_fault_kprobe", "handle_mm_fault" } } },

	{ .name = "balloon.begin", .group = "balloon", .ctx = SG_CTX_PREEMPTIBLE, .gives = "mem.balloon inside a guest",
	  .without = "the balloon's work in this guest is counted as a kernel worker's",
	  .v = { BTF("balloon_start", "workqueue_execute_start"), BTF("balloon_start_uncounted", "workqueue_execute_start") } },
	{ .name = "balloon.page", .group = "balloon", .ctx = SG_CTX_PREEMPTIBLE, .gives = "pages that the balloon took, and what followed from it",
	  .without = "how many pages the balloon took is not known, and what followed is linked to its work, whichever way it went",
	  .v = { { SG_AT_FENTRY, "balloon_page_enqueue_fentry", "balloon_page_enqueue" },
		 { SG_AT_KPROBE, "balloon_page_enqueue_kprobe", "balloon_page_enqueue" },
		 BTF("balloon_counted", "workqueue_execute_end") } },
	{ .name = "balloon.end", .group = "balloon", .ctx = SG_CTX_PREEMPTIBLE, .gives = "mem.balloon inside a guest",
	  .without = "the balloon's work seems to last until its worker does something else", .v = { BTF("balloon_end", "workqueue_execute_end") } },

	{ .name = "mark.begin", .group = "mark", .ctx = SG_CTX_PREEMPTIBLE, .gives = "tasks marked by USDT sandglass:task_begin",
	  .without = "tasks marked by USDT are not seen; marks by access(2) are", .v = { { SG_AT_USDT, "task_begin_usdt", "sandglass:task_begin" } } },
	{ .name = "mark.end", .group = "mark", .ctx = SG_CTX_PREEMPTIBLE, .gives = "tasks marked by USDT sandglass:task_end",
	  .without = "tasks marked by USDT are not seen; marks by access(2) are", .v = { { SG_AT_USDT, "task_end_usdt", "sandglass:task_end" } } },
	{ .name = "mark.uprobe.entry", .group = "mark", .ctx = SG_CTX_PREEMPTIBLE, .gives = "tasks from a function's entry (--task-uprobe)",
	  .without = "--task-uprobe is not available", .v = { { SG_AT_UPROBE, "task_uprobe_entry", "" } } },
	{ .name = "mark.uprobe.return", .group = "mark", .ctx = SG_CTX_PREEMPTIBLE, .gives = "tasks to a function's return (--task-uprobe)",
	  .without = "--task-uprobe is not available", .v = { { SG_AT_UPROBE, "task_uprobe_return", "" } } },

	{ .name = "gvisor.call.enter", .group = "gvisor", .ctx = SG_CTX_PREEMPTIBLE, .gives = "every system call of a gVisor guest (--gvisor-uprobes; some 3.5 us for both ends)",
	  .without = "--gvisor-uprobes is not available", .v = { { SG_AT_UPROBE, "gv_call_enter", "kernel.(*Task).executeSyscall" } } },
	{ .name = "gvisor.call.exit", .group = "gvisor", .ctx = SG_CTX_PREEMPTIBLE, .gives = "length and result of every system call of a gVisor guest (--gvisor-uprobes)",
	  .without = "--gvisor-uprobes is not available", .v = { { SG_AT_UPROBE, "gv_call_exit", "kernel.(*Task).executeSyscall" } } },
	{ .name = "gvisor.rpc.enter", .group = "gvisor", .ctx = SG_CTX_PREEMPTIBLE, .gives = "every message to a Gofer (--gvisor-uprobes)",
	  .without = "--gvisor-uprobes is not available", .v = { { SG_AT_UPROBE, "gv_rpc_enter", "lisafs.(*Client).SndRcvMessage" } } },
	{ .name = "gvisor.rpc.exit", .group = "gvisor", .ctx = SG_CTX_PREEMPTIBLE, .gives = "length and result of every message to a Gofer (--gvisor-uprobes)",
	  .without = "--gvisor-uprobes is not available", .v = { { SG_AT_UPROBE, "gv_rpc_exit", "lisafs.(*Client).SndRcvMessage" } } },

	{ .name = "sample", .group = "sample", .ctx = SG_CTX_IRQS_OFF, .gives = "on-CPU stacks",
	  .without = "no on-CPU flame graph; nothing else depends on it", .v = { { SG_AT_PERF_SW, "sample_cpu", "cpu-clock" } } },
	{ 0 },
};
/* clang-format on */
