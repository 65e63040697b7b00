/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's virtual machines, without one: a job's command, the parts of a monitor, borrowing descriptors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/vmagent.h"
#include "load/cpu_sums.h"
#include "load/cpu_vmjob.h"

Test(cpu_vmjob, commands_are_what_the_words_say)
{
	static const char *const argv[] = { "echo", "-n", "it's", "$(id) `id` \\ \"x\" ;&", "", "'", NULL };
	char cmd[256], out[64] = "";
	FILE *f;

	cr_assert_eq(sg_cpu_vmjob_command(cmd, sizeof(cmd), "/bin", argv, false), 0);
	f = popen(cmd, "r");
	cr_assert(f);
	cr_assert(fgets(out, sizeof(out), f));
	cr_assert_eq(pclose(f), 0);
	cr_expect_str_eq(out, "it's $(id) `id` \\ \"x\" ;&  '");
	cr_assert_eq(sg_cpu_vmjob_command(cmd, sizeof(cmd), "/opt/jobs",
					  (const char *const[]){ "bzip2", "-9kc", NULL }, true),
		     0);
	cr_expect_str_eq(cmd, "exec '/opt/jobs/bzip2' '-9kc' >/dev/null");
}

Test(cpu_vmjob, a_command_is_whole_or_refused)
{
	static const char *const argv[] = { "bzip2", "-9kc", "it's", NULL };
	char whole[256], cmd[256];
	size_t n;

	cr_assert_eq(sg_cpu_vmjob_command(whole, sizeof(whole), "/opt/jobs", argv, true), 0);
	n = strlen(whole);
	for (size_t cap = 1; cap < sizeof(cmd); cap++) {
		int rc = sg_cpu_vmjob_command(cmd, cap, "/opt/jobs", argv, true);

		cr_expect(cap > n + 1 ? rc == 0 : cap > n ? true : rc == -E2BIG, "%zu: %d", cap, rc);
		cr_expect(rc || !strcmp(cmd, whole), "%zu: %s", cap, cmd);
	}
}

Test(cpu_vmjob, parts)
{
	cr_expect_str_eq(sg_cpu_part_name("vmm", "CPU 0/TCG"), "vcpu (emulated)");
	cr_expect_str_eq(sg_cpu_part_name("vmm", "CPU 12/TCG"), "vcpu (emulated)");
	cr_expect_str_eq(sg_cpu_part_name("vmm", "CPU 0/KVM"), "vmm");
	cr_expect_str_eq(sg_cpu_part_name("vmm", "CPU "), "vmm");
	cr_expect_str_eq(sg_cpu_part_name("vmm", "/TCG"), "vmm");
	cr_expect_str_eq(sg_cpu_part_name("vcpu", "CPU 0/TCG"), "vcpu");
	cr_expect_str_eq(sg_cpu_part_name("app", "CPU 0/TCG"), "app");
}

Test(cpu_vmjob, parts_have_most_time_first)
{
	struct sg_cpu_combo *c = calloc(1, sizeof(*c));

	sg_cpu_part_add(c, "vmm", "cpu.user", 2);
	sg_cpu_part_add(c, "vcpu", "cpu.guest", 9);
	sg_cpu_part_add(c, "vcpu", "cpu.user", 3);
	sg_cpu_part_add(c, "vmm", "cpu.user", 2);
	sg_cpu_parts_sort(c);
	cr_assert_eq(c->npart, 3);
	cr_expect(c->part[0].ns == 9 && c->part[1].ns == 4 && c->part[2].ns == 3);
	cr_expect_str_eq(c->part[1].comp, "vmm");
	free(c);
}

/* The real client against the real agent, over a socket instead of a virtual machine's port. */
static int job(const char *command, int *ret_status, struct sg_cpu_used *ret_used, struct sg_err *err)
{
	int pair[2], used = memfd_create("used", 0), rc;
	pid_t guest;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_geq(used, 0);
	guest = fork();
	if (!guest) {
		struct sg_err e;

		close(pair[0]);
		_exit(sg_vmagent_serve(pair[1], false, &e) != 0);
	}
	close(pair[1]);
	cr_assert_eq(sg_vmagent_ready(pair[0], -1, 20000, err), 0);
	rc = sg_cpu_vmjob_main(getpid(), pair[0], used, command, ret_status, err);
	if (!rc)
		cr_expect_eq(pread(used, ret_used, sizeof(*ret_used), 0), sizeof(*ret_used));
	close(pair[0]);
	close(used);
	waitpid(guest, NULL, 0);
	return rc;
}

Test(cpu_vmjob, a_job_tells_its_status_and_what_it_used)
{
	struct sg_cpu_used used = { 0 };
	struct sg_err err;
	int status = -1;

	cr_assert_eq(job("i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; exit 3", &status, &used, &err),
		     0, "%s", err.msg);
	cr_expect_eq(status, 3);
	cr_expect_gt(used.user_ns + used.sys_ns, 1000000);
}

Test(cpu_vmjob, a_job_that_says_too_much_is_an_error)
{
	struct sg_cpu_used used;
	struct sg_err err = { 0 };
	int status = 0;

	cr_expect_eq(job("head -c 20000 /dev/zero", &status, &used, &err), -EPROTO);
	cr_expect(strstr(err.msg, "says more than"), "%s", err.msg);
}

Test(cpu_vmjob, a_connection_that_is_not_there)
{
	struct sg_err err = { 0 };
	int status = 0;

	cr_expect_eq(sg_cpu_vmjob_main(getpid(), 1000, 1001, "true", &status, &err), -EBADF);
	cr_expect(strstr(err.msg, "cannot take"), "%s", err.msg);
}
