/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A sandbox's guest calls: counts, times, parts that sum, messages and whose they are. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "gen_event.h"
#include "model/guestcalls.h"
#include "out/text.h"
#include "out_case.h"

struct run {
	struct sg_analysis *a;
	struct sg_owners *o;
	struct sg_guestcalls *g;
	const struct sg_guest_sandbox *box;
	size_t n;
};

static int on_event(void *ctx, const struct sg_hdr *ev)
{
	struct run *r = ctx;

	return sg_guestcalls_feed(r->g, ev);
}

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct run *r = ctx;

	(void)tb;
	return sg_guestcalls_task(r->g, m, t);
}

static int on_guest(void *ctx, const struct sg_guest_call *c)
{
	struct run *r = ctx;

	return sg_guestcalls_ended(r->g, c);
}

static void begin(struct run *r)
{
	struct sg_analysis_opts o = { .tasks = SG_TASKS_GUEST,
				      .on_event = on_event,
				      .on_task = on_task,
				      .on_guest = on_guest,
				      .ctx = r };

	memset(r, 0, sizeof(*r));
	cr_assert_eq(sg_owners_new(&r->o), 0);
	cr_assert_eq(sg_guestcalls_new(&r->g, r->o), 0);
	o.owners = r->o;
	cr_assert_eq(sg_analysis_new(&r->a, &o), 0);
}

/* Every row's parts sum to its total, the rows to the sandbox. */
static void list(struct run *r)
{
	cr_assert_eq(sg_guestcalls_list(r->g, &r->box, &r->n), 0);
	for (size_t i = 0; i < r->n; i++) {
		uint64_t total = 0, cnt = 0;

		for (size_t k = 0; k < r->box[i].nrow; k++) {
			const struct sg_guest_row *w = &r->box[i].row[k];
			uint64_t parts = 0;

			for (size_t p = 0; p < SG_PART_MAX; p++)
				parts += w->part_ns[p];
			cr_assert_eq(parts, w->total_ns, "call %u: parts are %lu of %lu", w->nr, parts,
				     w->total_ns);
			total += w->total_ns;
			cnt += w->cnt;
		}
		cr_assert_eq(total, r->box[i].sum.total_ns);
		cr_assert_eq(cnt, r->box[i].sum.cnt);
	}
}

static void run(struct run *r, const char *text)
{
	begin(r);
	out_case_run(r->a, text);
	list(r);
}

static void end(struct run *r)
{
	sg_guestcalls_free(r->g);
	sg_analysis_free(r->a);
	sg_owners_free(r->o);
}

static const struct sg_guest_row *row_of(const struct sg_guest_sandbox *b, unsigned nr)
{
	for (size_t i = 0; i < b->nrow; i++)
		if (b->row[i].nr == nr)
			return &b->row[i];
	cr_assert(false, "no call %u", nr);
	return NULL;
}

Test(guestcalls, ptrace_platform)
{
	char *text = out_case_file("tests/golden/guest_ptrace.stream");
	const struct sg_guest_row *w;
	struct run r;

	run(&r, text);
	cr_assert_eq(r.n, 1);
	cr_expect_str_eq(r.box->container, "web");
	cr_expect_str_eq(r.box->platform, "ptrace");
	cr_expect_eq(r.box->sum.seen[SG_SEEN_STOP], 4);
	w = row_of(r.box, 39);
	cr_expect_eq(w->cnt, 1);
	cr_expect_eq(w->p99_ns, 90);
	cr_expect_eq(w->total_ns, 90 + 5, "the stop, and stopping");
	cr_expect_eq(w->part_ns[SG_PART_GOFER], 0);
	cr_expect_gt(w->part_ns[SG_PART_SENTRY], 0);
	cr_expect_gt(w->part_ns[SG_PART_TRAP], 0);
	cr_expect_eq(w->nmsg, 0, "getpid asks nobody");
	w = row_of(r.box, 257);
	cr_expect_eq(w->cnt, 2);
	cr_expect_eq(w->total_ns, 230 + 160 + 10);
	cr_expect_eq(w->mean_ns, 200);
	cr_expect_eq(w->p99_ns, 230);
	cr_expect_eq(w->explained, 2);
	cr_expect_gt(w->part_ns[SG_PART_GOFER], 0);
	cr_assert_eq(w->nmsg, 2);
	cr_expect_eq(w->msg[0].word + w->msg[1].word, 6 + 7);
	cr_assert_eq(r.box->nmsg, 2);
	cr_expect_eq(r.box->msg_apart, 0);
	w = row_of(r.box, 231);
	cr_expect_eq(w->cnt, 1);
	cr_expect_eq(w->total_ns, 0, "it does not return");
	cr_expect_eq(w->explained, 0);
	end(&r);
	free(text);
}

