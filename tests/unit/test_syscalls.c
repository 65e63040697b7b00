/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* System calls by container and process: exact sums, names that come late, hostile records. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "gen_event.h"
#include "model/syscalls.h"
#include "out/text.h"
#include "out_case.h"

struct run {
	struct sg_owners *o;
	struct sg_syscalls *s;
};

static int feed(void *ctx, const struct sg_hdr *ev)
{
	struct run *r = ctx;
	int ret = sg_owners_feed(r->o, ev);

	return ret ? ret : sg_syscalls_feed(r->s, ev);
}

static void run(struct run *r, const char *text)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_owners_new(&r->o), 0);
	cr_assert_eq(sg_syscalls_new(&r->s, r->o), 0);
	cr_assert_eq(sg_text_parse(text, strlen(text), feed, NULL, r, &err), 0, "%s", err.msg);
}

static void end(struct run *r)
{
	sg_syscalls_free(r->s);
	sg_owners_free(r->o);
}

static const struct sg_syscall_row *row_of(const struct sg_syscall_group *g, uint32_t nr)
{
	for (size_t i = 0; i < g->nrow; i++)
		if (g->row[i].nr == nr)
			return &g->row[i];
	cr_assert(false, "%s %s has no call %u", g->container, g->process, nr);
	return NULL;
}

static const char stream[] =
	"T 7 node cgroup=5 / T 8 libuv tgid=7 cgroup=5 / T 9 sh cgroup=6\n"
	"S 7 100-110 sys.read=4/2!1 user=6 <B:read.reg@40 w=95 task:9\n" /* 55 blocked, 5 run queue */
	"D 7 name=a.js type=reg @210\n"
	"S 7 210-230 sys.read=10/1 sys.openat=5/3!2 <B:read.reg@110 w=200 soft.block\n" /* 90 + 10, of a.js */
	"S 8 240-250 sys.read=10/1!65535 <R:read@235\n"					/* 5 run queue */
	"D 8 name=b.js type=reg @260\n"
	"S 8 261-270 user=9 <B:read.reg@250 w=260\n" /* 10 + 1; the detail is of no slice */
	"S 9 300-310 sys.nr777=10/1 <B:kfault@290 w=295 nr=nr777\n"
	"S 9 320-330 sys.read=10/4 <H:read@310 / S 9 340-350 user=10 <B:fault@330 w=335\n"
	"S 9 350-360 user=10 <=\n"
	"B cgroup=5 text=\"0011\\x00web\\x00\"\n" /* told last */
	"R tgid=9 name=shim\n";

Test(syscalls, sums_are_exact)
{
	const struct sg_syscall_group *g;
	const struct sg_syscall_row *r;
	struct run x;
	size_t n;

	run(&x, stream);
	cr_assert_eq(sg_syscalls_groups(x.s, &g, &n), 0);
	cr_assert_eq(n, 2);
	cr_expect_str_eq(g[0].container, "web");
	cr_expect_str_eq(g[0].process, "node");
	cr_expect_eq(g[0].programs, 1);
	cr_expect_eq(g[0].nrow, 2);
	r = row_of(&g[0], 0);
	cr_expect_eq(r->cnt, 4);
	cr_expect_eq(r->err, 65536);
	cr_expect(r->err_more);
	cr_expect_eq(r->on_ns, 24);
	cr_expect_eq(r->wait_ns, 55 + 90 + 10);
	cr_expect_eq(r->runq_ns, 5 + 10 + 5 + 1);
	cr_expect_eq(r->waits, 4);
	cr_assert_eq(r->nfile, 1);
	cr_expect_str_eq(r->file[0].name, "a.js");
	cr_expect_eq(r->file[0].ns, 100);
	r = row_of(&g[0], 257);
	cr_expect_eq(r->cnt, 3);
	cr_expect_eq(r->err, 2);
	cr_expect(!r->err_more);
	cr_expect_eq(g[0].sum.cnt, 7);
	cr_expect_eq(g[0].sum.on_ns, 29);
	cr_expect_str_eq(g[1].container, "(no container)");
	cr_expect_str_eq(g[1].process, "shim");
	r = row_of(&g[1], 777);
	cr_expect_eq(r->wait_ns, 5, "a page fault inside a call is the call's");
	r = row_of(&g[1], 0);
	cr_expect_eq(r->wait_ns + r->runq_ns, 0, "a hole is nobody's wait");
	cr_expect_eq(sg_syscalls_uncounted(x.s), 0);
	end(&x);
}

