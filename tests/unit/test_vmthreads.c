/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The other threads of virtual machines: what each is called by, whose it is, and its sums, which must be whole. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "model/vmthreads.h"
#include "out/text.h"
#include "trace/text.h"

struct world {
	struct sg_model *m;
	struct sg_vmthreads *v;
};

static int on_span(void *ctx, const struct sg_span *s)
{
	struct world *x = ctx;

	return sg_vmthreads_span(x->v, x->m, s);
}

static int on_task(void *ctx, const struct sg_task *t)
{
	(void)ctx, (void)t;
	return 0;
}

static int on_event(void *ctx, const struct sg_hdr *ev)
{
	struct sg_err err = { 0 };

	return sg_model_feed(((struct world *)ctx)->m, ev, &err);
}

static void setup(struct world *x)
{
	struct sg_model_opts o = { 0 };

	cr_assert_eq(sg_model_new(&x->m, &o, on_task, NULL), 0);
	cr_assert_eq(sg_vmthreads_new(&x->v), 0);
	sg_model_on_span(x->m, on_span, x);
}

static void teardown(struct world *x)
{
	sg_vmthreads_free(x->v);
	sg_model_free(x->m);
}

static void tell(struct world *x, const char *text)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_text_parse(text, strlen(text), on_event, NULL, x, &err), 0, "%s", err.msg);
}

static uint64_t sum(const struct sg_vmwork *w)
{
	uint64_t ns = 0, waits = 0;

#define X(field) ns += w->field;
	SG_VMTHREAD_PARTS(X)
#undef X
	for (size_t i = 0; i < w->nwait; i++)
		waits += w->wait[i].ns;
	cr_assert_eq(waits, w->disk_ns + w->wait_ns);
	return ns;
}

/* Each row is whole, and rows and others are the components. */
static void check_whole(const struct sg_vmrest *r)
{
	struct sg_vmwork a = r->others, b = { 0 };

	cr_assert_eq(sum(&r->others), r->others.seen_ns);
	for (size_t i = 0; i < r->nthread; i++) {
		cr_assert_eq(sum(&r->thread[i].w), r->thread[i].w.seen_ns);
		a.seen_ns += r->thread[i].w.seen_ns;
		a.cpu_ns += r->thread[i].w.cpu_ns;
		a.wait_ns += r->thread[i].w.wait_ns;
		a.threads++;
	}
	for (size_t i = 0; i < r->npart; i++) {
		cr_assert_eq(sum(&r->part[i].w), r->part[i].w.seen_ns);
		b.seen_ns += r->part[i].w.seen_ns;
		b.cpu_ns += r->part[i].w.cpu_ns;
		b.wait_ns += r->part[i].w.wait_ns;
		b.threads += r->part[i].w.threads;
	}
	cr_assert(a.seen_ns == b.seen_ns && a.cpu_ns == b.cpu_ns && a.wait_ns == b.wait_ns &&
		  a.threads == b.threads);
}

#define VCPU "T 21 \"CPU 0/KVM\" birth=0 tgid=20 / S 21 c0 100-200 guest=100/1 <R@50\n"

