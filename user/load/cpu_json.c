/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's results for programs: docs/bench-cpu.md names the members. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "load/cpu_sums.h"
#include "load/result_json.h"

static void put_share(struct json_object *o, const struct sg_cpu_share *s)
{
	struct json_object *x = json_object_new_object();
	uint64_t used = s->jobs_ns + s->vmm_ns + s->kernel_ns + s->others_ns;

	sg_jp_u64(x, "jobs_ns", s->jobs_ns);
	sg_jp_u64(x, "vmm_ns", s->vmm_ns);
	sg_jp_u64(x, "kernel_ns", s->kernel_ns);
	sg_jp_u64(x, "others_ns", s->others_ns);
	sg_jp_u64(x, "idle_ns", s->all_ns > used ? s->all_ns - used : 0);
	sg_jp_u64(x, "all_ns", s->all_ns);
	json_object_object_add(o, "cpu_time", x);
}

static void put_parts(struct json_object *o, const struct sg_cpu_combo *c)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < c->npart; i++) {
		struct json_object *x = json_object_new_object();

		sg_jp_text(x, "component", c->part[i].comp);
		sg_jp_text(x, "cause", c->part[i].cause);
		sg_jp_u64(x, "ns", c->part[i].ns);
		json_object_array_add(a, x);
	}
	json_object_object_add(o, "vmm_cpu_time", a);
}

static void put_queue(struct json_object *o, const struct sg_cpu_queue *q)
{
	struct json_object *x = json_object_new_object();

	sg_jp_u64(x, "total_ns", q->jobs_ns + q->others_ns + q->nobody_ns);
	sg_jp_u64(x, "behind_jobs_ns", q->jobs_ns);
	sg_jp_u64(x, "behind_others_ns", q->others_ns);
	sg_jp_u64(x, "behind_nobody_ns", q->nobody_ns);
	json_object_object_add(o, "runq", x);
}

static int put_against(struct json_object *o, const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
		       enum sg_cpu_against what, const char *member)
{
	const struct sg_cpu_combo *base = sg_cpu_base(r, c, what);
	struct sg_cpu_change ch;
	struct sg_cpu_sum a, b;
	struct json_object *x;
	char name[64];
	int rc = base ? sg_cpu_change(&ch, c, base) : 0;

	if (!rc && base)
		rc = sg_cpu_sum(&a, base);
	if (!rc && base)
		rc = sg_cpu_sum(&b, c);
	if (rc || !base)
		return rc;
	x = json_object_new_object();
	json_object_object_add(o, member, x);
	sg_jp_text(x, "base", sg_cpu_task(name, sizeof(name), &r->opts, base, '/'));
	sg_put_double(x, "ratio", sg_stats_ratio(b.wall.mean_ns, a.wall.mean_ns));
	sg_jp_u64(x, "rounds", ch.rounds);
	sg_put_double(x, "change", ch.mean);
	if (isfinite(ch.half))
		sg_put_double(x, "change_half_width_95", ch.half);
	return sg_put_diff(x, "slowdown", base->blame, c->blame);
}

static int put_combo(struct json_object *list, const struct sg_cpu_result *r, struct sg_cpu_combo *c)
{
	struct json_object *o = json_object_new_object();
	char name[64];
	struct sg_cpu_sum s;
	int rc = sg_cpu_sum(&s, c);

	json_object_array_add(list, o);
	sg_jp_text(o, "name", sg_cpu_task(name, sizeof(name), &r->opts, c, '/'));
	sg_jp_text(o, "env", r->opts.env[c->env]->name);
	sg_jp_text(o, "job", sg_cpu_programs[r->opts.job[c->job]].job);
	sg_jp_u64(o, "jobs", r->opts.count[c->count]);
	sg_jp_bool(o, "pinned", c->pinned);
	sg_put_stats(o, &s.wall);
	sg_jp_u64(o, "user_mean_ns", s.user_ns);
	sg_jp_u64(o, "sys_mean_ns", s.sys_ns);
	sg_jp_u64(o, "preemptions_mean", s.switches);
	sg_jp_u64(o, "majflt_mean", s.majflt);
	if (r->opts.env[c->env]->env->parts) {
		sg_jp_text(o, "accel", sg_accel_names[r->opts.vm.accel]);
		sg_jp_u64(o, "vcpus", r->opts.vm.vcpus);
		sg_jp_u64(o, "vm_memory_bytes", r->opts.vm.memory_bytes);
	}
	if (c->blame) {
		sg_jp_u64(o, "missing", c->missing);
		put_queue(o, &c->queue);
		put_share(o, &c->share);
		if (r->opts.env[c->env]->env->parts)
			put_parts(o, c);
		if (c->told.asked)
			sg_jp_add(o, "inside", sg_told_json(&c->told, "jobs"));
		sg_put_blame(o, c->blame);
	}
#define SG_X(sym, member) rc = rc ? rc : put_against(o, r, c, SG_CPU_##sym, member);
	SG_CPU_AGAINST_LIST(SG_X)
#undef SG_X
	return rc;
}

int sg_cpu_json(FILE *out, const struct sg_cpu_result *r)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(),
			   *cpus = json_object_new_array(), *files = json_object_new_array();
	char file[32];
	int rc = 0;

	sg_jp_text(o, "bench", "cpu");
	sg_jp_text(o, "base", r->opts.env[r->base]->name);
	for (unsigned i = 0; i < r->opts.ncpu; i++)
		json_object_array_add(cpus, json_object_new_int((int)r->opts.cpu[i]));
	json_object_object_add(o, "cpus", cpus);
	sg_jp_u64(o, "rounds", r->opts.rounds);
	sg_jp_u64(o, "input_bytes", r->opts.size.input_bytes);
	sg_jp_u64(o, "positions", r->opts.size.positions);
	sg_jp_bool(o, "recorded", r->opts.record);
	for (unsigned i = 0; i < r->opts.rounds && r->opts.record; i++) {
		snprintf(file, sizeof(file), "r%u.sgt", i);
		json_object_array_add(files, json_object_new_string(file));
	}
	json_object_object_add(o, "recordings", files);
	sg_jp_u64(o, "lost", r->lost);
	json_object_object_add(o, "combinations", list);
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = put_combo(list, r, &r->combo[i]);
	if (!rc)
		rc = sg_put_print(out, o);
	json_object_put(o);
	return rc;
}
