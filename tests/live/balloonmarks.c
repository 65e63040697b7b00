/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * balloonmarks FILE MACHINE TOLD [MOVED]: did the host see a guest's balloon when the guest told it?
 *
 * TOLD has a line for each time the guest's driver told its host of pages (its function tell_host): begin and end by the
 * guest's own clock, as its kernel's tracing saw them. FILE is a recording of both: of each slice of a vCPU it says for how
 * long the balloon had it. Mapped to the host's clock by FILE's map, the times that were told must have room for that in the
 * slice, but for the bound. MOVED nanoseconds are added to the host's times: the check must fail then. Prints
 *   told          how many times, inside the guest's recording
 *   windows       bursts that the host saw; inflated, deflated: their pages; inside: those that the guest's recording tells of
 *   slices        of vCPUs with a part of one
 *   outside       those with more of it than there is room for, by the bound of that instant
 *   distance_ns   how much of a slice's balloon lies outside at least, the bound not granted; the largest of all, 0: none does
 *   bound_ns      the largest that was granted
 *   narrow_ns     how much of a slice was not the balloon's, the smallest of all: what moves by more than this is seen
 *   longest_ns    of the times that were told
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "records.h"

#define TOLD 65536

struct span {
	uint64_t begin, end, error; /* by the host's clock */
};

struct facts {
	struct machines all;
	const struct sg_machine_info *m;
	struct span told[TOLD];
	size_t ntold;
	uint64_t moved, windows, inflated, deflated, inside, slices, outside, distance, bound, narrow,
		longest;
	uint32_t vcpu[1024]; /* uids of the VMM's threads */
	size_t nvcpu;
};

static uint64_t common(const struct span *s, uint64_t lo, uint64_t hi, uint64_t error)
{
	uint64_t a = s->begin - error > lo ? s->begin - error : lo,
		 b = s->end + error < hi ? s->end + error : hi;

	return b > a ? b - a : 0;
}

static bool is_vmm(const struct facts *f, uint32_t uid)
{
	for (size_t i = 0; i < f->nvcpu; i++)
		if (f->vcpu[i] == uid)
			return true;
	return false;
}

static void on_slice(struct facts *f, const struct sg_slice *s)
{
	uint64_t ns = 0, room = 0, granted = 0, lo = s->in + f->moved, hi = s->h.ts + f->moved;

	if (sg_machine_of_uid(&f->all.ms, s->h.uid) == f->m)
		for (unsigned i = 0; i < s->npair; i++)
			f->inside += s->pair[i].key == SG_C_MEM_BALLOON ? s->pair[i].cnt : 0;
	if (!is_vmm(f, s->h.uid))
		return;
	for (unsigned i = 0; i < s->npair; i++) {
		bool in = s->pair[i].key == (SG_KEY_KVM | SG_KVM_INFLATE);
		bool out = s->pair[i].key == (SG_KEY_KVM | SG_KVM_DEFLATE);

		ns += in || out ? s->pair[i].ns : 0;
		f->inflated += in ? s->pair[i].cnt : 0;
		f->deflated += out ? s->pair[i].cnt : 0;
		f->windows += s->pair[i].key == (SG_KEY_KVM | SG_KVM_BALLOON) ? s->pair[i].cnt : 0;
	}
	if (!ns)
		return;
	f->slices++;
	for (size_t i = 0; i < f->ntold; i++) {
		room += common(&f->told[i], lo, hi, 0);
		granted += common(&f->told[i], lo, hi, f->told[i].error);
	}
	f->outside += ns > granted;
	if (ns > room && ns - room > f->distance)
		f->distance = ns - room;
	if (hi - lo - ns < f->narrow)
		f->narrow = hi - lo - ns;
}

/* Of the first reading: machines, clocks, and which threads are the VMM's */
static void on_machine(void *ctx, const struct sg_hdr *h)
{
	const struct sg_thread *t = (const void *)h;
	struct facts *f = ctx;
	const struct sg_machine_info *m = &f->all.ms.m[1];

	if (!records_machine(&f->all, h) && h->kind == SG_REC_THREAD && m->known && t->tgid == m->vmm &&
	    f->nvcpu < 1024)
		f->vcpu[f->nvcpu++] = h->uid;
}

static void on_record(void *ctx, const struct sg_hdr *h)
{
	if (h->kind == SG_REC_SLICE)
		on_slice(ctx, (const void *)h);
}

static int told_read(struct facts *f, const char *path)
{
	const struct sg_clocks *c = &f->all.clocks[1];
	FILE *in = fopen(path, "re");
	uint64_t begin, end, e1, e2;

	while (in && f->ntold < TOLD && fscanf(in, "%" SCNu64 " %" SCNu64, &begin, &end) == 2) {
		struct span *s = &f->told[f->ntold];

		begin += f->m->shift;
		end += f->m->shift;
		if (begin < f->m->begin || end > f->m->end || !sg_clocks_host(c, begin, &s->begin, &e1) ||
		    !sg_clocks_host(c, end, &s->end, &e2))
			continue;
		s->error = e1 > e2 ? e1 : e2;
		f->bound = s->error > f->bound ? s->error : f->bound;
		f->longest = end - begin > f->longest ? end - begin : f->longest;
		f->ntold++;
	}
	return in ? fclose(in) : (perror(path), -1);
}

int main(int argc, char **argv)
{
	static struct facts f = { .narrow = UINT64_MAX };

	if (argc < 4 || argc > 5)
		return fprintf(stderr, "balloonmarks: see the beginning of its source\n"), 2;
	f.moved = argc == 5 ? (uint64_t)atoll(argv[4]) : 0;
	if (records_read(argv[1], on_machine, &f))
		return 1;
	f.m = &f.all.ms.m[1];
	if (!f.m->known || strcmp(f.m->name, argv[2]))
		return fprintf(stderr, "%s: its guest is not %s\n", argv[1], argv[2]), 1;
	sg_clocks_finish(&f.all.clocks[1]);
	if (told_read(&f, argv[3]) || records_read(argv[1], on_record, &f))
		return 1;
	printf("told=%zu windows=%" PRIu64 " inflated=%" PRIu64 " deflated=%" PRIu64 " inside=%" PRIu64
	       " slices=%" PRIu64 " outside=%" PRIu64 " distance_ns=%" PRIu64 " bound_ns=%" PRIu64
	       " narrow_ns=%" PRIu64 " longest_ns=%" PRIu64 "\n",
	       f.ntold, f.windows, f.inflated, f.deflated, f.inside, f.slices, f.outside, f.distance, f.bound,
	       f.narrow, f.longest);
	return 0;
}
