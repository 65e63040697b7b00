/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Tasks: from marks, from exec to exit of processes, or threads over the whole
 * recording. An ended task waits until the stream is past it, then is walked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/priv.h"

/* ---- lists --------------------------------------------------------------- */
struct sg_open *sg_task_open(struct sg_model *m, uint64_t begin, uint64_t id, const char *name, uint8_t src)
{
	struct sg_open *o = calloc(1, sizeof(*o)), *at = m->tail;

	if (!o)
		return NULL;
	o->id = id;
	o->begin = begin;
	o->src = src;
	snprintf(o->name, sizeof(o->name), "%.*s", SG_MARK_NAME, name);
	while (at && at->begin > begin)
		at = at->prev;
	o->prev = at;
	o->next = at ? at->next : m->head;
	if (o->next)
		o->next->prev = o;
	else
		m->tail = o;
	if (at)
		at->next = o;
	else
		m->head = o;
	return o;
}

static void open_free(struct sg_model *m, struct sg_open *o)
{
	if (o->prev)
		o->prev->next = o->next;
	else
		m->head = o->next;
	if (o->next)
		o->next->prev = o->prev;
	else
		m->tail = o->prev;
	free(o);
}

static struct sg_open *by_id(const struct sg_model *m, uint64_t id)
{
	uint64_t val;

	return sg_map_get(&m->open_map, id, &val) ? (struct sg_open *)(uintptr_t)val : NULL;
}

static int id_add(struct sg_model *m, struct sg_open *o)
{
	o->hash_next = by_id(m, o->id);
	return sg_map_put(&m->open_map, o->id, (uintptr_t)o);
}

static void id_del(struct sg_model *m, struct sg_open *o)
{
	struct sg_open *p = by_id(m, o->id);

	if (p != o) {
		while (p && p->hash_next != o)
			p = p->hash_next;
		if (p)
			p->hash_next = o->hash_next;
	} else if (o->hash_next) {
		sg_map_put(&m->open_map, o->id, (uintptr_t)o->hash_next);
	} else {
		sg_map_del(&m->open_map, o->id);
	}
}

/* Ends come in time order: the queue is ordered by end. */
void sg_task_close(struct sg_model *m, struct sg_open *o, uint32_t uid, uint64_t end)
{
	if (end < o->begin) { /* a damaged recording: nothing sensible can be said */
		end = o->begin;
		o->incomplete = true;
		m->stats.late++;
	}
	o->uid = uid;
	o->end = end;
	o->ended = true;
	o->queue_next = NULL;
	if (m->queue_tail)
		m->queue_tail->queue_next = o;
	else
		m->queue = o;
	m->queue_tail = o;
}

/* ---- explaining ---------------------------------------------------------- */
static bool detached(struct sg_model *m, const struct sg_open *o, const struct sg_segs *segs)
{
	uint32_t last = 0;

	if (o->begin_uid == o->uid || !o->begin_uid || o->begin >= o->end)
		return false;
	for (size_t i = 0; i < segs->n; i++) {
		if (segs->seg[i].chain != last && sg_chain_has(m, segs->seg[i].chain, o->begin_uid))
			return false;
		last = segs->seg[i].chain;
	}
	return true;
}

/* 0 explained (and @o freed), -EAGAIN not yet, or an error. */
static int explain(struct sg_model *m, struct sg_open *o, bool force)
{
	const struct sg_segs *segs = sg_walk_segs(m);
	struct sg_task t;
	int rc;

	if (o->is_inside) {
		open_free(m, o);
		return 0;
	}
	rc = sg_walk_run(m, o, force);
	if (!rc && m->fusion)
		rc = sg_fuse(m, o, force);
	if (!rc && o->inside.uid)
		rc = sg_inside_put(m, o, force);
	if (rc)
		return rc;
	sg_stay_label(m, o, segs->seg, segs->n);
	t = (struct sg_task){ .id = o->id,
			      .name = o->name,
			      .uid = o->uid,
			      .begin_uid = o->begin_uid,
			      .begin = o->begin,
			      .end = o->end,
			      .status = o->status,
			      .src = o->src,
			      .incomplete = o->incomplete,
			      .root = o->root,
			      .nseg = segs->n,
			      .seg = segs->seg };
	t.nsample = sg_walk_samples(m, &t.sample);
	t.detached = detached(m, o, segs);
	sg_walk_sums(m, &t);
	if (m->fusion)
		sg_fuse_sums(m, &t);
	m->stats.tasks++;
	rc = m->on_task ? m->on_task(m->task_ctx, &t) : 0;
	open_free(m, o);
	if (rc < 0)
		m->stopped = rc;
	return rc < 0 ? rc : 0;
}

