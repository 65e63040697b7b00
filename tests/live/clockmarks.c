/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * clockmarks FILE MACHINE GUEST HOST TICKS OFFSET [MOVED]: is the bound of a guest's clock true?
 *
 * Held against instants that both machines saw, each by its own clock, and none of which sandglass has a part in:
 *   marks  GUEST (tests/vm/cpuidmark.c in the guest) has the time just before and just after each, HOST its number and time
 *   ticks  GUEST has a reading of the TSC between two of its clock; TICKS is what the same program wrote on the host, so the
 *          host's time of that reading is known, by OFFSET (guest's TSC minus the host's)
 * By FILE's map, the model's own, the host's time must lie between the guest's two, but for the bound. MOVED nanoseconds are
 * added to the host's times: the check must fail then. Those instants count that lie inside the guest's recording. Prints
 * bound_ns (as reports print it), apart_ns (added to the guest's clock), points, and of marks and ticks:
 *   how many; _outside, by the bound of their own instant; _beyond, by the printed one; _ahead_ns and _behind_ns, by how much
 *   the map was proved to be off at most, negative: not at all; _narrow_ns, how far it could be off at least without being seen
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "records.h"

#define MARKS 65536

struct tick {
	uint64_t before, tsc, after;
};

struct judged {
	uint64_t n, outside, beyond, narrow;
	int64_t ahead, behind;
};

struct facts {
	struct machines all;
	const struct sg_machine_info *m;
	uint64_t host[MARKS]; /* when each mark was; 0: not stamped */
	struct tick tick[MARKS];
	size_t nticks;
	uint64_t bound;
	struct judged marks, ticks;
};

static void on_record(void *ctx, const struct sg_hdr *h)
{
	records_machine(&((struct facts *)ctx)->all, h);
}

static int recording_read(struct facts *f, const char *path, const char *machine)
{
	int rc = records_read(path, on_record, f);

	for (unsigned i = 1; i < SG_MACHINE_MAX; i++) {
		if (!f->all.ms.m[i].known || strcmp(f->all.ms.m[i].name, machine))
			continue;
		f->m = &f->all.ms.m[i];
		sg_clocks_finish(&f->all.clocks[i]);
		f->bound = sg_clocks_worst(&f->all.clocks[i], f->m->begin, f->m->end);
	}
	return f->m ? rc : (fprintf(stderr, "%s: no machine %s\n", path, machine), -1);
}

/* What the host saw: its stamps of the marks, its own readings of the TSC. */
static int host_read(struct facts *f, const char *marks, const char *ticks, uint64_t moved)
{
	FILE *in = fopen(marks, "re");
	uint64_t number, at;
	struct tick t;

	while (in && fscanf(in, "%" SCNu64 " %" SCNu64, &number, &at) == 2)
		if (number < MARKS)
			f->host[number] = at + moved;
	if (!in || fclose(in))
		return perror(marks), -1;
	in = fopen(ticks, "re");
	while (in && f->nticks < MARKS &&
	       fscanf(in, "%*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64, &t.before, &t.tsc, &t.after) == 3) {
		t.before += moved;
		t.after += moved;
		f->tick[f->nticks++] = t;
	}
	return in ? fclose(in) : (perror(ticks), -1);
}

/* By how much @a is later than @b. */
static int64_t later(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b);
}

/* An instant between @before and @after of the guest's own clock, and between @lo and @hi of the host's. */
static void judge(const struct facts *f, struct judged *j, uint64_t before, uint64_t after, uint64_t lo,
		  uint64_t hi)
{
	const struct sg_clocks *c = &f->all.clocks[f->m->number];
	uint64_t from, to, e1, e2, unseen;
	int64_t ahead, behind;

	before += f->m->shift;
	after += f->m->shift;
	if (before < f->m->begin || after > f->m->end || !sg_clocks_host(c, before, &from, &e1) ||
	    !sg_clocks_host(c, after, &to, &e2))
		return;
	ahead = later(from, hi);
	behind = later(lo, to);
	unseen = after - before + (hi - lo);
	j->outside += ahead > (int64_t)e1 || behind > (int64_t)e2;
	j->beyond += ahead > (int64_t)f->bound || behind > (int64_t)f->bound;
	j->ahead = !j->n || ahead > j->ahead ? ahead : j->ahead;
	j->behind = !j->n || behind > j->behind ? behind : j->behind;
	j->narrow = !j->n || unseen < j->narrow ? unseen : j->narrow;
	j->n++;
}

/* Between two readings of the host's: its clock runs straight there. */
static uint64_t between(uint64_t x, uint64_t x0, uint64_t y0, uint64_t x1, uint64_t y1)
{
	return y0 + (uint64_t)((unsigned __int128)(x - x0) * (y1 - y0) / (x1 - x0));
}

static void judge_tick(struct facts *f, const struct tick *g, uint64_t offset)
{
	uint64_t tsc = g->tsc - offset;

	for (size_t i = 0; i + 1 < f->nticks; i++) {
		const struct tick *a = &f->tick[i], *b = a + 1;

		if (tsc < a->tsc || tsc >= b->tsc)
			continue;
		judge(f, &f->ticks, g->before, g->after, between(tsc, a->tsc, a->before, b->tsc, b->before),
		      between(tsc, a->tsc, a->after, b->tsc, b->after) + 1);
		return;
	}
}

static int guest_read(struct facts *f, const char *path, uint64_t offset)
{
	uint64_t number, before, after;
	FILE *in = fopen(path, "re");
	struct tick t;

	while (in && fscanf(in, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			    &number, &before, &after, &t.before, &t.tsc, &t.after) == 6) {
		if (number < MARKS && f->host[number])
			judge(f, &f->marks, before, after, f->host[number], f->host[number]);
		judge_tick(f, &t, offset);
	}
	return in ? fclose(in) : (perror(path), -1);
}

static void tell(const char *what, const struct judged *j)
{
	printf(" %s=%" PRIu64 " %s_outside=%" PRIu64 " %s_beyond=%" PRIu64 " %s_ahead_ns=%" PRId64
	       " %s_behind_ns=%" PRId64 " %s_narrow_ns=%" PRIu64,
	       what, j->n, what, j->outside, what, j->beyond, what, j->ahead, what, j->behind, what,
	       j->narrow);
}

int main(int argc, char **argv)
{
	static struct facts f;

	if (argc < 7 || argc > 8)
		return fprintf(stderr, "clockmarks: see the beginning of its source\n"), 2;
	if (recording_read(&f, argv[1], argv[2]) ||
	    host_read(&f, argv[4], argv[5], argc == 8 ? (uint64_t)atoll(argv[7]) : 0) ||
	    guest_read(&f, argv[3], (uint64_t)strtoll(argv[6], NULL, 0)))
		return 1;
	printf("bound_ns=%" PRIu64 " apart_ns=%" PRId64 " points=%zu", f.bound, (int64_t)f.m->shift,
	       f.all.clocks[f.m->number].n);
	tell("marks", &f.marks);
	tell("ticks", &f.ticks);
	printf("\n");
	return 0;
}
