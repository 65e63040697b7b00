/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Events into blocks. Each (class, CPU) has streams that are in time order: an
 * event older than its stream's last goes to the next stream of the same
 * (class, CPU), so that a reader merges and never sorts.
 */
#include "trace/rec.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "base/varint.h"
#include "trace/codec.h"
#include "trace/format.h"

struct stream {
	uint8_t *buf;
	size_t len, cap;
	uint32_t count;
	struct sg_codec codec;
	struct stream *next; /* for what came too late for this one */
};

struct sg_writer {
	int fd;
	struct sg_err fail;	/* the first failure: every later call fails alike */
	struct stream **stream; /* [cpu * SG_CLASS_MAX + class] */
	size_t cpu_cnt;
	uint64_t first, last; /* times in the open block, but for definitions; first > last: none */
	uint64_t low, done;   /* no event before low follows; greatest time in the blocks written */
	size_t raw;
	uint32_t count, seq, stream_cnt;
	uint16_t flags;
	uint64_t off;
	z_stream z;
	bool z_ready;
	uint8_t *out;
	size_t out_cap;
	struct sg_index_entry *index;
	size_t index_cnt, index_cap;
	struct sg_writer_stats stats;
};

static int fail(struct sg_writer *w, struct sg_err *err, int code, const char *what)
{
	sg_err_set(&w->fail, code, "%s: %s", what, strerror(-code));
	if (err)
		*err = w->fail;
	return code;
}

static int failed(const struct sg_writer *w, struct sg_err *err)
{
	if (w->fail.code && err)
		*err = w->fail;
	return w->fail.code;
}

static int write_all(struct sg_writer *w, const void *data, size_t len, struct sg_err *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(w->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = w->fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
			continue;
		}
		if (n <= 0)
			return fail(w, err, n ? -errno : -EIO, "the recording could not be written");
		p += n;
		len -= (size_t)n;
		w->off += (size_t)n;
		w->stats.bytes += (size_t)n;
	}
	return 0;
}

static int index_add(struct sg_writer *w, const struct sg_block_head *h, uint64_t off, struct sg_err *err)
{
	if (w->index_cnt == w->index_cap) {
		size_t cap = w->index_cap ? w->index_cap * 2 : 256;
		void *p = realloc(w->index, cap * sizeof(*w->index));

		if (!p)
			return fail(w, err, -ENOMEM, "the index of the recording");
		w->index = p;
		w->index_cap = cap;
	}
	w->index[w->index_cnt++] = (struct sg_index_entry){
		.off = off,
		.first = h->first,
		.last = h->last,
		.stored = h->stored,
		.count = h->count,
		.type = h->type,
		.flags = h->flags,
	};
	return 0;
}

/* ---- one block: begin, any number of pieces, end ------------------------- */

static int block_begin(struct sg_writer *w, struct sg_err *err)
{
	deflateReset(&w->z);
	w->z.next_out = w->out + sizeof(struct sg_block_head);
	w->z.avail_out = (uInt)(w->out_cap - sizeof(struct sg_block_head));
	return failed(w, err);
}

static int block_piece(struct sg_writer *w, const void *data, size_t len, int flush, struct sg_err *err)
{
	w->z.next_in = (Bytef *)data;
	w->z.avail_in = (uInt)len;
	for (;;) {
		int rc = deflate(&w->z, flush);
		size_t used = w->out_cap - w->z.avail_out;
		uint8_t *p;

		if (rc == Z_STREAM_END || (flush == Z_NO_FLUSH && !w->z.avail_in && w->z.avail_out))
			return 0;
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return fail(w, err, -EIO, "a block could not be compressed");
		p = realloc(w->out, w->out_cap * 2);
		if (!p)
			return fail(w, err, -ENOMEM, "a block of the recording");
		w->out = p;
		w->out_cap *= 2;
		w->z.next_out = w->out + used;
		w->z.avail_out = (uInt)(w->out_cap - used);
	}
}

