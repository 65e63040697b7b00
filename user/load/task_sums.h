/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the outputs of the task workload have in common: statistics of a level, causes of a difference. */
#ifndef SG_TASK_SUMS_H
#define SG_TASK_SUMS_H

#include "base/stats.h"
#include "load/task.h"

#define SG_ALL_SERVERS (-1)

struct sg_task_sum {
	struct sg_stats latency, write;
	uint64_t majflt;
};

/** sg_task_sum() - statistics of one server's requests in a level, or of all; -ENOMEM */
int sg_task_sum(struct sg_task_sum *ret, const struct sg_task_level *l, int server);

/** sg_task_spread() - spread of the servers' mean latencies, see sg_stats_spread() */
double sg_task_spread(const struct sg_task_level *l, unsigned servers);

/** sg_task_memory_ns() - part of a difference that is memory pressure: swap-in, reclaim and all else called mem.* */
int64_t sg_task_memory_ns(const struct sg_diff *d);

/** sg_task_swap_ns() - part of it that is swapping: pages brought back, pages written out to get one */
int64_t sg_task_swap_ns(const struct sg_diff *d);

/** sg_task_caveats() - sentences about what the recordings of a result miss; in task_text.c */
void sg_task_caveats(FILE *out, const struct sg_task_result *r);

#endif
