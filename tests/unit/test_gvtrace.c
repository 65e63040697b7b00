/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * gVisor's trace messages: recorded ones of two releases become the calls that were made; changed, cut and
 * made-up ones are refused or harmless. Enters and exits are paired, points chosen.
 */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/syscall.h>
#include "env/gvtrace.h"
#include "env/gvtrace_pair.h"
#include "env/gvtrace_points.h"
#include "env/gvtrace_priv.h"
#include "gvtrace_case.h"

/* ---- recorded ---------------------------------------------------------------------- */
struct tally {
	unsigned calls[512], failed, missing, closed, bad_exec, chroot, exec_w, no_begin, backwards;
};

static void tally(void *ctx, const struct sg_gvcall *c)
{
	struct tally *t = ctx;

	cr_assert_lt(c->nr, 512);
	t->calls[c->nr]++;
	t->failed += c->ret < 0;
	t->no_begin += !c->begin_ns;
	t->backwards += c->begin_ns > c->end_ns;
	t->missing += c->nr == SYS_openat && !strcmp(c->path, "/vol/f") && !strcmp(c->name, "w") &&
		      c->ret == -ENOENT;
	t->closed += c->nr == SYS_close && !strcmp(c->path, "/work/b.js") && !c->ret;
	t->chroot += c->nr == SYS_chroot && !strcmp(c->path, "/none") && c->ret == -ENOENT;
	t->exec_w +=
		c->nr == SYS_execve && !strcmp(c->path, "/work/w") && !strcmp(c->name, "busybox") && !c->ret;
}

static void recorded_check(const char *path)
{
	struct sg_gvdec *d = sg_gvdec_new();
	struct file f = file_read(path);
	struct tally t = { .failed = 0 };
	struct sg_gvpair *p = sg_gvpair_new(tally, &t);
	const uint8_t *m;
	uint32_t n;

	while ((m = file_next(&f, &n))) {
		struct sg_gvmsg g;

		cr_assert_eq(sg_gvmsg_decode(d, m, n, false, &g), 0);
		cr_assert(g.time_ns > 1700000000000000000 && g.tid > 0 && g.tid < 1000 && !g.dropped);
		sg_gvpair_feed(p, &g);
	}
	sg_gvpair_end(p, INT64_MAX);
	cr_expect(!t.no_begin && !t.backwards && !sg_gvpair_halves(p));
	cr_expect_eq(t.calls[SYS_openat], 5);
	cr_expect_eq(t.calls[SYS_close], 6);
	cr_expect_eq(t.calls[SYS_execve], 3);
	cr_expect_eq(t.calls[SYS_clone], 3);
	cr_expect_eq(t.calls[SYS_exit_group], 4);
	cr_expect_eq(t.calls[SYS_brk], 20);
	cr_expect_eq(t.missing, 3, "%u of 3 opens told", t.missing);
	cr_expect(t.chroot == 1 && t.exec_w == 1, "chroot %u, execve %u", t.chroot, t.exec_w);
	sg_gvpair_free(p);
	sg_gvdec_free(d);
	free(f.p);
}

Test(gvtrace, old_release)
{
	recorded_check(RECORDED_OLD);
}

Test(gvtrace, new_release)
{
	recorded_check(RECORDED_NEW);
}

