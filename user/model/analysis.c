/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/strtab.h"
#include "model/analysis.h"
#include "model/sums.h"

/* More names than this share one group: names can be chosen by whoever is recorded. */
#define GROUPS_MAX  512			 /* at most SG_TASKCALLS_GROUPS */
#define KEPT_TASKS  (4 * SG_GROUP_EXACT) /* single tasks kept, all groups together */
#define OTHER_NAMES "(other names)"

struct bucket {
	struct sg_group *group;
	struct sg_blame *critical;  /* the same tasks by the non-returning walk */
	struct sg_kept_task **kept; /* slowest first */
	size_t nkept;
	bool has_root;
	uint32_t number; /* before they are sorted */
	struct sg_order_row *order;
	size_t norder;
	uint64_t total_ns;
};

struct sg_analysis {
	struct sg_analysis_opts opts;
	char *only;
	struct sg_owners *owners;
	struct sg_vmsum *vms;
	struct sg_model *model, *second;
	struct sg_strtab name; /* of buckets, same numbers until sorted */
	struct bucket *bucket;
	size_t n;
	struct sg_group **list;
	bool sorted;
	struct sg_blame *scratch;
	struct sg_taskcalls *calls; /* by number of buckets before they are sorted */
	struct sg_analysis_info info;
};

static void kept_free(struct sg_kept_task *k)
{
	if (!k)
		return;
	sg_blame_free(k->blame);
	free(k->name);
	free(k);
}

void sg_analysis_free(struct sg_analysis *a)
{
	if (!a)
		return;
	sg_model_free(a->model);
	sg_model_free(a->second);
	for (size_t i = 0; i < a->n; i++) {
		struct bucket *b = &a->bucket[i];

		for (size_t k = 0; k < b->nkept; k++)
			kept_free(b->kept[k]);
		free(b->kept);
		free(b->order);
		sg_group_free(b->group);
		sg_blame_free(b->critical);
	}
	free(a->bucket);
	free(a->list);
	sg_strtab_free(&a->name);
	sg_blame_free(a->scratch);
	sg_taskcalls_free(a->calls);
	if (!a->opts.owners)
		sg_owners_free(a->owners);
	sg_vmsum_free(a->vms);
	free(a->only);
	free(a);
}

static bool chosen(const struct sg_analysis *a, const struct sg_task *t)
{
	switch (a->opts.tasks) {
	case SG_TASKS_AUTO:
		return t->root || (t->src != SG_MSRC_PROC && t->src != SG_MSRC_GUEST);
	case SG_TASKS_PROC:
		return t->src == SG_MSRC_PROC || t->src == SG_MSRC_GUESTPROC;
	case SG_TASKS_THREAD:
		return t->src == SG_MSRC_PROC && !t->root;
	case SG_TASKS_MARKED:
		return t->src != SG_MSRC_PROC && t->src != SG_MSRC_GUEST && t->src != SG_MSRC_GUESTPROC;
	case SG_TASKS_GUEST:
		return t->src == SG_MSRC_GUEST;
	}
	return false;
}

/* @label: room for a container's. */
static const char *group_name(const struct sg_analysis *a, const struct sg_model *m, const struct sg_task *t,
			      char label[SG_OWNERS_LABEL])
{
	struct sg_thread_info ti = { 0 };
	uint32_t program;

	if (a->opts.by_container) {
		program = sg_owners_proc(a->owners, t->begin_uid ? t->begin_uid : t->uid);
		return sg_owners_label(a->owners, sg_owners_proc_at(a->owners, program)->cgroup, label);
	}

	if (!a->opts.by_component)
		return t->name && *t->name ? t->name : "(no name)";
	sg_model_thread(m, t->uid, &ti);
	return ti.comp && *ti.comp ? ti.comp : "(no component)";
}

/* Many groups share what one may keep, so that memory has one bound. */
static void share_limits(struct sg_analysis *a)
{
	if (a->n & (a->n - 1))
		return; /* at 1, 2, 4, 8 ... groups */
	for (size_t i = 0; i < a->n; i++) {
		size_t tasks = KEPT_TASKS / (2 * a->n);

		sg_group_limit(a->bucket[i].group, tasks < SG_GROUP_EXACT ? tasks : SG_GROUP_EXACT,
			       SG_GROUP_PAIRS / a->n);
	}
}

/* Bucket of that name, or NULL when out of memory. */
static struct bucket *bucket_of(struct sg_analysis *a, const char *name)
{
	struct bucket b = { 0 };
	int64_t id;

