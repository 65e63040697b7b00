/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/join.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace/format.h"
#include "trace/remap.h"

/* Drops of one CPU. What has no record behind it yet (open) is told at the end. */
struct cpu_lost {
	uint64_t seen;	/* its counter so far */
	uint64_t extra; /* what damaged places took: no counter tells of that */
	uint64_t open, since;
};

/* The highest number of each kind: the machine's ranges, and what is held per CPU, have room for these and no more. */
struct reach {
	uint32_t uid, frame, stack, cpu;
};

struct source {
	struct sg_join_part *part;
	struct sg_reader *r;
	const struct sg_hdr *ev; /* its next event, NULL at the end */
	uint64_t ts;		 /* of it, on the recording's clock */
	struct sg_remap map;
	struct reach max;
	uint64_t first, last; /* times of its events, its own clock */
	uint64_t again;	      /* events of the second reading */
	struct cpu_lost *lost;
};

struct join {
	struct source s[SG_MACHINE_MAX];
	size_t n;
	struct sg_writer *w;
	struct sg_err *err;
};

static bool is_definition(unsigned kind)
{
	return sg_class_of(kind) == SG_CLASS_DEF;
}

static int part_open(const struct sg_join_part *p, struct sg_reader **ret, struct sg_err *err)
{
	return p->mem ? sg_reader_open_mem(ret, p->mem, p->len, err) : sg_reader_open(ret, p->fd, err);
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* ---- first reading: how many of everything there are ---------------------------- */

static void reach_add(struct reach *max, const struct sg_hdr *h)
{
	const struct sg_slice *sl = (const void *)h;
	const struct sg_stackdef *sd = (const void *)h;
	const struct sg_window *w = (const void *)h;

	max->uid = most(max->uid, h->uid);
	max->cpu = most(max->cpu, h->cpu);
	switch (h->kind) {
	case SG_REC_SLICE:
		max->uid = most(most(max->uid, sl->who), most(sl->waker, most(sl->raiser, sl->work_by)));
		break;
	case SG_REC_THREAD:
		max->uid = most(max->uid, ((const struct sg_thread *)h)->creator);
		break;
	case SG_REC_FRAME:
		max->frame = most(max->frame, ((const struct sg_frame *)h)->id);
		break;
	case SG_REC_STACKDEF:
		max->stack = most(max->stack, sd->id);
		for (uint32_t i = 0; i < sd->n; i++)
			max->frame = most(max->frame, sd->frame[i]);
		break;
	case SG_REC_STACKREF:
		max->stack = most(max->stack, ((const struct sg_stackref *)h)->id);
		break;
	case SG_REC_WINDOW:
		if (w->ncpu && w->ncpu <= UINT16_MAX)
			max->cpu = most(max->cpu, w->ncpu - 1);
		break;
	}
}

static int survey_event(struct source *s, const struct sg_hdr *h, struct sg_err *err)
{
	const struct sg_window *w = (const void *)h;
	const struct sg_machine *m = (const void *)h;

	s->part->events++;
	reach_add(&s->max, h);
	switch (h->kind) {
	case SG_REC_WINDOW:
		if (w->type == SG_WINDOW_BEGIN)
			s->part->info.begin = h->ts;
		else if (w->type == SG_WINDOW_END)
			s->part->info.end = h->ts;
		break;
	case SG_REC_MACHINE:
		if (!m->number)
			return sg_err_set(
				err, -EEXIST,
				"the recording of %s is a merged one already: give the parts it was "
				"made of",
				s->part->name);
		return 0;
	case SG_REC_CLOCKMAP:
		return 0;
	case SG_REC_LOST:
		s->part->lost += ((const struct sg_lost *)h)->n;
		break;
	}
	if (is_definition(h->kind))
		return 0;
	s->first = !s->first || h->ts < s->first ? h->ts : s->first;
	s->last = h->ts > s->last ? h->ts : s->last;
	return 0;
}

static int survey(struct source *s, struct sg_err *err)
{
	const struct sg_hdr *h;
	struct sg_reader *r;
	int rc = part_open(s->part, &r, err);

	if (rc)
		return rc;
	s->part->events = s->part->lost = 0;
	s->part->damage[0] = 0;
	while ((rc = sg_reader_next(r, &h, err)) > 0 && !(rc = survey_event(s, h, err)))
		;
	if (!rc && sg_reader_damage(r))
		snprintf(s->part->damage, sizeof(s->part->damage), "%s", sg_reader_damage(r));
	sg_reader_close(r);
	return rc;
}

static int no_room(struct sg_err *err, const char *what)
{
	return sg_err_set(err, -EOVERFLOW,
			  "the recordings together have more %s than one recording can number", what);
}

/* Each machine's numbers begin behind those of the one before it. */
static int place(struct join *j)
{
	uint64_t uid = 0, frame = 0, stack = 0, cpu = 0;

	for (size_t i = 0; i < j->n; i++) {
		struct source *s = &j->s[i];
		struct sg_machine_info *m = &s->part->info;

		s->map = (struct sg_remap){ .shift = s->part->clocks ? sg_clocks_shift(s->part->clocks) : 0,
					    .number = s->part->number,
					    .uid_base = (uint32_t)uid,
					    .frame_base = (uint32_t)frame,
					    .stack_base = (uint32_t)stack,
					    .cpu_base = (uint16_t)cpu };
		uid += s->max.uid;
		frame += s->max.frame;
		stack += s->max.stack;
		if (uid > UINT32_MAX)
			return no_room(j->err, "threads");
		if (frame > UINT32_MAX || stack > UINT32_MAX)
			return no_room(j->err, "stacks");
		if (cpu + s->max.cpu > UINT16_MAX)
			return no_room(j->err, "CPUs");
		m->shift = s->map.shift;
		m->number = s->map.number;
		m->uid_base = s->map.uid_base;
		m->uid_end = (uint32_t)uid;
		m->frame_base = s->map.frame_base;
		m->stack_base = s->map.stack_base;
		m->cpu_base = s->map.cpu_base;
		m->ncpu = (uint16_t)(s->max.cpu + 1);
		m->begin = m->begin ? sg_remap_time(&s->map, m->begin) : 0;
		m->end = m->end ? sg_remap_time(&s->map, m->end) : 0;
		cpu += s->max.cpu + 1;
		s->lost = calloc(s->max.cpu + 1, sizeof(*s->lost));
		if (!s->lost)
			return sg_err_set(j->err, -ENOMEM, "out of memory for the recordings");
	}
	return 0;
}

/* ---- what is told of the machines -------------------------------------------------- */

static size_t text_add(char *to, size_t at, const char *s)
{
	size_t n = strlen(s), room = SG_MACHINE_TEXT_MAX / 2 - 1;

	n = n < room ? n : room;
	memcpy(to + at, s, n);
	to[at + n] = 0;
	return at + n + 1;
}

static int put_machine(struct join *j, const struct source *s, uint64_t ts)
{
	union {
		struct sg_machine m;
		char room[sizeof(struct sg_machine) + SG_MACHINE_TEXT_MAX];
	} ev = { .room = { 0 } };
	const struct sg_machine_info *m = &s->part->info;
	size_t at;

	ev.m = (struct sg_machine){ .h = { .ts = ts, .cpu = m->cpu_base, .kind = SG_REC_MACHINE },
				    .begin = m->begin,
				    .end = m->end,
				    .shift = m->shift,
				    .number = m->number,
				    .uid_base = m->uid_base,
				    .uid_end = m->uid_end,
				    .frame_base = m->frame_base,
				    .stack_base = m->stack_base,
				    .meta = s->part->meta,
				    .vmm = s->part->vmm,
				    .cid = s->part->cid,
				    .cpu_base = m->cpu_base,
				    .ncpu = m->ncpu };
	at = text_add(ev.room + sizeof(ev.m), 0, s->part->name);
	ev.m.len = (uint16_t)text_add(ev.room + sizeof(ev.m), at, s->part->kernel ?: "");
	return sg_writer_put(j->w, &ev.m.h, j->err);
}

static int put_clocks(struct join *j, const struct source *s, uint64_t ts)
{
	const struct sg_clocks *c = s->part->clocks;
	struct sg_clockmap ev = { .h = { .ts = ts, .cpu = s->map.cpu_base, .kind = SG_REC_CLOCKMAP },
				  .machine = s->map.number };
	int rc = 0;

	for (size_t i = 0; c && i < c->n && !rc; i++) {
		ev.guest_ts = sg_remap_time(&s->map, c->p[i].guest);
		ev.host_ts = c->p[i].host;
		ev.error_ns = c->p[i].error;
		ev.source = c->p[i].source;
		ev.flags = 0;
		rc = sg_writer_put(j->w, &ev.h, j->err);
	}
	/* the last point again, flagged: nothing is known behind it */
	if (!rc && c && c->stepped && c->n) {
		ev.flags = SG_CLOCKMAP_STEP;
		rc = sg_writer_put(j->w, &ev.h, j->err);
	}
	return rc;
}

static int put_machines(struct join *j)
{
	uint64_t ts = UINT64_MAX;
	int rc = 0;

	for (size_t i = 0; i < j->n; i++) {
		uint64_t t = j->s[i].first ? sg_remap_time(&j->s[i].map, j->s[i].first) : UINT64_MAX;

		ts = t < ts ? t : ts;
	}
	ts = ts == UINT64_MAX ? 0 : ts;
	for (size_t i = 0; i < j->n && !rc; i++)
		rc = put_machine(j, &j->s[i], ts) ?: put_clocks(j, &j->s[i], ts);
	return rc;
}

/* ---- second reading: the union ------------------------------------------------------ */

/* Each recording is read twice: its ranges were given out by what it held the first time. */
static int changed(const struct source *s, struct sg_err *err)
{
	return sg_err_set(err, -ESTALE,
			  "the recording of %s changed while it was merged: is it still being written?",
			  s->part->name);
}

static int source_step(struct source *s, struct sg_err *err)
{
	int rc = sg_reader_next(s->r, &s->ev, err);
	struct reach max = s->max;

	if (rc < 0)
		return rc;
	if (!rc) {
		s->ev = NULL;
		return s->again == s->part->events ? 0 : changed(s, err);
	}
	s->again++;
	reach_add(&max, s->ev);
	if (memcmp(&max, &s->max, sizeof(max)))
		return changed(s, err);
	s->ts = sg_remap_time(&s->map, s->ev->ts);
	return 0;
}

/* Where the machine's drop counter does not tell of a hole (a damaged place) it is made to: the reader of the result finds it there. */
static void account(struct source *s, struct sg_hdr *h)
{
	struct cpu_lost *l = &s->lost[h->cpu];
	uint64_t step = h->lost > l->seen ? h->lost - l->seen : 0;

	if (h->kind >= SG_REC_LOST || h->kind == SG_REC_SWAPOUT)
		return;
	l->extra += l->open > step ? l->open - step : 0;
	l->open = 0;
	l->seen += step;
	h->lost += l->extra;
}

static void lose(struct source *s, const struct sg_lost *ev)
{
	struct cpu_lost *l = &s->lost[ev->h.cpu];

	if (!l->open)
		l->since = ev->since;
	l->open += ev->n;
}

static int source_put(struct join *j, struct source *s)
{
	union {
		struct sg_hdr h;
		uint64_t align;
		char bytes[SG_EVENT_MAX];
	} copy;

	switch (s->ev->kind) {
	case SG_REC_LOST:
		lose(s, (const void *)s->ev);
		return 0;
	case SG_REC_WINDOW:
		if (s->map.number)
			return 0;
		break;
	case SG_REC_MACHINE: /* raw: they have been used */
	case SG_REC_CLOCKMAP:
		return 0;
	}
	memcpy(&copy, s->ev, sg_event_size(s->ev, SG_EVENT_MAX));
	account(s, &copy.h);
	sg_remap_event(&s->map, &copy.h);
	return sg_writer_put(j->w, &copy.h, j->err);
}

/* CPUs of which nothing came behind a hole. */
static int source_end(struct join *j, const struct source *s)
{
	uint64_t last = s->last;
	int rc = 0;

	for (uint32_t cpu = 0; cpu <= s->max.cpu && !rc; cpu++) {
		const struct cpu_lost *l = &s->lost[cpu];
		struct sg_lost ev = { .h = { .ts = last, .cpu = (uint16_t)cpu, .kind = SG_REC_LOST },
				      .since = l->since,
				      .n = l->open };

		if (!l->open)
			continue;
		ev.h.lost = l->seen + l->extra;
		sg_remap_event(&s->map, &ev.h);
		rc = sg_writer_put(j->w, &ev.h, j->err);
	}
	return rc;
}

static struct source *next_of(struct join *j)
{
	struct source *best = NULL;

	for (size_t i = 0; i < j->n; i++) {
		struct source *s = &j->s[i];

		if (s->ev && (!best || s->ts < best->ts))
			best = s;
	}
	return best;
}

static int unite(struct join *j)
{
	struct source *s;
	int rc = 0;

	for (size_t i = 0; i < j->n && !rc; i++) {
		rc = part_open(j->s[i].part, &j->s[i].r, j->err);
		if (!rc)
			rc = source_step(&j->s[i], j->err);
	}
	while (!rc && (s = next_of(j))) {
		sg_writer_watermark(j->w, s->ts);
		rc = source_put(j, s);
		if (!rc)
			rc = source_step(s, j->err);
	}
	for (size_t i = 0; i < j->n && !rc; i++)
		rc = source_end(j, &j->s[i]);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const struct sg_join_part *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int check(struct join *j, struct sg_join_part *p, size_t n)
{
	qsort(p, n, sizeof(*p), by_number);
	if (!n || n > SG_MACHINE_MAX)
		return sg_err_set(j->err, -E2BIG, "a recording holds 1 to %d machines, not %zu",
				  SG_MACHINE_MAX, n);
	for (size_t i = 0; i < n; i++) {
		if (p[i].number >= SG_MACHINE_MAX || (i && p[i].number == p[i - 1].number))
			return sg_err_set(j->err, -EINVAL, "machine %u is there twice, or out of range",
					  p[i].number);
		memset(&p[i].info, 0, sizeof(p[i].info));
		j->s[i].part = &p[i];
	}
	j->n = n;
	return 0;
}

static void join_free(struct join *j)
{
	for (size_t i = 0; i < j->n; i++) {
		if (j->s[i].r)
			sg_reader_close(j->s[i].r);
		free(j->s[i].lost);
	}
}

int sg_join(struct sg_join_part *p, size_t n, const struct sg_join_opts *o, struct sg_writer_stats *ret,
	    struct sg_err *err)
{
	struct join j = { .err = err };
	int rc = check(&j, p, n);

	for (size_t i = 0; i < j.n && !rc; i++)
		rc = survey(&j.s[i], err);
	if (!rc)
		rc = place(&j);
	if (!rc)
		rc = sg_writer_open(&j.w, o->out_fd, o->meta, o->level, err);
	if (!rc)
		rc = put_machines(&j);
	if (!rc)
		rc = unite(&j);
	if (!rc) {
		sg_writer_stats(j.w, ret);
		rc = sg_writer_close(j.w, o->end, err);
	} else if (j.w) {
		sg_writer_close(j.w, NULL, NULL);
	}
	join_free(&j);
	return rc;
}

/* ---- what a host's recording knows ----------------------------------------------- */

int sg_join_clocks(int fd, struct sg_machines *ms, struct sg_clocks *clocks, struct sg_err *err)
{
	const struct sg_hdr *h;
	struct sg_reader *r;
	int rc = sg_reader_open(&r, fd, err);

	memset(ms, 0, sizeof(*ms));
	memset(clocks, 0, SG_MACHINE_MAX * sizeof(*clocks));
	if (rc)
		return rc;
	while ((rc = sg_reader_next(r, &h, err)) > 0) {
		const struct sg_clockmap *c = (const void *)h;

		if (h->kind == SG_REC_MACHINE)
			sg_machines_add(ms, (const void *)h);
		if (h->kind != SG_REC_CLOCKMAP || !(c->flags & SG_CLOCKMAP_RAW) ||
		    c->machine >= SG_MACHINE_MAX)
			continue;
		rc = sg_clocks_feed(&clocks[c->machine], c);
		if (rc < 0)
			break;
	}
	sg_reader_close(r);
	for (unsigned i = 0; i < SG_MACHINE_MAX && rc >= 0; i++)
		rc = sg_clocks_finish(&clocks[i]);
	return rc < 0 && !err->code ? sg_err_set(err, rc, "out of memory for the clocks") : rc < 0 ? rc : 0;
}
