/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Environments of the task workload: their table, and results beside each other. */
#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/cgtree.h"
#include "load/task.h"

Test(task_envs, every_environment_has_its_runtime)
{
	static const char *const names[] = { "docker", "gvisor", "gvisor-systrap", "gvisor-ptrace",
					     "gvisor-lisafs" };

	cr_assert_not_null(sg_task_env("host"));
	cr_expect_null(sg_task_env("host")->runtime);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		cr_assert_not_null(sg_task_env(names[i]), "%s", names[i]);
		cr_expect_not_null(sg_sandbox_runtime(sg_task_env(names[i])->runtime), "%s", names[i]);
	}
	cr_expect_null(sg_task_env(""));
	cr_expect_null(sg_task_env("kata"));
	cr_expect_null(sg_sandbox_runtime(""));
}

/* Two environments, one level each, one request each; not recorded. */
static void made_up(struct sg_task_result *r, struct sg_client_time *t)
{
	memset(r, 0, 2 * sizeof(*r));
	for (unsigned k = 0; k < 2; k++) {
		t[k] = (struct sg_client_time){ .latency_ns = k ? 30000000 : 10000000, .write_ns = 5000000 };
		r[k].opts = (struct sg_task_opts){
			.env = sg_task_env(k ? "gvisor" : "host"), .servers = 1, .rounds = 1, .nlevel = 1
		};
		r[k].nlevel = 1;
		r[k].level[0].time = &t[k];
		r[k].level[0].ntime = 1;
	}
	r[1].level[0].lost = 7;
	r[1].level[0].told = (struct sg_told){ .asked = true,
					       .exchange = true,
					       .tasks = 1,
					       .ns = 20000000,
					       .ambiguous_ns = 3000,
					       .error_ns = 9000,
					       .violations = 2 };
}

Test(task_envs, text_and_json)
{
	struct sg_task_result *r = calloc(2, sizeof(*r));
	struct json_object *o, *list, *v, *o2;
	struct sg_task_envs e = { .n = 2, .r = r };
	struct sg_client_time t[2];
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	made_up(r, t);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_task_envs_text(f, &e), 0);
	fclose(f);
	cr_expect(strstr(text, "30.0 ms             3.00\n"), "%s", text);
	cr_expect(strstr(text, "gvisor, pressure 0: 7 records were lost"), "%s", text);
	cr_expect(strstr(text, "gvisor, pressure 0: 20.0 ms of a request is told by the guest that did it "
			       "(1 of 1 requests); "
			       "the guests' clocks are known within 9.00 us, by two-way exchange, which "
			       "leaves 3.00 us of that to "
			       "either side; nothing of it was looked at from the host"),
		  "%s", text);
	cr_expect(strstr(text, "gvisor, pressure 0: 2 times the clocks contradicted each other\n"), "%s",
		  text);
	cr_expect_null(strstr(text, "host, pressure 0: "), "%s", text);
	r[1].level[0].told.fused_ns = 10000000;
	r[1].level[0].told.exchange = false;
	free(text);
	text = NULL;
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_task_envs_text(f, &e), 0);
	fclose(f);
	cr_expect(strstr(text, "by their TSC, which leaves 3.00 us of that to either side; 10.0 ms of it was "
			       "looked at from the host: exits"),
		  "%s", text);
	free(text);
	text = NULL;
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_task_envs_json(f, &e), 0);
	fclose(f);
	o = json_tokener_parse(text);
	cr_assert_not_null(o);
	cr_assert(json_object_object_get_ex(o, "environments", &list));
	cr_expect_eq(json_object_array_length(list), 2);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(list, 1), "env", &v));
	cr_expect_str_eq(json_object_get_string(v), "gvisor");
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(list, 1), "levels", &v));
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(v, 0), "inside", &o2));
	cr_expect_str_eq(json_object_to_json_string_ext(o2, JSON_C_TO_STRING_PLAIN),
			 "{\"requests\":1,\"ns\":20000000,\"fused_ns\":10000000,\"ambiguous_ns\":3000,"
			 "\"clock_error_ns\":9000,\"clock_violations\":2,\"clock\":\"tsc\"}");
	cr_assert(json_object_object_get_ex(o, "against", &list));
	cr_assert_eq(json_object_array_length(list), 1);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(list, 0), "ratio", &v));
	cr_expect_float_eq(json_object_get_double(v), 3, 1e-9);
	json_object_put(o);
	free(text);
	free(r);
}