static bool retry(const struct sg_model *m, const struct sg_open *o)
{
	const struct sg_thr *th = sg_thr_find(m, o->need_uid);

	return !th || th->exit_ts || (th->first_set && th->last_out >= o->need_ts) || m->now >= o->retry_at;
}

static int try_stuck(struct sg_model *m, bool force)
{
	struct sg_open **at = &m->stuck;

	m->recheck = m->now + m->settle_ns;
	while (*at) {
		struct sg_open *o = *at, *next = o->queue_next;
		int rc = -EAGAIN;

		if (force || retry(m, o))
			rc = explain(m, o, force);
		if (rc == -EAGAIN) {
			struct sg_thr *th = sg_thr_find(m, o->need_uid);

			if (th)
				th->waited = true;
			if (m->now >= o->retry_at)
				o->retry_at = m->now + m->settle_ns;
			at = &o->queue_next;
			continue;
		}
		*at = next;
		if (rc)
			return rc;
	}
	return 0;
}

static int try_queue(struct sg_model *m, bool force)
{
	while (m->queue && (force || m->queue->end + m->settle_ns <= m->now)) {
		struct sg_open *o = m->queue, **at = &m->stuck;
		int rc;

		m->queue = o->queue_next;
		if (!m->queue)
			m->queue_tail = NULL;
		o->queue_next = NULL;
		rc = explain(m, o, force);
		if (rc && rc != -EAGAIN)
			return rc;
		if (!rc)
			continue;
		while (*at)
			at = &(*at)->queue_next;
		*at = o;
		o->retry_at = m->now + m->settle_ns;
		if (sg_thr_find(m, o->need_uid))
			sg_thr_find(m, o->need_uid)->waited = true;
		if (m->recheck > o->retry_at || !m->stuck->queue_next)
			m->recheck = o->retry_at;
	}
	return 0;
}

int sg_task_ripen(struct sg_model *m)
{
	int rc = 0;

	if (m->stuck && m->now >= m->recheck)
		rc = try_stuck(m, false);
	return rc ? rc : try_queue(m, false);
}

/* Found by its id again, unlike what the model itself makes a task. */
static bool marked(const struct sg_open *o)
{
	return o->src == SG_MSRC_USDT || o->src == SG_MSRC_UPROBE || o->src == SG_MSRC_ACCESS;
}

/* ---- marks --------------------------------------------------------------- */
/* Marks of this thread were lost: what is open there may have ended and begun again. */
static void void_open(struct sg_model *m, struct sg_thr *th, uint64_t ts)
{
	th->mark_hole = true;
	for (struct sg_open *o = m->head; o; o = o->next) {
		if (o->ended || o->begin_uid != th->uid || !marked(o))
			continue;
		o->incomplete = true;
		id_del(m, o);
		sg_stay_end(th, ts, o->id);
		sg_task_close(m, o, th->uid, ts);
	}
}

static int mark_begin(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev)
{
	struct sg_open *o = sg_task_open(m, ev->h.ts, ev->id, ev->name, ev->src);
	int rc;

	if (!o)
		return -ENOMEM;
	o->begin_uid = th->uid;
	rc = id_add(m, o);
	if (rc)
		return rc;
	sg_stay_prune(th, sg_timeline_horizon(m));
	return sg_stay_begin(th, ev->h.ts, ev->id);
}

static struct sg_open *match(const struct sg_model *m, const struct sg_mark *ev)
{
	struct sg_open *any = NULL;

	for (struct sg_open *o = by_id(m, ev->id); o; o = o->hash_next) {
		if (ev->name[0] && o->name[0] && strncmp(o->name, ev->name, SG_MARK_NAME))
			continue;
		if (o->begin_uid == ev->h.uid)
			return o;
		if (!any)
			any = o;
	}
	return any;
}

/* What a guest did of a task of its host's belongs to that. */
static void join_host(struct sg_model *m, struct sg_open *in)
{
	uint64_t id = sg_inside_id(m, in);

	for (struct sg_open *o = id ? by_id(m, id) : NULL; o; o = o->hash_next)
		if (sg_inside_of(m, o, in)) {
			o->inside.uid = in->uid;
			o->inside.id = in->id;
			o->inside.begin = in->begin;
			o->inside.end = in->end;
			in->is_inside = true;
			return;
		}
}