/* Several programs of one name in one container are one group, its files those of all. */
Test(syscalls, programs_of_one_name_are_added_up)
{
	static const char text[] =
		"I id=5 name=pod / I id=6 name=pod\n"
		"T 1 cc cgroup=5 / T 2 cc cgroup=6 / T 3 ld cgroup=5\n"
		"D 1 name=x.h type=reg @20 / S 1 20-30 sys.read=10/1 <B:read@10 w=19\n"
		"D 2 name=x.h type=reg @40 / S 2 40-50 sys.read=10/1 <B:read@10 w=39\n"
		"D 2 name=a type=reg @70 / S 2 70-80 sys.read=10/1 <B:read@50 w=69\n"
		"D 2 name=b type=reg @100 / S 2 100-110 sys.read=10/1 <B:read@80 w=99\n"
		"D 2 lport=80 rport=9 type=inet @130 / S 2 130-140 sys.read=10/1 <B:read@129 w=130\n"
		"S 3 140-150 sys.read=10/1\n";
	const struct sg_syscall_group *g;
	struct run x;
	size_t n;

	run(&x, text);
	cr_assert_eq(sg_syscalls_groups(x.s, &g, &n), 0);
	cr_assert_eq(n, 2);
	cr_expect_str_eq(g[0].process, "cc");
	cr_expect_eq(g[0].programs, 2);
	cr_assert_eq(g[0].row[0].nfile, SG_SYSCALL_FILES);
	cr_expect_str_eq(g[0].row[0].file[0].name, "x.h");
	cr_expect_eq(g[0].row[0].file[0].ns, 40);
	cr_expect_eq(g[0].row[0].file[0].cnt, 2);
	cr_expect_eq(g[0].row[0].file[2].ns, 20, "the fourth is not shown");
	end(&x);
}

Test(syscalls, texts_say_the_same)
{
	struct sg_text_opts opts = { .width = 120 };
	struct json_object *doc, *groups, *first, *v = NULL;
	struct out_case c;
	struct run x;
	char *text;

	run(&x, stream);
	cr_assert_eq(sg_syscalls_text(x.s, out_open(&c), &opts), 0);
	text = out_close(&c);
	cr_expect(strstr(text, "web, node (1 program):"), "%s", text);
	cr_expect(strstr(text, "65536 or more"), "%s", text);
	cr_expect(strstr(text, "a.js (100 ns)"), "%s", text);
	cr_expect(strstr(text, "nr777"), "%s", text);
	free(text);
	doc = sg_syscalls_json(x.s);
	cr_assert(doc && json_object_object_get_ex(doc, "groups", &groups));
	first = json_object_array_get_idx(groups, 0);
	cr_expect(json_object_object_get_ex(first, "on_cpu_ns", &v) && json_object_get_int64(v) == 29);
	cr_expect(json_object_object_get_ex(first, "calls", &v) && json_object_array_length(v) == 2);
	json_object_put(doc);
	end(&x);
}

/* Any records: nothing breaks, groups sum to their rows, no control byte in the text. */
Test(syscalls, hostile_records)
{
	static union gen_event ev;
	const struct sg_syscall_group *g;
	struct out_case c;
	uint64_t seed = 3;
	struct run x;
	size_t n;
	char *text;

	run(&x, "");
	for (int i = 0; i < 60000; i++) {
		unsigned kind = i % 3 ? SG_REC_SLICE : gen_kinds[(i / 3) % sizeof(gen_kinds)];

		gen_event(&seed, kind, &ev);
		ev.h.uid %= 300;
		cr_assert_eq(feed(&x, &ev.h), 0);
	}
	cr_assert_eq(sg_syscalls_groups(x.s, &g, &n), 0);
	cr_assert_gt(n, 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t cnt = 0, ns = 0;

		for (size_t k = 0; k < g[i].nrow; k++) {
			cnt += g[i].row[k].cnt;
			ns += g[i].row[k].on_ns + g[i].row[k].wait_ns + g[i].row[k].runq_ns;
		}
		cr_assert_eq(cnt, g[i].sum.cnt);
		cr_assert_eq(ns, g[i].sum.on_ns + g[i].sum.wait_ns + g[i].sum.runq_ns);
	}
	cr_assert_eq(sg_syscalls_text(x.s, out_open(&c), NULL), 0);
	text = out_close(&c);
	for (size_t i = 0; text[i]; i++)
		cr_assert(text[i] == '\n' || (unsigned char)text[i] >= ' ', "byte %d", text[i]);
	free(text);
	end(&x);
}