/* A wrong name must never reach the machine's own groups. */
/* Compared with the host, wherever it stands; what pressure does in each is said; a level without pressure is no news of it. */
Test(task_envs, host_is_the_base_and_pressure_has_its_lines)
{
	struct sg_task_result *r = calloc(2, sizeof(*r));
	static const uint64_t ms[2][2] = { { 30, 90 }, { 10, 20 } };
	struct sg_task_envs e = { .n = 2, .r = r };
	struct sg_client_time t[2][2];
	struct json_object *o, *v;
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	for (unsigned k = 0; k < 2; k++) {
		r[k].opts = (struct sg_task_opts){ .env = sg_task_env(k ? "host" : "kvm"),
						   .servers = 1,
						   .memory_bytes = 400u << 20 };
		r[k].nlevel = 2;
		for (unsigned i = 0; i < 2; i++) {
			t[k][i] = (struct sg_client_time){ .latency_ns = ms[k][i] * 1000000 };
			r[k].level[i] = (struct sg_task_level){ .pressure = i, .time = &t[k][i], .ntime = 1 };
			r[k].level[i].mem.swap_known = true;
			r[k].level[i].mem.anon_bytes = 300u << 20;
		}
	}
	r[0].level[1].mem.swap_bytes = 4096;
	e.base = sg_task_envs_base(r, 2);
	cr_expect_eq(e.base, 1);
	cr_expect_eq(sg_task_envs_base(r, 1), 0);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_task_envs_text(f, &e), 0);
	fclose(f);
	cr_expect(strstr(text, "On kvm at pressure 1 a request took 90.0 ms on average, 4.50 times the 20.0 "
			       "ms on host: "
			       "nothing was recorded") == text,
		  "%s", text);
	cr_expect(strstr(text, "x host x pressure 0\n"), "%s", text);
	cr_expect(strstr(text, "90.0 ms             4.50         3.00\n"), "%s", text);
	cr_expect(strstr(text, "kvm: pressure 1 beside 0: 30.0 ms -> 90.0 ms: "), "%s", text);
	cr_expect(strstr(text, "host: pressure 1 beside 0: 10.0 ms -> 20.0 ms: "), "%s", text);
	cr_expect(strstr(text, "host, pressure 1: no memory pressure: the hogs fit beside the servers (300 "
			       "MiB of 400 MiB"),
		  "%s", text);
	cr_expect_null(strstr(text, "kvm, pressure 1: no memory"), "%s", text);
	cr_expect_null(strstr(text, "host, pressure 0: no memory"), "%s", text);
	free(text);
	text = NULL;
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_task_envs_json(f, &e), 0);
	fclose(f);
	o = json_tokener_parse(text);
	cr_assert(json_object_object_get_ex(o, "base", &v));
	cr_expect_str_eq(json_object_get_string(v), "host");
	cr_assert(json_object_object_get_ex(o, "against", &v));
	cr_assert_eq(json_object_array_length(v), 2);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(v, 0), "env", &v));
	cr_expect_str_eq(json_object_get_string(v), "kvm");
	json_object_put(o);
	free(text);
	free(r);
}

Test(task_envs, cgroup_tree_refuses_roots_and_ways_out)
{
	static const char *const bad[] = { "", "/", "//", "x", "/.", "/..", "/../x", "/a/b", "/a/" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(sg_cgtree_remove(bad[i]), -EINVAL, "'%s'", bad[i]);
	cr_expect_eq(sg_cgtree_remove("/sandglass-test-no-such-group"), 0);
}

Test(task_envs, cgroup_tree_goes_with_its_children)
{
	static const char *const roots[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified",
					     "/sys/fs/cgroup" };
	char top[64], path[256], sub[300], procs[300];
	pid_t pid;
	FILE *f;

	snprintf(top, sizeof(top), "/sandglass-test-%d", (int)getpid());
	for (size_t i = 0;; i++) {
		if (i == sizeof(roots) / sizeof(*roots))
			cr_skip_test("no cgroup can be made here");
		snprintf(path, sizeof(path), "%s/cgroup.procs", roots[i]);
		snprintf(sub, sizeof(sub), "%s%s", roots[i], top);
		if (!access(path, W_OK) && !mkdir(sub, 0755))
			break;
	}
	strcpy(path, sub);
	strcat(sub, "/below");
	cr_assert_eq(mkdir(sub, 0755), 0);
	pid = fork();
	if (!pid) {
		for (;;)
			pause();
	}
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", sub);
	f = fopen(procs, "w");
	cr_assert_not_null(f);
	fprintf(f, "%d", (int)pid);
	cr_expect_eq(fclose(f), 0);
	/* its parent is not waited for: a zombie is in no group */
	cr_expect_eq(sg_cgtree_remove(top), 0);
	cr_expect_neq(access(path, F_OK), 0);
}