/* Fills in what @h lacks and writes header and payload in one go. */
static int block_end(struct sg_writer *w, struct sg_block_head *h, size_t raw, struct sg_err *err)
{
	uint64_t off = w->off;
	int rc = block_piece(w, "", 0, Z_FINISH, err);

	if (rc)
		return rc;
	h->magic = SG_BLOCK_MAGIC;
	h->raw = (uint32_t)raw;
	h->stored = (uint32_t)w->z.total_out;
	h->crc = sg_crc32(w->out + sizeof(*h), h->stored);
	h->low = w->low;
	h->seq = w->seq++;
	h->head_crc = sg_crc32(h, offsetof(struct sg_block_head, head_crc));
	memcpy(w->out, h, sizeof(*h));
	rc = write_all(w, w->out, sizeof(*h) + h->stored, err);
	if (rc)
		return rc;
	w->stats.blocks++;
	return h->type == SG_BLOCK_INDEX ? 0 : index_add(w, h, off, err);
}

static int write_text(struct sg_writer *w, unsigned type, const char *json, struct sg_err *err)
{
	struct sg_block_head h = { .type = (uint16_t)type };
	size_t len = strlen(json);
	int rc;

	if (len > SG_BLOCK_RAW_MAX)
		return fail(w, err, -E2BIG, "the description of the recording is larger than 4 MiB");
	rc = block_begin(w, err);
	if (!rc)
		rc = block_piece(w, json, len, Z_NO_FLUSH, err);
	return rc ?: block_end(w, &h, len, err);
}

/* ---- events -------------------------------------------------------------- */

static uint8_t *directory_entry(uint8_t *p, size_t cpu, unsigned class, const struct stream *s)
{
	p = sg_varint_put(p, cpu << SG_CLASS_BITS | class);
	p = sg_varint_put(p, s->count);
	return sg_varint_put(p, s->len);
}

/* Calls @fn for every stream with events, in the order of the file. */
static int streams_each(struct sg_writer *w,
			int (*fn)(struct sg_writer *w, size_t i, struct stream *s, void *arg), void *arg)
{
	for (size_t i = 0; i < w->cpu_cnt * SG_CLASS_MAX; i++) {
		for (struct stream *s = w->stream[i]; s && s->count; s = s->next) {
			int rc = fn(w, i, s, arg);

			if (rc)
				return rc;
		}
	}
	return 0;
}

struct dir {
	uint8_t *p, *end;
	size_t n, bytes;
	struct sg_err *err;
};

static int count_stream(struct sg_writer *w, size_t i, struct stream *s, void *arg)
{
	struct dir *d = arg;

	(void)w, (void)i;
	d->n++;
	d->bytes += s->len;
	return 0;
}

static int list_stream(struct sg_writer *w, size_t i, struct stream *s, void *arg)
{
	struct dir *d = arg;

	(void)w;
	d->p = directory_entry(d->p, i / SG_CLASS_MAX, i % SG_CLASS_MAX, s);
	return 0;
}

static int store_stream(struct sg_writer *w, size_t i, struct stream *s, void *arg)
{
	struct dir *d = arg;

	(void)i;
	return block_piece(w, s->buf, s->len, Z_NO_FLUSH, d->err);
}

static int write_events(struct sg_writer *w, struct sg_err *err)
{
	struct sg_block_head h = { .type = SG_BLOCK_EVENTS,
				   .flags = w->flags,
				   .count = w->count,
				   .first = w->first,
				   .last = w->last };
	struct dir d = { .err = err };
	uint8_t *dir;
	int rc;

	if (w->first > w->last)
		h.first = h.last = w->done;
	w->done = h.last > w->done ? h.last : w->done;

	streams_each(w, count_stream, &d);
	dir = d.p = malloc((d.n * 3 + 1) * SG_VARINT_MAX);
	if (!dir)
		return fail(w, err, -ENOMEM, "a block of the recording");
	d.p = sg_varint_put(d.p, d.n);
	streams_each(w, list_stream, &d);
	rc = block_begin(w, err);
	if (!rc)
		rc = block_piece(w, dir, (size_t)(d.p - dir), Z_NO_FLUSH, err);
	if (!rc)
		rc = streams_each(w, store_stream, &d);
	if (!rc)
		rc = block_end(w, &h, d.bytes + (size_t)(d.p - dir), err);
	free(dir);
	for (size_t i = 0; i < w->cpu_cnt * SG_CLASS_MAX; i++)
		for (struct stream *s = w->stream[i]; s; s = s->next)
			s->len = s->count = 0;
	w->raw = w->count = w->flags = w->stream_cnt = 0;
	w->first = UINT64_MAX;
	w->last = 0;
	return rc;
}

