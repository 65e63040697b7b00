/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Events from several threads to one: all of them, each thread's in order, and a box that nobody empties is no trap. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "kern/mailbox.h"
#include "kern/stamp.h"

#define PUTTERS 4
#define EACH	120000

struct seen {
	uint64_t last[PUTTERS], n;
	int fail_at;
};

static struct sg_mailbox *box;

static void *putter(void *arg)
{
	struct sg_clock c = { .h = { .kind = SG_REC_CLOCK, .uid = (uint32_t)(uintptr_t)arg } };

	for (uint64_t i = 1; i <= EACH; i++) {
		c.tsc = i;
		cr_assert_eq(sg_mailbox_put(box, &c.h), 0);
	}
	return NULL;
}

static int see(void *ctx, const struct sg_hdr *h)
{
	const struct sg_clock *c = (const void *)h;
	struct seen *s = ctx;

	cr_assert_eq(h->kind, SG_REC_CLOCK);
	cr_assert_eq(c->tsc, s->last[h->uid] + 1, "thread %u: %lu after %lu", h->uid, (unsigned long)c->tsc,
		     (unsigned long)s->last[h->uid]);
	s->last[h->uid] = c->tsc;
	s->n++;
	return s->fail_at && s->n == (uint64_t)s->fail_at ? -EIO : 0;
}

Test(mailbox, all_arrive_in_order)
{
	pthread_t t[PUTTERS];
	struct seen s = { 0 };

	cr_assert_eq(sg_mailbox_new(&box), 0);
	for (uintptr_t i = 0; i < PUTTERS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, putter, (void *)i), 0);
	while (s.n < (uint64_t)PUTTERS * EACH)
		cr_assert_eq(sg_mailbox_take(box, see, &s), 0);
	for (int i = 0; i < PUTTERS; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(sg_mailbox_take(box, see, &s), 0);
	cr_assert_eq(s.n, PUTTERS * EACH);
	sg_mailbox_free(box);
}

/* 120,000 are more than may wait: the brake must let go where nobody takes, and only once. */
Test(mailbox, nobody_takes)
{
	uint64_t begin = sg_mono_ns(), took;
	struct seen s = { 0 };

	cr_assert_eq(sg_mailbox_new(&box), 0);
	putter((void *)0);
	took = sg_mono_ns() - begin;
	cr_assert_eq(sg_mailbox_take(box, see, &s), 0);
	cr_assert_eq(s.n, EACH);
	cr_assert_geq(took, 900000000ull, "4 MiB were no limit");
	cr_assert_leq(took, 20000000000ull, "it waits each time");
	putter((void *)1);
	sg_mailbox_free(box); /* full: valgrind sees that nothing is left */
}

Test(mailbox, what_fails_ends_the_taking)
{
	struct sg_hdr bad = { .kind = SG_REC_SLICE, .rsv = 1 };
	struct seen s = { .fail_at = 3 };
	struct sg_clock c = { .h = { .kind = SG_REC_CLOCK } };

	cr_assert_eq(sg_mailbox_new(&box), 0);
	for (c.tsc = 1; c.tsc <= 5; c.tsc++)
		cr_assert_eq(sg_mailbox_put(box, &c.h), 0);
	cr_assert_eq(sg_mailbox_take(box, see, &s), -EIO);
	cr_assert_eq(s.n, 3);
	bad.kind = 0;
	cr_assert_eq(sg_mailbox_put(box, &bad), -EINVAL, "no event is of kind 0");
	sg_mailbox_free(box);
}
