/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's results for people. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "load/because.h"
#include "load/cpu_sums.h"
#include "out/text.h"

#define ROWS_KEPT 40

static const char *env_of(const struct sg_cpu_result *r, const struct sg_cpu_combo *c)
{
	return r->opts.env[c->env]->name;
}

static const char *job_of(const struct sg_cpu_result *r, const struct sg_cpu_combo *c)
{
	return sg_cpu_programs[r->opts.job[c->job]].job;
}

static unsigned jobs_of(const struct sg_cpu_result *r, const struct sg_cpu_combo *c)
{
	return r->opts.count[c->count];
}

static const char *pin_of(const struct sg_cpu_combo *c)
{
	return c->pinned ? "pinned" : "not pinned";
}

/* "1 job", "4 jobs at once" */
static const char *jobs(char *buf, size_t cap, unsigned n)
{
	snprintf(buf, cap, n == 1 ? "%u job" : "%u jobs at once", n);
	return buf;
}

/* "+12.3 % (95 %: +8.1 .. +16.5)"; of one round there is no interval */
static const char *change(char *buf, size_t cap, const struct sg_cpu_change *ch)
{
	int n = snprintf(buf, cap, "%+.1f %%", 100 * ch->mean);

	if (isfinite(ch->half))
		snprintf(buf + n, cap - (size_t)n, " (95 %%: %+.1f .. %+.1f)", 100 * (ch->mean - ch->half),
			 100 * (ch->mean + ch->half));
	return buf;
}

struct pair {
	const struct sg_cpu_combo *c, *base;
	struct sg_cpu_sum s, b;
	struct sg_cpu_change ch;
};

/* 0, or -ENOENT when there is nothing to compare it with. */
static int pair_of(struct pair *p, const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
		   enum sg_cpu_against what)
{
	int rc;

	p->c = c;
	p->base = sg_cpu_base(r, c, what);
	if (!p->base)
		return -ENOENT;
	rc = sg_cpu_sum(&p->s, c);
	if (!rc)
		rc = sg_cpu_sum(&p->b, p->base);
	return rc ? rc : sg_cpu_change(&p->ch, c, p->base);
}

/* ---- the answer in a sentence -------------------------------------------- */

static int plain(FILE *out, const struct sg_cpu_result *r)
{
	const struct sg_cpu_combo *c = &r->combo[0];
	char t[32], n[40];
	struct sg_cpu_sum s;
	int rc = sg_cpu_sum(&s, c);

	if (!rc)
		fprintf(out, "%s on %s (%s, %s) took %s on average.\n", job_of(r, c), env_of(r, c), pin_of(c),
			jobs(n, sizeof(n), jobs_of(r, c)), sg_text_ns(t, sizeof(t), s.wall.mean_ns));
	return rc;
}

/* About what the run was for: environments, else how busy the machine is, else pinning; and of that the largest change. */
static int headline(FILE *out, const struct sg_cpu_result *r)
{
	enum sg_cpu_against what = r->opts.nenv > 1	? SG_CPU_ENV
				   : r->opts.ncount > 1 ? SG_CPU_BUSY
							: SG_CPU_PIN;
	char t0[32], t1[32], n[40], ch[64];
	struct pair p, worst = { 0 };

	for (size_t i = 0; i < r->ncombo; i++) {
		int rc = pair_of(&p, r, &r->combo[i], what);

		if (rc && rc != -ENOENT)
			return rc;
		if (!rc && (!worst.c || p.ch.mean > worst.ch.mean))
			worst = p;
	}
	if (!worst.c)
		return plain(out, r);
	fprintf(out, "%s on %s (%s, %s) took %s on average, %s beside the %s ", job_of(r, worst.c),
		env_of(r, worst.c), pin_of(worst.c), jobs(n, sizeof(n), jobs_of(r, worst.c)),
		sg_text_ns(t0, sizeof(t0), worst.s.wall.mean_ns), change(ch, sizeof(ch), &worst.ch),
		sg_text_ns(t1, sizeof(t1), worst.b.wall.mean_ns));
	if (what == SG_CPU_ENV)
		fprintf(out, "of %s", env_of(r, worst.base));
	else if (what == SG_CPU_BUSY)
		fprintf(out, "of %s", jobs(n, sizeof(n), jobs_of(r, worst.base)));
	else
		fprintf(out, "when it is not pinned");
	fprintf(out, ": ");
	return sg_because(out, worst.base->blame, worst.c->blame);
}

/* ---- tables -------------------------------------------------------------- */

static int cell(char *buf, size_t cap, const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
		enum sg_cpu_against what)
{
	struct pair p;
	int rc = pair_of(&p, r, c, what);

	snprintf(buf, cap, "-");
	if (!rc && what == SG_CPU_ENV)
		snprintf(buf, cap, "%.2f", sg_stats_ratio(p.s.wall.mean_ns, p.b.wall.mean_ns));
	else if (!rc)
		snprintf(buf, cap, "%+.1f %%", 100 * p.ch.mean);
	return rc == -ENOENT ? 0 : rc;
}