static int cpu_grow(struct sg_writer *w, size_t cpu_cnt, struct sg_err *err)
{
	struct stream **p = realloc(w->stream, cpu_cnt * SG_CLASS_MAX * sizeof(*p));

	if (!p)
		return fail(w, err, -ENOMEM, "the streams of the recording");
	memset(p + w->cpu_cnt * SG_CLASS_MAX, 0, (cpu_cnt - w->cpu_cnt) * SG_CLASS_MAX * sizeof(*p));
	w->stream = p;
	w->cpu_cnt = cpu_cnt;
	return 0;
}

/*
 * The first stream of @class and CPU whose last event is not after @ev; NULL when
 * there are too many. Definitions have one stream, in the order of arrival.
 */
static struct stream *stream_for(struct sg_writer *w, const struct sg_hdr *ev, unsigned class)
{
	struct stream **pp = &w->stream[ev->cpu * (size_t)SG_CLASS_MAX + class];
	unsigned lane = 0;

	for (; *pp && (*pp)->count && (*pp)->codec.ts > ev->ts && class != SG_CLASS_DEF; pp = &(*pp)->next)
		if (++lane >= SG_BLOCK_LANES_MAX)
			return NULL;
	if (!*pp)
		*pp = calloc(1, sizeof(**pp));
	return *pp;
}

static int stream_room(struct sg_writer *w, struct stream *s, struct sg_err *err)
{
	size_t cap = s->cap ? s->cap * 2 : 2 * SG_CODEC_ROOM;
	uint8_t *p;

	if (s->len + SG_CODEC_ROOM <= s->cap)
		return 0;
	p = realloc(s->buf, cap);
	if (!p)
		return fail(w, err, -ENOMEM, "a block of the recording");
	s->buf = p;
	s->cap = cap;
	return 0;
}

static int stream_put(struct sg_writer *w, struct stream *s, const struct sg_hdr *ev, size_t size,
		      struct sg_err *err)
{
	uint8_t *end;
	int rc = stream_room(w, s, err);

	if (rc)
		return rc;
	w->stream_cnt += !s->count;
	if (!s->count && sg_codec_reset(&s->codec, ev->cpu))
		return fail(w, err, -ENOMEM, "a block of the recording");
	end = sg_codec_put(&s->codec, s->buf + s->len, ev, size);
	if (!end)
		return fail(w, err, -ENOMEM, "a block of the recording");
	w->raw += (size_t)(end - s->buf) - s->len;
	s->len = (size_t)(end - s->buf);
	s->count++;
	w->count++;
	if (sg_class_of(ev->kind) != SG_CLASS_DEF) {
		w->first = ev->ts < w->first ? ev->ts : w->first;
		w->last = ev->ts > w->last ? ev->ts : w->last;
	}
	w->stats.events++;
	w->stats.slices += ev->kind == SG_REC_SLICE;
	return w->raw >= SG_BLOCK_RAW_TARGET ? write_events(w, err) : 0;
}

/* Definitions are of no CPU: one stream keeps them in the order of arrival, frames before the stacks of them. */
static int put_definition(struct sg_writer *w, const struct sg_hdr *ev, size_t size, struct sg_err *err)
{
	union {
		struct sg_hdr h;
		uint64_t align;
		char bytes[SG_EVENT_MAX];
	} copy;
	struct stream *s;

	memcpy(&copy, ev, size);
	copy.h.cpu = 0;
	s = stream_for(w, &copy.h, SG_CLASS_DEF);
	return s ? stream_put(w, s, &copy.h, size, err) : fail(w, err, -ENOMEM, "a block of the recording");
}

int sg_writer_put(struct sg_writer *w, const struct sg_hdr *ev, struct sg_err *err)
{
	unsigned class = sg_class_of(ev->kind);
	size_t size = sg_event_size(ev, SG_EVENT_MAX);
	struct stream *s;
	int rc = failed(w, err);

	if (rc)
		return rc;
	if (!size)
		return sg_err_set(err, -EINVAL, "a record of kind %u is not valid and was not recorded",
				  ev->kind);
	if (ev->cpu >= w->cpu_cnt) {
		rc = cpu_grow(w, ev->cpu + 1u, err);
		if (rc)
			return rc;
	}
	w->flags |= class <= SG_CLASS_IDENT ? SG_BLOCK_DICT : 0;
	if (class == SG_CLASS_DEF)
		return put_definition(w, ev, size, err);
	s = stream_for(w, ev, class);
	if (w->count && (!s || (!s->count && w->stream_cnt >= SG_BLOCK_STREAMS_MAX))) {
		rc = write_events(w, err);
		if (rc)
			return rc;
		w->flags |= class <= SG_CLASS_IDENT ? SG_BLOCK_DICT : 0;
		s = stream_for(w, ev, class);
	}
	return s ? stream_put(w, s, ev, size, err) : fail(w, err, -ENOMEM, "a block of the recording");
}

