/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The one list of causes: why time passed. Ids below SG_ACC_MAX are also the
 * accumulator slots of the kernel side. Ids are part of recordings: never
 * renumber, never reuse; a retired cause leaves a hole.
 */
#ifndef SG_CAUSES_H
#define SG_CAUSES_H

#define SG_ON  1 /* passes on a CPU */
#define SG_OFF 2 /* passes off CPU */

/*
 * X(id, SYMBOL, name, on/off, probes that feed it, kernel's own accounting, meaning, advice)
 */
/* clang-format off */
#define SG_CAUSE_LIST(X)                                                                           \
	X(1, CPU_USER, "cpu.user", SG_ON, "sched", "rusage ru_utime, schedstat run time",           \
	  "running the program's own code",                                                         \
	  "profile it: export --view oncpu shows where")                                            \
	X(2, CPU_SYS, "cpu.sys", SG_ON, "sched,syscall", "rusage ru_stime",                         \
	  "running kernel code for a system call",                                                  \
	  "fewer or larger system calls; the evidence names the costly one")                        \
	X(3, CPU_FAULT, "cpu.fault", SG_ON, "fault", "rusage ru_minflt",                            \
	  "handling page faults that needed no device",                                             \
	  "touch less new memory, reuse it, or use huge pages")                                     \
	X(4, CPU_IRQ, "cpu.irq", SG_ON, "irq", "/proc/stat irq+softirq, taskstats irq_delay",       \
	  "interrupted: hard and soft interrupts ran on this CPU",                                  \
	  "move interrupts (irq affinity, RPS) away from this CPU")                                 \
	X(5, CPU_GUEST, "cpu.guest", SG_ON, "kvm", "/proc/stat guest",                              \
	  "a vCPU ran guest code", "look inside the guest")                                         \
	X(6, MEM_RECLAIM_DIRECT, "mem.reclaim.direct", SG_ON | SG_OFF, "reclaim",                   \
	  "taskstats freepages_delay",                                                              \
	  "freeing memory itself because the machine had none free",                                \
	  "the machine is out of memory: add some, or run less")                                    \
	X(7, MEM_RECLAIM_MEMCG, "mem.reclaim.memcg", SG_ON | SG_OFF, "reclaim",                     \
	  "taskstats freepages_delay, memory.stat pgscan_direct",                                   \
	  "freeing memory itself because its cgroup reached its memory limit",                      \
	  "raise the memory limit of the cgroup, or use less in it")                                \
	X(8, MEM_RECLAIM_SWAP, "mem.reclaim.swapout", SG_ON | SG_OFF, "reclaim,swap",               \
	  "taskstats freepages_delay, vmstat pswpout",                                              \
	  "freeing memory itself, and the pages had to be written to swap",                         \
	  "raise the memory limit, or use less memory: the working set does not fit")               \
	X(9, MEM_COMPACT, "mem.reclaim.compact", SG_ON | SG_OFF, "reclaim",                         \
	  "taskstats compact_delay", "moving pages to make a large free block",                     \
	  "fewer huge pages on demand (transparent_hugepage defrag), or more free memory")          \
	X(10, MEM_SWAPIN, "mem.swapin", SG_ON | SG_OFF, "fault,swap",                               \
	  "none whole: taskstats swapin_delay is submission only since Linux 6.12",                 \
	  "bringing its own memory back from swap",                                                 \
	  "the memory it uses does not fit: raise the limit, add memory, use a faster swap")        \
	X(11, CPU_FAULT_MAJOR, "cpu.fault.major", SG_ON, "fault", "rusage ru_majflt",               \
	  "CPU time of page faults that had to read a file",                                        \
	  "keep the file in memory (more page cache, readahead, mlock)")                            \
	X(12, CPU_FAULT_OPEN, "cpu.fault.open", SG_ON, "fault", "none",                             \
	  "a page fault whose outcome was not seen", "none: see doctor, probe fault.end")           \
	X(13, CPU_EXIT, "cpu.sys.exit", SG_ON, "sched", "rusage ru_stime",                          \
	  "the kernel tearing the process down", "smaller processes exit faster")                   \
	X(14, CPU_SPIN, "cpu.user.spin", SG_ON, "sample", "none", "estimated: spinning",            \
	  "block instead of spinning")                                                              \
	X(15, KVM_EXIT, "kvm.exit", SG_ON, "kvm", "kvm debugfs exits",                              \
	  "the kernel handled an exit of a vCPU", "see the exit's reason")                          \
	X(16, VMM_USER, "vmm.user", SG_ON, "kvm", "none", "the VMM's own code between exit and entry", \
	  "use paravirtual devices")                                                                \
	X(32, SCHED_RUNQ, "sched.runq", SG_OFF, "sched", "schedstat run_delay, taskstats cpu_delay", \
	  "ready to run, but no CPU was free",                                                      \
	  "fewer runnable threads, more CPUs, or a higher weight; the evidence names who ran")      \
	X(33, SCHED_THROTTLE, "sched.throttle", SG_OFF, "sched,throttle", "cpu.stat throttled time", \
	  "ready to run, but the cgroup's CPU quota was used up",                                   \
	  "raise cpu.max (cpu.cfs_quota_us) of its cgroup")                                         \
	X(34, SCHED_YIELD, "sched.yield", SG_OFF, "sched,syscall", "schedstat run_delay",           \
	  "gave the CPU away with sched_yield", "wait for the event instead of yielding")           \
	X(35, IO_BLOCK, "io.block", SG_OFF, "sched,block", "taskstats blkio_delay",                 \
	  "waiting for a block device",                                                             \
	  "a faster device, fewer or larger requests, or a higher I/O limit")                       \
	X(36, IO_FSYNC, "io.fsync", SG_OFF, "sched,syscall,block", "taskstats blkio_delay (part)",  \
	  "waiting until written data is safe on the device",                                       \
	  "fewer fsyncs, batch them, or a device with a safe write cache")                          \
	X(37, IO_9P, "io.9p", SG_OFF, "sched", "none", "waiting for a 9P server",                   \
	  "cache=loose or virtiofs instead of 9P")                                                  \
	X(38, IO_FUSE, "io.fuse", SG_OFF, "sched,syscall", "none",                                  \
	  "waiting for a FUSE file system's server", "look at the server; longer entry/attr timeouts") \
	X(39, IO_GOFER, "io.gofer", SG_OFF, "sched,syscall", "none", "waiting for a gVisor Gofer",  \
	  "directfs, or fewer file operations")                                                     \
	X(40, IO_WRITEBACK, "io.writeback", SG_OFF, "sched", "taskstats blkio_delay (part)",        \
	  "throttled: dirtied pages faster than the device writes them",                            \
	  "write less, or let the device write sooner (dirty_background_bytes)")                    \
	X(41, IPC_FUTEX, "ipc.futex", SG_OFF, "sched,syscall", "none",                              \
	  "waiting for a lock or condition of its own program",                                     \
	  "hold the lock for less time; the path shows who held it")                                \
	X(42, IPC_PIPE, "ipc.pipe", SG_OFF, "sched,syscall", "none",                                \
	  "waiting for the other end of a pipe", "look at the process at the other end")            \
	X(43, IPC_SOCKET, "ipc.socket", SG_OFF, "sched,syscall", "none",                            \
	  "waiting for a peer on this machine", "look at the peer")                                 \
	X(44, IPC_CHILD, "ipc.child", SG_OFF, "sched,syscall", "none",                              \
	  "waiting for a child process", "look at the child")                                       \
	X(45, IPC_SIGNAL, "ipc.signal", SG_OFF, "sched,syscall", "none", "waiting for a signal",    \
	  "look at who sends it")                                                                   \
	X(46, IPC_EVENT, "ipc.event", SG_OFF, "sched,syscall", "none",                              \
	  "waiting in poll, select or epoll for any of several sources",                            \
	  "look at who delivers the event")                                                         \
	X(47, NET_REMOTE, "net.remote", SG_OFF, "sched,syscall,irq", "none",                        \
	  "waiting for another machine", "look at the network and the peer")                        \
	X(48, TRAP_PTRACE, "trap.ptrace", SG_ON | SG_OFF, "sched,syscall", "none",                  \
	  "stopped by a tracer (ptrace), and switching to it and back",                             \
	  "trace less, or detach; in gVisor: the systrap platform")                                 \
	X(49, TRAP_SECCOMP, "trap.seccomp", SG_ON | SG_OFF, "sched,syscall,trap", "none",           \
	  "a system call caught by seccomp (SIGSYS, or a supervisor), and switching to who serves it", \
	  "fewer system calls, or a cheaper filter")                                                \
	X(50, TRAP_STOP, "trap.stop", SG_OFF, "sched", "none",                                      \
	  "stopped by a signal (SIGSTOP, SIGTSTP)", "kill -CONT it")                                \
	X(51, TRAP_FREEZE, "trap.freeze", SG_OFF, "sched", "none",                                  \
	  "its cgroup was frozen (docker pause)", "thaw it (docker unpause)")                       \
	X(52, KVM_HALT, "kvm.halt", SG_OFF, "kvm", "kvm debugfs halt_wait_ns", "the guest was idle", \
	  "look inside the guest")                                                                  \
	X(53, LOCK_KERNEL, "lock.kernel", SG_OFF, "sched", "none",                                  \
	  "waiting for a lock inside the kernel",                                                   \
	  "fewer threads contending for one mm, directory or file; the path shows the holder")      \
	X(54, TIMER_SLEEP, "timer.sleep", SG_OFF, "sched,syscall,irq", "none",                      \
	  "asleep for a time it asked for", "it asked for it: shorten the sleep or the timeout")    \
	X(55, MEM_BALLOON, "mem.balloon", SG_OFF, "balloon", "vmstat balloon_inflate",              \
	  "the balloon took its memory", "deflate the balloon")                                     \
	X(56, MEM_FAULT, "mem.fault", SG_OFF, "sched,fault", "none",                                \
	  "blocked in a page fault that was neither swap nor device",                               \
	  "look at who held the page or the mm")                                                    \
	X(57, MEM_THROTTLE, "mem.throttle", SG_OFF, "sched", "memory.stat, memory.pressure",        \
	  "held back by the kernel because memory is short (memory.high)", "raise memory.high")     \
	X(58, IDLE_WORKER, "idle.worker", SG_OFF, "sched", "none", "a worker thread without work",  \
	  "none: it had nothing to do")                                                             \
	X(59, MEM_HOST, "mem.host", SG_OFF, "sched,irq", "none: the host's pswpin, of its VMM",           \
	  "waiting for memory that this machine's host had taken and has to bring back",            \
	  "the host is short of memory: raise the limit of this machine's VMM there, or add some")  \
	X(62, UNKNOWN, "unknown", SG_ON | SG_OFF, "none", "none",                                   \
	  "not explained; the reason is given", "see doctor for the probes that are missing")       \
	X(63, UNKNOWN_LOST, "unknown.lost", SG_ON | SG_OFF, "none", "none",                         \
	  "records were lost or capped here", "a larger --ring, or a narrower target")

enum sg_cause {
	SG_C_NONE = 0,
#define SG_X(id, sym, ...) SG_C_##sym = id,
	SG_CAUSE_LIST(SG_X)
#undef SG_X
	SG_C_MAX = 64,
};
/* clang-format on */

/* Accumulator slots of the kernel side: on-CPU causes with ids below this. */
#define SG_ACC_MAX 17

#endif
