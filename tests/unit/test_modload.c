/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload without containers: words, answers of loaders, statistics, outputs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "load/modload_sums.h"
#include "load/pagecache.h"

#define TMPFS_MAGIC 0x01021994

/* ---- words ---- */

Test(modload, runtimes)
{
	struct sg_modload_opts o;
	struct sg_err err;

	cr_assert_eq(sg_modload_parse_runtimes(&o, "runsc-ptrace,runc", &err), 0);
	cr_assert_eq(o.nruntime, 2);
	cr_expect_str_eq(o.runtime[0]->name, "runsc-ptrace");
	cr_expect_str_eq(o.runtime[0]->suite, "bookworm");
	cr_expect_str_eq(o.runtime[0]->args[0], "--platform=ptrace");
	cr_expect_null(o.runtime[1]->suite);
	cr_expect_eq(sg_modload_parse_runtimes(&o, "runc,runc", &err), -EEXIST);
	cr_expect_eq(sg_modload_parse_runtimes(&o, "crun", &err), -EINVAL);
	cr_expect(strstr(err.msg, "'crun'"));
	cr_expect_eq(sg_modload_parse_runtimes(&o, "runc,", &err), -EINVAL);
	cr_expect_eq(sg_modload_parse_runtimes(&o, "", &err), -EINVAL);
}

Test(modload, modules)
{
	struct sg_modload_opts o;
	struct sg_err err;

	cr_assert_eq(sg_modload_parse_modules(&o, "express@4.18.2,@babel/core,lodash.get,@a/b@^1", &err), 0);
	cr_assert_eq(o.nmodule, 4);
	cr_expect_str_eq(o.module[0].name, "express");
	cr_expect_str_eq(o.module[0].spec, "express@4.18.2");
	cr_expect_str_eq(o.module[1].name, "@babel/core");
	cr_expect_str_eq(o.module[3].name, "@a/b");
	cr_expect_eq(sg_modload_parse_modules(&o, "react,react@18", &err), -EEXIST);
}

/* A name becomes an argument of npm, a path and a line to the loader. */
Test(modload, hostile_module_names)
{
	static const char *const bad[] = { "",	     ",",	    "a,,b",	"../etc",  "/etc/passwd",
					   "-g",     "--prefix=/",  "a b",	"a\nb",	   "a;b",
					   "$(id)",  "a/b",	    "@a",	"@/b",	   "@a/",
					   "@a/b/c", "@../x",	    "@a/..",	".hidden", "a@",
					   "a@../x", "git+ssh://x", "a@file:x", "\xff",	   "a@1@2",
					   "@-a/b",  "@a/-b",	    "@a/.b" };
	struct sg_modload_opts o;
	struct sg_err err;
	char *many = malloc(100000);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_lt(sg_modload_parse_modules(&o, bad[i], &err), 0, "took '%s'", bad[i]);
	memset(many, 'a', 99999);
	many[99999] = 0;
	cr_expect_eq(sg_modload_parse_modules(&o, many, &err), -ENAMETOOLONG);
	many[SG_MODULE_MAX - 1] = 0;
	cr_expect_eq(sg_modload_parse_modules(&o, many, &err), 0);
	many[0] = 0;
	for (int i = 0; i <= SG_MODLOAD_MODULES; i++)
		sprintf(many + strlen(many), "%sm%d", i ? "," : "", i);
	cr_expect_eq(sg_modload_parse_modules(&o, many, &err), -E2BIG);
	free(many);
}

