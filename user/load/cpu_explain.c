/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From a round's recording to the blames of its combinations, and to who had the CPUs meanwhile. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load/cpu.h"
#include "load/cpu_sums.h"
#include "load/marked.h"

/* A combination in this round. */
struct turn {
	struct sg_cpu_combo *c;
	const struct sg_cpu_env *env;
	char name[64];
	uint64_t lo, hi; /* from the first job's begin to the last one's end */
	uint64_t tasks;
	const struct sg_cpu_time *time; /* of its jobs */
	unsigned n;
};

/* Who had a CPU lately, from the oldest that is kept on; a job's wait for it is shorter than that. */
#define LANE 1024
enum who { WHO_JOB, WHO_VMM, WHO_KERNEL, WHO_OTHER };
struct lane {
	uint64_t n;
	struct {
		uint64_t lo, hi;
		enum who who;
	} v[LANE];
};

struct explain {
	const struct sg_cpu_opts *o;
	const struct sg_model *m;
	struct turn *turn;
	size_t n;
	cpu_set_t cpus;
	struct lane *lane[CPU_SETSIZE]; /* of the jobs' CPUs, made when first used */
};

static bool is_job(const struct turn *t, uint32_t tgid)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->time[i].life.pid == tgid)
			return true;
	return false;
}

static bool is_part(const struct turn *t, const char *comp)
{
	for (const char *const *p = t->env->parts; p && *p; p++)
		if (!strcmp(*p, comp))
			return true;
	return false;
}

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *task, struct sg_blame *tb)
{
	struct explain *x = ctx;
	int rc;

	(void)tb;
	for (size_t i = 0; i < x->n; i++) {
		struct turn *t = &x->turn[i];

		if (!task->name || strcmp(task->name, t->name) || task->incomplete)
			continue;
		/* what a guest did of a task that the host's recording has not whole */
		if (!sg_told_task(&t->c->told, m, task))
			return 0;
		t->tasks++;
		rc = sg_view_task(&t->c->path, m, task);
		if (!rc)
			rc = sg_view_task(&t->c->cause, m, task);
		return rc ? rc : sg_blame_add(t->c->blame, m, task);
	}
	return 0;
}

/* Part of @ns that lies in @part of @whole. */
static uint64_t clip(uint64_t ns, uint64_t part, uint64_t whole)
{
	return (uint64_t)((unsigned __int128)ns * part / whole);
}

static void add_parts(struct sg_cpu_combo *c, const char *comp, const struct sg_slice *s, uint64_t part,
		      uint64_t whole)
{
	char cause[48];

	for (unsigned i = 0; i < s->npair; i++)
		if (sg_cause_on_cpu(s->pair[i].key))
			sg_cpu_part_add(c, comp, sg_cause_name(s->pair[i].key, cause, sizeof(cause)),
					clip(s->pair[i].ns, part, whole));
}

static enum who who_is(const struct explain *x, const struct turn *t, uint32_t uid, const char **ret_part)
{
	struct sg_thread_info ti = { 0 };
	const char *comp = sg_model_thread(x->m, uid, &ti) ? ti.comp : "";

	*ret_part = ti.comm ? sg_cpu_part_name(comp, ti.comm) : comp;
	return is_part(t, comp)		 ? WHO_VMM
	       : is_job(t, ti.tgid)	 ? WHO_JOB
	       : !strcmp(comp, "kernel") ? WHO_KERNEL
					 : WHO_OTHER;
}

/* The wait in a stay of @ns that only the scheduler's own sum told of: no CPU time. */
static uint64_t queued_in(const struct sg_slice *s, uint64_t ns)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->npair; i++)
		if (s->pair[i].key == SG_C_SCHED_RUNQ)
			sum += s->pair[i].ns;
	return sum < ns ? sum : ns;
}

/* A job, or the vCPU that it is on: what a queue is told of. A monitor's other threads wait at the same time. */
static bool is_of_queue(enum who who, const char *comp)
{
	return who == WHO_JOB || (who == WHO_VMM && !strncmp(comp, "vcpu", 4));
}

static uint64_t overlap(uint64_t lo1, uint64_t hi1, uint64_t lo2, uint64_t hi2)
{
	uint64_t lo = lo1 > lo2 ? lo1 : lo2, hi = hi1 < hi2 ? hi1 : hi2;

	return hi > lo ? hi - lo : 0;
}

/* A stay on a CPU that was, in part, while a combination ran. */
static int add_slice(struct explain *x, const struct turn *t, const struct sg_span *s)
{
	uint64_t ns = overlap(s->lo, s->hi, t->lo, t->hi), queued = queued_in(s->slice, s->hi - s->lo);
	struct sg_cpu_share *sh = &t->c->share;
	uint64_t *const sum[] = { [WHO_JOB] = &sh->jobs_ns,
				  [WHO_VMM] = &sh->vmm_ns,
				  [WHO_KERNEL] = &sh->kernel_ns,
				  [WHO_OTHER] = &sh->others_ns };
	const char *comp;
	enum who who;
	struct lane *l;

	if (!ns)
		return 0;
	who = who_is(x, t, s->uid, &comp);
	if (who == WHO_VMM)
		add_parts(t->c, comp, s->slice, ns, s->hi - s->lo);
	if (is_of_queue(who, comp))
		t->c->queue.nobody_ns += clip(queued, ns, s->hi - s->lo);
	if (s->cpu >= CPU_SETSIZE || !CPU_ISSET(s->cpu, &x->cpus))
		return 0;
	*sum[who] += clip(s->hi - s->lo - queued, ns, s->hi - s->lo);
	l = x->lane[s->cpu];
	if (!l)
		l = x->lane[s->cpu] = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	if (l->n && l->v[(l->n - 1) % LANE].lo == s->lo)
		return 0; /* it was, in part, in the combination before, too */
	l->v[l->n % LANE].lo = s->lo;
	l->v[l->n % LANE].hi = s->hi;
	l->v[l->n++ % LANE].who = who;
	return 0;
}

