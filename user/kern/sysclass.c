/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Which system calls wait on a file descriptor, and where their timeout is (man 2 pages; x86-64 numbers). */
#include <sys/syscall.h>
#include "kern/live_priv.h"

static const struct {
	short nr;
	uint8_t class;
	/* clang-format off */
} rows[] = {
	{ SYS_read, SC_FD0 }, { SYS_write, SC_FD0 }, { SYS_pread64, SC_FD0 }, { SYS_pwrite64, SC_FD0 },
	{ SYS_readv, SC_FD0 }, { SYS_writev, SC_FD0 }, { SYS_preadv, SC_FD0 }, { SYS_pwritev, SC_FD0 },
	{ SYS_preadv2, SC_FD0 }, { SYS_pwritev2, SC_FD0 }, { SYS_sendto, SC_FD0 }, { SYS_recvfrom, SC_FD0 },
	{ SYS_sendmsg, SC_FD0 }, { SYS_recvmsg, SC_FD0 }, { SYS_sendmmsg, SC_FD0 }, { SYS_recvmmsg, SC_FD0 },
	{ SYS_accept, SC_FD0 }, { SYS_accept4, SC_FD0 }, { SYS_connect, SC_FD0 }, { SYS_shutdown, SC_FD0 },
	{ SYS_fsync, SC_FD0 }, { SYS_fdatasync, SC_FD0 }, { SYS_sync_file_range, SC_FD0 }, { SYS_syncfs, SC_FD0 },
	{ SYS_ftruncate, SC_FD0 }, { SYS_fallocate, SC_FD0 }, { SYS_fadvise64, SC_FD0 }, { SYS_readahead, SC_FD0 },
	{ SYS_ioctl, SC_FD0 }, { SYS_fcntl, SC_FD0 }, { SYS_flock, SC_FD0 }, { SYS_close, SC_FD0 },
	{ SYS_fstat, SC_FD0 }, { SYS_getdents, SC_FD0 }, { SYS_getdents64, SC_FD0 }, { SYS_lseek, SC_FD0 },
	{ SYS_sendfile, SC_FD0 }, { SYS_splice, SC_FD0 }, { SYS_tee, SC_FD0 }, { SYS_vmsplice, SC_FD0 },
	{ SYS_copy_file_range, SC_FD0 }, { SYS_poll, SC_TMO2_MS }, { SYS_ppoll, SC_TMO2_PTR },
	{ SYS_epoll_wait, SC_TMO3_MS }, { SYS_epoll_pwait, SC_TMO3_MS }, { SYS_epoll_pwait2, SC_TMO3_PTR },
	{ SYS_select, SC_TMO4_PTR }, { SYS_pselect6, SC_TMO4_PTR }, { SYS_futex, SC_TMO3_PTR },
	{ SYS_rt_sigtimedwait, SC_TMO2_PTR }, { SYS_sched_yield, SC_YIELD }, { SYS_access, SC_ACCESS },
	{ SYS_faccessat, SC_ACCESS }, { 439 /* faccessat2 */, SC_ACCESS },
};
/* clang-format on */

void sg_sysclass_fill(uint8_t table[512])
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		table[rows[i].nr] = rows[i].class;
}
