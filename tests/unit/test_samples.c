/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* CPU samples as evidence: which row they are told to, what their functions are called, and that no sum knows them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/blame.h"
#include "out/view.h"
#include "out_case.h"

struct seen {
	struct sg_blame *all, *merged;
	uint64_t latency, samples;
};

static int see_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct seen *s = ctx;

	s->latency += t->end - t->begin;
	s->samples += t->nsample;
	cr_assert_eq(sg_blame_add(s->all, m, t), 0);
	cr_assert_eq(sg_blame_merge(s->merged, tb), 0);
	return 0;
}

static void see_begin(struct seen *s, struct sg_analysis **a)
{
	struct sg_analysis_opts o = { .on_task = see_task, .ctx = s };

	memset(s, 0, sizeof(*s));
	cr_assert_eq(sg_blame_new(&s->all), 0);
	cr_assert_eq(sg_blame_new(&s->merged), 0);
	cr_assert_eq(sg_analysis_new(a, &o), 0);
}

static void see_text(struct seen *s, const char *text)
{
	struct sg_analysis *a;

	see_begin(s, &a);
	out_case_run(a, text);
	sg_analysis_free(a);
}

static void seen_free(struct seen *s)
{
	sg_blame_free(s->all);
	sg_blame_free(s->merged);
}

static const struct sg_blame_row *find(struct sg_blame *b, const char *comp, const char *cause)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(row[i].comp, comp) && !strcmp(row[i].cause, cause))
			return &row[i];
	cr_assert(0, "no row %s %s", comp, cause);
	return NULL;
}

/* @b's row has @of samples, @n of them of function @text; both tables of @s agree. */
static void has_function(struct seen *s, const char *comp, const char *cause, const char *text, uint64_t n,
			 uint64_t of)
{
	struct sg_blame *const both[] = { s->all, s->merged };

	for (int k = 0; k < 2; k++) {
		const struct sg_blame_row *row = find(both[k], comp, cause);
		struct sg_evidence ev[SG_EVIDENCE_MAX];
		size_t nev = sg_blame_evidence(both[k], row, ev), i;

		cr_assert_eq(row->samples, of, "%s %s: %lu samples", comp, cause, row->samples);
		for (i = 0; i < nev && (strcmp(ev[i].kind, "function") || strcmp(ev[i].text, text)); i++)
			;
		cr_assert_lt(i, nev, "%s %s: no function %s", comp, cause, text);
		cr_assert_eq(ev[i].samples, n, "%s: %lu samples", text, ev[i].samples);
		cr_assert_eq(ev[i].of, of);
		cr_assert_eq(ev[i].ns, row->ns * n / of);
	}
}

static void has_samples(struct seen *s, const char *comp, const char *cause, uint64_t of)
{
	cr_assert_eq(find(s->all, comp, cause)->samples, of, "%s %s: %lu samples", comp, cause,
		     find(s->all, comp, cause)->samples);
	cr_assert_eq(find(s->merged, comp, cause)->samples, of);
}

#define FRAMES                                                       \
	"F id=1 kernel=0 text=\"main.parse\\x00prog\"\n"             \
	"F id=2 kernel=0 text=\"main.main\\x00prog\"\n"              \
	"F id=3 kernel=1 text=\"vfs_read\\x00[kernel]\"\n"           \
	"F id=4 kernel=1 text=\"__x64_sys_read\\x00[kernel]\"\n"     \
	"F id=5 kernel=1 text=\"do_syscall_64\\x00[kernel]\"\n"      \
	"F id=6 kernel=1 text=\"__x64_sys_write\\x00[kernel]\"\n"    \
	"F id=7 kernel=1 text=\"handle_mm_fault\\x00[kernel]\"\n"    \
	"F id=8 kernel=1 text=\"asm_exc_page_fault\\x00[kernel]\"\n" \
	"F id=9 kernel=1 text=\"asm_sysvec_x\\x00[kernel]\"\n"       \
	"F id=10 kernel=0 text=\"0x7f001234\\x00anon\"\n"            \
	"G id=1 frames=1,2\n"	/* in the program */                 \
	"G id=2 frames=3,4,5\n" /* in read */                        \
	"G id=3 frames=3,6,5\n" /* in write */                       \
	"G id=4 frames=7,8,4\n" /* a fault of read's */              \
	"G id=5 frames=9,7,8\n" /* an interrupt of a fault */        \
	"G id=6 frames=5\n"	/* somewhere in the kernel */        \
	"G id=7 frames=10,10\n" /* nothing has a name */

