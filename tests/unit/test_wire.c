/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The short form of a slice says what the long one says; hostile counts are refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "trace/wire.h"

union shorty {
	struct sg_slice_short c;
	unsigned char bytes[sizeof(struct sg_slice_short) + 8 * sizeof(struct sg_pair_short)];
};

static union sg_wire_slice room;

Test(wire, expands_every_field)
{
	union shorty u = { .c = { .h = { .ts = 5000,
					 .lost = 3,
					 .uid = 7,
					 .cpu = 1,
					 .kind = SG_REC_SLICE_SHORT,
					 .rsv = 2 },
				  .len = 1000,
				  .off = 700,
				  .woken = 100,
				  .waker = 9,
				  .raiser = 8,
				  .sysseq = 11,
				  .arg = 12,
				  .who = 13,
				  .flags = SG_SF_INSCOPE,
				  .nr = 1,
				  .stop = SG_STOP_SLEEP,
				  .wkind = SG_K_SYSCALL,
				  .fdtype = SG_FD_FIFO,
				  .wctx = SG_WCTX_TASK,
				  .wvec = 3,
				  .wsrc = SG_WSRC_NET,
				  .out_stop = SG_STOP_DISK,
				  .out_kind = SG_K_FAULT } };
	const struct sg_slice *s;

	u.c.pair[0] = (struct sg_pair_short){ .key = SG_C_CPU_USER, .cnt = 0, .ns = 600 };
	u.c.pair[1] = (struct sg_pair_short){ .key = SG_KEY_SYSCALL | 1, .cnt = 4, .ns = 400 };
	s = (const struct sg_slice *)sg_wire_expand(&u.c.h, sizeof(u), &room);
	cr_assert(s);
	cr_expect_eq(s->h.kind, SG_REC_SLICE);
	cr_expect_eq(s->h.ts, 5000);
	cr_expect_eq(s->h.lost, 3);
	cr_expect_eq(s->in, 4000);
	cr_expect_eq(s->prev_out, 3300);
	cr_expect_eq(s->wake, 3900);
	cr_expect(s->waker == 9 && s->raiser == 8 && s->sysseq == 11 && s->arg == 12 && s->who == 13);
	cr_expect(s->flags == SG_SF_INSCOPE && s->nr == 1 && s->stop == SG_STOP_SLEEP &&
		  s->wkind == SG_K_SYSCALL);
	cr_expect(s->fdtype == SG_FD_FIFO && s->wctx == SG_WCTX_TASK && s->wvec == 3 &&
		  s->wsrc == SG_WSRC_NET);
	cr_expect(s->out_stop == SG_STOP_DISK && s->out_kind == SG_K_FAULT && s->npair == 2);
	cr_expect(s->pair[0].ns == 600 && s->pair[1].ns == 400 && s->pair[1].cnt == 4 &&
		  s->pair[1].key == (SG_KEY_SYSCALL | 1));
	cr_expect(!s->throttle_ns && !s->svc_ns && !s->dev && !s->fltseq && !s->work_by);
	cr_expect_eq(sg_event_size(&s->h, sizeof(room)), sizeof(*s) + 2 * sizeof(s->pair[0]));
}

Test(wire, no_wake_stays_none)
{
	union shorty u = { .c = { .h = { .ts = 10, .kind = SG_REC_SLICE_SHORT },
				  .woken = SG_SHORT_NO_WAKE } };
	const struct sg_slice *s = (const struct sg_slice *)sg_wire_expand(&u.c.h, sizeof(u), &room);

	cr_assert(s);
	cr_expect_eq(s->wake, 0);
}

Test(wire, refuses_what_does_not_fit)
{
	union shorty u = { .c = { .h = { .ts = 10, .kind = SG_REC_SLICE_SHORT, .rsv = 9 } } };
	struct sg_hdr h = { .kind = SG_REC_SLICE };

	cr_expect_null(sg_wire_expand(&u.c.h, sizeof(u), &room));
	u.c.h.rsv = 8;
	cr_expect_not_null(sg_wire_expand(&u.c.h, sizeof(u), &room));
	cr_expect_null(sg_wire_expand(&u.c.h, sizeof(u) - 1, &room));
	cr_expect_null(sg_wire_expand(&h, sizeof(h), &room));
	cr_expect_null(sg_wire_expand(&h, sizeof(h) - 1, &room));
}

static int count(void *ctx, const struct sg_hdr *h)
{
	unsigned *n = ctx;

	cr_expect_eq(h->kind, SG_REC_SLICE);
	cr_expect_eq(h->ts, 100 + *n);
	(*n)++;
	return 0;
}

Test(wire, batches_come_apart_in_order)
{
	struct sg_batch b = { .h = { .kind = SG_REC_BATCH, .rsv = 5 } };
	struct sg_slice_short *first = (struct sg_slice_short *)&b.slot[0];
	unsigned n = 0;

	for (unsigned i = 0; i < 5; i++) {
		struct sg_slice_short *s = (struct sg_slice_short *)&b.slot[i];

		s->h = (struct sg_hdr){ .ts = 100 + i, .kind = SG_REC_SLICE_SHORT, .rsv = i };
	}
	cr_expect_eq(sg_wire_each(&b.h, sizeof(b), &room, count, &n), 0);
	cr_expect_eq(n, 5);
	b.h.rsv = SG_BATCH + 1;
	cr_expect_eq(sg_wire_each(&b.h, sizeof(b), &room, count, &n), -EBADMSG);
	b.h.rsv = 1;
	cr_expect_eq(sg_wire_each(&b.h, sizeof(b) - 1, &room, count, &n), -EBADMSG);
	first->h.rsv = SG_BATCH_PAIRS + 1;
	cr_expect_eq(sg_wire_each(&b.h, sizeof(b), &room, count, &n), -EBADMSG);
}
