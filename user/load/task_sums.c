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

bool sg_task_is_swap(const char *cause)
{
	return has_prefix(cause, "mem.swapin") || has_prefix(cause, "mem.reclaim.swapout");
}

int64_t sg_task_swap_ns(const struct sg_diff *d)
{
	int64_t sum = 0;

	for (size_t i = 0; i < d->nrow; i++)
		if (sg_task_is_swap(d->row[i].cause))
			sum += d->row[i].ns;
	return sum;
}
