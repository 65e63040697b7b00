/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Records to compact bytes and back: bit by bit, for every valid record. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/varint.h"
#include "gen_event.h"
#include "trace/codec.h"

#define N 400

static uint8_t bytes[N * SG_CODEC_ROOM + SG_CODEC_PAD];

Test(varint, round_trip)
{
	uint8_t buf[SG_VARINT_MAX];
	uint64_t seed = 7;

	for (int i = 0; i < 100000; i++) {
		uint64_t v = i < 64 ? 1ull << i : gen_value(&seed, 8);
		const uint8_t *p = buf, *end = sg_varint_put(buf, v);

		memset(buf + (end - buf), 0xff, sizeof(buf) - (size_t)(end - buf));
		cr_assert_eq(sg_varint_get(&p), v);
		cr_assert_eq(p, end);
		cr_assert_eq(sg_unzigzag(sg_zigzag((int64_t)v)), (int64_t)v);
	}
}

/* Even bytes that never end are read no further than the longest number. */
Test(varint, bounded)
{
	uint8_t buf[SG_VARINT_MAX];
	const uint8_t *p = buf;

	memset(buf, 0xff, sizeof(buf));
	sg_varint_get(&p);
	cr_assert_eq(p, buf + SG_VARINT_MAX);
}

static void check(union gen_event *ev, size_t *size, unsigned n, uint64_t at)
{
	static struct sg_codec enc, dec;
	static union gen_event back;
	const uint8_t *q = bytes;
	uint8_t *p = bytes;

	cr_assert_eq(sg_codec_reset(&enc, ev[0].h.cpu), 0);
	cr_assert_eq(sg_codec_reset(&dec, ev[0].h.cpu), 0);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *was = p;

		p = sg_codec_put(&enc, p, &ev[i].h, size[i]);
		cr_assert(p);
		cr_assert_leq(p - was, SG_CODEC_ROOM);
	}
	memset(p, 0xff, SG_CODEC_PAD);
	for (unsigned i = 0; i < n; i++) {
		memset(&back, 0xa5, sizeof(back));
		cr_assert_eq(sg_codec_get(&dec, &q, p, &back.h), (int)size[i], "seed %#lx record %u kind %u",
			     at, i, ev[i].h.kind);
		cr_assert_arr_eq(&back, &ev[i], size[i], "seed %#lx record %u kind %u", at, i, ev[i].h.kind);
	}
	cr_assert_eq(q, p);
	cr_assert_eq(sg_codec_get(&dec, &q, p, &back.h), -EBADMSG, "nothing is after the end");
}

Test(codec, any_records)
{
	static union gen_event ev[N];
	static size_t size[N];
	uint64_t seed = 3;

	for (int round = 0; round < 40; round++) {
		uint64_t at = seed;

		for (unsigned i = 0; i < N; i++) {
			size[i] = gen_event(&seed, gen_kinds[gen_u64(&seed) % sizeof(gen_kinds)], &ev[i]);
			ev[i].h.cpu = ev[0].h.cpu;
		}
		check(ev, size, N, at);
	}
}

/* Slices that follow each other as real ones do, with any field off the prediction now and then. */
Test(codec, slices)
{
	static union gen_event ev[N];
	static size_t size[N];
	uint64_t seed = 11;

	for (int round = 0; round < 200; round++) {
		uint64_t at = seed;

		for (unsigned i = 0; i < N; i++) {
			struct sg_slice *s = &ev[i].slice;

			if (!i || gen_u64(&seed) % 8 == 0) {
				size[i] = gen_event(&seed, SG_REC_SLICE, &ev[i]);
			} else {
				ev[i] = ev[i - 1 - gen_u64(&seed) % (i < 5 ? i : 5)];
				size[i] = sg_event_size(&ev[i].h, sizeof(ev[i]));
				s->prev_out = s->h.ts;
				s->in = ev[i - 1].h.ts + gen_u64(&seed) % 1000;
				s->h.ts = s->in + gen_u64(&seed) % 10000;
				s->h.uid +=
					gen_u64(&seed) % 16 ? 0 : SG_CODEC_SLOTS; /* another in its slot */
			}
			s->h.cpu = ev[0].h.cpu;
		}
		check(ev, size, N, at);
	}
}

/* Reserved fields are no field of the table: such a record goes as it is. */
Test(codec, reserved_fields)
{
	static union gen_event ev[N];
	static size_t size[N];
	uint64_t seed = 5;

	for (unsigned i = 0; i < N; i++) {
		size[i] = gen_event(&seed, gen_kinds[i % sizeof(gen_kinds)], &ev[i]);
		ev[i].h.cpu = 3;
		ev[i].h.rsv = (uint8_t)(1 + i % 255);
		if (ev[i].h.kind == SG_REC_SNAP && ev[i].snap.npair)
			ev[i].snap.pair[0].err = 9;
	}
	check(ev, size, N, 5);
}

/* Any bytes: an event, a skipped record or an error; never more than the bytes there are. */
Test(codec, hostile_bytes)
{
	static struct sg_codec c;
	static union gen_event ev;
	uint64_t seed = 17;

	for (int round = 0; round < 3000; round++) {
		size_t len = 1 + gen_u64(&seed) % 3000;
		uint8_t *buf = malloc(len + SG_CODEC_PAD);
		const uint8_t *p = buf;
		int rc;

		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(gen_u64(&seed) >> (gen_u64(&seed) % 60));
		memset(buf + len, gen_u64(&seed) & 1 ? 0xff : 0, SG_CODEC_PAD);
		sg_codec_reset(&c, 0);
		do {
			const uint8_t *was = p;

			rc = sg_codec_get(&c, &p, buf + len, &ev.h);
			cr_assert(rc < 0 || p > was);
			cr_assert_leq(p, buf + len);
			if (rc > 0)
				cr_assert_eq(sg_event_size(&ev.h, (size_t)rc), (size_t)rc);
		} while (rc >= 0);
		free(buf);
	}
}
