/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * order FILE: two threads took turns, one recorded as the host and one as its guest; each marked its turn, the host first, with
 * an x, then the guest with a y. So on one clock the marks alternate. Prints, as "name=value": turns, those out of order, those out of order by more than
 * the bound of the clocks, marks of the guest that have no place on the host's clock, and the worst bound.
 *
 * order step NS: set CLOCK_REALTIME by so much. CLOCK_MONOTONIC is not touched.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include "records.h"

#define TURNS_MAX 16384

struct at {
	uint64_t ns, error;
};

struct turns {
	struct at at[2][TURNS_MAX];
	size_t n[2], unplaced;
	struct sg_machines ms;
	struct sg_clocks clocks;
};

static int step(long long ns)
{
	struct timex t = { .modes = ADJ_SETOFFSET | ADJ_NANO };

	t.time.tv_sec = ns / 1000000000;
	t.time.tv_usec = ns % 1000000000;
	if (t.time.tv_usec < 0) {
		t.time.tv_usec += 1000000000;
		t.time.tv_sec--;
	}
	if (adjtimex(&t) < 0)
		return perror("order: the clock can't be set"), 1;
	return 0;
}

static void on_mark(struct turns *t, const struct sg_mark *m)
{
	const struct sg_machine_info *of = sg_machine_of_cpu(&t->ms, m->h.cpu);
	struct at at = { .ns = m->h.ts };

	if (!of || of->number > 1 || m->type != SG_MARK_BEGIN || strcmp(m->name, of->number ? "y" : "x") ||
	    t->n[of->number] == TURNS_MAX)
		return;
	sg_clocks_finish(&t->clocks);
	if (of->number && !sg_clocks_host(&t->clocks, m->h.ts, &at.ns, &at.error))
		t->unplaced++;
	t->at[of->number][t->n[of->number]++] = at;
}

static void tell(const struct turns *t)
{
	size_t n = t->n[0] < t->n[1] ? t->n[0] : t->n[1], wrong = 0, bad = 0;
	uint64_t worst = 0;

	for (size_t i = 0; i < n && !t->unplaced; i++) {
		const struct at *g = &t->at[1][i];
		uint64_t after = t->at[0][i].ns, before = i + 1 < t->n[0] ? t->at[0][i + 1].ns : UINT64_MAX;

		wrong += g->ns <= after || g->ns >= before;
		bad += g->ns + g->error <= after || (g->ns > g->error && g->ns - g->error >= before);
		worst = g->error > worst ? g->error : worst;
	}
	printf("turns=%zu guest=%zu wrong=%zu bad=%zu unplaced=%zu bound_ns=%" PRIu64 "\n", t->n[0], t->n[1],
	       wrong, bad, t->unplaced, worst);
}

static void on_record(void *ctx, const struct sg_hdr *h)
{
	struct turns *t = ctx;

	if (h->kind == SG_REC_MACHINE)
		sg_machines_add(&t->ms, (const void *)h);
	else if (h->kind == SG_REC_CLOCKMAP)
		sg_clocks_feed(&t->clocks, (const void *)h);
	else if (h->kind == SG_REC_MARK)
		on_mark(t, (const void *)h);
}

int main(int argc, char **argv)
{
	static struct turns t;

	if (argc == 3 && !strcmp(argv[1], "step"))
		return step(atoll(argv[2]));
	if (argc != 2)
		return fprintf(stderr, "order: FILE, a recording of two machines\n"), 2;
	if (records_read(argv[1], on_record, &t))
		return 1;
	tell(&t);
	sg_clocks_free(&t.clocks);
	return 0;
}
