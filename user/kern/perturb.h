/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What the recording itself cost. BPF run time needs the kernel's BPF statistics,
 * which cost time of their own: they are on for a tenth of the time, and the
 * figures say for how long.
 */
#ifndef SG_PERTURB_H
#define SG_PERTURB_H

#include <json-c/json.h>
#include "kern/live.h"

struct sg_perturb {
	int stats_fd;
	uint64_t since_ns, on_ns, next_ns;
};

void sg_perturb_init(struct sg_perturb *p, uint64_t now_ns);
/** sg_perturb_tick() - switch the statistics on or off when it is time; call often. */
void sg_perturb_tick(struct sg_perturb *p, uint64_t now_ns);
void sg_perturb_end(struct sg_perturb *p, uint64_t now_ns);
/** sg_perturb_json() - the figures as one object (caller owns). Pure numbers: ns, counts. */
struct json_object *sg_perturb_json(struct sg_perturb *p, struct sg_live *l, uint64_t wall_ns,
				    uint64_t slices, uint64_t bytes);

#endif