/* A mark keeps 47 bytes of a name: no combination's name is longer, so none is cut into another's. */
Test(modload, task_names_fit_a_mark)
{
	struct sg_modload_opts o = { .count = { SG_MODCLIENT_MAX }, .ncount = 1 };
	char name[64], longest[SG_MODULE_MAX];
	struct sg_modload_combo c = { 0 };

	memset(longest, 'm', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	cr_assert_eq(sg_modload_parse_modules(&o, longest, NULL), 0);
	for (const struct sg_sandbox_runtime *r = sg_sandbox_runtimes; r->name; r++) {
		o.runtime[0] = r;
		cr_expect_leq(strlen(sg_modload_task(name, sizeof(name), &o, &c, '/')), 47, "%s", name);
	}
	cr_assert_eq(sg_modload_parse_modules(&o, "@a/b", NULL), 0);
	o.runtime[0] = sg_sandbox_runtime("runc");
	cr_expect_str_eq(sg_modload_task(name, sizeof(name), &o, &c, '/'), "runc/64/@a/b");
	cr_expect_str_eq(sg_modload_task(name, sizeof(name), &o, &c, '.'), "runc.64.@a.b");
}

/* ---- answers ---- */

Test(modload, answers)
{
	struct sg_err err;
	uint64_t ns = 0;

	cr_assert_eq(sg_modclient_answer("done express 55.600001", "express", &ns, &err), 0);
	cr_expect_eq(ns, 55600001);
	cr_assert_eq(sg_modclient_answer("done express 0.000000", "express", &ns, &err), 0);
	cr_expect_eq(ns, 0);
	cr_expect_eq(sg_modclient_answer("fail Cannot find module 'x'", "x", &ns, &err), -EIO);
	cr_expect(strstr(err.msg, "Cannot find module 'x'"));
}

Test(modload, answers_that_are_none)
{
	static const char *const bad[] = { "",
					   "done",
					   "done ",
					   "done express",
					   "done express ",
					   "done expres 1.000000",
					   "done expresss 1.000000",
					   "done express 1",
					   "done express 1.5",
					   "done express -1.000000",
					   "done express 1.0000000",
					   "done express 1.000000x",
					   "done express 9999999999999.000000",
					   "done express .000000",
					   "ready",
					   "\x1b[31mdone express 1.000000" };
	struct sg_err err;
	uint64_t ns;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(sg_modclient_answer(bad[i], "express", &ns, &err), -EPROTO, "took '%s'", bad[i]);
	for (const char *p = err.msg; *p; p++)
		cr_expect(*p >= ' ' && *p <= '~', "a control byte in '%s'", err.msg);
}

/* Both ends of one loader's pipes; what the loader "said" is in the pipe beforehand. */
static struct sg_modclient_pipe loader(const char *said, int ret_rest[2])
{
	int in[2], out[2];

	cr_assert_eq(pipe(in), 0);
	cr_assert_eq(pipe(out), 0);
	cr_assert_eq(write(out[1], said, strlen(said)), (ssize_t)strlen(said));
	ret_rest[0] = in[0];
	ret_rest[1] = out[1];
	return (struct sg_modclient_pipe){ .in = in[1], .out = out[0] };
}

Test(modload, client_orders_and_stores)
{
	struct sg_modclient_time t[2];
	struct sg_modclient_pipe p[2];
	struct sg_err err = { 0 };
	char *text = NULL, order[64] = "";
	size_t len = 0;
	int rest[2][2];
	FILE *f;

	p[0] = loader("done lodash 1.250000\n", rest[0]);
	p[1] = loader("done lodash 2.500000\n", rest[1]);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_modclient_run(p, 2, "runc/2/lodash", "lodash", 0, 2, f, &err), 0, "%s", err.msg);
	fclose(f);
	cr_assert_eq(read(rest[1][0], order, sizeof(order) - 1), 12);
	cr_expect_str_eq(order, "load lodash\n");
	f = fmemopen(text, len, "r");
	cr_assert_eq(sg_modclient_read(f, 2, t, &err), 0, "%s", err.msg);
	fclose(f);
	cr_expect_eq(t[0].require_ns, 1250000);
	cr_expect_eq(t[1].require_ns, 2500000);
	cr_expect_gt(t[0].latency_ns, 0);
	f = fmemopen(text, len - 2, "r");
	cr_expect_eq(sg_modclient_read(f, 2, t, &err), -EPIPE);
	fclose(f);
	f = fmemopen(text, len, "r");
	cr_expect_eq(sg_modclient_read(f, 1, t, &err), -EPIPE, "took a row too many");
	fclose(f);
	free(text);
}

