/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/task_sums.h"

int sg_task_sum(struct sg_task_sum *ret, const struct sg_task_level *l, int server)
{
	uint64_t *a = calloc(l->ntime ? l->ntime : 1, 2 * sizeof(*a)), *b = a + l->ntime;
	size_t n = 0;

	memset(ret, 0, sizeof(*ret));
	if (!a)
		return -ENOMEM;
	for (size_t i = 0; i < l->ntime; i++) {
		const struct sg_client_time *t = &l->time[i];

		if (server != SG_ALL_SERVERS && t->server != (unsigned)server)
			continue;
		a[n] = t->latency_ns;
		b[n++] = t->write_ns;
		ret->majflt += t->majflt;
	}
	sg_stats_of(&ret->latency, a, n);
	sg_stats_of(&ret->write, b, n);
	free(a);
	return 0;
}

double sg_task_spread(const struct sg_task_level *l, unsigned servers)
{
	uint64_t mean[SG_CLIENT_MAX];
	struct sg_task_sum s;

	for (unsigned i = 0; i < servers; i++) {
		if (sg_task_sum(&s, l, (int)i))
			return 0;
		mean[i] = s.latency.mean_ns;
	}
	return sg_stats_spread(mean, servers);
}

static bool has_prefix(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return !strncmp(name, prefix, n) && (!name[n] || name[n] == '.');
}

static int64_t sum_of(const struct sg_diff *d, const char *const *prefix)
{
	int64_t sum = 0;

	for (size_t i = 0; i < d->nrow; i++)
		for (const char *const *p = prefix; *p; p++)
			if (has_prefix(d->row[i].cause, *p)) {
				sum += d->row[i].ns;
				break;
			}
	return sum;
}

int64_t sg_task_memory_ns(const struct sg_diff *d)
{
	return sum_of(d, (const char *const[]){ "mem", NULL });
}

int64_t sg_task_swap_ns(const struct sg_diff *d)
{
	return sum_of(d, (const char *const[]){ "mem.swapin", "mem.reclaim.swapout", NULL });
}
