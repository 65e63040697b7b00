/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a container uses, as its cgroup's own counters say. */
#ifndef SG_CONTAINER_USAGE_H
#define SG_CONTAINER_USAGE_H

#include "env/container.h"

struct sg_container_usage {
	bool cpu_known, memory_known;
	uint64_t cpu_ns;       /* since the cgroup was made, all CPUs together */
	uint64_t memory_bytes; /* without page cache that could be dropped (inactive files) */
};

/** sg_container_usage() - read the counters of @c now; what its hierarchy has no counter for is not known */
void sg_container_usage(const struct sg_container_info *c, const struct sg_container_opts *o,
			struct sg_container_usage *ret);

#endif
