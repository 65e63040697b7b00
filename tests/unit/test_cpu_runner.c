/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/cpu_runner.h"

/* The runner with two jobs that are true(1), then with one that fails, then with words it does not know. */
Test(cpu_runner, runner_runs_and_refuses)
{
	char in[] = "run t/true/2/pinned 1 2\n-\t/bin/true\n-\t/bin/true\nrun t 3 2\n-\t/bin/sh\t-c\techo no "
		    ">&2; exit 3\n-\t/bin/sleep\t60\nstop\n";
	FILE *f = fmemopen(in, strlen(in), "r"), *out;
	struct sg_cpu_life l;
	struct sg_err err = { 0 };
	char *text = NULL, *line, *rest;
	size_t len;

	out = open_memstream(&text, &len);
	cr_expect_eq(sg_cpu_runner_main(f, out, &err), -EPROTO);
	cr_expect(strstr(err.msg, "an order that is none"), "%s", err.msg);
	fclose(f);
	fclose(out);
	rest = text;
	cr_expect_str_eq(strsep(&rest, "\n"), "ready");
	for (int i = 0; i < 2; i++) {
		line = strsep(&rest, "\n");
		cr_assert_eq(sg_cpu_life_parse(line, &l), 0, "%s", line);
		cr_expect(l.pid > 0 && l.end_ns > l.begin_ns && l.end_ns - l.begin_ns < 60000000000u);
	}
	cr_expect_str_eq(strsep(&rest, "\n"), "fail job 0 ended (exit status 3): no");
	cr_expect_str_eq(rest, "");
	free(text);
}
