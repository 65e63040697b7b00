/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What the recording itself cost. BPF run time needs the kernel's BPF statistics,
 * which cost time of their own: they are on for a tenth of the time, and the
 * figures say for how long. A thread does it: switching them patches the kernel's
 * code, and whoever else does that is waited for. Seen before: the drain of the rings
 * waited for 4 s, and 770,000 records were lost.
 */
#ifndef SG_PERTURB_H
#define SG_PERTURB_H

#include <json-c/json.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include "kern/live.h"

struct sg_perturb {
	pthread_t thread;
	sem_t stop;
	bool running;
	uint64_t on_ns; /* valid after the end */
};

/** sg_perturb_begin() - begin to switch the statistics on and off; without a thread there are no figures */
void sg_perturb_begin(struct sg_perturb *p);
/** sg_perturb_end() - again, or without a begin: nothing */
void sg_perturb_end(struct sg_perturb *p);
/** sg_perturb_json() - the figures as one object (caller owns). Pure numbers: ns, counts. */
struct json_object *sg_perturb_json(struct sg_perturb *p, struct sg_live *l, uint64_t wall_ns,
				    uint64_t slices, uint64_t bytes);

#endif
