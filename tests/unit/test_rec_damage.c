/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Bad recordings: one sentence each, never a crash, and everything that is whole is read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <zlib.h>
#include "base/varint.h"
#include "rec_file.h"
#include "trace/codec.h"
#include "trace/format.h"

/* 4 blocks: 2 CPUs, 10 slices each in every block. */
#define BLOCKS	  4
#define PER_BLOCK 20

static void make(struct rec_file *f, size_t *at)
{
	rec_begin(f);
	for (unsigned b = 0; b < BLOCKS; b++) {
		at[b] = (size_t)lseek(f->fd, 0, SEEK_CUR);
		for (unsigned i = 0; i < PER_BLOCK; i++) {
			struct sg_slice s = rec_slice(i % 2, 1 + i % 2, 1000 * (b + 1) + 10 * i, 0);

			rec_put(f, &s);
		}
		rec_flush(f);
	}
	at[BLOCKS] = (size_t)lseek(f->fd, 0, SEEK_CUR);
	rec_end(f);
}

static void sentence(const struct sg_err *err)
{
	cr_assert_gt(strlen(err->msg), 10);
	cr_assert_null(strchr(err->msg, '\n'));
}

Test(damage, no_recording)
{
	static const char *const foreign[] = {
		"x", "PERFILE2 and more of it, longer than any header of ours would ever be, and then some",
		"SGREC\n\n\x1a",
		"\x7f"
		"ELF",
		"{}"
	};
	struct rec_list l;
	struct sg_err err;

	cr_assert_eq(rec_read(NULL, 0, &l, &err), -ENODATA);
	cr_assert_str_eq(err.msg, "the recording is empty");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		cr_assert_eq(rec_read(foreign[i], strlen(foreign[i]), &l, &err), -EINVAL);
		cr_assert_str_eq(err.msg, "this is not a sandglass recording");
	}
	cr_assert_eq(rec_read(SG_REC_MAGIC, 8, &l, &err), -ENODATA);
	cr_assert_str_eq(err.msg, "the recording ends inside its header, after 8 bytes");
}

static void head(struct rec_file *f, size_t off, size_t len, const void *v)
{
	uint32_t crc;

	memcpy(f->data + off, v, len);
	crc = sg_crc32(f->data, offsetof(struct sg_file_head, crc));
	memcpy(f->data + offsetof(struct sg_file_head, crc), &crc, 4);
}

Test(damage, versions)
{
	struct rec_file f = { 0 };
	struct rec_list l;
	struct sg_err err;
	size_t at[BLOCKS + 1];
	uint16_t v = SG_REC_MAJOR + 1;
	uint32_t endian = __builtin_bswap32(SG_REC_ENDIAN);

	make(&f, at);
	head(&f, offsetof(struct sg_file_head, major), 2, &v);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), -EPROTONOSUPPORT);
	cr_assert_str_eq(err.msg,
			 "the recording has format 2.0 and this sandglass reads format 1: use a newer one");
	v = SG_REC_MAJOR;
	head(&f, offsetof(struct sg_file_head, major), 2, &v);
	v = SG_REC_MINOR + 7;
	head(&f, offsetof(struct sg_file_head, minor), 2, &v);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0, "a newer minor version is read");
	cr_assert_eq(l.n, BLOCKS * PER_BLOCK);
	rec_list_free(&l);
	head(&f, offsetof(struct sg_file_head, endian), 4, &endian);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "the recording was made on a machine with the other byte order");
	free(f.data);
}

/* Cut at every byte: all whole blocks are read, and the cut is told. */
Test(damage, cut_anywhere)
{
	struct rec_file f = { 0 };
	size_t at[BLOCKS + 1];

	make(&f, at);
	for (size_t len = 0; len < f.len; len++) {
		struct rec_list l;
		struct sg_err err;
		size_t whole = 0;
		int rc = rec_read(f.data, len, &l, &err);

		if (len < sizeof(struct sg_file_head)) {
			cr_assert_lt(rc, 0);
			sentence(&err);
			continue;
		}
		cr_assert_eq(rc, 0, "%zu: %s", len, err.msg);
		while (whole < BLOCKS && at[whole + 1] <= len)
			whole++;
		cr_assert_eq(l.n, whole * PER_BLOCK, "cut at %zu", len);
		cr_assert_str_not_empty(l.damage, "cut at %zu", len);
		rec_list_free(&l);
	}
	free(f.data);
}

