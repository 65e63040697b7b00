/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "gen_event.h"
#include "trace/text.h"

#define KEPT 64
struct kept {
	union gen_event ev[KEPT];
	size_t n;
	char expect[256];
	unsigned expect_line;
};

static int keep(void *ctx, const struct sg_hdr *h)
{
	struct kept *k = ctx;
	size_t size = sg_event_size(h, SG_EVENT_MAX);

	cr_assert_gt(size, 0);
	cr_assert_lt(k->n, KEPT);
	memset(&k->ev[k->n], 0, sizeof(k->ev[0]));
	memcpy(&k->ev[k->n++], h, size);
	return 0;
}

static int keep_expect(void *ctx, unsigned line, const char *text)
{
	struct kept *k = ctx;

	snprintf(k->expect, sizeof(k->expect), "%s", text);
	k->expect_line = line;
	return 0;
}

static int parse(const char *s, struct kept *k, struct sg_err *err)
{
	memset(k, 0, sizeof(*k));
	memset(err, 0, sizeof(*err));
	return sg_text_parse(s, strlen(s), keep, keep_expect, k, err);
}

static const char golden[] = "T 7 app birth=0 by=1                     # thread\n"
			     "S 7 c0 100-110 user=10 <B:read.socket@40 w=95 task:9   # blocked in read\n"
			     "S 7 c0 110-340 user=184 sys=46 <=\n"
			     "S 9 c1 60-120 user=60 <R@55\n"
			     "S 8 c0 350-400 sys=50 <B:fsync@20 w=340 soft.block\n"
			     "M 7 b id=1 @110 / M 7 e id=1 @340 / L c1 n=3 / X 9 @500\n"
			     "= 7 id=1: app cpu.user 184, app cpu.sys 46, uncertain 0    \n";

Test(text, golden_examples)
{
	static struct kept k;
	struct sg_err err;
	const struct sg_slice *s;
	const struct sg_mark *m;

	cr_assert_eq(parse(golden, &k, &err), 0, "%s", err.msg);
	cr_assert_eq(k.n, 9);
	cr_assert_eq(k.ev[0].thread.creator, 1);
	cr_assert_eq(k.ev[0].thread.tid, 7);
	cr_assert_eq(k.ev[0].thread.flags, SG_TF_INSCOPE);
	cr_assert_str_eq(k.ev[0].thread.comm, "app");

	s = &k.ev[1].slice;
	cr_assert_eq(s->h.uid, 7);
	cr_assert_eq(s->in, 100);
	cr_assert_eq(s->h.ts, 110);
	cr_assert_eq(s->npair, 1);
	cr_assert_eq(s->pair[0].key, SG_C_CPU_USER);
	cr_assert_eq(s->pair[0].ns, 10);
	cr_assert_eq(s->pair[0].cnt, 1);
	cr_assert_eq(s->stop, SG_STOP_SLEEP);
	cr_assert_eq(s->wkind, SG_K_SYSCALL);
	cr_assert_eq(s->nr, 0);
	cr_assert_eq(s->fdtype, SG_FD_SOCK_INET);
	cr_assert_eq(s->prev_out, 40);
	cr_assert_eq(s->wake, 95);
	cr_assert_eq(s->wctx, SG_WCTX_TASK);
	cr_assert_eq(s->waker, 9);
	cr_assert_eq(s->flags, SG_SF_INSCOPE);

	s = &k.ev[2].slice;
	cr_assert_eq(s->stop, SG_STOP_NONE);
	cr_assert_eq(s->prev_out, 110);
	s = &k.ev[3].slice;
	cr_assert_eq(s->stop, SG_STOP_RUNNABLE);
	cr_assert_eq(s->h.cpu, 1);
	s = &k.ev[4].slice;
	cr_assert_eq(s->nr, 74);
	cr_assert_eq(s->wctx, SG_WCTX_SOFT);
	cr_assert_eq(s->wvec, 4);
	cr_assert_eq(s->wsrc, SG_WSRC_BLOCK);

	m = &k.ev[6].mark;
	cr_assert_eq(m->type, SG_MARK_END);
	cr_assert_eq(m->seq, 2, "marks of a thread are counted");
	cr_assert_eq(m->h.ts, 340);
	cr_assert_eq(k.ev[7].h.kind, SG_REC_LOST);
	cr_assert_eq(k.ev[7].h.cpu, 1);
	cr_assert_eq(k.ev[7].h.ts, 340, "without a time: that of the record before");
	cr_assert_eq(k.ev[8].h.ts, 500);
	cr_assert_str_eq(k.expect, "7 id=1: app cpu.user 184, app cpu.sys 46, uncertain 0");
	cr_assert_eq(k.expect_line, 7);
}