static int times_row(FILE *out, const struct sg_cpu_result *r, const struct sg_cpu_combo *c)
{
	char t[4][32], busy[24], pin[24], env[24];
	struct sg_cpu_sum s;
	int rc = sg_cpu_sum(&s, c);

	if (!rc)
		rc = cell(busy, sizeof(busy), r, c, SG_CPU_BUSY);
	if (!rc)
		rc = cell(pin, sizeof(pin), r, c, SG_CPU_PIN);
	if (!rc)
		rc = cell(env, sizeof(env), r, c, SG_CPU_ENV);
	if (rc)
		return rc;
	fprintf(out, "%-12s %-6s %-6s %5u %5zu %10s %10s %10s %10s %10s %11s", env_of(r, c), job_of(r, c),
		c->pinned ? "yes" : "no", jobs_of(r, c), s.wall.n,
		sg_text_ns(t[0], sizeof(t[0]), s.wall.mean_ns), sg_text_ns(t[1], sizeof(t[1]), s.wall.p50_ns),
		sg_text_ns(t[2], sizeof(t[2]), s.wall.max_ns), sg_text_ns(t[3], sizeof(t[3]), s.cpu.mean_ns),
		busy, pin);
	if (r->opts.nenv > 1)
		fprintf(out, " %8s", env);
	fprintf(out, "\n");
	return 0;
}

static int times_table(FILE *out, const struct sg_cpu_result *r)
{
	unsigned least = r->opts.count[0];
	char busy[24];
	int rc = 0;

	snprintf(busy, sizeof(busy), "vs %u job%s", least, least == 1 ? "" : "s");
	fprintf(out, "\n%-12s %-6s %-6s %5s %5s %10s %10s %10s %10s %10s %11s", "environment", "job",
		"pinned", "jobs", "runs", "mean", "p50", "max", "CPU time", busy, "vs unpinned");
	if (r->opts.nenv > 1)
		fprintf(out, " x %6s", r->opts.env[r->base]->name);
	fprintf(out, "\n");
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = times_row(out, r, &r->combo[i]);
	return rc;
}

static double percent(uint64_t part, uint64_t whole)
{
	return 100 * sg_stats_ratio(part, whole);
}

/* Who had the CPUs while the jobs ran, and what the jobs waited for when they had none. */
static void cpu_table(FILE *out, const struct sg_cpu_result *r)
{
	fprintf(out, "\nCPU time of the jobs' CPUs while they ran; and of the jobs' own time: ready, and no "
		     "CPU\n");
	fprintf(out, "%-12s %-6s %-6s %5s %8s %8s %8s %8s %8s | %8s %11s %14s\n", "environment", "job",
		"pinned", "jobs", "jobs", "VMM", "kernel", "others", "idle", "no CPU", "behind jobs",
		"behind others");
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_cpu_combo *c = &r->combo[i];
		const struct sg_cpu_share *s = &c->share;
		const struct sg_cpu_queue *q = &c->queue;
		uint64_t used = s->jobs_ns + s->vmm_ns + s->kernel_ns + s->others_ns;
		uint64_t idle = s->all_ns > used ? s->all_ns - used : 0, all = sg_blame_total(c->blame);

		fprintf(out,
			"%-12s %-6s %-6s %5u %6.1f %% %6.1f %% %6.1f %% %6.1f %% %6.1f %% | %6.1f %% %9.1f "
			"%% %12.1f %%\n",
			env_of(r, c), job_of(r, c), c->pinned ? "yes" : "no", jobs_of(r, c),
			percent(s->jobs_ns, s->all_ns), percent(s->vmm_ns, s->all_ns),
			percent(s->kernel_ns, s->all_ns), percent(s->others_ns, s->all_ns),
			percent(idle, s->all_ns), percent(q->jobs_ns + q->others_ns + q->nobody_ns, all),
			percent(q->jobs_ns, all), percent(q->others_ns, all));
	}
}

static void part_row(FILE *out, const char *task, const char *comp, const char *cause, uint64_t ns,
		     uint64_t all)
{
	char t[32], c1[64], c2[64];

	fprintf(out, "%-28s %-16s %-24s %10s %6.1f %%\n", task, sg_text_clean(c1, sizeof(c1), comp),
		sg_text_clean(c2, sizeof(c2), cause), sg_text_ns(t, sizeof(t), ns), percent(ns, all));
}

/* What is less than a percent is one row. */
static void parts_table(FILE *out, const struct sg_cpu_result *r)
{
	char name[64];
	bool first = true;

	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_cpu_combo *c = &r->combo[i];
		uint64_t all = 0, rest = 0;

		for (size_t k = 0; k < c->npart; k++)
			all += c->part[k].ns;
		if (c->npart && first)
			fprintf(out, "\nWhere the virtual machines' monitors (VMM) spent CPU time\n");
		first = first && !c->npart;
		sg_cpu_task(name, sizeof(name), &r->opts, c, '/');
		for (size_t k = 0; k < c->npart; k++) {
			if (c->part[k].ns < all / 100)
				rest += c->part[k].ns;
			else
				part_row(out, name, c->part[k].comp, c->part[k].cause, c->part[k].ns, all);
		}
		if (rest)
			part_row(out, name, "(all)", "(less than 1 % each)", rest, all);
	}
}