	id = sg_strtab_find(&a->name, name);
	if (id >= 0)
		return &a->bucket[id];
	if (a->n == GROUPS_MAX)
		return &a->bucket[GROUPS_MAX - 1];
	id = sg_strtab_id(&a->name, a->n == GROUPS_MAX - 1 ? OTHER_NAMES : name);
	if (id < 0)
		return NULL;
	if ((size_t)id < a->n) /* a task called like the group of the others */
		return &a->bucket[id];
	if (sg_group_new(&b.group, sg_strtab_str(&a->name, id)) ||
	    (a->opts.check_order && sg_blame_new(&b.critical))) {
		sg_group_free(b.group);
		return NULL;
	}
	b.number = (uint32_t)a->n;
	a->bucket[a->n] = b;
	a->n++;
	share_limits(a);
	return &a->bucket[a->n - 1];
}

static int kept_make(struct sg_kept_task **ret, const struct sg_model *m, const struct sg_task *t,
		     const struct sg_blame *tb)
{
	struct sg_kept_task *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->id = t->id;
	k->begin = t->begin;
	k->end = t->end;
	k->status = t->status;
	k->incomplete = t->incomplete;
	k->detached = t->detached;
	k->root = t->root;
	k->prorated_ns = t->prorated_ns;
	k->uncertain_ns = t->uncertain_ns;
	k->name = strdup(t->name ? t->name : "");
	if (!k->name || sg_blame_new(&k->blame) || sg_blame_merge(k->blame, tb)) {
		kept_free(k);
		return -ENOMEM;
	}
	sg_steps_make(k, m, t);
	*ret = k;
	return 0;
}

/* Among the slowest? Then in, at its place; equal ones stay in the order they came. */
static int keep_slow(struct sg_analysis *a, struct bucket *b, const struct sg_model *m,
		     const struct sg_task *t, const struct sg_blame *tb)
{
	uint64_t latency = t->end - t->begin;
	size_t at = b->nkept, max = a->opts.slowest ? a->opts.slowest : 1;
	struct sg_kept_task *k;
	int ret;

	if (!b->kept) {
		b->kept = calloc(max, sizeof(*b->kept));
		if (!b->kept)
			return -ENOMEM;
	}
	while (at && b->kept[at - 1]->end - b->kept[at - 1]->begin < latency)
		at--;
	if (at == max)
		return 0;
	ret = kept_make(&k, m, t, tb);
	if (ret)
		return ret;
	if (b->nkept == max)
		kept_free(b->kept[--b->nkept]);
	memmove(&b->kept[at + 1], &b->kept[at], (b->nkept - at) * sizeof(*b->kept));
	b->kept[at] = k;
	b->nkept++;
	return 0;
}

static int on_task(void *ctx, const struct sg_task *t)
{
	struct sg_analysis *a = ctx;
	char label[SG_OWNERS_LABEL];
	struct bucket *b;
	const char *name;
	int ret;

	if (!chosen(a, t))
		return 0;
	name = group_name(a, a->model, t, label);
	if (a->only && strcmp(a->only, name))
		return 0;
	b = bucket_of(a, name);
	if (!b)
		return -ENOMEM;
	sg_blame_clear(a->scratch);
	ret = sg_blame_add(a->scratch, a->model, t);
	if (!ret)
		ret = sg_group_add_blame(b->group, t, a->scratch);
	if (!ret)
		ret = keep_slow(a, b, a->model, t, a->scratch);
	if (!ret && a->calls)
		ret = sg_taskcalls_add(a->calls, b->number, a->model, t);
	if (!ret && a->opts.on_task)
		ret = a->opts.on_task(a->opts.ctx, a->model, t, a->scratch);
	b->has_root |= t->root;
	a->info.tasks++;
	if (a->n == GROUPS_MAX && b == &a->bucket[GROUPS_MAX - 1])
		a->info.groups_folded++;
	return ret;
}

/* The second walk counts the same tasks; incomplete ones on neither side. */
static int on_second(void *ctx, const struct sg_task *t)
{
	struct sg_analysis *a = ctx;
	char label[SG_OWNERS_LABEL];
	const char *name;
	struct bucket *b;

	if (!chosen(a, t) || t->incomplete)
		return 0;
	name = group_name(a, a->second, t, label);
	if (a->only && strcmp(a->only, name))
		return 0;
	b = bucket_of(a, name);
	return b ? sg_blame_add(b->critical, a->second, t) : -ENOMEM;
}

