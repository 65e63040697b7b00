/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What agent and host are made of: addresses, the proof and the seal, the bounded spool, KVM's offset of a TSC. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/addr.h"
#include "env/conn.h"
#include "env/guestclock.h"
#include "env/kvmtsc.h"
#include "env/spooler.h"

Test(agent, addresses)
{
	static const char *const good[] = { "vsock:3:7777", "tcp:127.0.0.1:1", "tcp:[::1]:65535",
					    "tcp:db.example:80" };
	static const char *const bad[] = {
		"",	    "vsock:7777",    "vsock:0:1",	   "vsock:3:",	  "vsock:3:0",
		"tcp:host", "tcp::80",	     "tcp:host:0",	   "tcp:h:65536", "tcp:::1:80",
		"udp:h:1",  "vsock:3:7777x", "vsock:4294967296:1", "tcp:[]:1"
	};
	struct sg_err err = { 0 };
	struct sg_addr a;
	char text[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(sg_addr_parse(good[i], false, &a, &err), 0, "%s", good[i]);
		cr_assert_str_eq(sg_addr_text(&a, false, text, sizeof(text)), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(sg_addr_parse(bad[i], false, &a, &err), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(err.msg, "give vsock:CID:PORT or tcp:HOST:PORT"));
	}
	cr_assert_eq(sg_addr_parse("vsock:7777", true, &a, &err), 0);
	cr_assert_eq(sg_addr_parse("tcp:*:0", true, &a, &err), 0);
	cr_assert_eq(sg_addr_parse("vsock:3:7777", true, &a, &err), -EINVAL);
}

/* ---- proof and seal --------------------------------------------------------------- */

static void pair(struct sg_conn *agent, struct sg_conn *host)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	cr_assert_eq(sg_conn_init(host, fd[0], false), 0);
	cr_assert_eq(sg_conn_init(agent, fd[1], true), 0);
}

static struct sg_token token_of(const char *s)
{
	struct sg_token t = { .len = strlen(s) };

	memcpy(t.bytes, s, t.len);
	return t;
}

/* What one side has to say reaches the other; returns how its handshake stands then. */
static int pass(struct sg_conn *from, struct sg_conn *to, const struct sg_token *t, struct sg_err *err)
{
	struct sg_link_frame f;
	int rc;

	cr_assert_eq(sg_conn_send(from), 0);
	cr_assert_eq(sg_conn_receive(to), 0);
	rc = sg_conn_next(to, &f);
	return rc > 0 ? sg_conn_prove(to, t, &f, err) : rc < 0 ? rc : -EAGAIN;
}

static void shake(struct sg_conn *agent, struct sg_conn *host, const struct sg_token *t)
{
	struct sg_err err = { 0 };

	pair(agent, host);
	cr_assert_eq(pass(agent, host, t, &err), 0);
	cr_assert_eq(pass(host, agent, t, &err), 1);
	cr_assert_eq(pass(agent, host, t, &err), 1);
	cr_assert(agent->sealed && host->sealed);
}

Test(agent, both_prove_that_they_know_the_token)
{
	struct sg_token t = token_of("0123456789abcdef0123"), u = token_of("0123456789abcdef0124");
	struct sg_conn agent, host;
	struct sg_link_frame f;
	struct sg_link_ping ping = { .id = 7 };
	struct sg_err err = { 0 };

	shake(&agent, &host, &t);
	cr_assert_eq(sg_conn_put(&host, SG_LINK_PING, &ping, sizeof(ping), NULL, 0), 0);
	cr_assert_eq(sg_conn_send(&host), 0);
	cr_assert_eq(sg_conn_receive(&agent), 0);
	cr_assert_eq(sg_conn_next(&agent, &f), 1);
	cr_assert_eq(f.type, SG_LINK_PING);
	cr_assert_eq(memcmp(f.payload, &ping, sizeof(ping)), 0);
	sg_conn_free(&agent);
	sg_conn_free(&host);

	/* the host's is another: the agent says so, and proves nothing */
	pair(&agent, &host);
	cr_assert_eq(pass(&agent, &host, &u, &err), 0);
	cr_assert_eq(pass(&host, &agent, &t, &err), -EACCES);
	cr_assert_eq(pass(&agent, &host, &u, &err), -ECONNREFUSED);
	cr_assert(strstr(err.msg, "the token is not the agent's"));
	cr_assert_not(agent.sealed || host.sealed);
	sg_conn_free(&agent);
	sg_conn_free(&host);
}