Test(modload, client_notices_bad_loaders)
{
	struct sg_modclient_pipe p;
	struct sg_err err = { 0 };
	FILE *f = fopen("/dev/null", "w");
	char *endless = malloc(4096);
	int rest[2];

	signal(SIGPIPE, SIG_IGN);
	p = loader("", rest);
	cr_expect_eq(sg_modclient_run(&p, 1, "t", "m", 0, 1, f, &err), -ETIMEDOUT);
	close(rest[1]);
	cr_expect_eq(sg_modclient_run(&p, 1, "t", "m", 0, 1, f, &err), -EPIPE);
	cr_expect(strstr(err.msg, "ended instead of answering"), "%s", err.msg);
	close(rest[0]);
	cr_expect_eq(sg_modclient_run(&p, 1, "t", "m", 0, 1, f, &err), -EPIPE);
	memset(endless, 'x', 4095);
	endless[4095] = 0;
	p = loader(endless, rest);
	cr_expect_eq(sg_modclient_run(&p, 1, "t", "m", 0, 1, f, &err), -EPROTO);
	free(endless);
	fclose(f);
}

/* ---- statistics ---- */

#define LOAD(r, c, rec, lat, req)                                                                 \
	{                                                                                         \
		.round = r, .container = c, .source = (rec) ? SG_SOURCE_DEFAULT : SG_SOURCE_NONE, \
		.t = {.latency_ns = lat,                                                          \
		      .require_ns = req }                                                         \
	}

Test(modload, sums_keep_recorded_apart)
{
	struct sg_modload_time t[] = { LOAD(0, 0, true, 110, 100), LOAD(0, 0, false, 100, 95),
				       LOAD(1, 0, false, 100, 95), LOAD(1, 0, true, 130, 120) };
	struct sg_modload_combo c = { .time = t, .ntime = 4 };
	struct sg_modload_sum s;

	cr_assert_eq(sg_modload_sum(&s, &c, true), 0);
	cr_expect_eq(s.latency.n, 2);
	cr_expect_eq(s.latency.mean_ns, 120);
	cr_expect_eq(s.require.p50_ns, 100);
	cr_assert_eq(sg_modload_sum(&s, &c, false), 0);
	cr_expect_eq(s.latency.mean_ns, 100);
	c.ntime = 0;
	cr_assert_eq(sg_modload_sum(&s, &c, true), 0);
	cr_expect_eq(s.latency.n, 0);
}

Test(modload, pairs_are_of_one_round)
{
	/* round 0: 120 / 100; round 1 only recorded; round 2: (200 + 220) / 2 / 200 */
	struct sg_modload_time t[] = { LOAD(0, 0, true, 120, 0), LOAD(0, 0, false, 100, 0),
				       LOAD(1, 0, true, 900, 0), LOAD(2, 0, false, 200, 0),
				       LOAD(2, 0, true, 200, 0), LOAD(2, 1, true, 220, 0),
				       LOAD(2, 1, false, 200, 0) };
	struct sg_modload_combo c = { .time = t, .ntime = 7 };
	double v[4];

	cr_assert_eq(sg_modload_pairs(&c, SG_SOURCE_DEFAULT, SG_SOURCE_NONE, v, 4), 2);
	cr_expect_float_eq(v[0], 1.2, 1e-9);
	cr_expect_float_eq(v[1], 1.05, 1e-9);
	cr_expect_eq(sg_modload_pairs(&c, SG_SOURCE_DEFAULT, SG_SOURCE_NONE, v, 1), 1);
	cr_expect_float_eq(sg_stats_median(v, 2), 1.125, 1e-9);
	c.ntime = 0;
	cr_expect_eq(sg_modload_pairs(&c, SG_SOURCE_DEFAULT, SG_SOURCE_NONE, v, 4), 0);
}

