/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Golden streams: the .stream files of tests/golden are events as text; their "= " lines say
 * what the model must make of them. Every line is checked, and every task of a
 * stream must be told about by at least one line.
 *
 *   = UID id=ID: COMP CAUSE NS, COMP CAUSE NS, ..., uncertain NS   blame; must be complete
 *   = UID id=ID wait: COMP CAUSE NS, ...                           by the task's own waits
 *   = UID id=ID chain: COMP[CAUSE]COMP.. NS, ...                   by chain
 *   = UID id=ID for: self NS, other NS, unmarked NS
 *   = UID id=ID why: TEXT NS, ...                                  of unknown time
 *   = UID id=ID flags: incomplete detached root open cut rewait kicks   those set, or none
 *   = stats: lost N, late N, ...
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/model.h"
#include "trace/text.h"

#define ROWS 64
struct table {
	unsigned n;
	struct {
		char name[200];
		uint64_t ns;
	} row[ROWS];
};

struct seen_task {
	uint32_t uid;
	uint64_t id, latency;
	bool told;
	struct table blame, wait, chain, whom, why;
	char flags[100];
};

struct run {
	const char *file;
	struct sg_model *m;
	struct sg_model_opts opts;
	unsigned ntask, nexpect;
	struct seen_task task[64];
	char expect[128][1000];
	unsigned line[128];
};

static void add(struct table *t, const char *name, uint64_t ns)
{
	unsigned i = 0;

	while (i < t->n && strcmp(t->row[i].name, name))
		i++;
	if (i == t->n) {
		cr_assert_lt(t->n, ROWS);
		snprintf(t->row[t->n++].name, sizeof(t->row[i].name), "%s", name);
	}
	t->row[i].ns += ns;
}

static void add_chain(struct run *r, struct seen_task *t, const struct sg_seg *s)
{
	const struct sg_chain_frame *f;
	size_t n = sg_model_chain(r->m, s->chain, &f);
	char text[200] = "", name[64];
	size_t len = 0;

	cr_assert_geq(n, 1);
	cr_assert_eq(f[n - 1].uid, s->uid, "%s: the chain ends at %u, the segment is of %u", r->file,
		     f[n - 1].uid, s->uid);
	cr_assert_eq(f[n - 1].wait_cause, 0);
	for (size_t i = 0; i < n && len < sizeof(text); i++) {
		len += snprintf(text + len, sizeof(text) - len, "%s%s.%u", f[i].handoff ? "go-handoff " : "",
				sg_model_comp(r->m, f[i].comp), f[i].uid);
		if (i + 1 < n && len < sizeof(text))
			len += snprintf(text + len, sizeof(text) - len, "[%s]",
					sg_cause_name(f[i].wait_cause, name, sizeof(name)));
	}
	add(&t->chain, text, s->hi - s->lo);
}

static const char *const why_names[] = {
#define SG_X(id, sym, text) [id] = #sym,
	SG_WHY_LIST(SG_X)
#undef SG_X
};