Test(guestcalls, systrap_platform_and_other_sources)
{
	char *text = out_case_file("tests/golden/guest_systrap.stream");
	const struct sg_guest_row *w;
	struct run r;

	run(&r, text);
	cr_assert_eq(r.n, 1);
	cr_expect_str_eq(r.box->container, "aa00bb11cc22");
	cr_expect_str_eq(r.box->platform, "systrap");
	w = row_of(r.box, 39);
	cr_expect_eq(w->seen[SG_SEEN_TRAP], 2);
	cr_expect_eq(w->seen[SG_SEEN_UPROBE], 1);
	cr_expect_eq(w->timed, SG_SEEN_TRAP);
	cr_expect_eq(w->cnt, 2);
	cr_expect_eq(w->explained, 2);
	cr_expect_eq(w->total_ns, 90 + 135, "from the traps to the returns");
	cr_expect_eq(w->max_ns, 135);
	cr_expect_eq(w->part_ns[SG_PART_SENTRY], 50);
	cr_expect_eq(w->part_ns[SG_PART_TRAP], 175);
	w = row_of(r.box, 257);
	cr_expect_eq(w->seen[SG_SEEN_TRAP], 0, "a patched place makes no trap");
	cr_expect_eq(w->seen[SG_SEEN_UPROBE], 1);
	cr_expect_eq(w->seen[SG_SEEN_TRACE], 1);
	cr_expect_eq(w->timed, SG_SEEN_UPROBE);
	cr_expect_eq(w->total_ns, 10);
	cr_expect_eq(w->part_ns[SG_PART_OTHER], 10, "what was not followed is not guessed");
	w = row_of(r.box, SG_GUEST_FAULT);
	cr_expect_eq(w->seen[SG_SEEN_TRAP], 1);
	cr_expect_eq(w->total_ns, 40);
	cr_assert_eq(r.box->nmsg, 1, "the Sentry's own words are noise");
	cr_expect_eq(r.box->msg[0].word, 6);
	cr_expect_eq(r.box->msg[0].cnt, 0);
	cr_expect_eq(r.box->msg[0].seen, 1);
	end(&r);
	free(text);
}

