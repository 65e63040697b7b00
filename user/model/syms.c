/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What kernel symbols on a waiting thread's stack show, and which sets a system call belongs to. */
#include <string.h>
#include <sys/syscall.h>
#include "model/classify.h"

static const struct {
	const char *prefix;
	uint32_t syms;
} patterns[] = {
	{ "request_wait_answer", SG_SYM_FUSE },
	{ "fuse_request_wait", SG_SYM_FUSE },
	{ "__fuse_simple_request", SG_SYM_FUSE },
	{ "fuse_simple_request", SG_SYM_FUSE },
	{ "fuse_dev_", 0 }, /* the server's side */
	{ "fuse_", SG_SYM_FUSE },
	{ "p9_", SG_SYM_P9 },
	{ "v9fs_", SG_SYM_P9 },
	{ "balance_dirty_pages", SG_SYM_DIRTY },
	{ "kvm_async_pf_task_wait", SG_SYM_HOSTPAGE },
	{ "__kvm_handle_async_pf", SG_SYM_HOSTPAGE },
	{ "mem_cgroup_handle_over_high", SG_SYM_MEMHIGH },
	{ "__mem_cgroup_handle_over_high", SG_SYM_MEMHIGH },
	{ "rwsem_", SG_SYM_LOCK },
	{ "__rwsem_", SG_SYM_LOCK },
	{ "mutex_lock", SG_SYM_LOCK },
	{ "__mutex_lock", SG_SYM_LOCK },
	{ "down_read", SG_SYM_LOCK },
	{ "down_write", SG_SYM_LOCK },
	{ "__down", SG_SYM_LOCK },
	{ "percpu_rwsem_wait", SG_SYM_LOCK },
	{ "__percpu_down_read", SG_SYM_LOCK },
	{ "percpu_down_write", SG_SYM_LOCK },
	{ "rt_mutex_", SG_SYM_LOCK },
	{ "rtlock_", SG_SYM_LOCK },
	{ "__lock_sock", SG_SYM_LOCK },
	{ "__wait_rcu_gp", SG_SYM_RCU },
	{ "synchronize_rcu", SG_SYM_RCU },
	{ "synchronize_srcu", SG_SYM_RCU },
	{ "__synchronize_srcu", SG_SYM_RCU },
	{ "jbd2_", SG_SYM_JOURNAL },
	{ "wait_transaction_locked", SG_SYM_JOURNAL },
	{ "xfs_log_force", SG_SYM_JOURNAL },
	{ "xlog_", SG_SYM_JOURNAL },
	{ "btrfs_commit_transaction", SG_SYM_JOURNAL },
	{ "seccomp_do_user_notification", SG_SYM_SECCOMP },
	{ "__seccomp_filter", SG_SYM_SECCOMP },
	{ "folio_wait_", SG_SYM_PAGE },
	{ "__folio_lock", SG_SYM_PAGE },
	{ "wait_on_page_bit", SG_SYM_PAGE },
	{ "__lock_page", SG_SYM_PAGE },
	{ "bit_wait_io", SG_SYM_PAGE },
	{ "__wait_on_buffer", SG_SYM_PAGE },
};

uint32_t sg_symbol_syms(const char *sym)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (!strncmp(sym, patterns[i].prefix, strlen(patterns[i].prefix)))
			return patterns[i].syms;
	return 0;
}

