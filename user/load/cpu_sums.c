/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/cpu_sums.h"

const struct sg_cpu_combo *sg_cpu_base(const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
				       enum sg_cpu_against what)
{
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_cpu_combo *b = &r->combo[i];

		if (b != c && b->job == c->job && b->env == (what == SG_CPU_ENV ? r->base : c->env) &&
		    b->count == (what == SG_CPU_BUSY ? 0 : c->count) &&
		    b->pinned == (what == SG_CPU_PIN ? false : c->pinned))
			return b;
	}
	return NULL;
}

int sg_cpu_sum(struct sg_cpu_sum *ret, const struct sg_cpu_combo *c)
{
	size_t n = c->ntime;
	uint64_t *a = calloc(n ? n : 1, 2 * sizeof(*a)), *b = a + n;

	memset(ret, 0, sizeof(*ret));
	if (!a)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct sg_cpu_life *l = &c->time[i].life;

		a[i] = l->end_ns - l->begin_ns;
		b[i] = l->user_ns + l->sys_ns;
		ret->user_ns += l->user_ns;
		ret->sys_ns += l->sys_ns;
		ret->switches += l->switches;
		ret->majflt += l->majflt;
	}
	for (uint64_t *const *v =
		     (uint64_t *const[]){ &ret->user_ns, &ret->sys_ns, &ret->switches, &ret->majflt, NULL };
	     *v && n; v++)
		**v /= n;
	sg_stats_of(&ret->wall, a, n);
	sg_stats_of(&ret->cpu, b, n);
	free(a);
	return 0;
}

/* Mean time of one round's jobs; 0 when there were none. */
static double round_mean(const struct sg_cpu_combo *c, uint32_t round)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->ntime; i++)
		if (c->time[i].round == round) {
			sum += (double)(c->time[i].life.end_ns - c->time[i].life.begin_ns);
			n++;
		}
	return n ? sum / (double)n : 0;
}

int sg_cpu_change(struct sg_cpu_change *ret, const struct sg_cpu_combo *c, const struct sg_cpu_combo *base)
{
	uint32_t rounds = 0;
	double *v, of = 0;

	for (size_t i = 0; i < c->ntime; i++)
		if (c->time[i].round >= rounds)
			rounds = c->time[i].round + 1;
	v = calloc(rounds ? rounds : 1, sizeof(*v));
	memset(ret, 0, sizeof(*ret));
	if (!v)
		return -ENOMEM;
	for (uint32_t round = 0; round < rounds; round++) {
		double a = round_mean(base, round), b = round_mean(c, round);

		if (a > 0 && b > 0) {
			v[ret->rounds++] = b - a;
			of += a;
		}
	}
	ret->half = sg_stats_half(v, ret->rounds, &ret->mean);
	of = ret->rounds ? of / (double)ret->rounds : 1;
	ret->mean /= of;
	ret->half /= of;
	free(v);
	return 0;
}

const char *sg_cpu_part_name(const char *comp, const char *comm)
{
	size_t n = strlen(comm);

	return !strcmp(comp, "vmm") && !strncmp(comm, "CPU ", 4) && n > 4 && !strcmp(comm + n - 4, "/TCG")
		       ? "vcpu (emulated)"
		       : comp;
}

void sg_cpu_part_add(struct sg_cpu_combo *c, const char *comp, const char *cause, uint64_t ns)
{
	struct sg_cpu_part *p = c->part;

	for (; p < c->part + c->npart; p++)
		if (!strcmp(p->comp, comp) && !strcmp(p->cause, cause)) {
			p->ns += ns;
			return;
		}
	if (c->npart == SG_CPU_PARTS) {
		p--;
		strcpy(p->comp, "(other)");
		strcpy(p->cause, "(other)");
	} else {
		c->npart++;
		strncpy(p->comp, comp, sizeof(p->comp) - 1);
		strncpy(p->cause, cause, sizeof(p->cause) - 1);
	}
	p->ns += ns;
}

static int most_first(const void *a, const void *b)
{
	const struct sg_cpu_part *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

void sg_cpu_parts_sort(struct sg_cpu_combo *c)
{
	qsort(c->part, c->npart, sizeof(*c->part), most_first);
}