/* Two guests' calls at one time: the thread that woke the Gofer tells whose message it is, else nobody is told. */
Test(guestcalls, messages_of_calls_that_overlap)
{
	static const char who[] = "T 2 exe tgid=20 cgroup=70 / T 22 exe tgid=20 tid=22 cgroup=70\n"
				  "T 3 exe tgid=30 cgroup=70\n"
				  "T 4 exe tgid=40 cgroup=70 / T 5 exe tgid=50 cgroup=70\n"
				  "R tgid=30 sandbox=20 name=gofer @0\n"
				  "R tgid=40 sandbox=20 name=stub / R tgid=50 sandbox=20 name=stub\n";
	static const char calls[] = "S 3 50-60 flip.6=0/1 sys.futex=10 <B:futex@10 w=45 task:%u\n"
				    "S 4 90-95 user=5 <t:guestcall@40 w=85 task:%u nr=stat arg=0xa\n"
				    "S 5 97-99 user=2 <t:guestcall@30 w=96 task:22 nr=openat arg=0xb\n"
				    "S 4 101-102 user=1 <t:guestcall@95 w=100 task:2 nr=getpid arg=0xa\n"
				    "S 5 103-104 user=1 <t:guestcall@99 w=102 task:2 nr=getpid arg=0xb\n";
	char text[1024];
	struct run r;

	for (unsigned same = 0; same < 2; same++) {
		snprintf(text, sizeof(text), "%s", who);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), calls, 2u, same ? 2u : 9u);
		run(&r, text);
		cr_assert_eq(r.n, 1);
		cr_expect_eq(row_of(r.box, 4)->nmsg, same);
		cr_expect_eq(row_of(r.box, 257)->nmsg, 0);
		cr_expect_eq(r.box->msg_apart, !same);
		cr_expect_eq(r.box->msg[0].cnt, 1);
		end(&r);
	}
}

/*
 * A call ends where its guest's thread goes on: another thread in the same stub ends
 * nothing, and the same one in another stub does.
 */
/* How long a Sentry blocked for each kind of answer: only waits that a Gofer ended, and only those with a word. */
Test(guestcalls, waits_for_answers)
{
	static const char text[] =
		"T 2 exe birth=0 tgid=20 / T 3 exe birth=0 tgid=30 / T 5 sh birth=0\n"
		"S 2 200-210 user=10 <S:futex@100 w=190 task:3 note=0x10007\n" /* 90 */
		"S 2 300-310 user=10 <S:futex@210 w=300 task:3 note=0x10007\n" /* 90 */
		"S 2 350-360 user=10 <S:futex@310 w=345 task:3 note=0x10006\n" /* 35 */
		"S 3 200-360 user=160 flip.7=0/5 flip.6=0/1\n"
		"S 2 400-410 user=10 <S:futex@360 w=390 task:5 note=0x10007\n" /* of nobody's window */
		"S 2 450-460 user=10 <S:futex@410 w=440 task:3\n"	       /* no word */
		"S 2 500-510 user=10 <S:futex@460 w=490 timer note=0x10007\n"  /* not by a thread */
		"R tgid=20 sandbox=20 name=sentry / R tgid=30 sandbox=20 name=gofer\n";
	struct sg_text_opts opts = { .width = 120 };
	struct out_case c;
	struct run r;
	char *out;

	run(&r, text);
	cr_assert_eq(r.n, 1);
	cr_assert_eq(r.box[0].nmsg, 2);
	cr_expect_eq(r.box[0].msg[0].word, 7);
	cr_expect_eq(r.box[0].msg[0].cnt, 5);
	cr_expect_eq(r.box[0].msg[0].waits, 2);
	cr_expect_eq(r.box[0].msg[0].wait_ns, 180);
	cr_expect_eq(r.box[0].msg[1].waits, 1);
	cr_expect_eq(r.box[0].msg[1].wait_ns, 35);
	cr_assert_eq(sg_guestcalls_text(r.g, out_open(&c), &opts), 0);
	out = out_close(&c);
	cr_expect(strstr(out, "the time of 3 of 6 messages is not known"), "%s", out);
	free(out);
	end(&r);
}