/* A slice's causes stand in the order of their keys: user until 140, then fault, irq, read, write. */
#define SLICE "S 7 c0 100-200 user=40 fault=10/1 irq=10/1 sys.read=20/1 sys.write=20/1 <=\n"

Test(samples, the_stack_tells_the_cause_not_the_place_in_the_slice)
{
	struct seen s;

	see_text(&s, "T 7 app birth=0\n" FRAMES "M 7 b id=1 name=t @100\n"
		     "H 7 id=1 type=cpu.user @190\n" /* where write stands */
		     "H 7 id=1 type=cpu.user @191\n"
		     "H 7 id=7 type=cpu.user @192\n"
		     "H 7 id=1 type=cpu.user @193\nH 7 id=2 type=cpu.kern @193\n"
		     "H 7 id=3 type=cpu.kern @194\n"
		     "H 7 id=1 type=cpu.user @195\nH 7 id=4 type=cpu.kern @195\n"
		     "H 7 id=5 type=cpu.kern @196\n" SLICE "M 7 e id=1 @200\n");
	has_function(&s, "app", "cpu.user", "main.parse < main.main", 2, 3);
	has_function(&s, "app", "cpu.sys.read", "main.parse < main.main", 1, 1);
	has_function(&s, "app", "cpu.sys.write", "vfs_read < __x64_sys_write", 1, 1);
	has_function(&s, "app", "cpu.fault", "main.parse < main.main", 1, 1);
	has_function(&s, "app", "cpu.irq", "asm_sysvec_x < handle_mm_fault", 1, 1);
	cr_assert_eq(s.samples, 7);
	cr_assert_eq(sg_blame_total(s.all), s.latency);
	seen_free(&s);
}

Test(samples, what_cannot_be_told_is_not_guessed)
{
	struct seen s;

	/* in the kernel, but the slice has four causes there; in a call that the slice does not have */
	see_text(&s, "T 7 app birth=0\n" FRAMES "M 7 b id=1 name=t @100\n"
		     "H 7 id=6 type=cpu.kern @150\n" SLICE "M 7 e id=1 @200\n"
		     "M 7 b id=2 name=t @300\n"
		     "H 7 id=2 type=cpu.kern @310\n"
		     "S 7 c0 300-400 user=50 sys.write=50/1 <S:futex@200 w=300 timer\n"
		     "M 7 e id=2 @400\n");
	cr_assert_eq(s.samples, 0);
	has_samples(&s, "app", "cpu.sys.write", 0);
	seen_free(&s);
	/* the only one it can be */
	see_text(&s, "T 7 app birth=0\n" FRAMES "M 7 b id=1 name=t @100\n"
		     "H 7 id=6 type=cpu.kern @110\n"
		     "S 7 c0 100-200 user=50 sys.write=50/1 <=\nM 7 e id=1 @200\n");
	has_function(&s, "app", "cpu.sys.write", "do_syscall_64", 1, 1);
	seen_free(&s);
}

Test(samples, only_those_inside_the_task_count_and_every_task_has_its_own)
{
	struct seen s;

	see_text(&s, "T 7 app birth=0\nT 8 other birth=0\n" FRAMES "H 7 id=1 type=cpu.user @90\n"
		     "M 7 b id=1 name=t @100\n"
		     "H 7 id=1 type=cpu.user @100\n" /* the instant before it */
		     "M 7 b id=2 name=t @150\n"
		     "H 8 id=1 type=cpu.user @160\n" /* nobody waits for it */
		     "H 7 id=1 type=cpu.user @170\n"
		     "M 7 e id=2 @180\n"
		     "M 7 e id=1 @190\n"
		     "H 7 id=1 type=cpu.user @190\n" /* its last instant */
		     "H 7 id=1 type=cpu.user @191\n"
		     "S 8 c1 50-200 user=150 <=\n"
		     "S 7 c0 50-200 user=150 <=\n");
	has_function(&s, "app", "cpu.user", "main.parse < main.main", 3, 3);
	cr_assert_eq(s.samples, 3);
	seen_free(&s);
}

