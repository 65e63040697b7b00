/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's options as words, their defaults, and the names of its combinations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "load/cpu.h"

int sg_cpu_pin_find(const char *name)
{
	static const char *const names[SG_CPU_PIN_MAX] = {
#define SG_X(sym, word) word,
		SG_CPU_PIN_LIST(SG_X)
#undef SG_X
	};

	for (int i = 0; i < SG_CPU_PIN_MAX; i++)
		if (!strcmp(names[i], name))
			return i;
	return -EINVAL;
}

int sg_cpu_parse_envs(struct sg_cpu_opts *o, const char *text, struct sg_err *err)
{
	char word[32], names[128];
	bool too_long;

	o->nenv = 0;
	while (sg_parse_word(&text, word, sizeof(word), &too_long)) {
		const struct sg_cpu_env_name *e = too_long ? NULL : sg_cpu_env_find(word);

		if (!e)
			return sg_err_set(err, -EINVAL, "no environment '%s'; there is: %s",
					  too_long ? "..." : word, sg_cpu_env_names(names, sizeof(names)));
		for (unsigned i = 0; i < o->nenv; i++)
			if (o->env[i] == e)
				return sg_err_set(err, -EEXIST, "environment '%s' twice", word);
		if (o->nenv == SG_CPU_ENVS)
			return sg_err_set(err, -E2BIG, "more than %d environments", SG_CPU_ENVS);
		o->env[o->nenv++] = e;
	}
	return 0;
}

int sg_cpu_parse_jobs(struct sg_cpu_opts *o, const char *text, struct sg_err *err)
{
	char word[32];
	bool too_long;

	o->njob = 0;
	while (sg_parse_word(&text, word, sizeof(word), &too_long)) {
		int job = too_long ? -EINVAL : sg_cpu_job_find(word);

		if (job < 0)
			return sg_err_set(err, -EINVAL, "no job '%s'", too_long ? "..." : word);
		for (unsigned i = 0; i < o->njob; i++)
			if ((int)o->job[i] == job)
				return sg_err_set(err, -EEXIST, "job '%s' twice", word);
		o->job[o->njob++] = (enum sg_cpu_job)job;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

int sg_cpu_defaults(struct sg_cpu_opts *o, const cpu_set_t *allowed, struct sg_err *err)
{
	unsigned said = o->ncpu;

	for (unsigned i = 0; i < said; i++)
		if (!CPU_ISSET(o->cpu[i], allowed))
			return sg_err_set(
				err, -EINVAL,
				"--cpus: CPU %u is not one of those that this process may use (taskset -p "
				"shows them)",
				o->cpu[i]);
	for (unsigned c = 0; c < CPU_SETSIZE && !said && o->ncpu < SG_CPU_JOBS_MAX; c++)
		if (CPU_ISSET(c, allowed))
			o->cpu[o->ncpu++] = c;
	if (!o->ncount) {
		if (o->ncpu > 1)
			o->count[o->ncount++] = o->ncpu - 1;
		o->count[o->ncount++] = o->ncpu;
	}
	/* from the least busy to the busiest, however they were said */
	qsort(o->count, o->ncount, sizeof(*o->count), by_number);
	if (o->count[o->ncount - 1] > o->ncpu)
		return sg_err_set(err, -ERANGE,
				  "--jobs %u: more jobs than CPUs (%u); ask for fewer, or name CPUs twice in "
				  "--cpus to let "
				  "jobs share them",
				  o->count[o->ncount - 1], o->ncpu);
	return 0;
}

void sg_cpu_set(const struct sg_cpu_opts *o, bool pinned, unsigned i, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned c = 0; c < o->ncpu; c++)
		if (!pinned || c == i)
			CPU_SET(o->cpu[c], ret);
}

const char *sg_cpu_task(char *buf, size_t cap, const struct sg_cpu_opts *o, const struct sg_cpu_combo *c,
			char sep)
{
	snprintf(buf, cap, "%s%c%s%c%u%c%s", o->env[c->env]->name, sep, sg_cpu_programs[o->job[c->job]].job,
		 sep, o->count[c->count], sep, c->pinned ? "pinned" : "unpinned");
	return buf;
}

int sg_cpu_combos(struct sg_cpu_result *r)
{
	const struct sg_cpu_opts *o = &r->opts;

	r->combo = calloc((size_t)o->nenv * o->njob * o->ncount * 2, sizeof(*r->combo));
	if (!r->combo)
		return -ENOMEM;
	for (unsigned e = 0; e < o->nenv; e++)
		for (unsigned j = 0; j < o->njob; j++)
			for (unsigned p = 0; p < 2; p++)
				for (unsigned k = 0;
				     k < o->ncount && (o->pin == SG_CPU_PIN_BOTH || o->pin == p); k++)
					r->combo[r->ncombo++] = (struct sg_cpu_combo){
						.env = e, .job = j, .count = k, .pinned = p
					};
	for (unsigned e = o->nenv; e-- > 0;)
		if (!strcmp(o->env[e]->name, "host"))
			r->base = e;
	return 0;
}