Test(guestcalls, ends_with_its_own_thread)
{
	static const char who[] = "T 2 exe tgid=20 cgroup=70 / R tgid=20 sandbox=20 name=sentry @0\n"
				  "T 4 exe tgid=40 cgroup=70 / T 5 exe tgid=40 tid=41 cgroup=70\n"
				  "R tgid=40 sandbox=20 name=stub\n"
				  "S 4 30-40 user=10 <=\n"
				  "S 4 60-70 user=10 <t:guestcall@40 w=50 task:2 nr=stat arg=0xa\n";
	static const char *const next[] = {
		/* nothing more; another's stop in that stub; its own in that stub; its own in another stub */
		"",
		"S 4 90-95 user=5 <t:guestcall@70 w=80 task:2 nr=getpid arg=0xb\n",
		"S 4 90-95 user=5 <t:guestcall@70 w=80 task:2 nr=getpid arg=0xa\n",
		"S 5 65-80 user=15 <=\nS 5 90-95 user=5 <t:user@80 w=85 task:2 arg=0xb\n"
		"S 5 99-100 user=1 <t:fault@95 w=97 task:2 arg=0xa\n",
		/* a stop inside a system call of the stub's own tells no thread of the guest */
		"S 4 90-95 user=5 <t:ptrace@70 w=80 task:2 arg=0xa\n",
	};
	static const uint64_t took[] = { 0, 0, 20, 50, 0 };
	char text[1024];
	struct run r;

	for (unsigned i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%s%s", who, next[i]);
		run(&r, text);
		cr_assert_eq(r.n, 1);
		cr_expect_eq(row_of(r.box, 4)->cnt, 1, "case %u", i);
		cr_expect_eq(row_of(r.box, 4)->total_ns, took[i], "case %u: %lu ns", i,
			     row_of(r.box, 4)->total_ns);
		cr_expect_eq(row_of(r.box, 4)->explained, took[i] != 0, "case %u", i);
		end(&r);
	}
}

/* GUEST records that tell no time of a call leave the traps' count as it is. */
Test(guestcalls, only_traps_tell_times_of_traps)
{
	static const char who[] = "T 2 exe tgid=20 cgroup=70 / R tgid=20 sandbox=20 name=sentry @0\n"
				  "T 4 exe tgid=40 cgroup=70 / R tgid=40 sandbox=20 name=stub\n";
	static const struct {
		const char *record;
		uint64_t total;
	} q[] = {
		{ "Q 4 begin=20 nr=39 @80", 60 },	  { "Q 4 nr=39 @80", 0 }, /* only the end is known */
		{ "Q 4 begin=80 nr=39 @80", 0 },				  /* no time at all */
		{ "Q 4 begin=90 nr=39 @80", 0 },				  /* damage */
		{ "Q 9 begin=20 nr=39 @80", 0 }, /* of nobody that was announced */
		{ "Q 4 begin=20 nr=39 what=rpc @80", 0 }, { "Q 4 begin=20 nr=39 src=trace @80", 0 },
		{ "Q 4 begin=20 nr=60 @80", 0 }, /* exit */
	};
	char text[1024];
	struct run r;

	for (unsigned i = 0; i < sizeof(q) / sizeof(*q); i++) {
		snprintf(text, sizeof(text), "%s%s / S 4 10-100 user=60 guest.getpid=30/1 <=\n", who,
			 q[i].record);
		run(&r, text);
		cr_assert_eq(r.n, 1, "case %u", i);
		cr_expect_eq(row_of(r.box, 39)->seen[SG_SEEN_TRAP], 1, "case %u", i);
		cr_expect_eq(row_of(r.box, 39)->total_ns, q[i].total, "case %u: %lu ns", i,
			     row_of(r.box, 39)->total_ns);
		end(&r);
	}
}

/* What gVisor's trace points dropped is no call; the last word counts. */
Test(guestcalls, dropped_messages)
{
	static const char text[] = "T 2 exe tgid=20 cgroup=70 / R tgid=20 sandbox=20 name=sentry @0\n"
				   "T 4 exe tgid=40 cgroup=70 / R tgid=40 sandbox=20 name=stub\n"
				   "Q 4 begin=20 nr=39 src=trace @80\n"
				   "Q 4 nr=65535 src=trace ret=4 @82\n"
				   "Q 4 nr=65535 src=trace ret=9 @84\n"
				   "S 4 10-100 user=90 <=\n";
	struct run r;

	run(&r, text);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(r.box->trace_dropped, 9);
	cr_expect_eq(r.box->nrow, 1);
	cr_expect_eq(row_of(r.box, 39)->seen[SG_SEEN_TRACE], 1);
	cr_expect_eq(r.box->sum.seen[SG_SEEN_TRACE], 1);
	end(&r);
}