static int on_task(void *ctx, const struct sg_task *k)
{
	static const char *const whom[] = { "self", "other", "unmarked" };
	struct run *r = ctx;
	struct seen_task *t = &r->task[r->ntask++];
	const struct sg_chain_frame *f;
	uint64_t at = k->begin;
	unsigned flags = 0;
	char name[160], cause[64];

	cr_assert_lt(r->ntask, 64);
	*t = (struct seen_task){ .uid = k->uid, .id = k->id, .latency = k->end - k->begin };
	for (size_t i = 0; i < k->nseg; i++) {
		const struct sg_seg *s = &k->seg[i];
		uint64_t ns = s->hi - s->lo;

		cr_assert_eq(s->lo, at, "%s: task %lu segment %zu does not tile", r->file, k->id, i);
		cr_assert_gt(s->hi, s->lo);
		at = s->hi;
		snprintf(name, sizeof(name), "%s %s", sg_model_comp(r->m, s->comp),
			 sg_cause_name(s->cause, cause, 64));
		add(&t->blame, name, ns);
		cr_assert_gt(sg_model_chain(r->m, s->chain, &f), 0);
		snprintf(name, sizeof(name), "%s %s", sg_model_comp(r->m, f[0].comp),
			 sg_cause_name(s->wait_cause, cause, 64));
		add(&t->wait, name, ns);
		add_chain(r, t, s);
		add(&t->whom, whom[s->forwhom], ns);
		cr_assert_eq(s->why != 0, s->cause == SG_C_UNKNOWN || s->cause == SG_C_UNKNOWN_LOST);
		if (s->why)
			add(&t->why, why_names[s->why], ns);
		flags |= s->flags;
	}
	cr_assert_eq(at, k->nseg ? k->end : k->begin, "%s: task %lu is not covered", r->file, k->id);
	if (k->uncertain_ns || k->prorated_ns)
		add(&t->blame, "uncertain", k->uncertain_ns);
	snprintf(t->flags, sizeof(t->flags), "%s%s%s%s%s%s%s", k->incomplete ? " incomplete" : "",
		 k->detached ? " detached" : "", k->root ? " root" : "", flags & SG_SEG_OPEN ? " open" : "",
		 flags & SG_SEG_CUT ? " cut" : "", flags & SG_SEG_REWAIT ? " rewait" : "",
		 flags & SG_SEG_KICKS ? " kicks" : "");
	return 0;
}

static int on_event(void *ctx, const struct sg_hdr *ev)
{
	struct sg_err err = { 0 };
	struct run *r = ctx;

	cr_assert_eq(sg_model_feed(r->m, ev, &err), 0, "%s: %s", r->file, err.msg);
	return 0;
}

static int on_expect(void *ctx, unsigned line, const char *text)
{
	struct run *r = ctx;

	cr_assert_lt(r->nexpect, 128);
	r->line[r->nexpect] = line;
	snprintf(r->expect[r->nexpect++], sizeof(r->expect[0]), "%s", text);
	return 0;
}

/* "NAME NS, NAME NS" -> table; comments were not cut by the parser */
static void parse(struct table *t, char *text)
{
	char *save, *cut = strstr(text, " #");

	if (cut)
		*cut = 0;
	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char *sp;

		w += strspn(w, " ");
		for (size_t n = strlen(w); n && w[n - 1] == ' ';)
			w[--n] = 0;
		sp = strrchr(w, ' ');
		cr_assert_not_null(sp, "expectation '%s'", w);
		*sp = 0;
		add(t, w, strtoull(sp + 1, NULL, 0));
	}
}

static void same(struct run *r, unsigned line, const struct table *want, const struct table *got)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct table *a = side ? got : want, *b = side ? want : got;

		for (unsigned i = 0; i < a->n; i++) {
			uint64_t ns = 0;

			for (unsigned j = 0; j < b->n; j++)
				if (!strcmp(a->row[i].name, b->row[j].name))
					ns = b->row[j].ns;
			cr_expect_eq(a->row[i].ns, ns, "%s:%u: '%s' %lu %s, %lu %s", r->file, line,
				     a->row[i].name, a->row[i].ns, side ? "got" : "wanted", ns,
				     side ? "wanted" : "got");
		}
	}
}

static void check_stats(struct run *r, unsigned line, struct table *want)
{
	struct table got = { 0 };
	struct sg_model_stats s;

	sg_model_stats(r->m, &s);
	add(&got, "lost", s.lost);
	add(&got, "late", s.late);
	add(&got, "torn", s.torn);
	add(&got, "holes", s.holes);
	add(&got, "no_waker", s.no_waker);
	add(&got, "tasks", s.tasks);
	for (unsigned i = 0; i < want->n; i++)
		for (unsigned j = 0; j < got.n; j++)
			if (!strcmp(want->row[i].name, got.row[j].name))
				cr_expect_eq(want->row[i].ns, got.row[j].ns, "%s:%u: %s is %lu", r->file,
					     line, got.row[j].name, got.row[j].ns);
}