Test(agent, an_agent_that_does_not_know_the_token_is_found_out)
{
	struct sg_token t = token_of("0123456789abcdef0123");
	struct sg_link_proof proof = { { 1 } };
	struct sg_conn agent, host;
	struct sg_err err = { 0 };

	pair(&agent, &host);
	cr_assert_eq(pass(&agent, &host, &t, &err), 0);
	cr_assert_eq(sg_conn_put(&agent, SG_LINK_PROOF, &proof, sizeof(proof), NULL, 0), 0);
	cr_assert_eq(pass(&agent, &host, &t, &err), -EACCES);
	cr_assert(strstr(err.msg, "the agent does not know the token"));
	sg_conn_free(&agent);
	sg_conn_free(&host);
}

/* One byte changed, one frame said twice, one left out: each ends the connection. */
Test(agent, sealed_frames_cannot_be_changed_or_repeated)
{
	struct sg_token t = token_of("0123456789abcdef0123");

	for (int how = 0; how < 3; how++) {
		struct sg_link_ping ping = { .id = 7 };
		struct sg_conn agent, host;
		struct sg_link_frame f;
		uint8_t copy[256];
		size_t n;

		shake(&agent, &host, &t);
		sg_conn_put(&host, SG_LINK_PING, &ping, sizeof(ping), NULL, 0);
		n = sg_conn_queued(&host);
		memcpy(copy, host.tx + host.tx_at, n);
		if (how == 0)
			host.tx[host.tx_at + sizeof(struct sg_link_head)] ^= 1;
		if (how == 2) {
			host.tx_at = host.tx_len = 0; /* the first one is lost on its way */
			sg_conn_put(&host, SG_LINK_PING, &ping, sizeof(ping), NULL, 0);
		}
		sg_conn_send(&host);
		if (how == 1)
			cr_assert_eq(send(host.fd, copy, n, 0), (ssize_t)n);
		cr_assert_eq(sg_conn_receive(&agent), 0);
		if (how == 1)
			cr_assert_eq(sg_conn_next(&agent, &f), 1);
		cr_assert_eq(sg_conn_next(&agent, &f), -EKEYREJECTED, "way %d", how);
		sg_conn_free(&agent);
		sg_conn_free(&host);
	}
}

/* Whoever answers at that place may say no, before any proof, and what it says ends on a terminal. */
Test(agent, what_a_stranger_says_is_text)
{
	static const struct {
		const char *said, *want;
		uint32_t len;
	} cases[] = {
		{ "\033]0;owned\a\033[2Jno", "?]0;owned??[2Jno", 100 },
		{ "two\nlines\r\t", "two?lines??", 100 },
		{ "\302\2331m \342\200\256", "?1m ?", 100 }, /* C1's CSI, a mark that reorders */
		{ "\233 \377 \303\251 \342\202", "? ? \303\251 ??", 100 }, /* bytes that are no UTF-8 */
		{ "caf\303\251", "caf?", 4 },
		{ "no end", "no end", UINT32_MAX },
	};
	struct sg_token t = token_of("0123456789abcdef0123");
	char kernel[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sg_link_refuse r = { .code = EACCES, .len = cases[i].len };
		struct sg_conn agent, host;
		struct sg_err err = { 0 };

		snprintf(r.text, sizeof(r.text), "%s", cases[i].said);
		pair(&agent, &host);
		cr_assert_eq(pass(&agent, &host, &t, &err), 0);
		cr_assert_eq(sg_conn_put(&agent, SG_LINK_REFUSE, &r, sizeof(r), NULL, 0), 0);
		cr_assert_eq(pass(&agent, &host, &t, &err), -ECONNREFUSED);
		cr_assert_str_eq(err.msg, cases[i].want, "case %zu", i);
		sg_conn_free(&agent);
		sg_conn_free(&host);
	}
	sg_link_text(kernel, sizeof(kernel), "6.1\033[2J-amd64", 99, 15);
	cr_assert_str_eq(kernel, "6.1?[2J");
}