/* A Gofer of 2021: types above 99 are 9P's alone, and make all of its words 9P. */
Test(guestcalls, old_protocol)
{
	static const char text[] = "T 3 exe tgid=30 cgroup=70\n"
				   "S 3 50-60 flip.111=0/2 flip.13=0/1 flip.367=0/1 sys.futex=10 <=\n"
				   "T 4 exe tgid=40 cgroup=71\n"
				   "S 4 50-60 flip.13=0/1 flip.4096=0/1 sys.futex=10 <=\n"
				   "R tgid=30 sandbox=20 name=gofer / R tgid=40 sandbox=41 name=gofer\n";
	struct out_case c;
	struct run r;
	char *out;

	run(&r, text);
	cr_assert_eq(r.n, 1, "both are in no known container");
	cr_assert_eq(r.box->nmsg, 5);
	cr_expect_eq(r.box->msg[0].cnt, 2);
	cr_assert_eq(sg_guestcalls_text(r.g, out_open(&c), NULL), 0);
	out = out_close(&c);
	cr_expect(strstr(out, "Rwalk"), "%s", out);
	cr_expect(strstr(out, "Rlopen"), "%s", out);
	cr_expect(strstr(out, "MkdirAt"), "%s", out);
	cr_expect(strstr(out, "type 4096"), "%s", out);
	free(out);
	end(&r);
}

/* A stub whose guest has ended is put aside: that is no time of the call that ended it, nor what happens meanwhile. */
Test(guestcalls, calls_that_do_not_return)
{
	static const char text[] = "T 3 exe tgid=30 cgroup=70 / R tgid=30 sandbox=20 name=gofer @0\n"
				   "T 4 exe tgid=40 cgroup=70 / R tgid=40 sandbox=20 name=stub @0\n"
				   "S 3 50-60 flip.6=0/1 sys.futex=10 <B:futex@10 w=45 task:2\n"
				   "S 4 90-95 user=5 <t:guestcall@40 w=85 task:2 nr=exit_group\n";
	struct run r;

	run(&r, text);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(row_of(r.box, 231)->cnt, 1);
	cr_expect_eq(row_of(r.box, 231)->total_ns, 0);
	cr_expect_eq(row_of(r.box, 231)->nmsg, 0);
	cr_expect_eq(r.box->msg_apart, 1);
	end(&r);
}

Test(guestcalls, parts)
{
	cr_expect_eq(sg_guest_part("sentry", SG_C_TRAP_PTRACE), SG_PART_TRAP);
	cr_expect_eq(sg_guest_part("stub", SG_C_TRAP_SECCOMP), SG_PART_TRAP);
	cr_expect_eq(sg_guest_part("gofer", SG_KEY_SYSCALL | 257), SG_PART_GOFER);
	cr_expect_eq(sg_guest_part("gofer", SG_C_IO_BLOCK), SG_PART_GOFER);
	cr_expect_eq(sg_guest_part("sentry", SG_C_IO_GOFER), SG_PART_GOFER);
	cr_expect_eq(sg_guest_part("sentry", SG_KEY_SYSCALL | 17), SG_PART_HOST);
	cr_expect_eq(sg_guest_part("sentry", SG_C_IO_BLOCK), SG_PART_HOST);
	cr_expect_eq(sg_guest_part("kernel", SG_C_CPU_SYS), SG_PART_HOST);
	cr_expect_eq(sg_guest_part("stub", SG_C_CPU_FAULT), SG_PART_HOST);
	cr_expect_eq(sg_guest_part("sentry", SG_C_CPU_USER), SG_PART_SENTRY);
	cr_expect_eq(sg_guest_part("sentry", SG_C_SCHED_RUNQ), SG_PART_SENTRY);
	cr_expect_eq(sg_guest_part("sentry", SG_C_IPC_FUTEX), SG_PART_SENTRY);
	cr_expect_eq(sg_guest_part("app", SG_C_SCHED_RUNQ), SG_PART_OTHER);
	cr_expect_eq(sg_guest_part("app", SG_C_UNKNOWN), SG_PART_OTHER);
	for (unsigned cause = 0; cause <= UINT16_MAX; cause++)
		cr_assert_lt((unsigned)sg_guest_part("unknown", (uint16_t)cause), SG_PART_MAX);
}

