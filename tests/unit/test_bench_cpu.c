/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload without running it: options, inputs, the runner's lines, sums, outputs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "load/cpu_sums.h"
#include "rec_file.h"
#include "trace/text.h"

/* ---- options ---- */

Test(bench_cpu, lists)
{
	struct sg_cpu_opts o = { 0 };
	struct sg_err err;

	cr_assert_eq(sg_cpu_parse_jobs(&o, "gobmk,bzip2", &err), 0);
	cr_expect(o.njob == 2 && o.job[0] == SG_CPU_JOB_GOBMK && o.job[1] == SG_CPU_JOB_BZIP2);
	cr_expect_eq(sg_cpu_parse_jobs(&o, "gobmk,gobmk", &err), -EEXIST);
	cr_expect_eq(sg_cpu_parse_jobs(&o, "", &err), -EINVAL);
	cr_expect_eq(sg_cpu_parse_jobs(&o, "gcc", &err), -EINVAL);
	cr_expect(strstr(err.msg, "'gcc'"), "%s", err.msg);
	cr_assert_eq(sg_cpu_parse_envs(&o, "host", &err), 0);
	cr_expect(o.nenv == 1 && !strcmp(o.env[0]->name, "host") && o.env[0]->env->open);
	cr_assert_eq(sg_cpu_parse_envs(&o, "host,kvm", &err), 0);
	cr_expect(o.nenv == 2 && !strcmp(o.env[1]->env->data, "/data") && o.env[1]->env->parts);
	cr_expect_eq(sg_cpu_parse_envs(&o, "host,host", &err), -EEXIST);
	cr_expect_eq(sg_cpu_parse_envs(&o, "host,", &err), -EINVAL);
	cr_expect_eq(sg_cpu_pin_find("both"), SG_CPU_PIN_BOTH);
	cr_expect_eq(sg_cpu_pin_find("bot"), -EINVAL);
}

Test(bench_cpu, cpus)
{
	unsigned v[6];

	cr_assert_eq(sg_parse_cpus("0-2,5,1", 8, v, 6), 5);
	cr_expect(v[0] == 0 && v[1] == 1 && v[2] == 2 && v[3] == 5 && v[4] == 1);
	cr_expect_eq(sg_parse_cpus("0,0", 8, v, 6), 2);
	cr_expect_eq(sg_parse_cpus("", 8, v, 6), -EINVAL);
	cr_expect_eq(sg_parse_cpus("1,", 8, v, 6), -EINVAL);
	cr_expect_eq(sg_parse_cpus("-1", 8, v, 6), -EINVAL);
	cr_expect_eq(sg_parse_cpus("1-", 8, v, 6), -EINVAL);
	cr_expect_eq(sg_parse_cpus("3-1", 8, v, 6), -ERANGE);
	cr_expect_eq(sg_parse_cpus("8", 8, v, 6), -ERANGE);
	cr_expect_eq(sg_parse_cpus("0-18446744073709551615", 8, v, 6), -ERANGE);
	cr_expect_eq(sg_parse_cpus("0-6", 8, v, 6), -E2BIG);
}

static void allow(cpu_set_t *s, unsigned n)
{
	CPU_ZERO(s);
	for (unsigned i = 0; i < n; i++)
		CPU_SET(2 * i, s); /* 0, 2, 4: numbers are no indices */
}

Test(bench_cpu, defaults_are_all_cpus_and_one_less)
{
	struct sg_cpu_opts o = { 0 }, one = { 0 };
	struct sg_err err;
	cpu_set_t allowed, set;

	allow(&allowed, 4);
	cr_assert_eq(sg_cpu_defaults(&o, &allowed, &err), 0);
	cr_expect(o.ncpu == 4 && o.cpu[3] == 6);
	cr_expect(o.ncount == 2 && o.count[0] == 3 && o.count[1] == 4);
	sg_cpu_set(&o, true, 3, &set);
	cr_expect(CPU_COUNT(&set) == 1 && CPU_ISSET(6, &set));
	sg_cpu_set(&o, false, 3, &set);
	cr_expect_eq(CPU_COUNT(&set), 4);
	allow(&allowed, 1);
	cr_assert_eq(sg_cpu_defaults(&one, &allowed, &err), 0);
	cr_expect(one.ncount == 1 && one.count[0] == 1);
}