/* ---- hostile ----------------------------------------------------------------------- */
static void ignore(void *ctx, const struct sg_gvcall *c)
{
	size_t *n = ctx;

	*n += strlen(c->name) + strlen(c->path) + (c->begin_ns > c->end_ns);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

Test(gvtrace, changed_messages)
{
	struct sg_gvdec *d = sg_gvdec_new();
	uint64_t seed = 88172645463325252u;
	unsigned known[3] = { 0 };
	size_t sum = 0;

	for (size_t i = 0; i < 2; i++) {
		struct file f = file_read(i ? RECORDED_NEW : RECORDED_OLD);
		struct sg_gvpair *p = sg_gvpair_new(ignore, &sum);

		for (int round = 0; round < 150; round++) {
			const uint8_t *m;
			uint32_t n;

			f.at = 0;
			while ((m = file_next(&f, &n))) {
				uint8_t *copy = malloc(n); /* its own block: a checker sees reads beyond it */
				uint32_t len =
					next_random(&seed) % 4 ? n : (uint32_t)(next_random(&seed) % (n + 1));
				struct sg_gvmsg g;
				int rc;

				memcpy(copy, m, n);
				for (uint64_t k = next_random(&seed) % 4; k; k--)
					copy[next_random(&seed) % n] = (uint8_t)next_random(&seed);
				copy = realloc(copy, len ? len : 1);
				rc = sg_gvmsg_decode(d, copy, len, next_random(&seed) & 1, &g);
				cr_assert(!rc || rc == -ENOMSG || rc == -EBADMSG);
				known[!rc ? 0 : rc == -ENOMSG ? 1 : 2]++;
				if (!rc)
					sg_gvpair_feed(p, &g);
				free(copy);
			}
		}
		sg_gvpair_end(p, 5);
		sg_gvpair_free(p);
		free(f.p);
	}
	cr_expect(known[0] > 10000 && known[1] > 100 && known[2] > 1000, "%u fine, %u unknown, %u bad",
		  known[0], known[1], known[2]);
	sg_gvdec_free(d);
}

Test(gvtrace, heads)
{
	struct sg_gvdec *d = sg_gvdec_new();
	struct made m;
	struct sg_gvmsg g;
	uint8_t later[64] = { 12, 0, 6, 0, 7, 0, 0, 0, 1, 2, 3, 4, 4 << 3, 39 };

	raw(&m, 3, 1000, 5, 39, 7);
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), 0);
	cr_expect(g.kind == SG_GVMSG_EXIT && g.nr == 39 && g.ret == 7 && g.tid == 5 && g.time_ns == 1000);
	cr_expect(g.dropped == 3 && !strcmp(g.name, "p") && !*g.path);
	for (size_t n = 0; n < 8; n++)
		cr_expect_eq(sg_gvmsg_decode(d, m.b, n, false, &g), -EBADMSG);
	m.b[0] = 7;
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), -EBADMSG);
	m.b[1] = 0xff;
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), -EBADMSG);
	cr_expect_eq(sg_gvmsg_decode(d, later, 14, false, &g), 0,
		     "a longer head of a later protocol is stepped over");
	cr_expect(g.kind == SG_GVMSG_ENTER && g.nr == 39 && g.dropped == 7);
	head(&m, 35, 9);
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), -ENOMSG);
	cr_expect_eq(g.dropped, 9);
	head(&m, 0, 9);
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), -ENOMSG);
	raw(&m, 0, 1000, 5, SG_GVTRACE_DROPPED, 0);
	cr_expect_eq(sg_gvmsg_decode(d, m.b, m.n, false, &g), -EBADMSG,
		     "the number that tells of drops is no call's");
	raw(&m, 0, 1000, 5, 9, 0x7f0000000000);
	cr_expect(!sg_gvmsg_decode(d, m.b, m.n, false, &g) && g.ret == 0, "an address does not fit");
	sg_gvdec_free(d);
}

/* The arguments of execve can be longer than what is taken: the path in front of them counts. */
Test(gvtrace, cut_message)
{
	static char arg[100000];
	struct sg_gvdec *d = sg_gvdec_new();
	struct made *m = calloc(1, 2 * sizeof(*m));
	struct sg_gvmsg g;

	memset(arg, 'x', sizeof(arg));
	head(m, 11, 0);
	context(m, 1000, 5, "sh");
	num(m, 3, 59);
	bytes(m, 6, "/bin/long", 9);
	bytes(m, 7, arg, sizeof(arg));
	cr_expect_eq(sg_gvmsg_decode(d, m->b, SG_GVMSG_MAX, false, &g), -EBADMSG);
	cr_expect_eq(sg_gvmsg_decode(d, m->b, SG_GVMSG_MAX, true, &g), 0);
	cr_expect(g.kind == SG_GVMSG_ENTER && g.nr == 59 && g.tid == 5 && !strcmp(g.path, "/bin/long"));
	for (size_t n = 8; n < 64; n++)
		cr_expect_eq(sg_gvmsg_decode(d, m->b, n, true, &g), 0);
	free(m);
	sg_gvdec_free(d);
}

/* Ten thousand fields that nobody knows: refused or not, and the next message is read as ever. */
Test(gvtrace, bounded_memory)
{
	struct sg_gvdec *d = sg_gvdec_new();
	struct made *m = calloc(1, sizeof(*m));
	struct sg_gvmsg g;
	int rc;

	head(m, 6, 0);
	while (m->n < SG_GVMSG_MAX - 2)
		num(m, 15, 1);
	rc = sg_gvmsg_decode(d, m->b, m->n, false, &g);
	cr_expect(!rc || rc == -EBADMSG);
	head(m, 6, 0);
	while (m->n < sizeof(m->b) - 2)
		num(m, 15, 1);
	cr_expect_eq(sg_gvmsg_decode(d, m->b, m->n, false, &g), -EBADMSG);
	raw(m, 0, 1, 2, 3, 4);
	cr_expect(!sg_gvmsg_decode(d, m->b, m->n, false, &g) && g.ret == 4);
	free(m);
	sg_gvdec_free(d);
}

