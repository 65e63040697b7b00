/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Fuzz target: any bytes as a recording, as the inside of a block with right
 * checksums, as a stream of records, and as a text stream. What is checked
 * beside the sanitizers: events are valid and in time order, errors have a
 * sentence, and what the text printer prints parses to the same event.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "trace/codec.h"
#include "trace/format.h"
#include "trace/rec.h"
#include "trace/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct back {
	union {
		struct sg_hdr h;
		uint64_t align;
		char bytes[SG_EVENT_MAX];
	} ev;
	size_t size;
};

static int keep(void *ctx, const struct sg_hdr *h)
{
	struct back *b = ctx;

	b->size = sg_event_size(h, SG_EVENT_MAX);
	require(b->size > 0);
	memcpy(&b->ev, h, b->size);
	return 0;
}

/* An event that is printed comes back: printing again gives the same line. */
static void print_and_parse(const struct sg_hdr *h)
{
	static char line[SG_TEXT_MAX], again[SG_TEXT_MAX];
	static struct back b;
	struct sg_err err;

	require(sg_text_format(h, line, sizeof(line)) > 0);
	require(sg_text_parse(line, strlen(line), keep, NULL, &b, &err) == 0);
	require(sg_text_format(&b.ev.h, again, sizeof(again)) > 0 && !strcmp(line, again));
}

static void read_all(const uint8_t *data, size_t len)
{
	struct sg_err err = { 0 };
	const struct sg_hdr *h;
	struct sg_reader *r;
	uint64_t ts = 0;
	unsigned n = 0;
	int rc = sg_reader_open_mem(&r, data, len, &err);

	if (rc) {
		require(rc < 0 && err.msg[0] && !strchr(err.msg, '\n'));
		return;
	}
	while ((rc = sg_reader_next(r, &h, &err)) > 0) {
		require(sg_event_size(h, SG_EVENT_MAX) > 0 && h->ts >= ts);
		ts = h->ts;
		if (n++ < 64)
			print_and_parse(h);
	}
	require(!rc || err.msg[0]);
	sg_reader_damage(r);
	if (!sg_reader_seek(r, ts / 2, &err))
		while (sg_reader_next(r, &h, &err) > 0)
			;
	sg_reader_close(r);
}

/* The input as payload of one EVENTS block that is right in all else. */
static void read_payload(const uint8_t *data, size_t len)
{
	struct sg_file_head f = {
		.major = SG_REC_MAJOR, .minor = SG_REC_MINOR, .endian = SG_REC_ENDIAN, .size = sizeof(f)
	};
	struct sg_block_head b = { .magic = SG_BLOCK_MAGIC,
				   .type = SG_BLOCK_EVENTS,
				   .flags = SG_BLOCK_DICT,
				   .raw = (uint32_t)len,
				   .last = UINT64_MAX,
				   .count = 1 };
	uLongf stored = compressBound(len);
	uint8_t *file = malloc(sizeof(f) + sizeof(b) + stored);

	require(file && compress2(file + sizeof(f) + sizeof(b), &stored, data, len, 0) == Z_OK);
	memcpy(f.magic, SG_REC_MAGIC, sizeof(f.magic));
	f.crc = sg_crc32(&f, offsetof(struct sg_file_head, crc));
	b.stored = (uint32_t)stored;
	b.crc = sg_crc32(file + sizeof(f) + sizeof(b), stored);
	b.head_crc = sg_crc32(&b, offsetof(struct sg_block_head, head_crc));
	memcpy(file, &f, sizeof(f));
	memcpy(file + sizeof(f), &b, sizeof(b));
	read_all(file, sizeof(f) + sizeof(b) + stored);
	free(file);
}

/* Records without the frame around them; what decodes must encode to what decodes the same. */
static void decode_records(const uint8_t *data, size_t len)
{
	static struct sg_codec dec, enc, again;
	static uint8_t out[SG_CODEC_ROOM + SG_CODEC_PAD];
	struct back a, b;
	uint8_t *buf = malloc(len + SG_CODEC_PAD);
	const uint8_t *p = buf, *q;
	int rc;

	require(buf);
	memcpy(buf, data, len);
	memset(buf + len, 0xff, SG_CODEC_PAD);
	sg_codec_reset(&dec, 0);
	sg_codec_reset(&enc, 0);
	sg_codec_reset(&again, 0);
	while ((rc = sg_codec_get(&dec, &p, buf + len, &a.ev.h)) >= 0) {
		uint8_t *end;

		if (!rc)
			continue;
		end = sg_codec_put(&enc, out, &a.ev.h, (size_t)rc);
		require(end && end <= out + SG_CODEC_ROOM);
		q = out;
		require(sg_codec_get(&again, &q, end, &b.ev.h) == rc && q == end &&
			!memcmp(&a.ev, &b.ev, (size_t)rc));
	}
	free(buf);
}

static int ignore(void *ctx, const struct sg_hdr *h)
{
	(void)ctx;
	print_and_parse(h);
	return 0;
}

static int ignore_text(void *ctx, unsigned line, const char *text)
{
	(void)ctx, (void)line, (void)text;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sg_err err = { 0 };

	read_all(data, len);
	read_payload(data, len);
	decode_records(data, len);
	if (sg_text_parse((const char *)data, len, ignore, ignore_text, NULL, &err))
		require(err.msg[0]);
	return 0;
}
