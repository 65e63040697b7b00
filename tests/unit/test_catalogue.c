// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Plans over fake kernels. Links user/kern/catalogue.c, which is pure. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kern/catalogue.h"

/* A kernel by what it has: space-separated lists; "*" means everything. */
struct fake {
	bool btf, preemptible, uprobe;
	const char *btf_tp, *tp, *fentry, *kprobe, *perf_sw;
	int asked;
};

static bool in(const char *list, const char *word)
{
	size_t n = strlen(word);

	if (!list)
		return false;
	if (!strcmp(list, "*"))
		return true;
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool f_btf(void *c)
{
	return ((struct fake *)c)->btf;
}
static bool f_btf_tp(void *c, const char *n)
{
	((struct fake *)c)->asked++;
	return in(((struct fake *)c)->btf_tp, n);
}
static bool f_tp(void *c, const char *cat, const char *n)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", cat, n);
	return in(((struct fake *)c)->tp, full);
}
static bool f_fentry(void *c, const char *n)
{
	return in(((struct fake *)c)->fentry, n);
}
static bool f_kprobe(void *c, const char *n)
{
	return in(((struct fake *)c)->kprobe, n);
}
static bool f_perf(void *c, const char *n)
{
	return in(((struct fake *)c)->perf_sw, n);
}
static bool f_preempt(void *c)
{
	return ((struct fake *)c)->preemptible;
}
static bool f_uprobe(void *c)
{
	return ((struct fake *)c)->uprobe;
}

static struct sg_kern_view view_of(struct fake *f)
{
	return (struct sg_kern_view){ f,	f_btf,	f_btf_tp,  f_tp,    f_fentry,
				      f_kprobe, f_perf, f_preempt, f_uprobe };
}

enum { SWITCH, SYSENTER, MAJ, SWAPIN, RECLAIM, TASKS, USDT, NROW };
static const struct sg_probe rows[] = {
	[SWITCH] = { "sched.switch",
		     "sched",
		     SG_CTX_IRQS_OFF,
		     true,
		     "slices",
		     "nothing can be recorded",
		     { { SG_AT_TP_BTF, "switch_btf", "sched_switch" } } },
	[SYSENTER] = { "syscall.enter",
		       "syscall",
		       SG_CTX_PREEMPTIBLE,
		       false,
		       "cpu.sys",
		       "system calls count as user time",
		       { { SG_AT_TP_BTF, "enter_btf", "sys_enter" },
			 { SG_AT_TP, "enter_tp", "raw_syscalls/sys_enter" } } },
	[MAJ] = { "fault.end.maj",
		  "fault",
		  SG_CTX_BH_OFF,
		  false,
		  "cpu.fault.major",
		  "major faults stay open",
		  { { SG_AT_PERF_SW, "maj", "page-faults-maj" } } },
	[SWAPIN] = { "swap.in",
		     "swap",
		     SG_CTX_PREEMPTIBLE,
		     false,
		     "mem.swapin",
		     "swap-in is told by its result only",
		     { { SG_AT_FENTRY, "swapin_fe", "do_swap_page" },
		       { SG_AT_KPROBE, "swapin_kp", "do_swap_page" } } },
	[RECLAIM] = { "reclaim.direct",
		      "reclaim",
		      SG_CTX_PREEMPTIBLE,
		      false,
		      "mem.reclaim.direct",
		      "reclaim counts as system time",
		      { { SG_AT_TP_BTF, "rd_btf", "mm_vmscan_direct_reclaim_begin" },
			{ SG_AT_FENTRY, "rd_fe", "try_to_free_pages" },
			{ SG_AT_TP, "rd_tp", "vmscan/mm_vmscan_direct_reclaim_begin" } } },
	[TASKS] = { "sched.seed",
		    "sched",
		    SG_CTX_BH_OFF,
		    false,
		    "threads alive at the start",
		    "they appear at their first switch",
		    { { SG_AT_ITER, "seed", "task" } } },
	[USDT] = { "mark.usdt",
		   "mark",
		   SG_CTX_PREEMPTIBLE,
		   false,
		   "tasks marked by programs",
		   "no marks",
		   { { SG_AT_USDT, "mark_usdt", NULL } } },
	[NROW] = { 0 },
};

#define ALL_TP	"raw_syscalls/sys_enter vmscan/mm_vmscan_direct_reclaim_begin"
#define ALL_BTF "sched_switch sys_enter mm_vmscan_direct_reclaim_begin"

struct want {
	const char *kernel;
	struct fake f;
	int chosen[NROW];
};