int sg_analysis_new(struct sg_analysis **ret, const struct sg_analysis_opts *opts)
{
	struct sg_model_opts mo = {
		.mem_cap = opts->mem_cap,
		.settle_ns = opts->settle_ns,
		.procs = opts->tasks == SG_TASKS_PROC,
		.threads = opts->tasks == SG_TASKS_THREAD,
		.guest = opts->tasks == SG_TASKS_GUEST,
		.guest_procs = opts->tasks == SG_TASKS_AUTO || opts->tasks == SG_TASKS_PROC,
		.critical = opts->critical,
	};
	struct sg_analysis *a = calloc(1, sizeof(*a));
	int r = a ? 0 : -ENOMEM;

	if (r)
		return r;
	a->opts = *opts;
	a->opts.check_order = opts->check_order && !opts->critical;
	a->bucket = calloc(GROUPS_MAX, sizeof(*a->bucket));
	if (opts->only)
		a->only = strdup(opts->only);
	if (!a->bucket || (opts->only && !a->only))
		r = -ENOMEM;
	a->owners = opts->owners;
	if (!r && !a->owners)
		r = sg_owners_new(&a->owners);
	if (!r)
		r = sg_vmsum_new(&a->vms);
	if (!r)
		r = sg_blame_new(&a->scratch);
	if (!r && opts->calls && !opts->critical)
		r = sg_taskcalls_new(&a->calls);
	if (!r)
		r = sg_model_new(&a->model, &mo, on_task, a);
	mo.critical = true;
	if (!r && a->opts.check_order)
		r = sg_model_new(&a->second, &mo, on_second, a);
	if (r) {
		sg_analysis_free(a);
		return r;
	}
	if (opts->on_span)
		sg_model_on_span(a->model, opts->on_span, opts->ctx);
	if (opts->on_guest)
		sg_model_on_guest(a->model, opts->on_guest, opts->ctx);
	if (opts->on_sample)
		sg_model_on_sample(a->model, opts->on_sample, opts->ctx);
	*ret = a;
	return 0;
}

/* A callback's code can come up without a sentence: give it one. */
static int explain(int ret, struct sg_err *err)
{
	if (ret < 0 && err && !err->code)
		return sg_err_set(err, ret, "the analysis stopped: %s", strerror(-ret));
	return ret;
}

/* The window that the recorder states; without it (a cut file) what the events show. Definitions have no time of their own. */
static void note_time(struct sg_analysis *a, const struct sg_hdr *ev)
{
	bool definition = ev->kind == SG_REC_FRAME || ev->kind == SG_REC_STACKDEF ||
			  ev->kind == SG_REC_NAME || ev->kind == SG_REC_ROLE || ev->kind == SG_REC_CGNAME ||
			  ev->kind == SG_REC_CONTAINER || ev->kind == SG_REC_VM ||
			  ev->kind == SG_REC_MACHINE || ev->kind == SG_REC_CLOCKMAP;

	if (ev->kind == SG_REC_WINDOW && ((const struct sg_window *)ev)->type == SG_WINDOW_BEGIN)
		a->info.first_ts = ev->ts;
	if (definition)
		return;
	if (!a->info.first_ts)
		a->info.first_ts = ev->ts;
	if (ev->ts > a->info.last_ts)
		a->info.last_ts = ev->ts;
}

int sg_analysis_feed(struct sg_analysis *a, const struct sg_hdr *ev, struct sg_err *err)
{
	int ret = 0;

	a->info.events++;
	note_time(a, ev);
	ret = sg_owners_feed(a->owners, ev);
	if (!ret)
		ret = sg_vmsum_feed(a->vms, ev);
	if (!ret && a->opts.on_event)
		ret = a->opts.on_event(a->opts.ctx, ev);
	if (!ret)
		ret = sg_model_feed(a->model, ev, err);
	if (!ret && a->second)
		ret = sg_model_feed(a->second, ev, err);
	return explain(ret, err);
}

int sg_analysis_finish(struct sg_analysis *a, struct sg_err *err)
{
	int ret = sg_model_finish(a->model, err);

	if (!ret && a->second)
		ret = sg_model_finish(a->second, err);
	return explain(ret, err);
}