Test(gvtrace, handshake)
{
	struct sg_gvdec *d = sg_gvdec_new();
	uint8_t b[8];

	cr_expect_eq(sg_gvmsg_answer(b), 2);
	cr_expect_eq(memcmp(b, "\x08\x01", 2), 0);
	cr_expect_eq(sg_gvmsg_hello(d, "\x08\x01", 2), 1);
	cr_expect_eq(sg_gvmsg_hello(d, "\x08\x02\x10\x05", 4), 2);
	cr_expect_eq(sg_gvmsg_hello(d, "", 0), 0);
	cr_expect_eq(sg_gvmsg_hello(d, "\xff\xff\xff", 3), 0);
	sg_gvdec_free(d);
}

/* ---- pairs ------------------------------------------------------------------------- */
struct calls {
	struct sg_gvcall c[8];
	char text[8][64];
	unsigned n;
};

static void keep(void *ctx, const struct sg_gvcall *c)
{
	struct calls *k = ctx;

	cr_assert_lt(k->n, 8);
	snprintf(k->text[k->n], sizeof(k->text[0]), "%s %s", c->name, c->path);
	k->c[k->n++] = *c;
}

static void feed(struct sg_gvpair *p, enum sg_gvmsg_kind kind, uint32_t tid, uint16_t nr, int64_t t,
		 const char *path)
{
	const struct sg_gvmsg m = { .kind = kind,
				    .tid = tid,
				    .nr = nr,
				    .time_ns = t,
				    .name = nr == 3 ? "" : "n",
				    .path = path,
				    .ret = -5 };

	sg_gvpair_feed(p, &m);
}

#define CALL(i, b, e, r, n) \
	(k.c[i].begin_ns == (b) && k.c[i].end_ns == (e) && k.c[i].ret == (r) && k.c[i].nr == (n))
Test(gvtrace, halves)
{
	struct calls k = { .n = 0 };
	struct sg_gvpair *p = sg_gvpair_new(keep, &k);

	feed(p, SG_GVMSG_EXIT, 1, 7, 10, ""); /* was on its way when the session began */
	feed(p, SG_GVMSG_ENTER, 1, 3, 20, "/closed");
	feed(p, SG_GVMSG_ENTER, 2, 3, 21, "");
	feed(p, SG_GVMSG_EXIT, 1, 3, 30, "");
	feed(p, SG_GVMSG_ENTER, 1, 8, 40, ""); /* its exit is lost */
	feed(p, SG_GVMSG_ENTER, 1, 9, 50, "");
	feed(p, SG_GVMSG_EXIT, 1, 8, 60, ""); /* 9's exit and the enter of this one are lost */
	feed(p, SG_GVMSG_TASK_EXIT, 2, 0, 70, "");
	feed(p, SG_GVMSG_TASK_EXIT, 77, 0, 70, "");
	feed(p, SG_GVMSG_ENTER, 3, 11, 80, "");
	feed(p, SG_GVMSG_ENTER, 4, 11, 100, ""); /* begins after the end */
	sg_gvpair_end(p, 90);
	cr_assert_eq(k.n, 8);
	cr_expect(CALL(0, 0, 10, -5, 7));
	cr_expect(CALL(1, 20, 30, -5, 3));
	cr_expect_str_eq(k.text[1], " /closed", "the enter's path");
	cr_expect(CALL(2, 0, 50, 0, 8), "known to have ended before the next");
	cr_expect(CALL(3, 0, 60, 0, 9));
	cr_expect(CALL(4, 0, 60, -5, 8));
	cr_expect(CALL(5, 21, 70, 0, 3) && k.c[5].gtid == 2, "ended by its thread's end");
	cr_expect(CALL(6, 80, 90, 0, 11));
	cr_expect(CALL(7, 0, 90, 0, 11));
	cr_expect_eq(sg_gvpair_halves(p), 5);
	sg_gvpair_free(p);
}