Test(bench_cpu, what_does_not_fit)
{
	struct sg_cpu_opts many = { .ncount = 2, .count = { 5, 2 } }, shared = many,
			   other = { .ncpu = 1, .cpu = { 3 } };
	struct sg_err err;
	cpu_set_t allowed;

	allow(&allowed, 4);
	cr_expect_eq(sg_cpu_defaults(&many, &allowed, &err), -ERANGE);
	cr_expect(strstr(err.msg, "--jobs 5") && strstr(err.msg, "(4)"), "%s", err.msg);
	shared.ncpu = (unsigned)sg_parse_cpus("0,0,0,2,2", 8, shared.cpu, 8);
	cr_expect_eq(sg_cpu_defaults(&shared, &allowed, &err), 0);
	cr_expect(shared.count[0] == 2 && shared.count[1] == 5, "not from the least busy on");
	cr_expect_eq(sg_cpu_defaults(&other, &allowed, &err), -EINVAL);
	cr_expect(strstr(err.msg, "CPU 3"), "%s", err.msg);
}

/* ---- what the jobs get ---- */

static char *written(int (*fn)(FILE *f), size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	cr_assert_eq(fn(f), 0);
	fclose(f);
	return text;
}

static int input_100k(FILE *f)
{
	return sg_cpu_input(f, 100000);
}

static int input_99999(FILE *f)
{
	return sg_cpu_input(f, 99999);
}

static int script_7(FILE *f)
{
	return sg_cpu_script(f, "/data", 7);
}

Test(bench_cpu, input_is_the_same_text_always)
{
	size_t a_len, b_len;
	char *a = written(input_100k, &a_len), *b = written(input_99999, &b_len);
	uint64_t sum = 0;

	cr_assert_eq(a_len, 100000);
	cr_assert_eq(b_len, 99999);
	cr_expect_eq(memcmp(a, b, b_len), 0);
	for (size_t i = 0; i < a_len; i++) {
		cr_assert((a[i] >= 'a' && a[i] <= 'z') || a[i] == ' ' || a[i] == '\n');
		sum = sum * 31 + (uint64_t)a[i];
	}
	/* other bytes would be another job: results could not be compared with older ones */
	cr_expect_eq(sum, 15531645530667044313u, "%llu", (unsigned long long)sum);
	free(a);
	free(b);
}

Test(bench_cpu, script_goes_round_the_positions)
{
	size_t len;
	char *s = written(script_7, &len);

	cr_expect_eq(strncmp(s, "loadsgf /data/position0.sgf\nreg_genmove black\nreg_genmove white\n", 64), 0,
		     "%s", s);
	cr_expect(strstr(s, "position4.sgf") && !strstr(s, "position5.sgf"));
	cr_expect_str_eq(strstr(s, "white\nquit") + 6, "quit\n");
	cr_expect_str_eq(strrchr(s, '/') + 1, "position1.sgf\nreg_genmove black\nreg_genmove white\nquit\n");
	free(s);
}

Test(bench_cpu, positions_are_sgf)
{
	unsigned n = 0;

	for (const char *const *p = sg_cpu_position; *p; p++, n++) {
		size_t stones = 0;

		cr_expect_eq(strncmp(*p, "(;GM[1]FF[4]SZ[19]", 18), 0);
		cr_expect_str_eq(*p + strlen(*p) - 3, "])\n");
		for (const char *c = strstr(*p, "AB["); (c = strchr(c, '[')); c++)
			stones += c[3] == ']';
		cr_expect_gt(stones, 20 * (n + 1), "position %u has %zu stones", n, stones);
	}
	cr_expect_eq(n, SG_CPU_POSITIONS);
}

