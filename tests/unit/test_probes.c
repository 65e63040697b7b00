// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The catalogue and the programs hold together; the view of this kernel tells the truth. */
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/catalogue.h"
#include "kern/facts.h"
#include "kern/kallsyms.h"
#include "kern/tracefs.h"
#include "kern/skel.h"

static bool plain_word(const char *s)
{
	return s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._") == strlen(s);
}

Test(probes, rows_are_complete)
{
	static const char *const groups[] = { "sched",	"syscall", "fault",  "reclaim", "swap",
					      "irq",	"block",   "trap",   "kvm",	"balloon",
					      "gvisor", "mark",	   "sample", "throttle" };
	size_t required = 0;

	for (const struct sg_probe *p = sg_catalogue; p->name; p++) {
		bool known = false;

		cr_expect(plain_word(p->name), "'%s'", p->name);
		for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
			known |= !strcmp(p->group, groups[i]);
		cr_expect(known, "%s: group '%s'", p->name, p->group);
		cr_expect(p->gives && *p->gives, "%s gives nothing", p->name);
		cr_expect(p->without && strlen(p->without) > 10,
			  "%s: no sentence about what is missing without it", p->name);
		cr_expect_neq(p->v[0].type, SG_AT_NONE, "%s has no variant", p->name);
		required += p->required;
		for (const struct sg_probe *q = sg_catalogue; q < p; q++)
			cr_expect_str_neq(p->name, q->name);
		for (int i = 0; i < SG_VARIANT_MAX && p->v[i].type != SG_AT_NONE; i++) {
			const struct sg_variant *v = &p->v[i];

			cr_expect(v->prog && *v->prog, "%s variant %d has no program", p->name, i);
			if (v->type == SG_AT_TP)
				cr_expect(v->target && strchr(v->target, '/'),
					  "%s: '%s' is not CATEGORY/NAME", p->name, v->target);
			else if (v->type == SG_AT_TP_BTF || v->type == SG_AT_PERF_SW)
				cr_expect(plain_word(v->target ? v->target : "") ||
						  (v->target && strchr(v->target, '-')),
					  "%s: '%s'", p->name, v->target);
		}
	}
	cr_expect_gt(required, 0, "no probe is required: nothing would ever be refused");
}

/* Both ways: a row without its program could never attach, a program without a row never would. */
Test(probes, every_row_has_its_program_and_every_program_a_row)
{
	struct sandglass_bpf *skel = sandglass_bpf__open();
	struct bpf_program *prog;

	cr_assert_not_null(skel);
	for (const struct sg_probe *p = sg_catalogue; p->name; p++)
		for (int i = 0; i < SG_VARIANT_MAX && p->v[i].type != SG_AT_NONE; i++)
			cr_expect_not_null(bpf_object__find_program_by_name(skel->obj, p->v[i].prog),
					   "%s: no program '%s'", p->name, p->v[i].prog);
	bpf_object__for_each_program(prog, skel->obj)
	{
		bool used = false;

		for (const struct sg_probe *p = sg_catalogue; p->name; p++)
			for (int i = 0; i < SG_VARIANT_MAX && p->v[i].type != SG_AT_NONE; i++)
				used |= !strcmp(p->v[i].prog, bpf_program__name(prog));
		cr_expect(used, "program '%s' is in no row", bpf_program__name(prog));
	}
	sandglass_bpf__destroy(skel);
}

Test(probes, live_view)
{
	struct sg_kern_view v;

	cr_assert_eq(sg_kern_view_live(&v), 0);
	cr_expect_eq(v.has_btf(v.ctx), !access("/sys/kernel/btf/vmlinux", R_OK));
	if (!v.has_btf(v.ctx) || geteuid()) {
		sg_kern_view_free(&v);
		cr_skip_test("needs root and BTF");
	}
	for (int again = 0; again < 2; again++) { /* the second time from what was kept */
		cr_expect(v.btf_tracepoint(v.ctx, "sched_switch"));
		cr_expect_not(v.btf_tracepoint(v.ctx, "no_such_tracepoint"));
		cr_expect(v.tracepoint(v.ctx, "sched", "sched_switch"));
		cr_expect_not(v.tracepoint(v.ctx, "sched", "no_such"));
		cr_expect_not(v.tracepoint(v.ctx, "..", "events"));
		cr_expect(v.perf_sw(v.ctx, "cpu-clock"));
		cr_expect_not(v.perf_sw(v.ctx, "no-such-event"));
		cr_expect_not(v.fentry(v.ctx, "no_such_function"));
		cr_expect_not(v.kprobe(v.ctx, "no_such_function"));
	}
	sg_kern_view_free(&v);
	cr_expect_null(v.ctx);
	sg_kern_view_free(&v);
}

