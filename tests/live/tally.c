/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * tally FILE NUMBER COUNTS: what a recording holds of the threads in COUNTS (as `switches` prints them), which ran on
 * the machine of that NUMBER (0: the host, or the only one): each switch away from the CPU ends one slice that is not
 * merely cut. Prints, as "name=value": threads, those without a name in the recording, switches made and found, missing
 * and extra (summed thread by thread), slices that overlap the one before, all slices of that machine and their time, losses that the reader tells of.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace/machine.h"
#include "trace/rec.h"

#define THREADS_MAX 8192

struct thread {
	uint32_t tid, uid;
	uint64_t begin, end, made, found, last;
};

struct tally {
	struct thread t[THREADS_MAX];
	size_t n;
	struct sg_machines ms;
	uint32_t number;
	struct thread **by_uid;
	size_t uid_cap;
	uint64_t slices, first, last, doubled, lost;
};

static int counts_read(struct tally *a, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256];

	if (!f)
		return -1;
	while (a->n < THREADS_MAX && fgets(line, sizeof(line), f)) {
		struct thread *t = &a->t[a->n];

		a->n += sscanf(line, "%" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64, &t->tid, &t->begin,
			       &t->end, &t->made) == 4;
	}
	fclose(f);
	return a->n ? 0 : -1;
}

static void on_thread(struct tally *a, const struct sg_thread *h)
{
	if (sg_machine_of_tid(h->tid) != a->number)
		return;
	for (size_t i = 0; i < a->n; i++) {
		if (a->t[i].tid != sg_machine_tid(h->tid))
			continue;
		while (h->h.uid >= a->uid_cap) {
			size_t cap = a->uid_cap ? 2 * a->uid_cap : 4096;

			a->by_uid = realloc(a->by_uid, cap * sizeof(*a->by_uid));
			if (!a->by_uid)
				abort();
			memset(a->by_uid + a->uid_cap, 0, (cap - a->uid_cap) * sizeof(*a->by_uid));
			a->uid_cap = cap;
		}
		a->by_uid[h->h.uid] = &a->t[i];
		a->t[i].uid = h->h.uid;
	}
}

static void on_slice(struct tally *a, const struct sg_slice *s)
{
	struct thread *t = s->h.uid < a->uid_cap ? a->by_uid[s->h.uid] : NULL;
	const struct sg_machine_info *m = sg_machine_of_cpu(&a->ms, s->h.cpu);
	uint64_t own = s->h.ts - (m ? m->shift : 0);

	if ((m ? m->number : 0) != a->number)
		return;
	a->slices++;
	a->first = a->first ? a->first : s->h.ts;
	a->last = s->h.ts;
	if (!t)
		return;
	a->doubled += s->in < t->last;
	t->last = s->h.ts;
	t->found += s->out_stop != SG_STOP_NONE && !(s->flags & SG_SF_OPEN) && own > t->begin && own < t->end;
}

static void tell(const struct tally *a, const char *damage)
{
	uint64_t made = 0, found = 0, missing = 0, extra = 0;
	size_t unnamed = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct thread *t = &a->t[i];

		unnamed += !t->uid;
		made += t->made;
		found += t->found;
		missing += t->made > t->found ? t->made - t->found : 0;
		extra += t->found > t->made ? t->found - t->made : 0;
	}
	printf("threads=%zu unnamed=%zu made=%" PRIu64 " found=%" PRIu64 " missing=%" PRIu64 " extra=%" PRIu64
	       " double=%" PRIu64 " slices=%" PRIu64 " span_ns=%" PRIu64 " lost=%" PRIu64 " damage=%s\n",
	       a->n, unnamed, made, found, missing, extra, a->doubled, a->slices, a->last - a->first, a->lost,
	       damage ? damage : "-");
}

int main(int argc, char **argv)
{
	static struct tally a;
	struct sg_err err = { 0 };
	const struct sg_hdr *h;
	struct sg_reader *r;
	int fd, rc;

	if (argc != 4)
		return fprintf(stderr, "tally: FILE NUMBER COUNTS\n"), 2;
	a.number = (uint32_t)strtoul(argv[2], NULL, 10);
	fd = open(argv[1], O_RDONLY);
	if (counts_read(&a, argv[3]))
		return fprintf(stderr, "tally: %s has no counts\n", argv[3]), 1;
	if (fd < 0 || sg_reader_open(&r, fd, &err))
		return fprintf(stderr, "tally: %s: %s\n", argv[1], err.msg), 1;
	while ((rc = sg_reader_next(r, &h, &err)) > 0) {
		if (h->kind == SG_REC_MACHINE)
			sg_machines_add(&a.ms, (const void *)h);
		else if (h->kind == SG_REC_THREAD)
			on_thread(&a, (const void *)h);
		else if (h->kind == SG_REC_SLICE)
			on_slice(&a, (const void *)h);
		else if (h->kind == SG_REC_LOST)
			a.lost += ((const struct sg_lost *)h)->n;
	}
	if (rc)
		fprintf(stderr, "tally: %s: %s\n", argv[1], err.msg);
	tell(&a, sg_reader_damage(r));
	sg_reader_close(r);
	free(a.by_uid);
	return rc != 0;
}
