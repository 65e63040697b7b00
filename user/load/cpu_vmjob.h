/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A job in a virtual machine as a process of this machine: it lives as long as the job, says what that says and ends
 * with its status. It borrows the connection to the machine's agent from the workload, so nobody is in between.
 */
#ifndef SG_CPU_VMJOB_H
#define SG_CPU_VMJOB_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "load/cpu_env.h"

#define SG_CPU_VMJOB_WORD "cpu-vmjob" /* sandglass bench WORD PID AGENT USED COMMAND */

/**
 * sg_cpu_vmjob_command() - shell command that becomes @argv. Pure.
 * @dir: folder of the program argv[0]
 * @quiet: its standard output goes nowhere
 *
 * Every word is quoted, whatever is in it. 0 or -E2BIG.
 */
int sg_cpu_vmjob_command(char *buf, size_t cap, const char *dir, const char *const *argv, bool quiet);

/**
 * sg_cpu_vmjob_main() - run @command and wait for its end
 * @pid: the process that has the connection (descriptor @agent) and a file (@used) for a struct sg_cpu_used
 * @ret_status: of the command
 *
 * Needs the right to take descriptors of @pid (CAP_SYS_PTRACE). 0 or negative errno with @err.
 */
int sg_cpu_vmjob_main(int pid, int agent, int used, const char *command, int *ret_status, struct sg_err *err);

#define SG_CPU_MARKED_WORD "cpu-marked" /* sandglass bench WORD ID TASK COMMAND... */

/**
 * sg_cpu_marked_main() - in a virtual machine: @argv as a task, marked by number and name as on the host
 * @ret_status: of the command, as a shell has it
 *
 * 0 or negative errno with @err.
 */
int sg_cpu_marked_main(uint64_t id, const char *task, char *const *argv, int *ret_status, struct sg_err *err);

#endif