/* Every slice word in its canonical spelling: parsing and printing give the same line. */
Test(text, canonical_lines)
{
	static const char *const lines[] = {
		"T 7 app birth=10 by=1 @10",
		"T 7 \"a b\\\"\\\\\\x01\" start=5 cgroup=9 tid=3 tgid=2 f=outscope,kthread,root @10",
		"S 7 c0 100-110 user=10 <S:read.inet@40 w=95 task:9",
		"S 7 c3 110-340 user=184/3 sys.read=46/2 sys.nr60=1 sys.exit=3 mem.swapin=7 k60=1 <=",
		"S 7 c0 1-2 <D:fault@1 w=1 timer flt=3 f=iowait,memstall res=swapin",
		"S 7 c0 1-2 <D:kfault@1 w=1 soft.block:4 svc=40 flt=3 dev=8:1 nr=write",
		"S 7 c0 1-2 <D@1 w=1 soft.net_rx src=none",
		"S 7 c0 1-2 <b:nr60@1 w=1 hard >X:exit who=4 src=signal oflt=9",
		"S 7 c0 1-2 <t:ptrace@1 w=1 >S:syscall f=outscope,timeout,0x80000000",
		"N 7 c0 100-150 user=50 oflt=4",
		"M 7 c1 exec seq=0 id=1 src=proc name=cc1 @9",
		"K 7 type=wait.kern ip=0x1,0xffffffff81000000 @95",
		"D 7 fd=-1 lport=80 rport=4000 type=inet name=\"a/b c\" @100",
		"L c2 since=4 n=3 @10",
		"F id=1 kernel=1 text=\"schedule\\x00vmlinux\" @0",
		"G id=1 frames=1,2,3 @0",
		"A id=8388609 type=dev text=sda1 @0",
		"W type=begin ncpu=2 @0",
		"S 7 c0 1-9 user=8 sys.openat=900/3!1 sys.close=7/1!65535 guest.getpid=40/2 emul.stat=9 "
		"flip.6=0/3 <=",
		"S 7 c0 5-9 <t:guestcall@1 w=4 task:9 nr=getpid note=0x20027",
		"Q 7 begin=40 on=30 ret=-2 gtid=3 sandbox=812 nr=257 src=trace text=\"node\\x00/work/a b\" "
		"@100",
		"Q 7 begin=40 nr=6 what=rpc src=uprobe @100",
		"R tgid=7 name=gofer sandbox=812 @0",
		"I id=70 name=\"\\x1b[31m\" @5",
		"B cgroup=70 pid=812 text=\"4f\\x00web\\x00nginx:1\\x00runsc\\x00systrap\\x00\" @5",
	};
	static char out[SG_TEXT_MAX];
	static struct kept k;
	struct sg_err err;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		cr_assert_eq(parse(lines[i], &k, &err), 0, "%s: %s", lines[i], err.msg);
		cr_assert_gt(sg_text_format(&k.ev[0].h, out, sizeof(out)), 0);
		cr_assert_str_eq(out, lines[i]);
	}
}