/* ---- why ----------------------------------------------------------------- */

static int why(FILE *out, const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
	       enum sg_cpu_against what)
{
	char t0[32], t1[32], n[40], n1[40], ch[64];
	struct pair p;
	int rc = pair_of(&p, r, c, what);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	jobs(n, sizeof(n), jobs_of(r, c));
	if (what == SG_CPU_BUSY)
		fprintf(out, "%s, %s, %s: %s beside %s: ", env_of(r, c), job_of(r, c), pin_of(c), n,
			jobs(n1, sizeof(n1), jobs_of(r, p.base)));
	else if (what == SG_CPU_PIN)
		fprintf(out, "%s, %s, %s: pinned beside not pinned: ", env_of(r, c), job_of(r, c), n);
	else
		fprintf(out, "%s, %s, %s: %s beside %s: ", job_of(r, c), pin_of(c), n, env_of(r, c),
			env_of(r, p.base));
	fprintf(out, "%s -> %s, %s: ", sg_text_ns(t0, sizeof(t0), p.b.wall.mean_ns),
		sg_text_ns(t1, sizeof(t1), p.s.wall.mean_ns), change(ch, sizeof(ch), &p.ch));
	return sg_because(out, p.base->blame, c->blame);
}

static void caveats(FILE *out, const struct sg_cpu_result *r)
{
	char name[64];

	for (unsigned e = 0; e < r->opts.nenv; e++)
		if (r->opts.env[e]->env->parts && r->opts.vm.accel == SG_ACCEL_TCG)
			fprintf(out,
				"%s: the virtual machines were emulated (TCG): their vCPUs are threads of "
				"the "
				"emulator, times say nothing of KVM\n",
				r->opts.env[e]->name);
	if (r->lost)
		fprintf(out, "%" PRIu64 " records were lost; their time is unknown.lost\n", r->lost);
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_cpu_combo *c = &r->combo[i];

		sg_cpu_task(name, sizeof(name), &r->opts, c, '/');
		if (c->missing)
			fprintf(out,
				"%s: %" PRIu64 " jobs are not whole in the recordings and not explained\n",
				name, c->missing);
		if (c->told.asked)
			sg_told_text(out, &c->told, name, "job", c->ntime);
	}
}

int sg_cpu_text(FILE *out, const struct sg_cpu_result *r)
{
	int rc = headline(out, r);

	if (!rc)
		rc = times_table(out, r);
	if (!rc && r->opts.record) {
		cpu_table(out, r);
		parts_table(out, r);
	}
	fprintf(out, "\n");
	for (int what = 0; what < SG_CPU_AGAINST_MAX; what++)
		for (size_t i = 0; i < r->ncombo && !rc; i++)
			rc = why(out, r, &r->combo[i], (enum sg_cpu_against)what);
	if (rc)
		return rc;
	caveats(out, r);
	return ferror(out) ? -EIO : 0;
}

static int all_rows(FILE *out, const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
		    enum sg_cpu_against what)
{
	const struct sg_cpu_combo *base = sg_cpu_base(r, c, what);
	struct sg_text_opts o = { .rows = ROWS_KEPT };
	char a[64], b[64];
	struct sg_diff d;
	int rc;

	if (!base || !c->blame || !base->blame)
		return 0;
	rc = sg_diff_make(&d, base->blame, c->blame);
	if (rc)
		return rc;
	rc = sg_text_diff(out, &d, sg_cpu_task(a, sizeof(a), &r->opts, base, '/'),
			  sg_cpu_task(b, sizeof(b), &r->opts, c, '/'), &o);
	fprintf(out, "\n");
	sg_diff_free(&d);
	return rc;
}

int sg_cpu_differences(FILE *out, const struct sg_cpu_result *r)
{
	int rc = 0;

	for (int what = 0; what < SG_CPU_AGAINST_MAX; what++)
		for (size_t i = 0; i < r->ncombo && !rc; i++)
			rc = all_rows(out, r, &r->combo[i], (enum sg_cpu_against)what);
	return rc ? rc : ferror(out) ? -EIO : 0;
}

int sg_cpu_times(FILE *out, const struct sg_cpu_result *r)
{
	fprintf(out, "environment\tjob\tjobs\tpinned\tround\tplace\ttime_ns\tuser_ns\tsys_"
		     "ns\tpreemptions\tmajflt\n");
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_cpu_combo *c = &r->combo[i];

		for (size_t k = 0; k < c->ntime; k++) {
			const struct sg_cpu_time *t = &c->time[k];

			fprintf(out,
				"%s\t%s\t%u\t%d\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
				"\t%" PRIu64 "\t%" PRIu64 "\n",
				env_of(r, c), job_of(r, c), jobs_of(r, c), c->pinned, t->round, t->place,
				t->life.end_ns - t->life.begin_ns, t->life.user_ns, t->life.sys_ns,
				t->life.switches, t->life.majflt);
		}
	}
	return ferror(out) ? -EIO : 0;
}