void sg_writer_watermark(struct sg_writer *w, uint64_t ts)
{
	if (ts > w->low)
		w->low = ts;
}

int sg_writer_flush(struct sg_writer *w, struct sg_err *err)
{
	int rc = failed(w, err);

	return rc || !w->count ? rc : write_events(w, err);
}

/* ---- begin and end ------------------------------------------------------- */

static int write_head(struct sg_writer *w, struct sg_err *err)
{
	struct sg_file_head h = {
		.major = SG_REC_MAJOR,
		.minor = SG_REC_MINOR,
		.endian = SG_REC_ENDIAN,
		.size = sizeof(h),
		.abi = SG_ABI_VERSION,
	};

	memcpy(h.magic, SG_REC_MAGIC, sizeof(h.magic));
	h.crc = sg_crc32(&h, offsetof(struct sg_file_head, crc));
	return write_all(w, &h, sizeof(h), err);
}

static void writer_free(struct sg_writer *w)
{
	for (size_t i = 0; i < w->cpu_cnt * SG_CLASS_MAX; i++) {
		for (struct stream *s = w->stream[i], *next; s; s = next) {
			next = s->next;
			sg_codec_free(&s->codec);
			free(s->buf);
			free(s);
		}
	}
	if (w->z_ready)
		deflateEnd(&w->z);
	free(w->stream);
	free(w->index);
	free(w->out);
	free(w);
}

int sg_writer_open(struct sg_writer **ret, int fd, const char *meta_json, int level, struct sg_err *err)
{
	struct sg_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return sg_err_set(err, -ENOMEM, "out of memory for the recording");
	w->fd = fd;
	w->first = UINT64_MAX;
	w->out_cap = SG_BLOCK_RAW_TARGET;
	w->out = malloc(w->out_cap);
	if (level < 1 || level > 9)
		rc = fail(w, err, -EINVAL, "the compression level is 1 to 9");
	else if (!w->out || deflateInit(&w->z, level) != Z_OK)
		rc = fail(w, err, -ENOMEM, "the recording's buffers");
	else
		w->z_ready = true, rc = write_head(w, err);
	if (!rc)
		rc = write_text(w, SG_BLOCK_META, meta_json, err);
	if (rc) {
		writer_free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

static int write_index(struct sg_writer *w, struct sg_err *err)
{
	struct sg_trailer t = { .off = w->off, .blocks = (uint32_t)w->index_cnt };
	size_t done = 0;
	int rc;

	while (done < w->index_cnt) {
		size_t n = w->index_cnt - done < SG_INDEX_MAX ? w->index_cnt - done : SG_INDEX_MAX;
		struct sg_block_head h = { .type = SG_BLOCK_INDEX, .count = (uint32_t)n };

		rc = block_begin(w, err);
		if (!rc)
			rc = block_piece(w, w->index + done, n * sizeof(*w->index), Z_NO_FLUSH, err);
		if (!rc)
			rc = block_end(w, &h, n * sizeof(*w->index), err);
		if (rc)
			return rc;
		done += n;
	}
	t.crc = sg_crc32(&t, offsetof(struct sg_trailer, crc));
	memcpy(t.magic, SG_TRAILER_MAGIC, sizeof(t.magic));
	return write_all(w, &t, sizeof(t), err);
}

int sg_writer_close(struct sg_writer *w, const char *end_json, struct sg_err *err)
{
	int rc;

	if (!w)
		return 0;
	rc = sg_writer_flush(w, err);
	if (!rc)
		rc = write_text(w, SG_BLOCK_END, end_json ?: "{}", err);
	if (!rc)
		rc = write_index(w, err);
	writer_free(w);
	return rc;
}

void sg_writer_stats(const struct sg_writer *w, struct sg_writer_stats *ret)
{
	*ret = w->stats;
}