/* Flip every bit of every byte: at most one block is missing, both CPUs tell it, nothing else changes. */
Test(damage, flip_anywhere)
{
	struct rec_file f = { 0 };
	size_t at[BLOCKS + 1];

	make(&f, at);
	for (size_t bit = 0; bit < f.len * 8; bit += 1 + bit % 3) {
		size_t byte = bit / 8, slices = 0, lost = 0;
		struct rec_list l;
		struct sg_err err;
		int rc;

		f.data[byte] ^= 1u << bit % 8;
		rc = rec_read(f.data, f.len, &l, &err);
		f.data[byte] ^= 1u << bit % 8;
		if (byte < sizeof(struct sg_file_head)) {
			if (rc)
				sentence(&err);
			rec_list_free(&l);
			continue;
		}
		cr_assert_eq(rc, 0, "bit %zu: %s", bit, err.msg);
		for (size_t i = 0; i < l.n; i++) {
			slices += l.ev[i].h.kind == SG_REC_SLICE;
			lost += l.ev[i].h.kind == SG_REC_LOST;
		}
		if (byte >= at[0] && byte < at[BLOCKS]) {
			cr_assert_eq(slices, (BLOCKS - 1) * PER_BLOCK, "bit %zu of byte %zu", bit % 8, byte);
			cr_assert_eq(lost, 2, "bit %zu: %zu", bit, lost);
			cr_assert_str_not_empty(l.damage);
		} else {
			cr_assert_eq(slices, BLOCKS * PER_BLOCK);
		}
		rec_list_free(&l);
	}
	free(f.data);
}

/* Bytes missing from or added to the middle: reading goes on at the next block. */
Test(damage, shifted)
{
	struct rec_file f = { 0 };
	size_t at[BLOCKS + 1];

	make(&f, at);
	for (size_t off = at[1]; off < at[2]; off += 7) {
		for (int add = 0; add < 2; add++) {
			uint8_t *d = malloc(f.len + 100);
			struct rec_list l;
			struct sg_err err;
			size_t slices = 0, len;

			memcpy(d, f.data, off);
			memset(d + off, 'S', 100);
			len = add ? off + 100 + f.len - off : f.len - 5;
			memcpy(d + off + (add ? 100 : 0), f.data + off + (add ? 0 : 5),
			       f.len - off - (add ? 0 : 5));
			cr_assert_eq(rec_read(d, len, &l, &err), 0, "%s", err.msg);
			for (size_t i = 0; i < l.n; i++)
				slices += l.ev[i].h.kind == SG_REC_SLICE;
			/* bytes added in front of a block cost nothing, those taken from it cost it */
			cr_assert_geq(slices, (BLOCKS - 2u) * PER_BLOCK, "%s at %zu: %zu",
				      add ? "added" : "taken", off, slices);
			cr_assert_str_not_empty(l.damage);
			rec_list_free(&l);
			free(d);
		}
	}
	free(f.data);
}

Test(damage, bytes_after_the_end)
{
	struct rec_file f = { 0 };
	size_t at[BLOCKS + 1];
	struct rec_list l;
	struct sg_err err;

	make(&f, at);
	f.data = realloc(f.data, 2 * f.len);
	memcpy(f.data + f.len, f.data, f.len);
	cr_assert_eq(rec_read(f.data, 2 * f.len, &l, &err), 0);
	cr_assert_eq(l.n, BLOCKS * PER_BLOCK, "one recording, not two");
	cr_assert_str_eq(l.damage, "bytes follow the end of the recording and were not used");
	rec_list_free(&l);
	free(f.data);
}

/* ---- blocks made by hand: checksums are right, contents are not ----------- */

static size_t put_block(uint8_t *p, struct sg_block_head h, const uint8_t *raw, size_t len)
{
	uLongf stored = compressBound(len);

	cr_assert_eq(compress(p + sizeof(h), &stored, raw, len), Z_OK);
	h.magic = SG_BLOCK_MAGIC;
	h.raw = h.raw ? h.raw : (uint32_t)len;
	h.stored = (uint32_t)stored;
	h.crc = sg_crc32(p + sizeof(h), stored);
	h.head_crc = sg_crc32(&h, offsetof(struct sg_block_head, head_crc));
	memcpy(p, &h, sizeof(h));
	return sizeof(h) + stored;
}

static size_t put_head(uint8_t *p)
{
	struct sg_file_head h = {
		.major = SG_REC_MAJOR, .minor = 1, .endian = SG_REC_ENDIAN, .size = sizeof(h)
	};

	memcpy(h.magic, SG_REC_MAGIC, 8);
	h.crc = sg_crc32(&h, offsetof(struct sg_file_head, crc));
	memcpy(p, &h, sizeof(h));
	return put_block(p + sizeof(h), (struct sg_block_head){ .type = SG_BLOCK_META },
			 (const uint8_t *)"{}", 2) +
	       sizeof(h);
}

