/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Criterion ends each test's process with _exit(), which skips LeakSanitizer's
 * check at exit. In the sanitizer build this _exit() runs it first.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

__attribute__((noreturn, visibility("default"))) void _exit(int code)
{
	if (!code && __lsan_do_recoverable_leak_check())
		code = 23;
	for (;;)
		syscall(SYS_exit_group, code);
}

__attribute__((noreturn, visibility("default"))) void _Exit(int code)
{
	_exit(code);
}
#endif