#define S(x) SG_SET_##x
/* x86-64 */
static const uint32_t sets[] = {
	[SYS_fsync] = S(FSYNC),
	[SYS_fdatasync] = S(FSYNC),
	[SYS_msync] = S(FSYNC),
	[SYS_sync] = S(FSYNC),
	[SYS_syncfs] = S(FSYNC),
	[SYS_sync_file_range] = S(FSYNC),
	[SYS_wait4] = S(CHILD),
	[SYS_waitid] = S(CHILD),
	[SYS_vfork] = S(CHILD),
	[SYS_clone] = S(CHILD),
	[SYS_clone3] = S(CHILD),
	[SYS_futex] = S(FUTEX),
	[SYS_futex_waitv] = S(FUTEX),
	[455 /* futex_wait */] = S(FUTEX),
	[SYS_nanosleep] = S(SLEEP),
	[SYS_clock_nanosleep] = S(SLEEP),
	[SYS_pause] = S(SIGNAL),
	[SYS_rt_sigsuspend] = S(SIGNAL),
	[SYS_rt_sigtimedwait] = S(SIGNAL),
	[SYS_poll] = S(POLL),
	[SYS_ppoll] = S(POLL),
	[SYS_select] = S(POLL),
	[SYS_pselect6] = S(POLL),
	[SYS_epoll_wait] = S(POLL),
	[SYS_epoll_pwait] = S(POLL),
	[SYS_epoll_pwait2] = S(POLL),
	[SYS_io_uring_enter] = S(POLL),
	[SYS_io_getevents] = S(POLL),
	[SYS_io_pgetevents] = S(POLL),
	[SYS_accept] = S(ACCEPT) | S(SOCK),
	[SYS_accept4] = S(ACCEPT) | S(SOCK),
	[SYS_connect] = S(SOCK),
	[SYS_recvfrom] = S(SOCK),
	[SYS_recvmsg] = S(SOCK),
	[SYS_recvmmsg] = S(SOCK),
	[SYS_sendto] = S(SOCK),
	[SYS_sendmsg] = S(SOCK),
	[SYS_sendmmsg] = S(SOCK),
	[SYS_shutdown] = S(SOCK),
	[SYS_open] = S(FILE),
	[SYS_openat] = S(FILE),
	[SYS_openat2] = S(FILE),
	[SYS_creat] = S(FILE),
	[SYS_stat] = S(FILE),
	[SYS_lstat] = S(FILE),
	[SYS_newfstatat] = S(FILE),
	[SYS_statx] = S(FILE),
	[SYS_access] = S(FILE),
	[SYS_faccessat] = S(FILE),
	[SYS_faccessat2] = S(FILE),
	[SYS_unlink] = S(FILE),
	[SYS_unlinkat] = S(FILE),
	[SYS_rename] = S(FILE),
	[SYS_renameat] = S(FILE),
	[SYS_renameat2] = S(FILE),
	[SYS_mkdir] = S(FILE),
	[SYS_mkdirat] = S(FILE),
	[SYS_rmdir] = S(FILE),
	[SYS_link] = S(FILE),
	[SYS_linkat] = S(FILE),
	[SYS_symlink] = S(FILE),
	[SYS_symlinkat] = S(FILE),
	[SYS_readlink] = S(FILE),
	[SYS_readlinkat] = S(FILE),
	[SYS_chmod] = S(FILE),
	[SYS_fchmodat] = S(FILE),
	[SYS_chown] = S(FILE),
	[SYS_lchown] = S(FILE),
	[SYS_fchownat] = S(FILE),
	[SYS_utimensat] = S(FILE),
	[SYS_truncate] = S(FILE),
	[SYS_ftruncate] = S(FILE),
	[SYS_fallocate] = S(FILE),
	[SYS_mknod] = S(FILE),
	[SYS_mknodat] = S(FILE),
	[SYS_getdents] = S(FILE),
	[SYS_getdents64] = S(FILE),
	[SYS_close] = S(FILE),
	[SYS_execve] = S(FILE),
	[SYS_execveat] = S(FILE),
	[SYS_chdir] = S(FILE),
	[SYS_mount] = S(FILE),
	[SYS_umount2] = S(FILE),
	[SYS_readahead] = S(FILE),
	[SYS_fadvise64] = S(FILE),
	[SYS_statfs] = S(FILE),
	[SYS_copy_file_range] = S(FILE),
	[SYS_getxattr] = S(FILE),
	[SYS_setxattr] = S(FILE),
	[SYS_finit_module] = S(FILE),
	[SYS_mmap] = S(MM),
	[SYS_munmap] = S(MM),
	[SYS_mprotect] = S(MM),
	[SYS_brk] = S(MM),
	[SYS_mremap] = S(MM),
	[SYS_madvise] = S(MM),
	[SYS_mlock] = S(MM),
	[SYS_munlock] = S(MM),
	[SYS_mlockall] = S(MM),
	[SYS_membarrier] = S(MM),
	[SYS_flock] = S(LOCKF),
	[SYS_fcntl] = S(LOCKF),
	[SYS_semop] = S(SEM),
	[SYS_semtimedop] = S(SEM),
	[SYS_msgrcv] = S(MSG),
	[SYS_msgsnd] = S(MSG),
	[SYS_mq_timedreceive] = S(MSG),
	[SYS_mq_timedsend] = S(MSG),
};

/* The 32-bit calls that wait; numbers of arch/x86/entry/syscalls/syscall_32.tbl. */
static const struct {
	uint16_t nr;
	uint32_t sets;
} compat_sets[] = {
	{ 118, S(FSYNC) },  { 148, S(FSYNC) },	{ 144, S(FSYNC) },
	{ 36, S(FSYNC) },   { 344, S(FSYNC) },	{ 114, S(CHILD) },
	{ 7, S(CHILD) },    { 284, S(CHILD) },	{ 190, S(CHILD) },
	{ 120, S(CHILD) },  { 240, S(FUTEX) },	{ 422, S(FUTEX) },
	{ 162, S(SLEEP) },  { 267, S(SLEEP) },	{ 407, S(SLEEP) },
	{ 29, S(SIGNAL) },  { 179, S(SIGNAL) }, { 177, S(SIGNAL) },
	{ 421, S(SIGNAL) }, { 168, S(POLL) },	{ 309, S(POLL) },
	{ 414, S(POLL) },   { 142, S(POLL) },	{ 82, S(POLL) },
	{ 308, S(POLL) },   { 413, S(POLL) },	{ 256, S(POLL) },
	{ 319, S(POLL) },   { 102, S(SOCK) },	{ 364, S(ACCEPT) | S(SOCK) },
	{ 362, S(SOCK) },   { 371, S(SOCK) },	{ 372, S(SOCK) },
	{ 369, S(SOCK) },   { 370, S(SOCK) },	{ 5, S(FILE) },
	{ 295, S(FILE) },   { 11, S(FILE) },	{ 10, S(FILE) },
	{ 38, S(FILE) },    { 6, S(FILE) },	{ 90, S(MM) },
	{ 192, S(MM) },	    { 91, S(MM) },	{ 125, S(MM) },
	{ 45, S(MM) },	    { 163, S(MM) },	{ 143, S(LOCKF) },
	{ 55, S(LOCKF) },   { 221, S(LOCKF) },
};

uint32_t sg_syscall_sets(unsigned nr, bool compat)
{
	if (!compat)
		return nr < sizeof(sets) / sizeof(*sets) ? sets[nr] : 0;
	for (size_t i = 0; i < sizeof(compat_sets) / sizeof(*compat_sets); i++)
		if (compat_sets[i].nr == nr)
			return compat_sets[i].sets;
	return 0;
}