/* As an agent with a backlog feeds a slow link: refilled before it is empty, 64 MiB in all. What comes out is what went in. */
Test(agent, a_queue_that_is_never_empty_does_not_grow)
{
	enum { MOST = 256 << 10, PIECE = 20000, FRAME = sizeof(struct sg_link_head) + PIECE };
	static uint8_t piece[PIECE], got[50000];
	struct sg_conn agent, host;
	uint64_t put = 0, came = 0, wrong = 0;

	pair(&agent, &host);
	cr_assert_eq(sg_conn_send(&agent), 0);
	cr_assert_gt(recv(host.fd, got, sizeof(got), 0), 0); /* hello */
	while (came < 64 << 20) {
		ssize_t n;

		for (; sg_conn_queued(&agent) < MOST; put++) {
			memset(piece, (int)(put % 251), sizeof(piece));
			cr_assert_eq(sg_conn_put(&agent, SG_LINK_DATA, piece, sizeof(piece), NULL, 0), 0);
		}
		cr_assert_eq(sg_conn_send(&agent), 0);
		n = recv(host.fd, got, sizeof(got), 0);
		cr_assert_gt(n, 0);
		for (ssize_t i = 0; i < n; i++, came++)
			wrong += came % FRAME >= sizeof(struct sg_link_head) && got[i] != came / FRAME % 251;
	}
	cr_assert_eq(wrong, 0);
	cr_assert_leq(agent.tx_cap, 4 * (MOST + FRAME), "%zu bytes for a queue of %d", agent.tx_cap, MOST);
	sg_conn_free(&agent);
	sg_conn_free(&host);
}

/* Before the proofs nothing large is waited for, and nothing but the handshake is heard. */
Test(agent, strangers_are_not_listened_to)
{
	static const unsigned types[] = { SG_LINK_START, SG_LINK_DATA, SG_LINK_ACK, SG_LINK_PING, 99 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct sg_conn agent, host;
		struct sg_link_frame f;
		uint8_t head[sizeof(struct sg_link_head)];

		pair(&agent, &host);
		sg_link_head_put(head, types[i], sizeof(struct sg_link_data) + 1000000);
		cr_assert_eq(send(host.fd, head, sizeof(head), 0), (ssize_t)sizeof(head));
		cr_assert_eq(sg_conn_receive(&agent), 0);
		cr_assert_eq(sg_conn_next(&agent, &f), -EBADMSG);
		sg_conn_free(&agent);
		sg_conn_free(&host);
	}
}

/* ---- the spool --------------------------------------------------------------------- */