/* @text without its lines of samples. */
static char *without_samples(const char *text)
{
	char *out = calloc(1, strlen(text) + 1), *to = out;

	for (const char *line = text, *next; *line; line = next) {
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		if (*line == 'H' && memmem(line, (size_t)(next - line), "type=cpu.", 9))
			continue;
		memcpy(to, line, (size_t)(next - line));
		to += next - line;
	}
	return out;
}

Test(samples, no_sum_knows_them)
{
	char *with = out_case_file("tests/golden/formats/sandbox.stream"), *without = without_samples(with);
	const struct sg_blame_row *ra, *rb;
	struct seen a, b;
	size_t n;

	see_text(&a, with);
	see_text(&b, without);
	cr_assert_gt(a.samples, 5);
	cr_assert_eq(b.samples, 0);
	n = sg_blame_rows(a.all, &ra);
	cr_assert_eq(n, sg_blame_rows(b.all, &rb));
	for (size_t i = 0; i < n; i++) {
		cr_assert_str_eq(ra[i].comp, rb[i].comp);
		cr_assert_str_eq(ra[i].cause, rb[i].cause);
		cr_assert(ra[i].ns == rb[i].ns && ra[i].cnt == rb[i].cnt);
	}
	has_function(&a, "sentry", "trap.ptrace", "ptrace.(*thread).getRegs < kernel.(*runApp).execute", 1,
		     1);
	seen_free(&a);
	seen_free(&b);
	free(with);
	free(without);
}

Test(samples, a_stubs_own_code_is_the_traps)
{
	struct seen s;

	see_text(&s, "T 2 exe birth=0 tgid=20\nT 4 exe birth=0 tgid=40\n"
		     "R tgid=20 sandbox=20 name=sentry\nR tgid=40 sandbox=20 name=stub\n"
		     "F id=1 kernel=0 text=\"[unknown]\\x00[stub]\"\n"
		     "F id=2 kernel=0 text=\"f\\x00guest:node\"\n"
		     "G id=1 frames=1\nG id=2 frames=2\n"
		     "M 4 b id=1 name=t @100\n"
		     "H 4 id=1 type=cpu.user @110\n"
		     "H 4 id=2 type=cpu.user @190\n"
		     "S 4 c0 100-200 user=50 guest.read=50/1 <=\n"
		     "M 4 e id=1 @200\n");
	/* the marked task, and the guest's process */
	has_samples(&s, "stub", "trap.seccomp", 2);
	has_function(&s, "app", "cpu.user", "f", 2, 2);
	seen_free(&s);
}

/* One sample of a stack of these frames; what its function is called. */
static void called(const char *frames, const char *want)
{
	char text[4096];
	struct sg_evidence ev[SG_EVIDENCE_MAX];
	struct seen s;
	size_t n, i;

	snprintf(text, sizeof(text),
		 "T 7 app birth=0\n%sM 7 b id=1 name=t @100\nH 7 id=1 type=cpu.user @150\n"
		 "S 7 c0 100-200 user=100 <=\nM 7 e id=1 @200\n",
		 frames);
	see_text(&s, text);
	n = sg_blame_evidence(s.all, find(s.all, "app", "cpu.user"), ev);
	has_samples(&s, "app", "cpu.user", 1);
	for (i = 0; i < n && strcmp(ev[i].kind, "function"); i++)
		;
	if (!want)
		cr_assert_eq(i, n, "it is called %s", ev[i].text);
	else
		cr_assert(i < n && !strcmp(ev[i].text, want), "%s, not %s", i < n ? ev[i].text : "nothing",
			  want);
	seen_free(&s);
}

#define F(id, sym) "F id=" #id " kernel=0 text=\"" sym "\\x00m\"\n"