/* Types of a module are read for what is a trace event here, and found whichever module has them. */
Test(probes, events_by_category)
{
	static const char text[] =
		"sched:sched_switch\nkvmmmu:fast_page_fault\nkvm:kvm_mmio\nno colon\nkvm:kvm_mmio_more\n";
	const char *cat = NULL;
	size_t len = 0;

	cr_expect(sg_tracefs_category(text, "kvm_mmio", &cat, &len));
	cr_expect(len == 3 && !strncmp(cat, "kvm:kvm_mmio\n", 13));
	cr_expect(sg_tracefs_category(text, "fast_page_fault", &cat, &len));
	cr_expect(len == 6 && !strncmp(cat, "kvmmmu", 6));
	cr_expect_not(sg_tracefs_category(text, "kvm_mmi", &cat, &len));
	cr_expect_not(sg_tracefs_category(text, "mmio", &cat, &len));
	cr_expect_not(sg_tracefs_category(text, "no colon", &cat, &len));
	cr_expect_not(sg_tracefs_category("", "kvm_mmio", &cat, &len));
	cr_expect_null(sg_tracefs_events(-1));
}

Test(probes, symbols_in_one_pass)
{
	static const char *const names[] = { "no_such_symbol", "schedule", "schedule.cold", "vfs_read" };
	uint64_t at[4] = { 1, 1, 1, 1 };

	if (geteuid())
		cr_skip_test("needs root");
	cr_assert_eq(sg_kallsyms_addresses(names, at, 4), 0);
	cr_expect_eq(at[0], 0);
	if (!at[1])
		cr_skip_test("addresses are hidden here");
	cr_expect_neq(at[3], 0);
	cr_expect_neq(at[1], at[3]);
	cr_expect_neq(at[2], at[1], "a name is the whole word");
	cr_expect_eq(sg_kallsyms_addresses(names, at, SG_KALLSYMS_ASK_MAX + 1), -E2BIG);
}

Test(probes, tracepoint_ids)
{
	int dir = sg_tracefs_open(NULL);

	if (dir < 0)
		cr_skip_test("tracefs is not reachable");
	cr_expect_gt(sg_tracefs_id(dir, "sched", "sched_switch"), 0);
	cr_expect_neq(sg_tracefs_id(dir, "sched", "sched_switch"),
		      sg_tracefs_id(dir, "sched", "sched_waking"));
	cr_expect_eq(sg_tracefs_id(dir, "sched", "no_such"), -ENOENT);
	cr_expect_eq(sg_tracefs_id(dir, "../sched", "sched_switch"), -EINVAL);
	close(dir);
}

/* This kernel can record, so the plan has its required probes. */
Test(probes, plan_of_this_kernel)
{
	struct sg_kern_view v;
	struct sg_plan p;

	cr_assert_eq(sg_kern_view_live(&v), 0);
	if (!v.has_btf(v.ctx) || geteuid()) {
		sg_kern_view_free(&v);
		cr_skip_test("needs root and BTF");
	}
	cr_assert_eq(sg_plan_make(&p, sg_catalogue, &v, NULL), 0);
	for (size_t i = 0; i < p.n; i++)
		cr_expect(p.row[i].chosen >= 0 || !p.row[i].probe->required, "%s: %s", p.row[i].probe->name,
			  p.row[i].reason);
	sg_plan_free(&p);
	sg_kern_view_free(&v);
}

Test(probes, facts)
{
	struct sg_fact f[SG_FACT_MAX];
	struct sg_kern_view v;
	size_t n = 0;

	cr_assert_eq(sg_kern_view_live(&v), 0);
	sg_facts_read(f, &v);
	for (size_t i = 0; i < SG_FACT_MAX; i++) {
		cr_expect_neq(f[i].value[0], 0, "%s has no value", f[i].key);
		if (f[i].limits)
			cr_expect_neq(f[i].note[0], 0, "%s limits, and does not say how", f[i].key);
	}
	cr_expect_eq(f[SG_FACT_PRIVILEGES].limits, geteuid() != 0);
	cr_expect_eq(strcmp(f[SG_FACT_BTF].value, "present") == 0, v.has_btf(v.ctx));
	while (sg_fact_inseparable(f, n))
		n++;
	cr_expect_geq(n, 3);
	cr_expect_eq(n > 3, f[SG_FACT_VIRT].limits);
	sg_kern_view_free(&v);
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool have(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return true;
}

static bool refused(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static bool tracepoint(void *ctx, const char *cat, const char *name)
{
	(void)ctx;
	(void)cat;
	(void)name;
	return true;
}

/* Where no function can be hooked, the balloon's pages are still counted: by the kernel's own counter. */
Test(probes, balloon_locked_down)
{
	struct sg_kern_view v = { .has_btf = always,
				  .preemptible_tracepoints = never,
				  .btf_tracepoint = have,
				  .tracepoint = tracepoint,
				  .fentry = refused,
				  .perf_sw = have,
				  .uprobe = never };
	struct sg_plan p;

	for (int locked = 0; locked < 2; locked++) {
		bool found = false;

		v.kprobe = locked ? refused : have;
		cr_assert_eq(sg_plan_make(&p, sg_catalogue, &v, NULL), 0);
		for (size_t i = 0; i < p.n; i++) {
			const struct sg_plan_row *r = &p.row[i];

			if (strcmp(r->probe->name, "balloon.page"))
				continue;
			found = true;
			cr_assert_geq(r->chosen, 0);
			cr_expect_eq(r->probe->v[r->chosen].type, locked ? SG_AT_TP_BTF : SG_AT_KPROBE);
		}
		cr_expect(found);
		sg_plan_free(&p);
	}
}