Test(gvtrace, many_threads)
{
	struct calls k = { .n = 0 };
	struct sg_gvpair *p = sg_gvpair_new(keep, &k);

	for (uint32_t i = 0; i < 10 * SG_GVPAIR_THREADS; i++)
		feed(p, SG_GVMSG_ENTER, i + 1, 1, 10, "");
	feed(p, SG_GVMSG_EXIT, 5, 1, 20, "");
	feed(p, SG_GVMSG_EXIT, 10 * SG_GVPAIR_THREADS, 1, 20, "");
	feed(p, SG_GVMSG_TASK_EXIT, 5, 0, 30, "");
	feed(p, SG_GVMSG_ENTER, 1u << 31, 1, 40, "");
	feed(p, SG_GVMSG_EXIT, 1u << 31, 1, 50, "");
	cr_assert_eq(k.n, 3);
	cr_expect(CALL(0, 10, 20, -5, 1));
	cr_expect(CALL(1, 0, 20, -5, 1), "one thread too many: counted, without a begin");
	cr_expect(CALL(2, 40, 50, -5, 1), "there is room again");
	sg_gvpair_free(p);
}

/* ---- points ------------------------------------------------------------------------ */
#define CTX ", context fields: [time|thread_id|container_id|process_name]\n"
static const char metadata[] =
	"POINTS (9)\n"
	"Name: sentry/task_exit, optional fields: []" CTX
	"Name: syscall/close/enter, optional fields: [fd_path]" CTX
	"Name: syscall/close/exit, optional fields: [fd_path]" CTX
	"Name: syscall/openat/enter, optional fields: [fd_path]" CTX
	"Name: syscall/openat/exit, optional fields: [fd_path]" CTX
	"Name: syscall/chdir/exit, optional fields: []" CTX
	"Name: syscall/sysno/3/enter, optional fields: []" CTX
	"Name: syscall/sysno/3/exit, optional fields: []" CTX
	"Name: syscall/sysno/39/enter, optional fields: []" CTX
	"Name: syscall/sysno/39/exit, optional fields: []" CTX
	"Name: syscall/sysno/257/enter, optional fields: []" CTX
	"Name: syscall/sysno/257/exit, optional fields: []" CTX
	"Name: syscall/sysno/99999/exit, optional fields: []" CTX
	"Name: syscall/sysno/-1/exit, optional fields: []" CTX
	"Name: syscall/sysno/\"x/exit, optional fields: []" CTX "Name: syscall/, optional fields\n"
	"Name: syscall/noname/exit, optional fields: [fd_path]" CTX "Name: ,\nName:\n"
	"\nSINKS (2)\nName: null\nName: remote\n";

Test(gvtrace, points)
{
	static const char *const want[] = { "syscall/close/enter",    "syscall/close/exit",
					    "syscall/sysno/39/enter", "syscall/sysno/39/exit",
					    "syscall/chdir/exit",     "syscall/sysno/257/enter",
					    "syscall/openat/exit",    "sentry/task_exit" };
	struct json_object *o, *session, *points, *v;
	char *text = strdup(metadata), *json;
	struct sg_err err = { 0 };
	size_t n;

	cr_assert_eq(sg_gvpoints_config(text, "/run/x \"y\"", &json, &n, &err), 0, "%s", err.msg);
	o = json_tokener_parse(json);
	cr_assert(json_object_object_get_ex(o, "trace_session", &session));
	cr_assert(json_object_object_get_ex(session, "points", &points));
	cr_expect_eq(n, 8);
	cr_assert_eq(json_object_array_length(points), 8);
	for (size_t i = 0; i < 8; i++) {
		struct json_object *pt = json_object_array_get_idx(points, i);

		json_object_object_get_ex(pt, "name", &v);
		cr_expect_str_eq(json_object_get_string(v), want[i]);
		cr_expect_eq(json_object_object_get_ex(pt, "optional_fields", &v), i < 2 || i == 6);
	}
	cr_expect(strstr(json, "\\/run\\/x \\\"y\\\"") || strstr(json, "/run/x \\\"y\\\""));
	json_object_put(o);
	free(json);
	free(text);
	text = strdup("SINKS (1)\nName: null\n");
	cr_expect_eq(sg_gvpoints_config(text, "/x", &json, &n, &err), -EPROTO);
	cr_expect_null(json);
	free(text);
}

Test(gvtrace, drops_of_list)
{
	uint64_t n = 7;

	cr_expect(sg_gvsession_drops("SESSIONS (1)\n\"Default\"\n\tSink: \"remote\", dropped: 1767\n", &n));
	cr_expect_eq(n, 1767);
	cr_expect_not(sg_gvsession_drops("SESSIONS (0)\n", &n));
	cr_expect_not(sg_gvsession_drops("\"Default\"\n\tSink: \"remote\", dropped: x", &n));
	cr_expect_not(sg_gvsession_drops("", &n));
}