int sg_analysis_learn(struct sg_analysis *a, struct sg_reader *r, struct sg_err *err)
{
	const struct sg_hdr *ev;
	int ret;

	while ((ret = sg_reader_next(r, &ev, err)) > 0) {
		ret = explain(sg_owners_feed(a->owners, ev), err);
		if (ret < 0)
			return ret;
	}
	return ret;
}

int sg_analysis_run(struct sg_analysis *a, struct sg_reader *r, struct sg_err *err)
{
	const struct sg_hdr *ev;
	int ret;

	while ((ret = sg_reader_next(r, &ev, err)) > 0) {
		ret = sg_analysis_feed(a, ev, err);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : sg_analysis_finish(a, err);
}

void sg_analysis_info(const struct sg_analysis *a, struct sg_analysis_info *ret)
{
	*ret = a->info;
	sg_model_stats(a->model, &ret->model);
}

const struct sg_model *sg_analysis_model(const struct sg_analysis *a)
{
	return a->model;
}

struct sg_owners *sg_analysis_owners(const struct sg_analysis *a)
{
	return a->owners;
}

struct sg_vmsum *sg_analysis_vms(const struct sg_analysis *a)
{
	return a->vms;
}

static int bucket_order(const void *x, const void *y)
{
	const struct bucket *a = x, *b = y;
	struct sg_group_stats sa, sb;

	if (a->has_root != b->has_root)
		return a->has_root ? -1 : 1;
	if (a->total_ns != b->total_ns)
		return a->total_ns < b->total_ns ? 1 : -1;
	sg_group_stats(a->group, &sa);
	sg_group_stats(b->group, &sb);
	return strcmp(sa.name, sb.name);
}

static void sort_buckets(struct sg_analysis *a)
{
	if (a->sorted)
		return;
	a->sorted = true;
	for (size_t i = 0; i < a->n; i++)
		a->bucket[i].total_ns = sg_blame_total(sg_group_blame(a->bucket[i].group));
	qsort(a->bucket, a->n, sizeof(*a->bucket), bucket_order);
}

size_t sg_analysis_groups(struct sg_analysis *a, struct sg_group *const **ret)
{
	sort_buckets(a);
	if (!a->list)
		a->list = calloc(GROUPS_MAX, sizeof(struct sg_group *));
	if (!a->list)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		a->list[i] = a->bucket[i].group;
	*ret = a->list;
	return a->n;
}

size_t sg_analysis_slowest(struct sg_analysis *a, size_t g, struct sg_kept_task *const **ret)
{
	sort_buckets(a);
	*ret = a->bucket[g].kept;
	return a->bucket[g].nkept;
}

int sg_analysis_calls(struct sg_analysis *a, size_t g, struct sg_taskcall_group *ret)
{
	sort_buckets(a);
	memset(ret, 0, sizeof(*ret));
	return a->calls ? sg_taskcalls_group(a->calls, a->bucket[g].number, ret) : 0;
}

uint64_t sg_analysis_uncalled(const struct sg_analysis *a)
{
	return a->calls ? sg_taskcalls_uncounted(a->calls) : 0;
}

size_t sg_analysis_order(struct sg_analysis *a, size_t g, const struct sg_order_row **ret)
{
	struct bucket *b = &a->bucket[g];
	struct sg_blame_sums sums;
	struct sg_blame *path;
	struct sg_diff d;

	sort_buckets(a);
	path = sg_group_blame(b->group);
	*ret = b->order;
	/* of what guests told only the path is fused with their hosts: the two walks are not to be compared */
	sg_blame_sums(path, &sums);
	if (sums.fused_ns || sums.inside_ns || b->order || !b->critical ||
	    sg_blame_tasks(path) != sg_blame_tasks(b->critical) || sg_diff_make(&d, path, b->critical))
		return b->norder;
	b->order = calloc(d.nrow + 1, sizeof(*b->order));
	for (size_t i = 0; b->order && i < d.nrow; i++) {
		struct sg_order_row *o = &b->order[b->norder];
		uint64_t ns = d.row[i].ns < 0 ? -(uint64_t)d.row[i].ns : (uint64_t)d.row[i].ns;

		if (ns <= d.a_mean_ns / 10)
			break; /* by falling size */
		memcpy(o->comp, d.row[i].comp, sizeof(o->comp));
		memcpy(o->cause, d.row[i].cause, sizeof(o->cause));
		o->path_ns = d.row[i].a_ns;
		o->critical_ns = d.row[i].b_ns;
		b->norder++;
	}
	sg_diff_free(&d);
	*ret = b->order;
	return b->norder;
}