/* Property: any valid record survives printing and parsing, bit by bit. */
Test(text, round_trip)
{
	static union gen_event ev;
	static char out[SG_TEXT_MAX];
	static struct kept k;
	struct sg_err err;
	uint64_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		unsigned kind = gen_kinds[i % sizeof(gen_kinds)];
		uint64_t at = seed;
		size_t size = gen_event(&seed, kind, &ev);

		cr_assert_gt(size, 0);
		cr_assert_gt(sg_text_format(&ev.h, out, sizeof(out)), 0, "seed %#lx kind %u", at, kind);
		cr_assert_eq(parse(out, &k, &err), 0, "seed %#lx: %s: %.200s", at, err.msg, out);
		cr_assert_eq(k.n, 1, "seed %#lx", at);
		cr_assert_arr_eq(&k.ev[0], &ev, size, "seed %#lx: %.400s", at, out);
		cr_assert_eq(sg_event_size(&k.ev[0].h, SG_EVENT_MAX), size);
	}
}

Test(text, errors_name_the_line)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{ "\n\nZ 7", "line 3: 'Z': no such record" },
		{ "S x", "line 1: 'x': a thread number must follow" },
		{ "S", "line 1: '': a thread number must follow" },
		{ "T 7", "line 1: '': a thread's name must follow" },
		{ "T 7 12345678901234567", "line 1: '12345678901234567': a thread's name must follow" },
		{ "S 7 10-", "line 1: '10': not IN-OUT in ns" },
		{ "S 7 c0 1-2 usr=1", "line 1: 'usr': no field and no cause has this name" },
		{ "S 7 c0 1-2 user=x", "line 1: 'x': not a time in ns" },
		{ "S 7 c0 1-2 user=18446744073709551616",
		  "line 1: '18446744073709551616': not a time in ns" },
		{ "S 7 c0 1-2 <Z@3", "line 1: 'Z': not a stop" },
		{ "S 7 c0 1-2 <S:raed@3", "line 1: 'raed': neither a kind nor a system call" },
		{ "S 7 c0 1-2 <S:read.x@3", "line 1: 'x': not a file type" },
		{ "S 7 c0 1-2 task:x", "line 1: 'task:x': not a thread number" },
		{ "S 7 c0 1-2 soft.q", "line 1: 'q': not a soft interrupt vector" },
		{ "S 7 c0 1-2 nr=65536", "line 1: '65536': not a value of this field" },
		{ "S 7 c65536 1-2", "line 1: 'c65536': no such word in this record" },
		{ "M 7 b name=\"x", "line 1: 'name': not a string, or too long" },
		{ "M 7 z", "line 1: 'z': no such word in this record" },
		{ "X 7 codee=1", "line 1: 'codee': no such field in this record" },
		{ "S 7 c0 1-2 sys.read=1/2!x", "line 1: 'x': not a count of errors" },
		{ "S 7 c0 1-2 sys.read=1/2!65536", "line 1: '65536': not a count of errors" },
		{ "S 7 c0 1-2 guest.raed=1", "line 1: 'guest.raed': no field and no cause has this name" },
		{ "S 7 c0 1-2 flip.8192=1", "line 1: 'flip.8192': no field and no cause has this name" },
		{ "Q x", "line 1: 'x': a thread number must follow" },
		{ "Q 7 nr=65536", "line 1: '65536': not a value of this field" },
		{ "L n=3 @x", "line 1: '@x': not a time in ns" },
	};
	static struct kept k;
	struct sg_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(parse(bad[i].text, &k, &err), -EINVAL, "%s", bad[i].text);
		cr_assert_str_eq(err.msg, bad[i].msg);
		cr_assert_eq(k.n, 0);
	}
}

static int refuse(void *ctx, const struct sg_hdr *h)
{
	(void)h;
	return --*(int *)ctx ? 0 : -ECANCELED;
}

Test(text, callback_stops)
{
	int left = 3;

	cr_assert_eq(sg_text_parse(golden, strlen(golden), refuse, NULL, &left, NULL), -ECANCELED);
	cr_assert_eq(left, 0);
}

Test(text, file)
{
	static struct kept k;
	struct sg_err err = { 0 };
	FILE *f = fmemopen((void *)golden, strlen(golden), "r");

	cr_assert(f);
	cr_assert_eq(sg_text_parse_file(f, keep, keep_expect, &k, &err), 0, "%s", err.msg);
	cr_assert_eq(k.n, 9);
	fclose(f);
}