Test(agent, spool_is_bounded_and_keeps_what_must_be_kept)
{
	struct sg_unit head = { .kind = SG_UNIT_HEAD, .size = 64 },
		       events = { .kind = SG_UNIT_BLOCK, .type = SG_BLOCK_EVENTS, .count = 7, .size = 1000 },
		       end = { .kind = SG_UNIT_BLOCK, .type = SG_BLOCK_END, .size = 500 },
		       index = { .kind = SG_UNIT_BLOCK, .type = SG_BLOCK_INDEX, .size = 400 };
	uint8_t data[1000];
	struct sg_spooler_stats st;
	struct sg_spooler *s;
	size_t len;

	cr_assert_eq(sg_spooler_new(&s, 10000), 0);
	cr_assert_eq(sg_spooler_put(s, &head, data), 0);
	for (unsigned i = 0; i < 1000; i++) {
		memset(data, (int)i, sizeof(data));
		cr_assert_eq(sg_spooler_put(s, &events, data), 0);
	}
	sg_spooler_stats(s, &st);
	cr_assert_leq(st.most, 10000);
	cr_assert_eq(st.next, 1 + 9);
	cr_assert_eq(st.dropped.blocks, 991);
	cr_assert_eq(st.dropped.events, 991 * 7);
	cr_assert_eq(st.dropped.bytes, 991000);
	cr_assert_eq(sg_spooler_put(s, &end, data), 0);
	cr_assert_eq(sg_spooler_put(s, &index, data), 0);
	sg_spooler_stats(s, &st);
	cr_assert_eq(st.next, 11, "the end has room, an index of what is not there is left out");
	cr_assert_eq(sg_spooler_get(s, 5, &len)[0], 4, "the oldest are kept");
	cr_assert_eq(len, 1000);
	cr_assert_eq(sg_spooler_release(s, 6), 0);
	cr_assert_null(sg_spooler_get(s, 5, &len));
	cr_assert_eq(sg_spooler_release(s, 12), -EINVAL);
	/* there is room again; numbers go on without a hole, over many times the ring */
	for (unsigned i = 0; i < 5000; i++) {
		memset(data, (int)i, sizeof(data));
		cr_assert_eq(sg_spooler_put(s, &events, data), 0);
		cr_assert_eq(sg_spooler_get(s, 11 + i, &len)[0], i & 0xff);
		cr_assert_eq(sg_spooler_release(s, 11 + i), 0);
	}
	sg_spooler_stats(s, &st);
	cr_assert_eq(st.dropped.blocks, 991);
	sg_spooler_free(s);
}

/* ---- KVM's offset -------------------------------------------------------------------- */

static void put_file(const char *dir, const char *name, const char *text, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	f = fopen(path, "w");
	cr_assert(f);
	fwrite(text, 1, len, f);
	fclose(f);
}
#define PUT(name, text) put_file(dir, name, text, sizeof(text) - 1)

Test(agent, tsc_offset_from_debugfs)
{
	char dir[] = "/tmp/sandglass-test-XXXXXX", kvm[64], proc[64], rm[80];
	struct sg_kvmtsc k;

	cr_assert(mkdtemp(dir));
	snprintf(kvm, sizeof(kvm), "%s/kvm", dir);
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	PUT("kvm/100-13/vcpu0/tsc-offset", "-18917313109\n");
	PUT("kvm/100-13/vcpu1/tsc-offset", "-18917313109\n");
	PUT("kvm/200-13/vcpu0/tsc-offset", "5000\n");
	PUT("kvm/200-13/vcpu0/tsc-scaling-ratio", "8589934592\n");
	PUT("kvm/200-13/vcpu0/tsc-scaling-ratio-frac-bits", "32\n");
	PUT("kvm/300-13/vcpu0/tsc-offset", "1\n");
	PUT("kvm/300-13/vcpu1/tsc-offset", "2\n");
	PUT("kvm/400-13/vcpu0/tsc-offset", "0\n");
	PUT("kvm/400-13/vcpu0/tsc-scaling-ratio", "4294967296\n");
	PUT("kvm/400-13/vcpu0/tsc-scaling-ratio-frac-bits", "32\n");
	PUT("proc/100/cmdline", "qemu\0-device\0vhost-vsock-pci,guest-cid=33\0");
	PUT("proc/200/cmdline", "qemu\0-device\0{\"driver\":\"vhost-vsock-pci\",\"guest-cid\":3}\0");
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 100, 0, &k), 0);
	cr_assert_eq(sg_kvmtsc_host(&k, 1000), 18917314109ull);
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 0, 33, &k), 0);
	cr_assert_eq(k.pid, 100);
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 0, 3, &k), 0);
	cr_assert_eq(k.pid, 200);
	cr_assert_eq(sg_kvmtsc_host(&k, 5000 + 2 * 123456789ull), 123456789, "guest = host * 2 + 5000");
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 300, 0, &k), -ENOTUNIQ);
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 400, 0, &k), 0);
	cr_assert_eq(k.frac, 0, "a ratio of 1 is none");
	cr_assert_eq(sg_kvmtsc_read(kvm, proc, 0, 4, &k), -ENOENT);
	cr_assert_eq(sg_kvmtsc_read("/nonexistent", proc, 100, 0, &k), -ENOENT);
	snprintf(rm, sizeof(rm), "rm -rf %s", dir);
	cr_assert_eq(system(rm), 0);
}

