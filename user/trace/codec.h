/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Records to compact bytes and back, bit by bit. A slice is told by how it
 * differs from what its thread did last; everything else goes by the field
 * table. docs/recording.md section "Records" is the specification.
 *
 * One sg_codec is the memory of one stream of one block, on either side.
 */
#ifndef SG_CODEC_H
#define SG_CODEC_H

#include "trace/event.h"

/* First byte of a record: a slice if this bit is set, else a record kind, or SG_CODEC_RAW. */
#define SG_CODEC_SLICE 0x80
#define SG_CODEC_RAW   0 /* the record's own bytes: it has something in a reserved field */

/* Slice, first byte: what differs from the prediction. */
#define SG_CS_UID      0x01 /* not the thread that followed this CPU's last one the last time */
#define SG_CS_PREV_OUT 0x02 /* not the thread's last out */
#define SG_CS_WAKE     0x04 /* wake is not 0 */
#define SG_CS_WAKER    0x08 /* wctx, wvec, wsrc, waker, raiser: not those of its last slice */
#define SG_CS_STOP     0x10 /* stop, wkind: not how its last slice ended */
#define SG_CS_CALL     0x20 /* nr, fdtype, arg: not those of its last slice */
#define SG_CS_SEQ      0x40 /* sysseq: did not grow as the last time */
/* Slice, second byte. */
#define SG_CS2_FLAGS 0x01 /* not those of its last slice */
#define SG_CS2_END   0x02 /* out_stop, out_kind: not those of its last slice */
#define SG_CS2_KEYS  0x04 /* keys of the pairs: not those of its last slice */
#define SG_CS2_CNT   0x08 /* counts of the pairs: not those of its last slice */
#define SG_CS2_SUM   0x10 /* the pairs do not add up to out - in */
#define SG_CS2_WHO   0x20 /* not the thread of this CPU's last slice */
#define SG_CS2_FLT   0x40 /* fltseq not that of its last slice, or fltres or out_fltseq not 0 */
#define SG_CS2_MORE  0x80 /* a third byte follows */
/* Slice, third byte: fields that are not 0. */
#define SG_CS3_THROTTLE 0x01
#define SG_CS3_SVC	0x02
#define SG_CS3_DEV	0x04
#define SG_CS3_WORK	0x08
#define SG_CS3_LOST	0x10 /* hdr.lost has changed */
#define SG_CS3_NOTE	0x20
#define SG_CS3_ERR	0x40 /* of a pair at least */

/* Bytes a buffer needs so that any record can be encoded into it, and readable bytes behind one that is decoded. */
#define SG_CODEC_ROOM (2 * SG_EVENT_MAX + 256)
#define SG_CODEC_PAD  2048

#define SG_CODEC_SLOTS 1024 /* threads remembered: uid modulo this */
#define SG_CODEC_PAIRS 8    /* pairs remembered of each */

#define SG_CODEC_KINDS 25  /* kinds 1..12 and 64..76, of which the last record is remembered */
#define SG_CODEC_FIXED 136 /* bytes of its fixed part */

/* What is remembered of a thread. All zero for a thread not seen yet. */
struct sg_codec_thread {
	uint64_t out;
	uint32_t uid, next;
	uint32_t waker, raiser;
	uint32_t sysseq, step;
	uint32_t fltseq, flags, arg;
	uint16_t nr;
	uint8_t fdtype, wctx, wvec, wsrc;
	uint8_t out_stop, out_kind;
	uint8_t npair;
	uint16_t key[SG_CODEC_PAIRS];
	uint32_t cnt[SG_CODEC_PAIRS];
};

struct sg_codec {
	uint64_t ts, lost; /* of the stream's last record */
	uint64_t out;	   /* of its last slice */
	uint32_t last;	   /* index of that slice's thread; 0 = none: thread[0] is always zero */
	uint16_t cpu;
	uint32_t thread_cnt, thread_cap;
	struct sg_codec_thread *thread;
	uint16_t slot[SG_CODEC_SLOTS]; /* index into thread, 0 = empty */
	_Alignas(8) uint8_t rec[SG_CODEC_KINDS][SG_CODEC_FIXED];
};

/** sg_codec_reset() - forget everything; keeps its memory. A zeroed struct is a valid start. */
int sg_codec_reset(struct sg_codec *c, uint16_t cpu);
void sg_codec_free(struct sg_codec *c);

/**
 * sg_codec_put() - encode one valid event
 * @p: SG_CODEC_ROOM bytes
 * Return: what follows the record, NULL when out of memory.
 */
uint8_t *sg_codec_put(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size);

/**
 * sg_codec_get() - decode one record
 * @pp:  where it begins; moved behind it. SG_CODEC_PAD readable bytes follow @end
 * @buf: SG_EVENT_MAX bytes, aligned for any record
 *
 * Return: size of the event; 0 when the record's kind is unknown (skipped);
 * -EBADMSG when the bytes are no record, -ENOMEM.
 */
int sg_codec_get(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_hdr *buf);

/* System call keys have their high bit in front: as the low bit they stay short. */
static inline uint64_t sg_codec_key(uint16_t key)
{
	return (uint16_t)(key << 1 | key >> 15);
}

static inline uint16_t sg_codec_unkey(uint64_t v)
{
	return (uint16_t)((uint16_t)v >> 1 | (uint16_t)v << 15);
}

/* In codec_rec.c, for the records that are no slices. */
uint8_t *sg_codec_put_rec(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size);
int sg_codec_get_rec(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_hdr *buf);
uint8_t *sg_codec_put_raw(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size);

#endif