Test(samples, functions_have_short_names_and_no_wrappers)
{
	called(F(1, "gvisor.dev/gvisor/pkg/sentry/kernel.(*Task).run")
		       F(2, "runtime.goexit") "G id=1 frames=1,2\n",
	       "kernel.(*Task).run < runtime.goexit");
	called(F(1, "a/b.F[go.shape.struct { x/y.Z }]") "G id=1 frames=1\n",
	       "b.F[go.shape.struct { x/y.Z }]");
	called(F(1, "x/y.(*T[a/b.C]).m") "G id=1 frames=1\n", "y.(*T[a/b.C]).m");
	called(F(1, "operator/(a, b)") "G id=1 frames=1\n", "(a, b)");
	called(F(1, "internal/runtime/syscall.Syscall6") F(2, "syscall.RawSyscall6") F(3, "g.futexWake")
		       F(4, "g.wake") "G id=1 frames=1,2,2,3,4\n",
	       "g.futexWake < g.wake");
	called(F(1, "walk") F(2, "main") "G id=1 frames=1,1,1,2\n", "walk < main");
	called(F(1, "[unknown]") F(2, "0x7f00") F(3, "g") "G id=1 frames=1,2,3\n", "g");
	called(F(1, "[unknown]") "G id=1 frames=1\n", NULL);
	called(F(1, "a/") "G id=1 frames=1\n", NULL);
	called("", NULL);
}

/* ---- many, and damaged ---------------------------------------------------- */
static void feed(struct sg_analysis *a, const void *ev)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_analysis_feed(a, ev, &err), 0, "%s", err.msg);
}

static void sample(struct sg_analysis *a, uint64_t ts, uint16_t type, uint32_t id)
{
	struct sg_stackref r = { .h = { .kind = SG_REC_STACKREF, .uid = 7, .ts = ts },
				 .type = type,
				 .id = id };

	feed(a, &r);
}

static void mark(struct sg_analysis *a, uint64_t ts, uint16_t type, uint32_t seq)
{
	struct sg_mark r = { .h = { .kind = SG_REC_MARK, .uid = 7, .ts = ts },
			     .type = type,
			     .id = 1,
			     .seq = seq,
			     .src = SG_MSRC_USDT };

	feed(a, &r);
}

static void run_slice(struct sg_analysis *a, uint64_t in, uint64_t out, uint64_t lo)
{
	union {
		struct sg_slice s;
		char room[sizeof(struct sg_slice) + 2 * sizeof(struct sg_pair)];
	} u;

	memset(&u, 0, sizeof(u));
	u.s = (struct sg_slice){ .h = { .kind = SG_REC_SLICE, .uid = 7, .ts = out },
				 .in = in,
				 .prev_out = lo,
				 .stop = SG_STOP_RUNNABLE,
				 .nr = 0xffff,
				 .flags = SG_SF_INSCOPE,
				 .npair = 2 };
	u.s.pair[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .ns = (out - in) / 2 };
	u.s.pair[1] =
		(struct sg_pair){ .key = SG_KEY_SYSCALL | 0, .cnt = 1, .ns = out - in - (out - in) / 2 };
	feed(a, &u.s);
}

Test(samples, a_task_of_more_segments_than_are_kept_has_all_of_them)
{
	const uint64_t slices = 400000;
	struct sg_err err = { 0 };
	struct sg_analysis *a;
	struct seen s;

	see_begin(&s, &a);
	mark(a, 1000, SG_MARK_BEGIN, 1);
	for (uint64_t i = 0; i < slices; i++) {
		uint64_t in = 1000 + i * 100;

		if (i % 7 == 0)
			sample(a, in + 5, SG_STK_CPU_USER, 1);
		run_slice(a, in, in + 50, i ? in - 50 : in);
	}
	mark(a, 1000 + slices * 100, SG_MARK_END, 2);
	cr_assert_eq(sg_analysis_finish(a, &err), 0, "%s", err.msg);
	sg_analysis_free(a);
	cr_assert_eq(s.samples, (slices + 6) / 7);
	has_samples(&s, "app", "cpu.user", (slices + 6) / 7);
	cr_assert_eq(sg_blame_total(s.all), s.latency);
	seen_free(&s);
}