/* ---- asking for the time ----------------------------------------------------------------- */

/* A guest whose clock is ahead by a known offset, and that answers by one TSC with an offset of its own. */
static void burst(struct sg_guestclock *k, uint64_t ahead, uint64_t tsc_off, struct sg_clock_point *ret)
{
	struct sg_link_ping ping;
	int rc = 0;

	k->due_ns = 0;
	while (rc == 0) {
		struct sg_link_pong pong;
		struct sg_stamp s;

		cr_assert(sg_guestclock_due(k, &ping));
		s = sg_stamp_take();
		pong = (struct sg_link_pong){ .id = ping.id,
					      .mono = s.mono + ahead,
					      .tsc0 = s.tsc0 + tsc_off,
					      .tsc1 = s.tsc1 + tsc_off };
		rc = sg_guestclock_answer(k, &pong, ret);
	}
	cr_assert_eq(rc, 1);
}

static void within(const struct sg_clock_point *p, uint64_t ahead)
{
	int64_t off = (int64_t)(p->host + ahead - p->guest);

	cr_assert_leq(off < 0 ? -off : off, (int64_t)p->error, "off by %ld, bound %lu", (long)off, p->error);
}

Test(agent, clock_by_exchange_and_by_tsc)
{
	char dir[] = "/tmp/sandglass-test-XXXXXX", rm[80];
	struct sg_guestclock k;
	struct sg_clock_point p;
	const uint64_t ahead = 987654321012ull;

	cr_assert(mkdtemp(dir));
	PUT("100-13/vcpu0/tsc-offset", "77000\n");
	sg_guestclock_init(&k, 0, 0);
	burst(&k, ahead, 0, &p);
	cr_assert_eq(p.source, SG_CLOCK_EXCHANGE);
	within(&p, ahead);
	sg_clocks_free(&k.clocks);

	sg_guestclock_init(&k, 100, 0);
	k.kvm_root = dir;
	usleep(30000);
	burst(&k, ahead, 77000, &p);
	within(&p, ahead);
	if (sg_stamp_take().tsc0) {
		cr_assert_eq(p.source, SG_CLOCK_TSC);
		/* the TSC is written: the map ends */
		PUT("100-13/vcpu0/tsc-offset", "990000000\n");
		burst(&k, ahead, 990000000, &p);
		cr_assert(p.flags & SG_CLOCKMAP_STEP && k.clocks.stepped);
	}
	sg_clocks_free(&k.clocks);

	/* an offset that is not the guest's: the exchange wins, and it is said */
	sg_guestclock_init(&k, 100, 0);
	k.kvm_root = dir;
	usleep(30000);
	burst(&k, ahead, 5, &p);
	if (sg_stamp_take().tsc0)
		cr_assert(k.doubted);
	cr_assert_eq(p.source, SG_CLOCK_EXCHANGE);
	within(&p, ahead);
	sg_clocks_free(&k.clocks);
	snprintf(rm, sizeof(rm), "rm -rf %s", dir);
	cr_assert_eq(system(rm), 0);
}