/* A job, or the vCPU that it is on, was ready and had no CPU: who had the one that it then got? Those stays have ended, so they have come already. */
static void add_wait(const struct explain *x, const struct turn *t, const struct sg_span *s)
{
	const struct lane *l = s->cpu < CPU_SETSIZE ? x->lane[s->cpu] : NULL;
	uint64_t lo = s->lo > t->lo ? s->lo : t->lo, hi = s->hi < t->hi ? s->hi : t->hi;
	uint64_t ns = hi > lo ? hi - lo : 0, jobs = 0, others = 0;
	struct sg_cpu_queue *q = &t->c->queue;
	const char *comp;
	enum who who = ns ? who_is(x, t, s->uid, &comp) : WHO_OTHER;

	if (!is_of_queue(who, comp))
		return;
	for (uint64_t i = l ? l->n : 0; i-- > 0 && l->n - i <= LANE && l->v[i % LANE].hi > lo;) {
		uint64_t had = overlap(l->v[i % LANE].lo, l->v[i % LANE].hi, lo, hi);

		if (l->v[i % LANE].who == WHO_JOB || l->v[i % LANE].who == WHO_VMM)
			jobs += had;
		else
			others += had;
	}
	q->jobs_ns += jobs;
	q->others_ns += others;
	q->nobody_ns += ns > jobs + others ? ns - jobs - others : 0;
}

/* Of the host's threads only: a guest's CPUs are vCPUs. */
static int on_span(void *ctx, const struct sg_span *s)
{
	struct explain *x = ctx;
	const struct sg_machine_info *at = sg_machine_of_uid(sg_model_machines(x->m), s->uid);
	int rc = 0;

	if (at && at->number)
		return 0;
	for (size_t i = 0; i < x->n && !rc; i++) {
		if (s->slice)
			rc = add_slice(x, &x->turn[i], s);
		else if (s->cause == SG_C_SCHED_RUNQ)
			add_wait(x, &x->turn[i], s);
	}
	return rc;
}

static void before(void *ctx, const struct sg_model *m)
{
	((struct explain *)ctx)->m = m;
}

static void after(void *ctx, const struct sg_model *m)
{
	const struct explain *x = ctx;

	for (size_t i = 0; i < x->n; i++)
		if (x->turn[i].c->told.asked)
			sg_told_clocks(&x->turn[i].c->told, m);
}

/* The combination's jobs of this round stand together in its times. */
static int make_turn(struct turn *t, const struct sg_cpu_result *r, struct sg_cpu_combo *c, uint32_t round)
{
	t->c = c;
	t->env = r->opts.env[c->env]->env;
	t->lo = UINT64_MAX;
	sg_cpu_task(t->name, sizeof(t->name), &r->opts, c, '/');
	for (size_t i = 0; i < c->ntime; i++) {
		const struct sg_cpu_time *x = &c->time[i];

		if (x->round != round)
			continue;
		t->time = t->n++ ? t->time : x;
		t->lo = x->life.begin_ns < t->lo ? x->life.begin_ns : t->lo;
		t->hi = x->life.end_ns > t->hi ? x->life.end_ns : t->hi;
	}
	c->path.kind = SG_VIEW_PATH;
	c->cause.kind = SG_VIEW_CAUSE;
	c->told.asked = r->opts.vm.inside && t->env->parts;
	if (c->blame)
		return 0;
	if (sg_blame_new(&c->blame))
		return -ENOMEM;
	sg_blame_alike(c->blame);
	return 0;
}

int sg_cpu_explain(struct sg_cpu_result *r, uint32_t round, const char *path, struct sg_err *err)
{
	struct explain x = { .o = &r->opts, .n = r->ncombo };
	struct sg_marked mk = {
		.on_task = on_task, .on_span = on_span, .before = before, .after = after, .ctx = &x
	};
	int rc = 0;

	sg_cpu_set(x.o, false, 0, &x.cpus);
	x.turn = calloc(x.n, sizeof(*x.turn));
	if (!x.turn)
		return sg_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < x.n && !rc; i++)
		rc = make_turn(&x.turn[i], r, &r->combo[i], round);
	if (rc)
		sg_err_set(err, rc, "out of memory");
	else
		rc = sg_marked_read(path, &mk, &r->lost, err);
	for (size_t i = 0; i < x.n && !rc; i++) {
		const struct turn *t = &x.turn[i];

		t->c->share.all_ns += (t->hi - t->lo) * (uint64_t)CPU_COUNT(&x.cpus);
		t->c->missing += t->n > t->tasks ? t->n - t->tasks : 0;
		if (!t->tasks)
			rc = sg_err_set(err, -ENODATA,
					"the recording %s holds no whole task of %s: see 'sandglass doctor' "
					"for marks",
					path, t->name);
		else if (t->c->told.asked && !t->c->told.tasks)
			rc = sg_err_set(
				err, -ENODATA,
				"the recording %s tells of no job of %s what its virtual machine did for "
				"it: were marks or the guest's records lost?",
				path, t->name);
	}
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		free(x.lane[i]);
	free(x.turn);
	return rc;
}