Test(samples, those_of_one_open_task_have_a_bound_and_times_may_fall)
{
	struct sg_err err = { 0 };
	struct sg_analysis *a;
	struct seen s;

	see_begin(&s, &a);
	sample(a, 10, SG_STK_CPU_USER, 1); /* no task is open: not kept */
	mark(a, 1000, SG_MARK_BEGIN, 1);
	for (uint64_t i = 0; i < SG_SHOTS_MAX + 1000; i++)
		sample(a, 1000 + i, SG_STK_CPU_USER, UINT32_MAX);
	sample(a, 1500, SG_STK_CPU_USER, 2);
	sample(a, 0, SG_STK_CPU_KERN, 0);
	run_slice(a, 900, 1000 + 2 * SG_SHOTS_MAX, 900);
	mark(a, 1000 + 2 * SG_SHOTS_MAX, SG_MARK_END, 2);
	cr_assert_eq(sg_analysis_finish(a, &err), 0, "%s", err.msg);
	sg_analysis_free(a);
	cr_assert_eq(s.samples, SG_SHOTS_MAX);
	cr_assert_eq(sg_blame_total(s.all), s.latency);
	seen_free(&s);
}

/* With sandboxes, whose tasks are found late, two seconds are kept at any time: more than the bound goes through. */
Test(samples, they_flow_through_while_no_task_is_open)
{
	struct sg_role role = {
		.h = { .kind = SG_REC_ROLE, .ts = 1 }, .tgid = 20, .sandbox = 20, .name = "sentry"
	};
	const uint64_t step = 10000, n = SG_SHOTS_MAX + 1000, end = (n + 2) * step;
	struct sg_err err = { 0 };
	struct sg_analysis *a;
	struct seen s;

	see_begin(&s, &a);
	feed(a, &role);
	for (uint64_t i = 1; i <= n; i++)
		sample(a, i * step, SG_STK_CPU_USER, 1);
	mark(a, end - step, SG_MARK_BEGIN, 1);
	sample(a, end - step / 2, SG_STK_CPU_USER, 1);
	run_slice(a, end - step, end, end - step);
	mark(a, end, SG_MARK_END, 2);
	cr_assert_eq(sg_analysis_finish(a, &err), 0, "%s", err.msg);
	sg_analysis_free(a);
	cr_assert_eq(s.samples, 1);
	seen_free(&s);
}

/* ---- where a sandbox's time went, as one stack ---------------------------- */
struct paths {
	struct sg_view view;
	uint64_t latency;
};

static int to_view(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct paths *p = ctx;

	(void)tb;
	p->latency += t->end - t->begin;
	return sg_view_task(&p->view, m, t);
}

Test(samples, paths_through_a_sandbox_name_its_parts)
{
	static const char *const files[] = { "tests/golden/formats/sandbox.stream",
					     "tests/golden/guest_ptrace.stream",
					     "tests/golden/guest_systrap.stream" };

	for (size_t i = 0; i < 3; i++) {
		struct paths p = { .view = { .kind = SG_VIEW_PATH } };
		struct sg_analysis_opts o = { .on_task = to_view, .ctx = &p };
		char *text = out_case_file(files[i]), *line, *save = NULL;
		struct sg_analysis *a;
		struct out_case c;

		cr_assert_eq(sg_analysis_new(&a, &o), 0);
		out_case_run(a, text);
		cr_assert_eq(sg_folded_write(out_open(&c), &p.view.stacks), 0);
		cr_assert_eq(sg_stacks_total(&p.view.stacks), p.latency, "%s", files[i]);
		out_close(&c);
		cr_assert(*c.text, "%s has no path", files[i]);
		cr_assert_null(strstr(c.text, "exe"), "%s: %s", files[i], c.text);
		for (line = strtok_r(c.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			cr_assert(!strncmp(line, "app;", 4) || !strncmp(line, "stub;", 5), "%s", line);
		sg_view_free(&p.view);
		sg_analysis_free(a);
		free(c.text);
		free(text);
	}
}