/* Each source against its own round, with and without the default one: what is missing in one of them makes no pair. */
Test(modload, prices_of_sources)
{
#define BY(r, s, lat)                                                          \
	{                                                                      \
		.round = r, .source = SG_SOURCE_##s, .t = {.latency_ns = lat } \
	}
	struct sg_modload_time t[] = { BY(0, NONE, 100),    BY(0, DEFAULT, 110), BY(0, TRACE, 165),
				       BY(1, DEFAULT, 100), BY(1, NONE, 100),	 BY(1, TRACE, 130),
				       BY(2, NONE, 100),    BY(2, DEFAULT, 105), BY(2, UPROBES, 210) };
	struct sg_modload_combo c = { .time = t, .ntime = 9, .seen = { [SG_SOURCE_TRACE] = 8 } };
	struct sg_modload_price p;

	cr_assert_eq(sg_modload_price(&p, &c, SG_SOURCE_DEFAULT, 3), 0);
	cr_expect_eq(p.pairs, 3);
	cr_expect_float_eq(p.cost, 0.05, 1e-9);
	cr_expect_float_eq(p.added, 0, 1e-9);
	cr_assert_eq(sg_modload_price(&p, &c, SG_SOURCE_TRACE, 3), 0);
	cr_expect_eq(p.pairs, 2);
	cr_expect_float_eq(p.cost, (0.65 + 0.3) / 2, 1e-9);
	cr_expect_float_eq(p.added, (0.5 + 0.3) / 2, 1e-9);
	cr_assert_eq(sg_modload_price(&p, &c, SG_SOURCE_UPROBES, 3), 0);
	cr_expect_eq(p.pairs, 1);
	cr_expect_float_eq(p.added, 1, 1e-9);
	c.ntime = 0;
	cr_assert_eq(sg_modload_price(&p, &c, SG_SOURCE_TRACE, 3), 0);
	cr_expect_eq(p.pairs, 0);
}

Test(modload, sources_by_name)
{
	struct sg_modload_opts o = { 0 };
	struct sg_err err = { 0 };

	cr_assert_eq(sg_modload_parse_sources(&o, "uprobes,default", &err), 0);
	cr_expect_eq(o.sources, 1u << SG_SOURCE_UPROBES | 1u << SG_SOURCE_DEFAULT);
	cr_expect_eq(sg_modload_parse_sources(&o, "trace,trace", &err), -EEXIST);
	cr_expect_eq(sg_modload_parse_sources(&o, "none", &err), -EINVAL);
	cr_expect_eq(sg_modload_parse_sources(&o, "", &err), -EINVAL);
	cr_expect(strstr(err.msg, "there are default, trace and uprobes"), "%s", err.msg);
}

Test(modload, explained_counts_unknown_of_both_signs)
{
	struct sg_diff_row rows[] = { { .cause = "cpu.user", .ns = 60 },
				      { .cause = "unknown", .ns = 50 },
				      { .cause = "unknown.lost", .ns = -10 },
				      { .cause = "unknownish", .ns = 0 } };
	struct sg_diff d = { .diff_ns = 100, .nrow = 4, .row = rows };

	cr_expect_float_eq(sg_diff_explained(&d), 0.4, 1e-9);
	d.diff_ns = -100;
	cr_expect_float_eq(sg_diff_explained(&d), 0.4, 1e-9);
	d.diff_ns = 30; /* unknown is more than the whole */
	cr_expect_float_eq(sg_diff_explained(&d), 0, 1e-9);
	d.nrow = 1;
	cr_expect_float_eq(sg_diff_explained(&d), 1, 1e-9);
	d.diff_ns = 0;
	cr_expect_float_eq(sg_diff_explained(&d), 1, 1e-9);
}

/* ---- outputs ---- */

/* Two runtimes, two numbers of containers, one module; not recorded. */
static void made_up(struct sg_modload_result *r, struct sg_modload_time *t)
{
	static const uint64_t lat[] = { 10000000, 69000000, 20000000, 60000000 };

	memset(r, 0, sizeof(*r));
	r->opts = (struct sg_modload_opts){ .ncount = 2, .count = { 1, 4 }, .rounds = 1 };
	cr_assert_eq(sg_modload_parse_runtimes(&r->opts, "runc,runsc-ptrace", NULL), 0);
	cr_assert_eq(sg_modload_parse_modules(&r->opts, "express", NULL), 0);
	r->combo = calloc(4, sizeof(*r->combo));
	r->ncombo = 4;
	for (unsigned i = 0; i < 4; i++) {
		t[i] = (struct sg_modload_time)LOAD(0, 0, false, lat[i], lat[i] / 2);
		r->combo[i] = (struct sg_modload_combo){
			.runtime = i % 2, .count = i / 2, .time = &t[i], .ntime = 1
		};
	}
}

