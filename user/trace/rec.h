/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The recording: a file of checksummed, zlib-compressed blocks. docs/recording.md
 * specifies every byte; tests/unit holds text and code together. Pure: works on
 * file descriptors the caller opened.
 */
#ifndef SG_REC_H
#define SG_REC_H

#include "base/err.h"
#include "trace/event.h"

struct sg_writer;
struct sg_reader;

struct sg_writer_stats {
	uint64_t events, slices, bytes, blocks;
};

/**
 * sg_writer_open() - start a recording on @fd (owned by the caller; need not be seekable)
 * @meta_json: machine, command line, probe plan: one JSON object, stored in the first block
 * @level:     zlib level 1..9
 *
 * Return: 0 or negative errno with @err filled.
 */
int sg_writer_open(struct sg_writer **ret, int fd, const char *meta_json, int level, struct sg_err *err);

/**
 * sg_writer_put() - append one event (copied)
 *
 * Events of one CPU must come in time order; CPUs may interleave freely: the
 * reader merges. A step in hdr.lost of a CPU is turned into LOST by the reader.
 * Return: 0, or negative errno (-ENOSPC, -EIO ...): what was written in whole
 * blocks before stays readable, and every later put fails alike.
 */
int sg_writer_put(struct sg_writer *w, const struct sg_hdr *ev, struct sg_err *err);

/**
 * sg_writer_watermark() - promise: no event put from now on is older than @ts
 *
 * For a recorder that reads its rings in turn: note the time, drain every ring,
 * then promise that time less the longest by which a record is stamped in the
 * past (a STACK has the time of a waking, which may be long ago). Only a reader of a
 * pipe needs it, to hand out events before the pipe ends; a broken promise
 * yields events out of order there.
 */
void sg_writer_watermark(struct sg_writer *w, uint64_t ts);

/** sg_writer_flush() - end the open block and write it out, so that a crash loses nothing before now. */
int sg_writer_flush(struct sg_writer *w, struct sg_err *err);

/**
 * sg_writer_close() - write the closing metadata (perturbation figures: one JSON
 * object), the index and the trailer, and free. @w may be NULL. After an error
 * was returned by put, only frees.
 */
int sg_writer_close(struct sg_writer *w, const char *end_json, struct sg_err *err);
void sg_writer_stats(const struct sg_writer *w, struct sg_writer_stats *ret);

/** sg_reader_open() - open a recording on @fd (seekable or a pipe; owned by the caller). */
int sg_reader_open(struct sg_reader **ret, int fd, struct sg_err *err);

/** sg_reader_open_mem() - the same from @len bytes at @data, which stay valid until the close. */
int sg_reader_open_mem(struct sg_reader **ret, const void *data, size_t len, struct sg_err *err);

/**
 * sg_reader_next() - next event, all CPUs merged by (ts, cpu, order in file)
 * @ret: valid until the next call
 *
 * FRAME, STACKDEF and NAME come before all that was written after them; they have
 * no time and no CPU of their own: ts is moved to fit the order, cpu is 0.
 * Synthesises LOST where a CPU's drop count steps. Memory is bounded by the
 * blocks whose times overlap.
 * Return: 1 event, 0 end, negative errno. A truncated or damaged tail ends the
 * stream with 0 and sg_reader_damage() telling what was cut; damage in the
 * middle skips to the next whole block, which yields LOST for every CPU.
 */
int sg_reader_next(struct sg_reader *r, const struct sg_hdr **ret, struct sg_err *err);

/** sg_reader_meta() - JSON text of the first block / of the closing block (NULL until read or absent). */
const char *sg_reader_meta(const struct sg_reader *r);
const char *sg_reader_end_meta(const struct sg_reader *r);

/** sg_reader_damage() - one sentence about what could not be read, or NULL. Valid after the end. */
const char *sg_reader_damage(const struct sg_reader *r);

/** sg_reader_seek() - continue at the first block that can hold events at or after @ts (needs the index). */
int sg_reader_seek(struct sg_reader *r, uint64_t ts, struct sg_err *err);
void sg_reader_close(struct sg_reader *r);

#endif