Test(bench_cpu, answers)
{
	const struct sg_cpu_size one = { .positions = 1 };
	struct sg_err err;

	cr_expect_eq(sg_cpu_job_check(SG_CPU_JOB_GOBMK, &one, "= black\n\n= S17\n\n= D4\n\n= \n\n", &err), 0);
	cr_expect_eq(sg_cpu_job_check(SG_CPU_JOB_GOBMK, &one, "= black\n\n= S17\n\n= \n\n", &err), -EPROTO);
	cr_expect_eq(sg_cpu_job_check(SG_CPU_JOB_GOBMK, &one, "", &err), -EPROTO);
	cr_expect_eq(sg_cpu_job_check(SG_CPU_JOB_GOBMK, &one,
				      "? cannot open or parse '/data/position0.sgf'\n\n= x\n= y\n= z\n= \n",
				      &err),
		     -EPROTO);
	cr_expect(strstr(err.msg, "? cannot open"), "%s", err.msg);
	cr_expect_eq(sg_cpu_job_check(SG_CPU_JOB_BZIP2, &one, "", &err), 0);
}

/* ---- the runner's lines ---- */

Test(bench_cpu, a_life_as_a_line)
{
	const struct sg_cpu_life l = { .pid = 7,
				       .begin_ns = 100,
				       .end_ns = 300,
				       .user_ns = 150,
				       .sys_ns = 20,
				       .switches = 3,
				       .majflt = 1 };
	struct sg_cpu_life back;
	char line[256];

	sg_cpu_life_print(line, sizeof(line), &l);
	cr_assert_eq(sg_cpu_life_parse(line, &back), 0, "%s", line);
	cr_expect_eq(memcmp(&l, &back, sizeof(l)), 0);
	for (const char *const *p =
		     (const char *const[]){ "", "7", "7 100 300 150 20 3", "7 100 300 150 20 3 1 ",
					    "7 100 300 150 20 3 1 9", "7 100 300 150 20 3 -1",
					    "7 300 100 150 20 3 1", " 7 100 300 150 20 3 1",
					    "7  100 300 150 20 3 1", "7 100 300 150 20 3 x",
					    "7 99999999999999999999999999 300 150 20 3 1", NULL };
	     *p; p++)
		cr_expect_eq(sg_cpu_life_parse(*p, &back), -EPROTO, "took '%s'", *p);
}

/* ---- sums ---- */

#define RUN(r, p, ns)                             \
	{                                         \
		.round = r, .place = p, .life = { \
			.begin_ns = 1000,         \
			.end_ns = 1000 + (ns),    \
			.user_ns = (ns) / 2,      \
			.sys_ns = 2               \
		}                                 \
	}

/* host: bzip2 at 1 and 2 jobs, not pinned and pinned; two rounds. */
static struct sg_cpu_time made_times[4][4] = {
	{ RUN(0, 0, 100000000), RUN(1, 0, 200000000) },
	{ RUN(0, 0, 120000000), RUN(0, 1, 140000000), RUN(1, 0, 230000000), RUN(1, 1, 230000000) },
	{ RUN(0, 0, 100000000), RUN(1, 0, 180000000) },
	{ RUN(0, 0, 150000000), RUN(0, 1, 150000000), RUN(1, 0, 240000000), RUN(1, 1, 250000000) },
};

static void made_up(struct sg_cpu_result *r)
{
	memset(r, 0, sizeof(*r));
	r->opts = (struct sg_cpu_opts){ .ncount = 2,
					.count = { 1, 2 },
					.ncpu = 2,
					.cpu = { 0, 1 },
					.rounds = 2,
					.pin = SG_CPU_PIN_BOTH };
	cr_assert_eq(sg_cpu_parse_envs(&r->opts, "host", NULL), 0);
	cr_assert_eq(sg_cpu_parse_jobs(&r->opts, "bzip2", NULL), 0);
	cr_assert_eq(sg_cpu_combos(r), 0);
	cr_assert_eq(r->ncombo, 4);
	for (unsigned i = 0; i < 4; i++) {
		r->combo[i].time = made_times[i];
		r->combo[i].ntime = i % 2 ? 4 : 2;
	}
}