static char *printed(int (*fn)(FILE *f, const struct sg_modload_result *r), const struct sg_modload_result *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(fn(f, r), 0);
	fclose(f);
	return text;
}

Test(modload, text_names_the_worst_first)
{
	struct sg_modload_time t[4];
	struct sg_modload_result r;
	char *p;

	made_up(&r, t);
	p = printed(sg_modload_text, &r);
	cr_expect_eq(strncmp(p, "Loading express in 1 container under runsc-ptrace took 69.", 58), 0, "%s",
		     p);
	cr_expect(strstr(p, "6.90 times the 10.0"), "%s", p);
	cr_expect(strstr(p, "runsc-ptrace, 4 containers at once, express: x3.00 of runc: "), "%s", p);
	free(p);
	p = printed(sg_modload_times, &r);
	cr_expect(strstr(p, "runsc-ptrace\t4\texpress\t0\t0\t0\t60000000\t30000000\tnone\n"), "%s", p);
	free(p);
	free(r.combo);
}

Test(modload, json_has_ratios)
{
	struct sg_modload_time t[4];
	struct json_object *o, *list, *v;
	struct sg_modload_result r;
	char *p;

	made_up(&r, t);
	p = printed(sg_modload_json, &r);
	o = json_tokener_parse(p);
	cr_assert_not_null(o, "%s", p);
	cr_assert(json_object_object_get_ex(o, "combinations", &list));
	cr_assert_eq(json_object_array_length(list), 4);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(list, 1), "ratio", &v));
	cr_expect_float_eq(json_object_get_double(v), 6.9, 1e-9);
	json_object_put(o);
	free(p);
	free(r.combo);
}

Test(modload, plots)
{
	char dir[] = "/tmp/sg-test-modload.XXXXXX", path[64], text[65536] = "";
	struct sg_modload_time t[4];
	struct sg_modload_result r;
	struct sg_err err = { 0 };
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	made_up(&r, t);
	r.opts.dir = dir;
	cr_assert_eq(sg_modload_plot(&r, &err), 0, "%s", err.msg);
	for (const char *const *n = (const char *const[]){ "times.svg", "ratios.svg", NULL }; *n; n++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *n);
		f = fopen(path, "r");
		cr_assert_not_null(f, "%s", path);
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
		cr_expect(strstr(text, "express 4") && strstr(text, "runsc-ptrace"), "%s", *n);
		unlink(path);
	}
	rmdir(dir);
	cr_expect_lt(sg_modload_plot(&r, &err), 0);
	free(r.combo);
}

/* ---- page cache ---- */

Test(modload, pagecache_fill_and_drop)
{
	char dir[] = "/var/tmp/sg-test-pagecache.XXXXXX", sub[64], file[80], link[80], data[4096];
	uint64_t resident, pages;
	struct sg_err err = { 0 };
	struct statfs fs;
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	snprintf(file, sizeof(file), "%s/file", sub);
	snprintf(link, sizeof(link), "%s/link", sub);
	cr_assert_eq(mkdir(sub, 0700), 0);
	cr_assert_eq(symlink("/nowhere", link), 0);
	memset(data, 'x', sizeof(data));
	f = fopen(file, "w");
	for (int i = 0; i < 10; i++)
		fwrite(data, 1, sizeof(data), f);
	fwrite(data, 1, 1, f);
	fclose(f);
	cr_assert_eq(sg_pagecache_fill(dir, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_pagecache_count(dir, &resident, &pages, &err), 0, "%s", err.msg);
	cr_expect_eq(pages, 11);
	cr_expect_eq(resident, 11);
	cr_assert_eq(sg_pagecache_drop(dir, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_pagecache_count(dir, &resident, &pages, &err), 0, "%s", err.msg);
	if (!statfs(dir, &fs) && fs.f_type != TMPFS_MAGIC)
		cr_expect_eq(resident, 0, "%d pages stay", (int)resident);
	unlink(file);
	unlink(link);
	rmdir(sub);
	rmdir(dir);
	cr_expect_eq(sg_pagecache_fill(dir, &err), -ENOENT);
	cr_expect_eq(sg_pagecache_drop(dir, &err), -ENOENT);
}