static void check_line(struct run *r, unsigned i)
{
	char *text = r->expect[i], *colon = strchr(text, ':'), kind[32] = "";
	struct table want = { 0 };
	struct seen_task *t = NULL;
	unsigned uid;
	uint64_t id, sum = 0;

	text += strspn(text, " ");
	cr_assert_not_null(colon, "%s:%u", r->file, r->line[i]);
	if (!strncmp(text, "stats", 5)) {
		parse(&want, colon + 1);
		check_stats(r, r->line[i], &want);
		return;
	}
	cr_assert_geq(sscanf(text, "%u id=%lu %31[a-z]", &uid, &id, kind), 2, "%s:%u", r->file, r->line[i]);
	for (unsigned k = 0; k < r->ntask; k++)
		if (r->task[k].uid == uid && r->task[k].id == id && (!t || !strcmp(kind, "again")))
			t = &r->task[k];
	cr_assert_not_null(t, "%s:%u: no such task was explained", r->file, r->line[i]);
	t->told = true;
	if (!strcmp(kind, "flags")) {
		char *cut = strstr(colon + 1, " #");

		if (cut)
			*cut = 0;
		cr_expect_str_eq(strcmp(colon + 1, " none") ? colon + 1 : "", t->flags,
				 "%s:%u: flags are '%s'", r->file, r->line[i], t->flags);
		return;
	}
	parse(&want, colon + 1);
	for (unsigned k = 0; k < want.n; k++)
		if (strcmp(want.row[k].name, "uncertain"))
			sum += want.row[k].ns;
	if (strcmp(kind, "why"))
		cr_expect_eq(sum, t->latency, "%s:%u: adds up to %lu of %lu", r->file, r->line[i], sum,
			     t->latency);
	same(r, r->line[i], &want,
	     !strcmp(kind, "wait")    ? &t->wait
	     : !strcmp(kind, "chain") ? &t->chain
	     : !strcmp(kind, "for")   ? &t->whom
	     : !strcmp(kind, "why")   ? &t->why
				      : &t->blame);
}

static void run_file(const char *file, bool plain)
{
	struct run *r = calloc(1, sizeof(*r));
	struct sg_err err = { 0 };
	FILE *f = fopen(file, "r");
	char first[200] = "";

	cr_assert_not_null(f, "%s", file);
	/* "#! procs threads guests calls critical" on the first line: options */
	cr_assert_not_null(fgets(first, sizeof(first), f));
	rewind(f);
	r->file = file;
	if (!strncmp(first, "#!", 2)) {
		r->opts.procs = strstr(first, "procs");
		r->opts.threads = strstr(first, "threads");
		r->opts.guest_procs = strstr(first, "guests");
		r->opts.guest = strstr(first, "calls");
		r->opts.critical = strstr(first, "critical");
		if (strstr(first, "settle="))
			r->opts.settle_ns = strtoull(strstr(first, "settle=") + 7, NULL, 0);
	}
	r->opts.no_prune = r->opts.no_memo = plain;
	cr_assert_eq(sg_model_new(&r->m, &r->opts, on_task, r), 0);
	cr_assert_eq(sg_text_parse_file(f, on_event, on_expect, r, &err), 0, "%s: %s", file, err.msg);
	fclose(f);
	cr_assert_eq(sg_model_finish(r->m, &err), 0, "%s: %s", file, err.msg);
	cr_expect_gt(r->nexpect, 0, "%s expects nothing", file);
	for (unsigned i = 0; i < r->nexpect; i++)
		check_line(r, i);
	for (unsigned k = 0; k < r->ntask; k++)
		cr_expect(r->task[k].told, "%s: task %u id=%lu has no expectation", file, r->task[k].uid,
			  r->task[k].id);
	sg_model_free(r->m);
	free(r);
}

static void run_all(bool plain)
{
	glob_t g;

	cr_assert_eq(glob("tests/golden/*.stream", 0, NULL, &g), 0, "run from the project's root");
	cr_expect_geq(g.gl_pathc, 15);
	for (size_t i = 0; i < g.gl_pathc; i++)
		run_file(g.gl_pathv[i], plain);
	globfree(&g);
}

Test(model_golden, streams)
{
	run_all(false);
}

Test(model_golden, streams_without_pruning_and_memos)
{
	run_all(true);
}