Test(bench_cpu, combinations_and_what_they_are_compared_with)
{
	struct sg_cpu_result r;
	char name[64];

	made_up(&r);
	cr_expect_str_eq(sg_cpu_task(name, sizeof(name), &r.opts, &r.combo[3], '/'), "host/bzip2/2/pinned");
	cr_expect_str_eq(sg_cpu_task(name, sizeof(name), &r.opts, &r.combo[0], '.'), "host.bzip2.1.unpinned");
	cr_expect_eq(sg_cpu_base(&r, &r.combo[3], SG_CPU_BUSY), &r.combo[2]);
	cr_expect_eq(sg_cpu_base(&r, &r.combo[3], SG_CPU_PIN), &r.combo[1]);
	cr_expect_null(sg_cpu_base(&r, &r.combo[3], SG_CPU_ENV));
	cr_expect_null(sg_cpu_base(&r, &r.combo[2], SG_CPU_BUSY));
	cr_expect_null(sg_cpu_base(&r, &r.combo[1], SG_CPU_PIN));
	free(r.combo);
	r.opts.pin = SG_CPU_PIN_YES;
	r.ncombo = 0;
	cr_assert_eq(sg_cpu_combos(&r), 0);
	cr_expect(r.ncombo == 2 && r.combo[0].pinned && r.combo[1].pinned);
	free(r.combo);
}

static int put_event(void *ctx, const struct sg_hdr *ev)
{
	rec_put(ctx, ev);
	return 0;
}

