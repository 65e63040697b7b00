/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Whose a thread is: processes, roles and containers from their records, in any order and amount. */
#include <criterion/criterion.h>
#include <string.h>
#include "gen_event.h"
#include "model/containers.h"
#include "trace/text.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int feed(void *ctx, const struct sg_hdr *ev)
{
	return sg_owners_feed(ctx, ev);
}

static struct sg_owners *owners_of(const char *text)
{
	struct sg_owners *o;
	struct sg_err err = { 0 };

	cr_assert_eq(sg_owners_new(&o), 0);
	cr_assert_eq(sg_text_parse(text, strlen(text), feed, NULL, o, &err), 0, "%s", err.msg);
	return o;
}

static const struct sg_owner_proc *proc_of(const struct sg_owners *o, uint32_t uid)
{
	return sg_owners_proc_at(o, sg_owners_proc(o, uid));
}

Test(containers, labels_prefer_the_name_then_the_id_then_the_cgroup)
{
	struct sg_owners *o =
		owners_of("B cgroup=1 text=\"" ID "\\x00web\\x00nginx:1\\x00runc\\x00runc\\x00\"\n"
			  "B cgroup=2 text=\"" ID "\\x00\\x00\\x00\\x00\\x00\"\n"
			  "I id=2 name=other / I id=3 name=docker-" ID ".scope\n"
			  "I id=4 name=user.slice / I id=5 name=\"/\"\n"
			  "I id=6 name=\"0" ID "\"\n");
	char buf[SG_OWNERS_LABEL];

	cr_expect_str_eq(sg_owners_label(o, 1, buf), "web");
	cr_expect_str_eq(sg_owners_label(o, 2, buf), "001122334455");
	cr_expect_str_eq(sg_owners_label(o, 3, buf), "001122334455");
	cr_expect_str_eq(sg_owners_label(o, 4, buf), "user.slice");
	cr_expect_str_eq(sg_owners_label(o, 5, buf), "(no container)");
	cr_expect_str_eq(sg_owners_label(o, 6, buf), "0" ID, "65 digits are no id");
	cr_expect_str_eq(sg_owners_label(o, 7, buf), "(no container)");
	sg_owners_free(o);
}

Test(containers, the_last_record_of_a_cgroup_wins)
{
	struct sg_owners *o =
		owners_of("B cgroup=1 pid=5 text=\"aa\\x00old\\x00\"\n"
			  "B cgroup=1 pid=6 text=\"bb\\x00new\\x00img\"\n"
			  "B cgroup=9 text=\"bb\\x00new\\x00img\"\n"
			  "B cgroup=8 text=\"\" / T 3 sh cgroup=1 / T 4 sh cgroup=8 f=outscope\n");
	const struct sg_owner_container *const *list, *c = sg_owners_container(o, 1);
	size_t n = sg_owners_list(o, &list);

	cr_assert(c);
	cr_expect_str_eq(c->name, "new");
	cr_expect_str_eq(c->image, "img", "its text may end without a NUL");
	cr_expect_str_eq(c->platform, "");
	cr_expect_eq(c->pid, 6);
	cr_expect_eq(n, 2, "two cgroups of one container are one container");
	cr_expect_str_eq(list[1]->name, "");
	cr_expect(!list[1]->in_scope);
	cr_expect_eq(list[0]->cgroup, 1);
	cr_expect(list[0]->in_scope);
	cr_expect(!sg_owners_container(o, 2));
	sg_owners_free(o);
}