/* What a newer minor version may add: block types, record kinds, stream classes, a longer file header. */
Test(damage, newer_things_are_skipped)
{
	static uint8_t file[65536], raw[SG_CODEC_ROOM * 4];
	static struct sg_codec c;
	struct sg_slice a = rec_slice(0, 1, 100, 0), b = rec_slice(0, 1, 200, 0);
	uint8_t *p = raw + 100, *body = p;
	size_t len = put_head(file), dir;
	struct rec_list l;
	struct sg_err err;

	sg_codec_reset(&c, 0);
	p = sg_codec_put(&c, p, &a.h, sizeof(a));
	*p++ = 100; /* a record kind of the future: its length, ts + 50, uid, no drops, 3 bytes more */
	*p++ = 6, *p++ = 50, *p++ = 1, *p++ = 0, *p++ = 0xff, *p++ = 0xff, *p++ = 0xff;
	c.ts += 50;
	p = sg_codec_put(&c, p, &b.h, sizeof(b));
	raw[0] = 2;
	dir = (size_t)(sg_varint_put(raw + 1, 0 << SG_CLASS_BITS | SG_CLASS_KERNEL) - raw);
	dir = (size_t)(sg_varint_put(raw + dir, 3) - raw);
	dir = (size_t)(sg_varint_put(raw + dir, (uint64_t)(p - body)) - raw);
	raw[dir++] = SG_CLASS_MAX, raw[dir++] = 1, raw[dir++] = 2; /* a class of the future */
	memmove(raw + dir, body, (size_t)(p - body));
	len += put_block(file + len, (struct sg_block_head){ .type = 77, .seq = 1 }, raw, 10);
	len += put_block(file + len,
			 (struct sg_block_head){
				 .type = SG_BLOCK_EVENTS, .seq = 2, .count = 3, .first = 100, .last = 200 },
			 raw, dir + (size_t)(p - body) + 2);
	cr_assert_eq(rec_read(file, len, &l, &err), 0, "%s", err.msg);
	cr_assert_eq(l.n, 2);
	cr_assert_arr_eq(&l.ev[0], &a, sizeof(a));
	cr_assert_arr_eq(&l.ev[1], &b, sizeof(b));
	cr_assert_str_eq(
		l.damage,
		"the recording has no end: its recorder still runs, or was stopped before it could write it");
	rec_list_free(&l);
}

/* Random payloads under right checksums: no crash, no event out of order, no end that is not told. */
Test(damage, hostile_payload)
{
	static uint8_t file[1 << 20], raw[8192];
	uint64_t seed = 23;

	for (int round = 0; round < 3000; round++) {
		size_t len = put_head(file), n = 1 + gen_u64(&seed) % sizeof(raw);
		struct sg_block_head h = { .type = SG_BLOCK_EVENTS, .last = UINT64_MAX };
		struct rec_list l;
		struct sg_err err;

		for (h.seq = 1; h.seq < 4; h.seq++) {
			for (size_t i = 0; i < n; i++)
				raw[i] = (uint8_t)(gen_u64(&seed) >> (gen_u64(&seed) % 60));
			raw[0] = (uint8_t)(gen_u64(&seed) % 4);
			raw[1] &= 3, raw[2] &= 15;
			h.first = gen_u64(&seed) % 3;
			h.raw = gen_u64(&seed) % 16 ? 0 : (uint32_t)(n + gen_u64(&seed) % 3 - 1);
			len += put_block(file + len, h, raw, n);
		}
		rec_read(file, len, &l, &err);
		rec_list_free(&l);
	}
}

/* An index that is whole and lies: it is not believed. */
Test(damage, lying_index)
{
	struct rec_file f = { 0 };
	size_t at[BLOCKS + 1];
	uint64_t seed = 29;

	make(&f, at);
	for (int round = 0; round < 300; round++) {
		static uint8_t file[65536];
		struct sg_index_entry e[8] = { 0 };
		struct sg_trailer t = { .off = at[BLOCKS], .blocks = 1 + gen_u64(&seed) % 8 };
		struct rec_list l;
		struct sg_err err;
		size_t len = at[BLOCKS];

		memcpy(file, f.data, len);
		for (int i = 0; i < 8; i++) {
			e[i].off = gen_u64(&seed) % 3 ? gen_value(&seed, 8) : at[gen_u64(&seed) % BLOCKS];
			e[i].stored = (uint32_t)gen_value(&seed, 4);
			e[i].type = SG_BLOCK_EVENTS;
		}
		len += put_block(file + len,
				 (struct sg_block_head){
					 .type = SG_BLOCK_INDEX, .count = t.blocks, .seq = BLOCKS + 1 },
				 (void *)e, t.blocks * sizeof(e[0]));
		t.crc = sg_crc32(&t, offsetof(struct sg_trailer, crc));
		memcpy(t.magic, SG_TRAILER_MAGIC, 8);
		memcpy(file + len, &t, sizeof(t));
		cr_assert_eq(rec_read(file, len + sizeof(t), &l, &err), 0, "%s", err.msg);
		cr_assert_eq(l.n, BLOCKS * PER_BLOCK, "round %d", round);
		rec_list_free(&l);
	}
	free(f.data);
}

/* A payload that inflates to far more than it says, or says more than is allowed, takes no memory. */
Test(damage, bomb)
{
	static uint8_t zero[32 << 20], file[1 << 20];
	struct sg_block_head h = { .type = SG_BLOCK_EVENTS, .seq = 1, .raw = 100, .count = 1 };
	size_t len = put_head(file);
	struct rec_list l;
	struct sg_err err;

	len += put_block(file + len, h, zero, sizeof(zero));
	h.raw = SG_BLOCK_RAW_MAX + 1;
	h.seq = 2;
	len += put_block(file + len, h, zero, sizeof(zero));
	cr_assert_eq(rec_read(file, len, &l, &err), 0);
	cr_assert_eq(l.n, 0);
	cr_assert_str_not_empty(l.damage);
	rec_list_free(&l);
}