/* A wait that no switch told of lies in a stay, by the scheduler's own sum: the queue has it as the row of the blame does. */
Test(bench_cpu, the_queue_has_what_only_the_scheduler_tells)
{
	const char *text = "T 7 bzip2 birth=0 tgid=7\nM 7 b id=1 name=host/bzip2/1/pinned @1000\n"
			   "S 7 c0 1000-11000 user=6000 sched.runq=4000/1 <=\n"
			   "S 7 c0 13000-21000 user=8000 <R@11000\nM 7 e id=1 @21000\n";
	struct sg_cpu_result r;
	struct sg_err err = { 0 };
	struct rec_file f = { 0 };
	const struct sg_cpu_queue *q;
	char path[64];

	made_up(&r);
	r.combo[0] = r.combo[2];
	r.combo[0].time = calloc(1, sizeof(*r.combo[0].time));
	cr_assert_not_null(r.combo[0].time);
	r.combo[0].time->life = (struct sg_cpu_life){ .pid = 7, .begin_ns = 1000, .end_ns = 21000 };
	r.combo[0].ntime = r.ncombo = 1;
	rec_begin(&f);
	cr_assert_eq(sg_text_parse(text, strlen(text), put_event, NULL, &f, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_writer_close(f.w, "{\"lost\":0}", &err), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f.fd);
	cr_assert_eq(sg_cpu_explain(&r, 0, path, &err), 0, "%s", err.msg);
	q = &r.combo[0].queue;
	cr_expect(q->jobs_ns == 0 && q->others_ns == 0 && q->nobody_ns == 6000, "%lu %lu %lu", q->jobs_ns,
		  q->others_ns, q->nobody_ns);
	cr_expect_eq(r.combo[0].share.jobs_ns, 14000);
	cr_expect_eq(sg_blame_total(r.combo[0].blame), 20000);
	sg_cpu_free(&r);
	close(f.fd);
}

Test(bench_cpu, sums_and_changes)
{
	struct sg_cpu_result r;
	struct sg_cpu_change ch;
	struct sg_cpu_sum s;

	made_up(&r);
	cr_assert_eq(sg_cpu_sum(&s, &r.combo[1]), 0);
	cr_expect(s.wall.n == 4 && s.wall.mean_ns == 180000000 && s.user_ns == 90000000 && s.sys_ns == 2);
	cr_expect_eq(s.cpu.mean_ns, 90000002);
	/* rounds: 130 - 100 = 30 and 230 - 200 = 30 ms, of a mean of 150: 20 %, and no doubt about it */
	cr_assert_eq(sg_cpu_change(&ch, &r.combo[1], &r.combo[0]), 0);
	cr_expect_float_eq(ch.mean, 0.2, 1e-9);
	cr_expect_float_eq(ch.half, 0, 1e-9);
	cr_expect_eq(ch.rounds, 2);
	/* 50 and 65 ms of 140: deviation 7.5 * sqrt(2), t(1) = 12.706 */
	cr_assert_eq(sg_cpu_change(&ch, &r.combo[3], &r.combo[2]), 0);
	cr_expect_float_eq(ch.mean, 57.5 / 140, 1e-9);
	cr_expect_float_eq(ch.half, 12.706 * 7.5 / 140, 1e-6);
	r.combo[3].ntime = 2;
	cr_assert_eq(sg_cpu_change(&ch, &r.combo[3], &r.combo[2]), 0);
	cr_expect_float_eq(ch.mean, 0.5, 1e-9);
	cr_expect(isinf(ch.half));
	r.combo[3].ntime = 0;
	cr_assert_eq(sg_cpu_change(&ch, &r.combo[3], &r.combo[2]), 0);
	cr_expect(ch.rounds == 0 && fabs(ch.mean) < 1e-12);
	free(r.combo);
}

Test(bench_cpu, parts_are_bounded)
{
	struct sg_cpu_combo c = { 0 };
	uint64_t sum = 0;
	char name[32];

	for (unsigned i = 0; i < 2 * SG_CPU_PARTS; i++) {
		snprintf(name, sizeof(name), "cause%u", i);
		sg_cpu_part_add(&c, "vmm", name, 1);
		sg_cpu_part_add(&c, "vmm", "cause0", 10);
	}
	cr_expect_eq(c.npart, SG_CPU_PARTS);
	for (size_t i = 0; i < c.npart; i++)
		sum += c.part[i].ns;
	cr_expect_eq(sum, 2 * SG_CPU_PARTS * 11);
	cr_expect_eq(c.part[0].ns, 1 + 2 * SG_CPU_PARTS * 10);
	cr_expect_str_eq(c.part[SG_CPU_PARTS - 1].comp, "(other)");
}

/* ---- outputs ---- */

static char *printed(int (*fn)(FILE *f, const struct sg_cpu_result *r), const struct sg_cpu_result *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(fn(f, r), 0);
	fclose(f);
	return text;
}

Test(bench_cpu, text_says_the_largest_change_first)
{
	struct sg_cpu_result r;
	char *p;

	made_up(&r);
	p = printed(sg_cpu_text, &r);
	cr_expect_eq(strncmp(p,
			     "bzip2 on host (pinned, 2 jobs at once) took 198 ms on average, +41.1 % (95 %: "
			     "-27.0 .. +109.1) "
			     "beside the 140 ms of 1 job: ",
			     100),
		     0, "%s", p);
	cr_expect(strstr(p, "host, bzip2, not pinned: 2 jobs at once beside 1 job: 150 ms -> 180 ms, +20.0 % "
			    "(95 %: +20.0 .. +20.0)"),
		  "%s", p);
	cr_expect(strstr(p, "host, bzip2, 2 jobs at once: pinned beside not pinned: 180 ms -> 198 ms"), "%s",
		  p);
	free(p);
	p = printed(sg_cpu_times, &r);
	cr_expect(strstr(p, "host\tbzip2\t2\t1\t1\t1\t250000000\t125000000\t2\t0\t0\n"), "%s", p);
	free(p);
	free(r.combo);
}

Test(bench_cpu, virtual_machines_say_how_they_ran_and_what_their_monitors_did)
{
	struct sg_cpu_result r;
	char *p;

	made_up(&r);
	cr_assert_eq(sg_cpu_parse_envs(&r.opts, "kvm", NULL), 0);
	r.opts.vm = (struct sg_vms_ask){ .accel = SG_ACCEL_TCG, .vcpus = 3, .memory_bytes = 256 << 20 };
	r.opts.record = true;
	r.ncombo = 1; /* with nothing to compare it with */
	r.combo[0].told = (struct sg_told){ .asked = true,
					    .tasks = 2,
					    .ns = 180000000,
					    .ambiguous_ns = 4000,
					    .error_ns = 9000,
					    .exchange = true };
	cr_assert_eq(sg_blame_new(&r.combo[0].blame), 0);
	sg_cpu_part_add(&r.combo[0], "vmm", "cpu.sys.ppoll", 4000000);
	sg_cpu_part_add(&r.combo[0], "vmm", "cpu.irq", 999999);
	sg_cpu_part_add(&r.combo[0], "vmm\033[1m", "cpu.user", 1);
	sg_cpu_part_add(&r.combo[0], "vcpu (emulated)", "cpu.user", 95000000);
	sg_cpu_parts_sort(&r.combo[0]);
	p = printed(sg_cpu_text, &r);
	cr_expect(strstr(p, "\nkvm/bzip2/1/unpinned         vcpu (emulated)  cpu.user                    "
			    "95.0 ms   95.0 %\n"
			    "kvm/bzip2/1/unpinned         vmm              cpu.sys.ppoll               4.00 "
			    "ms    4.0 %\n"
			    "kvm/bzip2/1/unpinned         (all)            (less than 1 % each)        1.00 "
			    "ms    1.0 %\n"),
		  "%s", p);
	cr_expect(strstr(p, "kvm: the virtual machines were emulated (TCG)"), "%s", p);
	cr_expect(strstr(p, "kvm/bzip2/1/unpinned: 90.0 ms of a job is told by the guest that did it (2 of 2 "
			    "jobs); "
			    "the guests' clocks are known within 9.00 us, by two-way exchange"),
		  "%s", p);
	free(p);
	p = printed(sg_cpu_json, &r);
	for (const char *const *m = (const char *const[]){ "\"accel\":\"tcg\"", "\"vcpus\":3",
							   "\"vm_memory_bytes\":268435456", "\"inside\":{",
							   "\"clock\":\"exchange\"", NULL };
	     *m; m++)
		cr_expect(strstr(p, *m), "no %s: %s", *m, p);
	free(p);
	sg_blame_free(r.combo[0].blame);
	free(r.combo);
}

Test(bench_cpu, json_has_the_changes)
{
	struct json_object *o, *list, *v, *c;
	struct sg_cpu_result r;
	char *p;

	made_up(&r);
	p = printed(sg_cpu_json, &r);
	o = json_tokener_parse(p);
	cr_assert_not_null(o, "%s", p);
	cr_assert(json_object_object_get_ex(o, "combinations", &list));
	cr_assert_eq(json_object_array_length(list), 4);
	c = json_object_array_get_idx(list, 3);
	cr_assert(json_object_object_get_ex(c, "against_least_busy", &v));
	cr_assert(json_object_object_get_ex(v, "change", &v));
	cr_expect_float_eq(json_object_get_double(v), 57.5 / 140, 1e-9);
	cr_expect(json_object_object_get_ex(c, "against_unpinned", &v));
	cr_expect(!json_object_object_get_ex(c, "against_env", &v));
	cr_expect(!json_object_object_get_ex(c, "blame", &v), "nothing was recorded");
	json_object_put(o);
	free(p);
	free(r.combo);
}

Test(bench_cpu, plot)
{
	char dir[] = "/tmp/sg-test-cpu.XXXXXX", path[64], text[65536] = "";
	struct sg_cpu_result r;
	struct sg_err err = { 0 };
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	made_up(&r);
	r.opts.dir = dir;
	cr_assert_eq(sg_cpu_plot(&r, &err), 0, "%s", err.msg);
	snprintf(path, sizeof(path), "%s/times.svg", dir);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	cr_expect(strstr(text, "bzip2 2") && strstr(text, "host not pinned"));
	unlink(path);
	rmdir(dir);
	cr_expect_eq(sg_cpu_plot(&r, &err), -ENOENT);
	free(r.combo);
}