Test(containers, a_program_is_what_a_process_runs_between_two_execs)
{
	struct sg_owners *o = owners_of("R tgid=7 sandbox=3 name=gofer\n" /* told before it was seen */
					"T 7 sh cgroup=1 / T 8 worker tgid=7 cgroup=1\n");
	uint32_t sh = sg_owners_proc(o, 7), node;
	struct sg_thread t = { .h = { .kind = SG_REC_THREAD, .uid = 7 },
			       .tid = 7,
			       .tgid = 7,
			       .cgroup = 1,
			       .flags = SG_TF_EXEC,
			       .comm = "node" };

	cr_expect_neq(sh, 0);
	cr_expect_eq(sg_owners_proc(o, 8), sh);
	cr_expect_str_eq(proc_of(o, 8)->comm, "sh", "the process's name, not the thread's");
	cr_expect_str_eq(proc_of(o, 7)->role, "gofer");
	cr_expect_eq(sg_owners_feed(o, &t.h), 0);
	node = sg_owners_proc(o, 7);
	cr_expect_neq(node, sh);
	cr_expect_str_eq(proc_of(o, 7)->comm, "node");
	cr_expect_str_eq(proc_of(o, 7)->role, "gofer", "exec keeps the process and its role");
	cr_expect_str_eq(sg_owners_proc_at(o, sh)->comm, "sh");
	t.h.uid = 99; /* the number comes back as another process */
	t.flags = 0;
	cr_expect_eq(sg_owners_feed(o, &t.h), 0);
	cr_expect_neq(sg_owners_proc(o, 99), node);
	cr_expect_str_eq(proc_of(o, 99)->role, "");
	cr_expect_eq(sg_owners_proc(o, 1234), 0);
	cr_expect_str_eq(proc_of(o, 1234)->comm, "?");
	cr_expect_eq(sg_owners_tgid(o, 7), sg_owners_proc(o, 99));
	sg_owners_free(o);
}

/* More of everything than there is room for: what was known stays right, the rest has no name of its own. */
Test(containers, memory_is_bounded)
{
	struct sg_container *c = calloc(1, sizeof(*c) + 8);
	struct sg_cgname n = { .h = { .kind = SG_REC_CGNAME }, .name = "x" };
	struct sg_thread t = { .h = { .kind = SG_REC_THREAD }, .comm = "p" };
	const struct sg_owner_container *const *list;
	char buf[SG_OWNERS_LABEL];
	struct sg_owners *o;

	cr_assert(c);
	cr_assert_eq(sg_owners_new(&o), 0);
	c->h.kind = SG_REC_CONTAINER;
	for (uint64_t i = 1; i <= SG_OWNERS_CONTAINERS + 100; i++) {
		c->len = (uint16_t)snprintf(c->text, 8, "%lx", i);
		c->cgroup = n.id = i;
		cr_assert_eq(sg_owners_feed(o, &c->h), 0);
		cr_assert_eq(sg_owners_feed(o, &n.h), 0);
	}
	cr_expect_eq(sg_owners_list(o, &list), SG_OWNERS_CONTAINERS);
	cr_expect(sg_owners_container(o, SG_OWNERS_CONTAINERS));
	cr_expect(!sg_owners_container(o, SG_OWNERS_CONTAINERS + 1));
	cr_expect_str_eq(sg_owners_label(o, SG_OWNERS_CONTAINERS + 1, buf), "(no container)");
	for (uint32_t i = 1; i <= SG_OWNERS_PROCS + 5000; i++) {
		t.h.uid = t.tid = t.tgid = i;
		t.cgroup = i % 3 + 1;
		cr_assert_eq(sg_owners_feed(o, &t.h), 0);
	}
	cr_expect_str_eq(proc_of(o, 5)->comm, "p");
	cr_expect_str_eq(proc_of(o, SG_OWNERS_PROCS + 10)->comm, "(others)");
	cr_expect_eq(proc_of(o, SG_OWNERS_PROCS + 10)->cgroup, (SG_OWNERS_PROCS + 10) % 3 + 1);
	sg_owners_free(o);
	free(c);
}

Test(containers, any_record_may_come)
{
	static union gen_event ev;
	char buf[SG_OWNERS_LABEL];
	const struct sg_owner_container *const *list;
	uint64_t seed = 7;
	struct sg_owners *o;

	cr_assert_eq(sg_owners_new(&o), 0);
	for (int i = 0; i < 60000; i++) {
		gen_event(&seed, gen_kinds[i % sizeof(gen_kinds)], &ev);
		cr_assert_eq(sg_owners_feed(o, &ev.h), 0);
		cr_assert(sg_owners_label(o, ev.thread.cgroup, buf));
		cr_assert(proc_of(o, ev.h.uid));
	}
	for (size_t n = sg_owners_list(o, &list), i = 0; i < n; i++)
		cr_assert_leq(strlen(list[i]->id) + strlen(list[i]->platform), SG_CONTAINER_TEXT_MAX);
	sg_owners_free(o);
}
