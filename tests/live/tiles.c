/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * tiles FILE: a CPU has one thread at a time. Prints, as "name=value": slices of the recording, those that were still going on at
 * its end, the time by which slices of one CPU overlap (all, and the worst two), and threads that took a CPU from a recorded one
 * without their name in the recording.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "records.h"

#define UID_MAX 65536

struct stay {
	uint64_t in, out;
	uint16_t cpu;
};

static struct {
	struct stay *v;
	size_t n, cap, open;
	bool named[UID_MAX], took[UID_MAX];
} all;

static int by_cpu(const void *a, const void *b)
{
	const struct stay *x = a, *y = b;

	return x->cpu != y->cpu ? (x->cpu < y->cpu ? -1 : 1) : x->in < y->in ? -1 : x->in > y->in;
}

static void on_slice(const struct sg_slice *s)
{
	all.open += s->flags & SG_SF_OPEN && s->in < s->h.ts;
	if (s->who < UID_MAX)
		all.took[s->who] = true;
	if (all.n == all.cap) {
		all.cap = all.cap ? 2 * all.cap : 4096;
		all.v = realloc(all.v, all.cap * sizeof(*all.v));
		if (!all.v)
			abort();
	}
	all.v[all.n++] = (struct stay){ .in = s->in, .out = s->h.ts, .cpu = s->h.cpu };
}

static void tell(void)
{
	uint64_t sum = 0, worst = 0, end = 0;
	size_t nameless = 0;

	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_cpu);
	for (size_t i = 0; i < all.n; i++) {
		const struct stay *s = &all.v[i];
		uint64_t o = 0;

		if (i && s->cpu == all.v[i - 1].cpu && s->in < end)
			o = (s->out < end ? s->out : end) - s->in;
		else
			end = 0;
		sum += o;
		worst = o > worst ? o : worst;
		end = s->out > end ? s->out : end;
	}
	for (size_t i = 1; i < UID_MAX; i++)
		nameless += all.took[i] && !all.named[i];
	printf("slices=%zu open=%zu overlap_ns=%" PRIu64 " worst_ns=%" PRIu64 " nameless=%zu\n", all.n,
	       all.open, sum, worst, nameless);
}

static void on_record(void *ctx, const struct sg_hdr *h)
{
	(void)ctx;
	if (h->kind == SG_REC_THREAD && h->uid < UID_MAX)
		all.named[h->uid] = true;
	else if (h->kind == SG_REC_SLICE)
		on_slice((const void *)h);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return fprintf(stderr, "tiles: FILE, a recording\n"), 2;
	if (records_read(argv[1], on_record, NULL))
		return 1;
	tell();
	free(all.v);
	return 0;
}