static const struct want wants[] = {
	{ "6.18 locked down: no fentry, no kprobe",
	  { true, false, true, ALL_BTF, ALL_TP, NULL, NULL, "page-faults-maj", 0 },
	  { 0, 0, 0, -1, 0, 0, 0 } },
	{ "6.1 stock", { true, false, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 }, { 0, 0, 0, 0, 0, 0, 0 } },
	{ "6.12, kprobes but no trampolines for the function",
	  { true, false, true, ALL_BTF, ALL_TP, "try_to_free_pages", "do_swap_page", "*", 0 },
	  { 0, 0, 0, 1, 0, 0, 0 } },
	{ "7.2: preemptible tracepoints",
	  { true, true, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 },
	  { 0, 1, 0, 1, 2, 0, 0 } },
	{ "7.2 without tracefs: tp_btf is still better than nothing",
	  { true, true, true, ALL_BTF, NULL, "*", "*", "*", 0 },
	  { 0, 0, 0, 1, 0, 0, 0 } },
	{ "no BTF", { false, false, true, NULL, ALL_TP, NULL, "*", "*", 0 }, { -1, 1, 0, 1, 2, -1, 0 } },
	{ "not privileged: nothing opens",
	  { true, false, false, NULL, NULL, NULL, NULL, NULL, 0 },
	  { -1, -1, -1, -1, -1, 0, -1 } },
};

Test(catalogue, kernels)
{
	for (size_t k = 0; k < sizeof(wants) / sizeof(wants[0]); k++) {
		struct fake f = wants[k].f;
		struct sg_kern_view v = view_of(&f);
		struct sg_plan p;

		cr_assert_eq(sg_plan_make(&p, rows, &v, NULL), 0);
		cr_assert_eq(p.n, NROW);
		for (int i = 0; i < NROW; i++) {
			cr_expect_eq(p.row[i].chosen, wants[k].chosen[i], "%s: %s chose %d, not %d (%s)",
				     wants[k].kernel, rows[i].name, p.row[i].chosen, wants[k].chosen[i],
				     p.row[i].reason);
			if (p.row[i].chosen < 0)
				cr_expect_neq(p.row[i].reason[0], 0, "%s: %s is off without a reason",
					      wants[k].kernel, rows[i].name);
		}
		sg_plan_free(&p);
		cr_expect_null(p.row);
	}
}