static int mark_end(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev)
{
	struct sg_open *o = match(m, ev);
	struct sg_thr *from;

	if (!o) {
		if (th->mark_hole)
			return 0; /* its task was voided already */
		o = sg_task_open(m, ev->h.ts, ev->id, ev->name, ev->src);
		if (!o)
			return -ENOMEM;
		o->incomplete = true; /* begun before the recording: its length is not known */
	} else {
		id_del(m, o);
		from = sg_thr_find(m, o->begin_uid);
		if (from)
			sg_stay_end(from, ev->h.ts, o->id);
		if (!o->name[0])
			snprintf(o->name, sizeof(o->name), "%.*s", SG_MARK_NAME, ev->name);
	}
	o->status = ev->status;
	sg_task_close(m, o, th->uid, ev->h.ts);
	if (m->fusion)
		join_host(m, o);
	return 0;
}

static int mark_exec(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev)
{
	struct sg_proc *p;

	if (!(th->flags & SG_TF_ROOT) && !m->opts.procs)
		return 0;
	p = sg_proc_get(m, th->tgid);
	if (!p)
		return -ENOMEM;
	if (!p->task) {
		p->task = sg_task_open(m, ev->h.ts, th->tgid, ev->name, SG_MSRC_PROC);
		if (!p->task)
			return -ENOMEM;
		p->task->begin_uid = th->uid;
		p->task->root = th->flags & SG_TF_ROOT;
	}
	snprintf(p->task->name, sizeof(p->task->name), "%.*s", SG_MARK_NAME, ev->name);
	return 0;
}

static int mark_exit(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev)
{
	uint64_t val;
	struct sg_proc *p;

	if (!sg_map_get(&m->proc_map, th->tgid, &val))
		return 0;
	p = (struct sg_proc *)(uintptr_t)val;
	sg_guest_end(m, p, th, ev->h.ts);
	p->role = 0; /* the number may come back as another process */
	p->vmm = false;
	if (p->task) {
		p->task->status = ev->status;
		sg_task_close(m, p->task, th->uid, ev->h.ts);
		p->task = NULL;
	}
	return 0;
}

int sg_task_mark(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev)
{
	if (th->cuts.n && th->cuts.cut[th->cuts.n - 1].ts == ev->h.ts)
		th->cuts.cut[th->cuts.n - 1].keep = 1;
	if (ev->seq && th->mark_seq && ev->seq > th->mark_seq + 1)
		void_open(m, th, ev->h.ts);
	th->mark_seq = ev->seq;
	switch (ev->type) {
	case SG_MARK_BEGIN:
		return mark_begin(m, th, ev);
	case SG_MARK_END:
		return mark_end(m, th, ev);
	case SG_MARK_EXEC:
		return mark_exec(m, th, ev);
	case SG_MARK_EXIT:
		return mark_exit(m, th, ev);
	default:
		return 0;
	}
}

/* ---- threads as tasks ---------------------------------------------------- */
int sg_task_thread(struct sg_model *m, struct sg_thr *th, uint64_t end)
{
	uint64_t begin = m->win_begin ? m->win_begin : m->first_ts;
	struct sg_open *o;

	if (th->birth > begin)
		begin = th->birth;
	if (!m->opts.threads || !(th->flags & SG_TF_INSCOPE) || !th->seen || end <= begin)
		return 0;
	o = sg_task_open(m, begin, th->uid, th->comm, SG_MSRC_PROC);
	if (!o)
		return -ENOMEM;
	o->is_thread = true;
	o->begin_uid = th->uid;
	sg_task_close(m, o, th->uid, end);
	return 0;
}

/* ---- the end of the stream ----------------------------------------------- */
int sg_task_finish(struct sg_model *m)
{
	uint64_t end = m->win_end ? m->win_end : m->now;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < m->nthr; i++)
		if (!m->thr[i]->exit_ts)
			rc = sg_task_thread(m, m->thr[i], end);
	for (struct sg_open *o = m->head; o; o = o->next) {
		if (o->ended)
			continue;
		o->incomplete = true;
		if (marked(o))
			id_del(m, o);
		sg_task_close(m, o, o->begin_uid, end > o->begin ? end : o->begin);
	}
	if (!rc)
		rc = try_stuck(m, true);
	return rc ? rc : try_queue(m, true);
}

void sg_task_free_all(struct sg_model *m)
{
	while (m->head)
		open_free(m, m->head);
	sg_map_free(&m->open_map);
}
