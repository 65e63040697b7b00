/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Recordings in memory, for the tests of writer and reader. */
#ifndef SG_TEST_REC_FILE_H
#define SG_TEST_REC_FILE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gen_event.h"
#include "trace/rec.h"

struct rec_file {
	int fd;
	struct sg_writer *w;
	uint8_t *data;
	size_t len;
};

static inline void rec_begin(struct rec_file *f)
{
	struct sg_err err = { 0 };

	f->fd = memfd_create("rec", 0);
	cr_assert_geq(f->fd, 0);
	cr_assert_eq(sg_writer_open(&f->w, f->fd, "{\"machine\":\"m\"}", 1, &err), 0, "%s", err.msg);
}

static inline void rec_put(struct rec_file *f, const void *ev)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_writer_put(f->w, ev, &err), 0, "%s", err.msg);
}

static inline void rec_flush(struct rec_file *f)
{
	cr_assert_eq(sg_writer_flush(f->w, NULL), 0);
}

/* The bytes so far, as a killed recorder leaves them. */
static inline void rec_snapshot(struct rec_file *f)
{
	free(f->data);
	f->len = (size_t)lseek(f->fd, 0, SEEK_END);
	f->data = malloc(f->len + 1);
	cr_assert_eq(pread(f->fd, f->data, f->len, 0), (ssize_t)f->len);
}

static inline void rec_end(struct rec_file *f)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_writer_close(f->w, "{\"lost\":0}", &err), 0, "%s", err.msg);
	rec_snapshot(f);
	close(f->fd);
}

/* A small slice of a thread, in [ts - 5, ts]. */
static inline struct sg_slice rec_slice(unsigned cpu, uint32_t uid, uint64_t ts, uint64_t lost)
{
	return (struct sg_slice){
		.h = { .ts = ts, .lost = lost, .uid = uid, .cpu = (uint16_t)cpu, .kind = SG_REC_SLICE },
		.in = ts - 5,
	};
}

/* All events of a recording, in order. */
struct rec_list {
	union gen_event *ev;
	size_t n, cap;
	char damage[400];
	char meta[64], end[64];
};

static inline void rec_list_add(struct rec_list *l, const struct sg_hdr *h)
{
	size_t size = sg_event_size(h, SG_EVENT_MAX);

	cr_assert_gt(size, 0);
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		l->ev = realloc(l->ev, l->cap * sizeof(*l->ev));
		cr_assert(l->ev);
	}
	memset(&l->ev[l->n], 0, sizeof(*l->ev));
	memcpy(&l->ev[l->n++], h, size);
}

static inline int rec_drain(struct sg_reader *r, struct rec_list *l, struct sg_err *err)
{
	const struct sg_hdr *h;
	int rc;

	while ((rc = sg_reader_next(r, &h, err)) > 0) {
		cr_assert(!l->n || l->ev[l->n - 1].h.ts <= h->ts, "events come in time order");
		rec_list_add(l, h);
	}
	if (sg_reader_damage(r))
		strcpy(l->damage, sg_reader_damage(r));
	strncpy(l->meta, sg_reader_meta(r) ?: "", sizeof(l->meta) - 1);
	strncpy(l->end, sg_reader_end_meta(r) ?: "", sizeof(l->end) - 1);
	return rc;
}

/* Reads all of @data. Return: as the reader. */
static inline int rec_read(const void *data, size_t len, struct rec_list *l, struct sg_err *err)
{
	struct sg_reader *r;
	int rc;

	memset(l, 0, sizeof(*l));
	memset(err, 0, sizeof(*err));
	rc = sg_reader_open_mem(&r, data, len, err);
	if (rc)
		return rc;
	rc = rec_drain(r, l, err);
	sg_reader_close(r);
	return rc;
}

static inline void rec_list_free(struct rec_list *l)
{
	free(l->ev);
	memset(l, 0, sizeof(*l));
}

#endif