Test(catalogue, first_choice_has_no_reason)
{
	struct fake f = { true, false, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct sg_plan p;

	cr_assert_eq(sg_plan_make(&p, rows, &v, ""), 0);
	for (int i = 0; i < NROW; i++)
		cr_expect_str_eq(p.row[i].reason, "");
	sg_plan_free(&p);
}

Test(catalogue, reason_names_variant_and_why)
{
	struct fake f = { true, false, true, ALL_BTF, ALL_TP, NULL, "do_swap_page", "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct sg_plan p;

	cr_assert_eq(sg_plan_make(&p, rows, &v, NULL), 0);
	cr_expect_eq(p.row[SWAPIN].chosen, 1);
	cr_expect_str_eq(p.row[SWAPIN].reason, "fentry:do_swap_page: refused, or no such function");
	sg_plan_free(&p);
}

Test(catalogue, skip_groups)
{
	static const struct {
		const char *skip;
		bool fault, swap;
	} t[] = { { "fault", false, true },
		  { "swap,fault", false, false },
		  { " fault , swap ", false, false },
		  { "faults", true, true },
		  { "faul", true, true },
		  { "sched", true, true },
		  { ",,fault,", false, true },
		  { ",", true, true },
		  { "   ", true, true },
		  { "fault\t", false, true } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fake f = { true, false, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 };
		struct sg_kern_view v = view_of(&f);
		struct sg_plan p;

		cr_assert_eq(sg_plan_make(&p, rows, &v, t[i].skip), 0);
		cr_expect_eq(p.row[MAJ].chosen >= 0, t[i].fault, "skip '%s'", t[i].skip);
		cr_expect_eq(p.row[SWAPIN].chosen >= 0, t[i].swap, "skip '%s'", t[i].skip);
		cr_expect_eq(p.row[SWITCH].chosen, 0, "a required row was skipped by '%s'", t[i].skip);
		if (!t[i].fault)
			cr_expect_str_eq(p.row[MAJ].reason, "switched off by request");
		sg_plan_free(&p);
	}
}

Test(catalogue, demote_walks_the_order_and_ends_off)
{
	struct fake f = { true, true, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct sg_plan p;

	cr_assert_eq(sg_plan_make(&p, rows, &v, NULL), 0);
	cr_expect_eq(p.row[RECLAIM].chosen, 2);
	sg_plan_demote(&p.row[RECLAIM], &v, "attach: Permission denied");
	cr_expect_eq(p.row[RECLAIM].chosen, 0, "after the classic tracepoint comes tp_btf");
	cr_expect(strstr(p.row[RECLAIM].reason,
			 "tp:vmscan/mm_vmscan_direct_reclaim_begin: attach: Permission denied"));
	sg_plan_demote(&p.row[RECLAIM], &v, NULL);
	cr_expect_eq(p.row[RECLAIM].chosen, 1);
	sg_plan_demote(&p.row[RECLAIM], &v, "again");
	cr_expect_eq(p.row[RECLAIM].chosen, -1);
	sg_plan_demote(&p.row[RECLAIM], &v, "demoting what is off does nothing");
	cr_expect_null(strstr(p.row[RECLAIM].reason, "does nothing"));
	sg_plan_free(&p);
}

Test(catalogue, long_reasons_are_cut)
{
	struct fake f = { true, false, true, ALL_BTF, ALL_TP, "*", "*", "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct sg_plan p;
	char why[500];

	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = 0;
	cr_assert_eq(sg_plan_make(&p, rows, &v, NULL), 0);
	for (int i = 0; i < 4; i++)
		sg_plan_demote(&p.row[RECLAIM], &v, why);
	cr_expect_eq(strnlen(p.row[RECLAIM].reason, sizeof(p.row[RECLAIM].reason)),
		     sizeof(p.row[RECLAIM].reason) - 1);
	sg_plan_free(&p);
}

Test(catalogue, odd_rows)
{
	static const struct sg_probe odd[] = {
		{ "no.variant", "x", SG_CTX_PREEMPTIBLE, false, "", "w", { { SG_AT_NONE, NULL, NULL } } },
		{ "bad.target", "x", SG_CTX_BH_OFF, false, "", "w", { { SG_AT_TP, "p", "noslash" } } },
		{ "null.target", "x", SG_CTX_BH_OFF, false, "", "w", { { SG_AT_TP, "p", NULL } } },
		{ "bad.type", "x", SG_CTX_BH_OFF, false, "", "w", { { (enum sg_attach)99, "p", "t" } } },
		{ 0 },
	};
	struct fake f = { true, true, true, "*", "*", "*", "*", "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct sg_plan p;

	cr_assert_eq(sg_plan_make(&p, odd, &v, NULL), 0);
	cr_assert_eq(p.n, 4);
	for (size_t i = 0; i < p.n; i++) {
		cr_expect_eq(p.row[i].chosen, -1, "%s", odd[i].name);
		cr_expect_neq(p.row[i].reason[0], 0);
	}
	sg_plan_free(&p);
	cr_assert_eq(sg_plan_make(&p, odd + 4, &v, NULL), 0);
	cr_expect_eq(p.n, 0);
	sg_plan_free(&p);
}

static const char *str(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

Test(catalogue, json)
{
	struct fake f = { true, false, true, ALL_BTF, ALL_TP, NULL, NULL, "*", 0 };
	struct sg_kern_view v = view_of(&f);
	struct json_object *a, *o;
	struct sg_plan p;
	char *s;

	cr_assert_eq(sg_plan_make(&p, rows, &v, "fault"), 0);
	s = sg_plan_json(&p);
	cr_assert_not_null(s);
	a = json_tokener_parse(s);
	cr_assert_not_null(a, "not JSON: %s", s);
	cr_expect_eq(json_object_array_length(a), NROW);
	o = json_object_array_get_idx(a, SWITCH);
	cr_expect_str_eq(str(o, "name"), "sched.switch");
	cr_expect_str_eq(str(o, "group"), "sched");
	cr_expect_str_eq(str(o, "variant"), "tp_btf:sched_switch");
	cr_expect_null(str(o, "without"), "a probe that is on has nothing missing");
	o = json_object_array_get_idx(a, MAJ);
	cr_expect_str_eq(str(o, "variant"), "none");
	cr_expect_str_eq(str(o, "without"), "major faults stay open");
	cr_expect_str_eq(str(o, "reason"), "switched off by request");
	json_object_put(a);
	free(s);
	sg_plan_free(&p);
}

Test(catalogue, attach_names)
{
	for (int i = 0; i < SG_AT_MAX; i++)
		for (int k = 0; k < i; k++)
			cr_expect_str_neq(sg_attach_name(i), sg_attach_name(k));
	cr_expect_str_eq(sg_attach_name(SG_AT_MAX), "?");
	cr_expect_str_eq(sg_attach_name((enum sg_attach) - 1), "?");
}