Test(vmthreads, what_a_thread_is_called_by)
{
	static const struct {
		const char *thread; /* number 9, of a text stream */
		const char *part;
		uint32_t vmm;
	} cases[] = {
		/* a kernel thread names its process; since Linux 6.4 it is a thread of it */
		{ "vhost-20 birth=0 f=kthread", "vhost", 20 },
		{ "vhost-20 birth=0 tgid=20", "vhost", 20 },
		/* asked for by another thread of the VMM's than its first */
		{ "vhost-21 birth=0 f=kthread", "vhost", 20 },
		{ "vhost-99 birth=0 f=kthread", "vhost", 0 },
		{ "kvm-pit/20 birth=0 f=kthread", "kernel", 20 },
		{ "kworker/u8:1 birth=0 f=kthread", "kernel", 0 },
		/* QEMU's -object iothread,id=iothread1; libvirt names them so, any other id is one's own */
		{ "\"IO iothread1\" birth=0 tgid=20", "iothread", 20 },
		{ "\"IO iothread12\" birth=0 tgid=20", "iothread", 20 },
		{ "\"IO disk0\" birth=0 tgid=20", "iothread", 20 },
		{ "iothread1 birth=0 tgid=20", "iothread", 20 },
		{ "\"IO mon_iothread\" birth=0 tgid=20", "vmm", 20 },
		{ "worker birth=0 tgid=20", "vmm", 20 },
		{ "call_rcu birth=0 tgid=20", "vmm", 20 },
		/* a process that calls itself so is none of it */
		{ "vhost-20 birth=0", "app", 0 },
		{ "\"IO iothread1\" birth=0 tgid=30", "app", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int late = 0; late < 2; late++) { /* known before the machine, and after it */
			struct sg_thread_info ti;
			char text[400];
			struct world x;

			setup(&x);
			snprintf(text, sizeof(text), "T 20 qemu birth=0\n%sT 9 %s\n%s", late ? VCPU : "",
				 cases[i].thread, late ? "" : VCPU);
			tell(&x, text);
			cr_assert(sg_model_thread(x.m, 9, &ti));
			cr_expect_str_eq(ti.comp, cases[i].part, "%s: %s", cases[i].thread, ti.comp);
			cr_expect_eq(ti.vmm, cases[i].vmm, "%s: of %u", cases[i].thread, ti.vmm);
			cr_expect(!ti.vcpu);
			cr_assert(sg_model_thread(x.m, 21, &ti) && ti.vcpu && ti.vmm == 20);
			teardown(&x);
		}
}

Test(vmthreads, causes_of_an_io_thread)
{
	struct sg_vmrest r;
	struct world x;

	setup(&x);
	tell(&x, "T 20 qemu birth=0\nT 22 \"IO iothread1\" birth=0 tgid=20\n" VCPU
		 "S 22 c1 300-400 user=60 sys.preadv=40/1 <S:ppoll@100 w=290 task:20 >D:syscall\n"
		 "S 22 c1 720-800 user=70 <D:preadv.file@400 w=700 soft.block f=iowait >R\n"
		 "S 22 c1 900-950 user=50 <R@800 >S:syscall\n"
		 /* the record of [950, 1100] was lost */
		 "S 22 c1 1200-1250 user=50 <S:ppoll@1100 w=1190 task:20\n");
	cr_assert_eq(sg_vmthreads_of(x.v, x.m, 20, &r), 0);
	cr_assert_eq(r.nthread, 1);
	cr_expect_str_eq(r.thread[0].comm, "IO iothread1");
	cr_expect_str_eq(r.thread[0].part, "iothread");
	cr_expect_eq(r.thread[0].w.seen_ns, 1150);
	cr_expect_eq(r.thread[0].w.cpu_ns, 100 + 70 + 50 + 50);
	cr_expect_eq(r.thread[0].w.runq_ns, 10 + 20 + 100 + 10);
	cr_expect_eq(r.thread[0].w.disk_ns, 300);
	cr_expect_eq(r.thread[0].w.wait_ns, 190 + 90);
	cr_expect_eq(r.thread[0].w.unknown_ns, 10 + 150);
	cr_assert_eq(r.thread[0].w.nwait, 2);
	cr_expect_eq(r.thread[0].w.wait[0].cause, SG_C_IO_BLOCK);
	cr_expect_eq(r.thread[0].w.wait[0].cnt, 1);
	cr_expect_eq(r.thread[0].w.wait[1].cause, SG_C_IPC_EVENT);
	cr_expect_eq(r.thread[0].w.wait[1].cnt, 2);
	check_whole(&r);
	sg_vmrest_clear(&r);
	/* no other machine's */
	cr_assert_eq(sg_vmthreads_of(x.v, x.m, 21, &r), 0);
	cr_expect(!r.nthread && !r.npart);
	sg_vmrest_clear(&r);
	teardown(&x);
}

/* Any numbers: no time is invented, and none is lost. */
Test(vmthreads, sums_are_whole_whatever_comes)
{
	static const uint16_t keys[] = { SG_C_CPU_USER,	  SG_C_CPU_IRQ,	       SG_C_UNKNOWN,
					 SG_C_SCHED_RUNQ, SG_KEY_SYSCALL | 16, SG_C_MEM_SWAPIN };
	struct {
		struct sg_slice s;
		struct sg_pair pair[SG_PAIR_MAX];
	} m;
	unsigned seed = 1;

	for (int round = 0; round < 100; round++) {
		struct sg_vmrest r;
		struct world x;
		uint64_t at = 1000;

		setup(&x);
		tell(&x, "T 20 qemu birth=0\n" VCPU);
		for (uint32_t uid = 100; uid < 100 + 2 * SG_VMTHREAD_ROWS; uid++) {
			struct sg_thread t = { .h = { .uid = uid, .kind = SG_REC_THREAD, .ts = at },
					       .tid = uid,
					       .tgid = 20,
					       .comm = "worker" };

			cr_assert_eq(on_event(&x, &t.h), 0);
		}
		for (int i = 0; i < 300; i++) {
			uint64_t in = at + rand_r(&seed) % 1000, out = in + rand_r(&seed) % 1000;

			memset(&m, 0, sizeof(m));
			m.s.h = (struct sg_hdr){ .ts = out,
						 .uid = 100 + rand_r(&seed) % (2 * SG_VMTHREAD_ROWS),
						 .kind = SG_REC_SLICE };
			m.s.flags = SG_SF_INSCOPE;
			m.s.in = in;
			m.s.prev_out = at - rand_r(&seed) % 900;
			m.s.wake = rand_r(&seed) % 3 ? at + rand_r(&seed) % 1200 : 0;
			m.s.stop = rand_r(&seed) % SG_STOP_MAX;
			m.s.wkind = SG_K_SYSCALL;
			m.s.nr = rand_r(&seed) % 300;
			m.s.wctx = rand_r(&seed) % 5;
			m.s.waker = 20;
			m.s.throttle_ns = rand_r(&seed) % 4 ? 0 : rand_r(&seed) % 500;
			m.s.out_stop = rand_r(&seed) % SG_STOP_MAX;
			for (int k = 0; k < 4; k++)
				m.pair[m.s.npair++] = (struct sg_pair){ .key = keys[rand_r(&seed) % 6],
									.ns = rand_r(&seed) % 400 };
			cr_assert_eq(on_event(&x, &m.s.h), 0);
			at += rand_r(&seed) % 300;
		}
		cr_assert_eq(sg_vmthreads_of(x.v, x.m, 20, &r), 0);
		cr_assert_eq(r.nthread, SG_VMTHREAD_ROWS);
		cr_assert(r.others.threads > 0);
		check_whole(&r);
		sg_vmrest_clear(&r);
		teardown(&x);
	}
}

/* Threads of others that have ended make room; one too many of a machine's is counted. */
Test(vmthreads, memory_is_bounded)
{
	struct sg_vmrest r;
	struct world x;
	char text[200];

	setup(&x);
	tell(&x, "T 20 qemu birth=0\n" VCPU);
	for (uint32_t i = 0; i < SG_VMTHREADS_MAX + 1000; i++) {
		snprintf(text, sizeof(text), "T %u sh birth=0 / S %u c0 1000-1100 user=100 <R@950 >X\n",
			 1000 + i, 1000 + i);
		tell(&x, text);
	}
	cr_expect_eq(sg_vmthreads_uncounted(x.v), 0);
	for (uint32_t i = 0; i < SG_VMTHREADS_MAX + 10; i++) {
		snprintf(text, sizeof(text),
			 "T %u worker birth=0 tgid=20 / S %u c0 1000-1100 user=100 <= >X\n", 100000 + i,
			 100000 + i);
		tell(&x, text);
	}
	/* the vCPU has a slot, too */
	cr_expect_eq(sg_vmthreads_uncounted(x.v), 11);
	cr_assert_eq(sg_vmthreads_of(x.v, x.m, 20, &r), 0);
	cr_expect_eq(r.others.threads, SG_VMTHREADS_MAX - 1 - SG_VMTHREAD_ROWS);
	check_whole(&r);
	sg_vmrest_clear(&r);
	teardown(&x);
}

Test(vmthreads, text_and_json_say_it)
{
	struct sg_text_opts opts = { 0 };
	struct json_object *j, *o;
	struct sg_vmrest r;
	char *text = NULL;
	struct world x;
	size_t len;
	FILE *f;

	setup(&x);
	tell(&x, "T 20 qemu birth=0\nT 22 \"IO x\\x1b[31m\" birth=0 tgid=20\n" VCPU
		 "S 22 c1 300-400 user=100 <S:ppoll@100 w=290 task:20 >D:syscall\n"
		 "S 22 c1 720-800 user=80 <D:preadv.file@400 w=700 soft.block f=iowait throttled=20\n");
	for (uint32_t i = 0; i < 20; i++) {
		char word[100];

		snprintf(word, sizeof(word), "T %u worker birth=0 tgid=20 / S %u c0 1000-1001 user=1 <=\n",
			 100 + i, 100 + i);
		tell(&x, word);
	}
	cr_assert_eq(sg_vmthreads_of(x.v, x.m, 20, &r), 0);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_vmrest_text(&r, f, &opts), 0);
	fclose(f);
	cr_expect(!strchr(text, 0x1b), "a name's bytes reach the terminal");
	cr_expect(strstr(text, "io.block 300 ns") && strstr(text, "quota") &&
			  strstr(text, "\n13 more threads"),
		  "%s", text);
	free(text);
	j = sg_vmrest_json(&r);
	cr_assert(j);
	o = json_object_object_get(j, "rows");
	cr_assert_eq(json_object_array_length(o), 21);
	o = json_object_array_get_idx(o, 0);
	cr_expect_eq(json_object_get_int64(json_object_object_get(o, "disk_ns")), 300);
	cr_expect_eq(json_object_get_int64(json_object_object_get(o, "throttle_ns")), 20);
	cr_expect_str_eq(json_object_get_string(json_object_object_get(o, "component")), "iothread");
	o = json_object_object_get(j, "others");
	cr_expect_eq(json_object_get_int64(json_object_object_get(o, "threads")), 0);
	json_object_put(j);
	sg_vmrest_clear(&r);
	teardown(&x);
}
