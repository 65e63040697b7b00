/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvtrace_pair.h"
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

/* A thread of the guest, and the call that it is in. */
struct thread {
	struct thread *next;
	uint32_t gtid;
	uint16_t nr;
	bool open;
	char name[16];
	int64_t begin_ns;
	char *path; /* told at the enter: a closed file has none at the exit */
};

struct sg_gvpair {
	sg_gvcall_fn fn;
	void *ctx;
	size_t n;
	uint64_t halves;
	struct thread *bucket[BUCKETS];
};

struct sg_gvpair *sg_gvpair_new(sg_gvcall_fn fn, void *ctx)
{
	struct sg_gvpair *p = calloc(1, sizeof(*p));

	if (p) {
		p->fn = fn;
		p->ctx = ctx;
	}
	return p;
}

static void thread_free(struct thread *t)
{
	free(t->path);
	free(t);
}

void sg_gvpair_free(struct sg_gvpair *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct thread *t = p->bucket[i], *next; t; t = next) {
			next = t->next;
			thread_free(t);
		}
	free(p);
}

static struct thread **thread_at(struct sg_gvpair *p, uint32_t gtid)
{
	struct thread **at = &p->bucket[gtid % BUCKETS];

	while (*at && (*at)->gtid != gtid)
		at = &(*at)->next;
	return at;
}

static struct thread *thread_get(struct sg_gvpair *p, uint32_t gtid)
{
	struct thread **at = thread_at(p, gtid);

	if (!*at && p->n < SG_GVPAIR_THREADS && (*at = calloc(1, sizeof(**at)))) {
		(*at)->gtid = gtid;
		p->n++;
	}
	return *at;
}

/* The open call of @t is over. @m: its exit, NULL when that is missing. */
static void call_close(struct sg_gvpair *p, struct thread *t, const struct sg_gvmsg *m, int64_t begin_ns,
		       int64_t end_ns)
{
	const char *name = m && *m->name ? m->name : t->name;
	const char *path = m && *m->path ? m->path : t->path ? t->path : "";
	const struct sg_gvcall c = { .begin_ns = begin_ns > 0 && begin_ns <= end_ns ? begin_ns : 0,
				     .end_ns = end_ns,
				     .gtid = t->gtid,
				     .ret = m ? m->ret : 0,
				     .nr = t->nr,
				     .name = name,
				     .path = path };

	p->halves += !c.begin_ns;
	p->fn(p->ctx, &c);
	free(t->path);
	t->path = NULL;
	t->open = false;
}

static void name_keep(struct thread *t, const struct sg_gvmsg *m)
{
	size_t n = strnlen(m->name, sizeof(t->name) - 1);

	if (!n)
		return;
	memcpy(t->name, m->name, n);
	t->name[n] = 0;
}

static void on_enter(struct sg_gvpair *p, const struct sg_gvmsg *m)
{
	struct thread *t = thread_get(p, m->tid);

	if (!t)
		return; /* its exit will be counted, without a begin */
	if (t->open)
		call_close(p, t, NULL, 0, m->time_ns);
	t->open = true;
	t->nr = m->nr;
	t->begin_ns = m->time_ns;
	t->path = *m->path ? strndup(m->path, SG_GVPAIR_PATH) : NULL;
	name_keep(t, m);
}

static void on_exit_of(struct sg_gvpair *p, const struct sg_gvmsg *m)
{
	struct thread *t = *thread_at(p, m->tid), none = { .gtid = m->tid };

	if (t && t->open && t->nr == m->nr) {
		name_keep(t, m);
		call_close(p, t, m, t->begin_ns, m->time_ns);
		return;
	}
	if (t && t->open)
		call_close(p, t, NULL, 0, m->time_ns);
	if (t)
		memcpy(none.name, t->name, sizeof(none.name));
	none.nr = m->nr;
	call_close(p, &none, m, 0, m->time_ns);
}

static void on_task_exit(struct sg_gvpair *p, const struct sg_gvmsg *m)
{
	struct thread **at = thread_at(p, m->tid), *t = *at;

	if (!t)
		return;
	if (t->open)
		call_close(p, t, NULL, t->begin_ns, m->time_ns);
	*at = t->next;
	p->n--;
	thread_free(t);
}

void sg_gvpair_feed(struct sg_gvpair *p, const struct sg_gvmsg *m)
{
	if (m->kind == SG_GVMSG_ENTER)
		on_enter(p, m);
	else if (m->kind == SG_GVMSG_EXIT)
		on_exit_of(p, m);
	else if (m->kind == SG_GVMSG_TASK_EXIT)
		on_task_exit(p, m);
}

void sg_gvpair_end(struct sg_gvpair *p, int64_t now_ns)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct thread *t = p->bucket[i]; t; t = t->next)
			if (t->open)
				call_close(p, t, NULL, t->begin_ns, now_ns);
}

uint64_t sg_gvpair_halves(const struct sg_gvpair *p)
{
	return p->halves;
}