/* The 99th percentile is exact up to the limit, the mean and the greatest always. */
Test(guestcalls, many_calls)
{
	struct sg_slice s = { .h = { .kind = SG_REC_SLICE, .uid = 4 },
			      .stop = SG_STOP_TRACED,
			      .wkind = SG_K_GUESTCALL,
			      .flags = SG_SF_INSCOPE,
			      .nr = 39 };
	struct sg_guest_call c = { .uid = 4, .nr = 39 };
	const uint64_t n = 100000;
	struct run r;

	begin(&r);
	for (uint64_t i = 1; i <= n; i++) {
		s.prev_out = i * 1000000;
		s.in = s.prev_out + (i * 7919) % n + 1;
		s.h.ts = s.in + 1;
		c.lo = s.prev_out;
		c.hi = s.in;
		cr_assert_eq(sg_guestcalls_feed(r.g, &s.h), 0);
		cr_assert_eq(sg_guestcalls_ended(r.g, &c), 0);
	}
	list(&r);
	cr_assert_eq(r.n, 1);
	cr_expect_eq(r.box->row[0].cnt, n);
	cr_expect_eq(r.box->row[0].total_ns, n * (n + 1) / 2);
	cr_expect_eq(r.box->row[0].max_ns, n);
	cr_expect_eq(r.box->row[0].sampled, SG_GUEST_SAMPLES);
	cr_expect_lt(llabs((long long)r.box->row[0].p99_ns - 99000), 300, "%lu", r.box->row[0].p99_ns);
	end(&r);
}

Test(guestcalls, hostile_records)
{
	static union gen_event ev;
	struct out_case c;
	uint64_t seed = 5;
	struct run r;
	char *text;

	begin(&r);
	for (int i = 0; i < 60000; i++) {
		static const unsigned char often[] = { SG_REC_SLICE, SG_REC_GUEST, SG_REC_ROLE };
		unsigned kind = i % 2 ? often[i / 2 % 3] : gen_kinds[(i / 2) % sizeof(gen_kinds)];

		gen_event(&seed, kind, &ev);
		ev.h.uid %= 100;
		/* sums of absurd times may wrap: the parts still have to add up to what is said */
		if (kind == SG_REC_ROLE)
			snprintf(ev.bytes + offsetof(struct sg_role, name), SG_ROLE_NAME, "gofer");
		cr_assert_eq(sg_owners_feed(r.o, &ev.h), 0);
		cr_assert_eq(sg_guestcalls_feed(r.g, &ev.h), 0);
		if (kind != SG_REC_GUEST)
			continue;
		cr_assert_eq(sg_guestcalls_ended(r.g, &(struct sg_guest_call){ .uid = ev.h.uid,
									       .waker = ev.guest.gtid % 100,
									       .nr = ev.guest.nr,
									       .lo = ev.guest.begin,
									       .hi = ev.h.ts }),
			     0);
	}
	cr_assert_eq(sg_guestcalls_list(r.g, &r.box, &r.n), 0);
	cr_assert_gt(r.n, 0);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(sg_guestcalls_text(r.g, out_open(&c), NULL), 0);
		text = out_close(&c);
		for (size_t k = 0; text[k]; k++)
			cr_assert(text[k] == '\n' || (unsigned char)text[k] >= ' ', "byte %d", text[k]);
		free(text);
	}
	json_object_put(sg_guestcalls_json(r.g));
	end(&r);
}
