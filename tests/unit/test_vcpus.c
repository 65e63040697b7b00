/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* vCPUs: names of exits, what a key is booked as, and the sums of vCPUs, which must be whole. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "base/kvmexit.h"
#include "model/model.h"
#include "model/vcpus.h"
#include "out/text.h"

#define AMD(code)   (SG_KEY_KVM | (code))
#define INTEL(code) (SG_KEY_KVM | (SG_KVM_INTEL + (code)))
#define VMM(code)   (SG_KEY_KVM | SG_KVM_USER | (code))

Test(kvmexit, names_and_classes)
{
	static const struct {
		uint16_t key;
		const char *name, *class, *cause;
	} cases[] = {
		{ AMD(0x78), "hlt", "halt", "kvm.exit.halt" },
		{ AMD(0x400), "npf", "page-fault", "kvm.exit.page-fault" },
		{ AMD(0x7b), "io", "io", "kvm.exit.io" },
		{ AMD(0x13), "write_cr3", "other", "kvm.exit.other" },
		{ AMD(0x27), "read_dr7", "other", "kvm.exit.other" },
		{ AMD(0x0ff), "exit 0x0ff", "other", "kvm.exit.other" },
		{ INTEL(30), "IO_INSTRUCTION", "io", "kvm.exit.io" },
		{ INTEL(48), "EPT_VIOLATION", "page-fault", "kvm.exit.page-fault" },
		{ INTEL(49), "EPT_MISCONFIG", "mmio", "kvm.exit.mmio" },
		{ INTEL(200), "VMX exit 200", "other", "kvm.exit.other" },
		{ SG_KEY_KVM | (SG_KVM_PVM + 14), "PF excp", "page-fault", "kvm.exit.page-fault" },
		{ SG_KEY_KVM | (SG_KVM_PVM + 200), "PVM exit 0xc8", "other", "kvm.exit.other" },
		{ AMD(SG_KVM_REFAULT), "refault", "refault", "kvm.exit.refault" },
		{ AMD(SG_KVM_MMIO), "mmio", "mmio", "kvm.exit.mmio" },
		{ AMD(SG_KVM_HALT_POLL), "halt-poll", "halt-poll", "kvm.exit.halt-poll" },
		{ AMD(SG_KVM_DIRTY), "dirty", "dirty", "kvm.exit.dirty" },
		{ AMD(SG_KVM_ASYNC), "async-page-fault", "async-page-fault", "kvm.exit.async-page-fault" },
		{ AMD(SG_KVM_RUN), "run", "run", "kvm.exit.run" },
		{ VMM(2), "io", "io", "vmm.user.io" },
		{ VMM(6), "mmio", "mmio", "vmm.user.mmio" },
		{ VMM(10), "signal", "signal", "vmm.user.signal" },
		{ VMM(200), "KVM_EXIT 200", "other", "vmm.user.other" },
	};
	char buf[32], cause[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint16_t booked = sg_kvm_cause(cases[i].key);

		cr_expect_str_eq(sg_kvm_name(cases[i].key, buf, sizeof(buf)), cases[i].name);
		cr_expect_str_eq(sg_kvm_class_name(sg_kvm_class(cases[i].key)), cases[i].class);
		cr_expect_str_eq(sg_cause_name(cases[i].key, cause, sizeof(cause)), cases[i].cause);
		cr_expect_str_eq(sg_cause_name(booked, cause, sizeof(cause)), cases[i].cause);
		cr_expect_eq(sg_kvm_cause(booked), booked, "%s: booked twice", cases[i].name);
	}
}

Test(kvmexit, one_key_per_class)
{
	/* every code of every vendor is booked under one of few keys, and never under another's name */
	for (unsigned key = SG_KEY_KVM; key < 2 * SG_KEY_KVM; key++) {
		uint16_t booked = sg_kvm_cause((uint16_t)key);
		char a[32], b[32];

		cr_assert(booked == SG_C_MEM_BALLOON || SG_KEY_IS_KVM(booked), "key %#x", key);
		cr_assert_eq(sg_kvm_cause(booked), booked, "key %#x", key);
		cr_assert_str_eq(sg_cause_name((uint16_t)key, a, sizeof(a)),
				 sg_cause_name(booked, b, sizeof(b)), "key %#x", key);
	}
	cr_expect_eq(sg_kvm_cause(AMD(SG_KVM_INFLATE)), SG_C_MEM_BALLOON);
	cr_expect_eq(sg_kvm_cause(SG_C_CPU_USER), SG_C_CPU_USER);
	cr_expect_eq(sg_kvm_cause(SG_KEY_SYSCALL | 16), SG_KEY_SYSCALL | 16);
}

/* ---- sums ---------------------------------------------------------------------- */
struct made {
	struct sg_slice s;
	struct sg_pair pair[SG_PAIR_MAX];
};

/* A slice [in, out] after a wait that began at @prev and was ended at @wake. */
static struct made slice(uint32_t uid, uint64_t prev, uint64_t wake, uint64_t in, uint64_t out)
{
	struct made m;

	memset(&m, 0, sizeof(m));
	m.s.h = (struct sg_hdr){ .ts = out, .uid = uid, .kind = SG_REC_SLICE };
	m.s.in = in;
	m.s.prev_out = prev;
	m.s.wake = wake;
	m.s.stop = wake ? SG_STOP_SLEEP : SG_STOP_RUNNABLE;
	m.s.wkind = SG_K_SYSCALL;
	m.s.nr = 16;
	m.s.arg = 0xae80;
	return m;
}

static void pair(struct made *m, uint16_t key, uint64_t ns, uint32_t cnt)
{
	m->pair[m->s.npair++] = (struct sg_pair){ .key = key, .ns = ns, .cnt = cnt };
}

static void feed(struct sg_vcpus *v, struct made *m)
{
	cr_assert_eq(sg_vcpus_feed(v, &m->s.h), 0);
}

static void thread(struct sg_vcpus *v, uint32_t uid, uint32_t tgid, uint32_t tid, const char *comm)
{
	struct sg_thread t = { .h = { .uid = uid, .kind = SG_REC_THREAD }, .tgid = tgid, .tid = tid };

	memcpy(t.comm, comm, strlen(comm) < 16 ? strlen(comm) : 16);
	cr_assert_eq(sg_vcpus_feed(v, &t.h), 0);
}

static uint64_t sum(const struct sg_vcpu *c)
{
	return c->run_ns + c->guest_ns + c->exit_ns + c->vmm_ns + c->balloon_ns + c->vmm_kernel_ns +
	       c->swapin_ns + c->reclaim_ns + c->irq_ns + c->halt_ns + c->throttle_ns + c->runq_ns +
	       c->wait_ns + c->unknown_ns;
}

Test(vcpus, a_guest_halts_swaps_and_loses_its_cpu)
{
	struct sg_vcpus *v;
	const struct sg_vmm *vm;
	const struct sg_vcpu *c;
	struct sg_vcpu_reason r[SG_VCPU_EXITS];
	struct made m;
	size_t n;

	cr_assert_eq(sg_vcpus_new(&v), 0);
	thread(v, 1, 100, 100, "qemu-system-x86");
	thread(v, 2, 100, 101, "CPU 0/KVM");
	thread(v, 3, 7, 7, "hog");
	m = slice(1, 0, 0, 0, 50); /* no guest in it: not a vCPU */
	pair(&m, SG_C_CPU_USER, 50, 0);
	feed(v, &m);
	m = slice(2, 0, 0, 1000, 2000);
	pair(&m, SG_C_CPU_GUEST, 700, 5);
	pair(&m, AMD(0x7b), 100, 2);
	pair(&m, VMM(2), 60, 2);
	pair(&m, AMD(0x78), 40, 1);
	pair(&m, SG_C_CPU_IRQ, 100, 3);
	feed(v, &m);
	/* halted from 2000, kicked at 5000, on a CPU at 5200 */
	m = slice(2, 2000, 5000, 5200, 6000);
	m.s.note = SG_NOTE_KVM | AMD(0x78);
	m.s.who = 3;
	pair(&m, SG_C_CPU_GUEST, 500, 2);
	pair(&m, AMD(0x400), 300, 1);
	feed(v, &m);
	/* memory comes back from swap: 6000 to 9000 */
	m = slice(2, 6000, 8900, 9000, 9500);
	m.s.note = SG_NOTE_KVM | SG_C_MEM_SWAPIN;
	pair(&m, SG_C_MEM_SWAPIN, 100, 1);
	pair(&m, AMD(SG_KVM_BALLOON), 0, 1);
	pair(&m, AMD(SG_KVM_INFLATE), 300, 256);
	pair(&m, SG_KEY_SYSCALL | 28, 50, 256);
	feed(v, &m); /* and 50 that no pair explains */
	/* preempted until 9900 */
	m = slice(2, 9500, 0, 9900, 10000);
	m.s.who = 3;
	pair(&m, SG_C_CPU_GUEST, 100, 1);
	feed(v, &m);

	cr_assert_eq(sg_vcpus_list(v, &vm, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(vm->tgid, 100);
	cr_expect_str_eq(vm->comm, "qemu-system-x86");
	cr_assert_eq(vm->nvcpu, 1);
	c = vm->vcpu;
	cr_expect_eq(c->tid, 101);
	cr_expect_eq(c->from, 1000);
	cr_expect_eq(c->to, 10000);
	cr_expect_eq(c->guest_ns, 1300);
	cr_expect_eq(c->entries, 8);
	cr_expect_eq(c->exit_ns, 440);
	cr_expect_eq(c->vmm_ns, 60);
	cr_expect_eq(c->halt_ns, 3000);
	cr_expect_eq(c->halts, 1);
	cr_expect_eq(c->swapin_ns, 100 + 2900);
	cr_expect_eq(c->swapin_wait_ns, 2900);
	cr_expect_eq(c->swapins, 1);
	cr_expect_eq(c->runq_ns, 200 + 100 + 400);
	cr_expect_eq(c->balloon_ns, 300);
	cr_expect_eq(c->balloon_kicks, 1);
	cr_expect_eq(c->inflate_pages, 256);
	cr_expect_eq(c->vmm_kernel_ns, 50);
	cr_expect_eq(c->unknown_ns, 50);
	cr_expect_eq(sum(c), c->to - c->from);
	cr_assert_eq(c->ntaker, 1);
	cr_expect_str_eq(c->taker[0].comm, "hog");
	cr_expect_eq(c->taker[0].ns, 600);
	n = sg_vcpu_reasons(c, r);
	cr_assert_eq(n, 3);
	cr_expect_eq(r[0].key, AMD(0x400));
	cr_expect_eq(r[1].key, AMD(0x7b));
	cr_expect_eq(r[1].returns, 2);
	cr_expect_eq(r[1].vmm_ns, 60);
	cr_expect_eq(c->fault[SG_VCPU_FAULT_PLAIN].cnt, 1);
	cr_expect_eq(c->fault[SG_VCPU_FAULT_PLAIN].cpu_ns, 300);
	cr_expect_eq(c->fault[SG_VCPU_FAULT_SWAPIN].cnt, 1);
	cr_expect_eq(c->fault[SG_VCPU_FAULT_SWAPIN].cpu_ns, 100);
	cr_expect_eq(c->fault[SG_VCPU_FAULT_SWAPIN].wait_ns, 2900);
	cr_expect_eq(sg_vcpu_faults(c).cnt, 2);
	sg_vcpus_free(v);
}

/* What a machine's vCPUs did is the sum of what each did. */
static void check_all(const struct sg_vmm *vm)
{
	struct sg_vcpu_fault faults = { 0 };
	uint64_t total = 0, exits = 0, all_exits = 0;
	struct sg_vcpu s = { 0 };

	for (size_t i = 0; i < vm->nvcpu; i++) {
		const struct sg_vcpu *c = &vm->vcpu[i];

		total += c->to - c->from;
#define X(field) s.field += c->field;
		SG_VCPU_PARTS(X)
		SG_VCPU_COUNTS(X)
#undef X
		for (size_t k = 0; k < c->nexit; k++)
			exits += c->exit[k].cnt;
		faults.cnt += sg_vcpu_faults(c).cnt;
		faults.wait_ns += sg_vcpu_faults(c).wait_ns;
	}
#define X(field) cr_assert_eq(s.field, vm->all.field, #field);
	SG_VCPU_PARTS(X)
	SG_VCPU_COUNTS(X)
#undef X
	for (size_t k = 0; k < vm->all.nexit; k++)
		all_exits += vm->all.exit[k].cnt;
	cr_assert_eq(all_exits, exits);
	cr_assert_eq(sg_vcpu_faults(&vm->all).cnt, faults.cnt);
	cr_assert_eq(sg_vcpu_faults(&vm->all).wait_ns, faults.wait_ns);
	cr_assert_eq(vm->all.to - vm->all.from, total);
	cr_assert_eq(sum(&vm->all), total);
}

/* Each kind of page fault exit, on a CPU and waiting; a device's register is none, nor what the VMM does. */
Test(vcpus, page_fault_exits_by_what_they_were)
{
	static const uint16_t keys[SG_VCPU_FAULTS] = {
		[SG_VCPU_FAULT_PLAIN] = INTEL(48),
		[SG_VCPU_FAULT_SWAPIN] = SG_C_MEM_SWAPIN,
		[SG_VCPU_FAULT_REFAULT] = AMD(SG_KVM_REFAULT),
		[SG_VCPU_FAULT_DIRTY] = AMD(SG_KVM_DIRTY),
		[SG_VCPU_FAULT_ASYNC] = AMD(SG_KVM_ASYNC),
	};
	struct sg_vcpu_fault all;
	struct sg_vcpus *v;
	const struct sg_vmm *vm;
	uint64_t at = 1000;
	struct made m;
	size_t n;

	cr_assert_eq(sg_vcpus_new(&v), 0);
	thread(v, 2, 100, 101, "CPU 0/KVM");
	m = slice(2, 0, 0, at - 10, at);
	pair(&m, SG_C_CPU_GUEST, 10, 1);
	feed(v, &m);
	for (unsigned i = 0; i < SG_VCPU_FAULTS; i++, at += 200) {
		/* blocked in it for 100 + i, ready for 5 */
		m = slice(2, at, at + 100 + i, at + 105 + i, at + 200);
		m.s.note = SG_NOTE_KVM | keys[i];
		pair(&m, keys[i], 20 + i, 1 + i);
		pair(&m, AMD(SG_KVM_MMIO), 10, 7);
		pair(&m, VMM(6), 5, 7);
		feed(v, &m);
	}
	/* a halt is no page fault, nor a wait outside KVM_RUN */
	m = slice(2, at, at + 50, at + 50, at + 60);
	m.s.note = SG_NOTE_KVM | AMD(0x78);
	feed(v, &m);
	m = slice(2, at + 60, at + 90, at + 90, at + 100);
	m.s.note = SG_NOTE_KVM | AMD(0x400);
	m.s.arg = 0;
	feed(v, &m);
	cr_assert_eq(sg_vcpus_list(v, &vm, &n), 0);
	cr_assert_eq(n, 1);
	for (unsigned i = 0; i < SG_VCPU_FAULTS; i++) {
		cr_expect_eq(vm->vcpu->fault[i].cnt, 1 + i, "kind %u", i);
		cr_expect_eq(vm->vcpu->fault[i].cpu_ns, 20 + i, "kind %u", i);
		cr_expect_eq(vm->vcpu->fault[i].wait_ns, 100 + i, "kind %u", i);
	}
	all = sg_vcpu_faults(vm->vcpu);
	cr_expect(all.cnt == 15 && all.cpu_ns == 110 && all.wait_ns == 510);
	check_all(vm);
	sg_vcpus_free(v);
}

/* Any order and any numbers: no time is invented, and none is lost. */
Test(vcpus, sums_are_whole_whatever_comes)
{
	static const uint16_t keys[] = { SG_C_CPU_GUEST,  AMD(0x78),	  AMD(0x400),	 INTEL(30),
					 VMM(2),	  VMM(10),	  AMD(0x7f8),	 AMD(0x7f7),
					 SG_C_MEM_SWAPIN, SG_C_CPU_IRQ,	  SG_C_CPU_USER, SG_KEY_SYSCALL | 16,
					 SG_C_UNKNOWN,	  SG_C_SCHED_RUNQ };
	unsigned seed = 1;

	for (int round = 0; round < 200; round++) {
		struct sg_vcpus *v;
		const struct sg_vmm *vm;
		uint64_t now = 1000, last = 0;
		size_t n;

		cr_assert_eq(sg_vcpus_new(&v), 0);
		for (int i = 0; i < 100; i++) {
			uint64_t in = now + rand_r(&seed) % 1000, out = in + rand_r(&seed) % 1000;
			struct made m = slice(1 + rand_r(&seed) % 3, rand_r(&seed) % 8 ? last : now,
					      rand_r(&seed) % 3 ? now + rand_r(&seed) % 1200 : 0, in, out);
			uint64_t left = out - in;

			m.s.stop = rand_r(&seed) % SG_STOP_MAX;
			m.s.note = rand_r(&seed) % 2 ? SG_NOTE_KVM | keys[rand_r(&seed) % 14] : 0;
			for (int k = 0; k < 6; k++) {
				uint64_t ns = rand_r(&seed) % 9 ? rand_r(&seed) % (left + 1) : left + 5;

				pair(&m, keys[rand_r(&seed) % 14], ns, 1);
				left -= ns < left ? ns : left;
			}
			feed(v, &m);
			last = now = out;
		}
		cr_assert_eq(sg_vcpus_list(v, &vm, &n), 0);
		cr_assert(n == 1 && vm->nvcpu == 3);
		check_all(vm);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < vm[i].nvcpu; k++)
				cr_assert_eq(sum(&vm[i].vcpu[k]), vm[i].vcpu[k].to - vm[i].vcpu[k].from);
		sg_vcpus_free(v);
	}
}

Test(vcpus, more_reasons_than_rows_are_one_row)
{
	struct sg_vcpus *v;
	const struct sg_vmm *vm;
	struct sg_vcpu_reason r[SG_VCPU_EXITS];
	uint64_t cnt = 0, ns = 0, at = 0;
	size_t n;

	cr_assert_eq(sg_vcpus_new(&v), 0);
	for (unsigned code = 0; code < 300; code++) {
		struct made m = slice(1, at, 0, at, at + 10);

		m.s.stop = SG_STOP_NONE;
		pair(&m, AMD(code), 10, 2);
		feed(v, &m);
		at += 10;
	}
	cr_assert_eq(sg_vcpus_list(v, &vm, &n), 0);
	cr_assert_eq(n, 1);
	n = sg_vcpu_reasons(vm->vcpu, r);
	cr_assert(n <= SG_VCPU_EXITS);
	for (size_t i = 0; i < n; i++) {
		cnt += r[i].cnt;
		ns += r[i].kernel_ns;
	}
	cr_expect_eq(cnt, 600);
	cr_expect_eq(ns, 3000);
	cr_expect_eq(sum(vm->vcpu), 3000);
	check_all(vm);
	sg_vcpus_free(v);
}

Test(vcpus, text_and_json_say_it)
{
	struct json_object *j, *o;
	struct sg_text_opts opts = { 0 };
	struct sg_vcpus *v;
	char *text = NULL;
	size_t len;
	struct made m;
	FILE *f;

	cr_assert_eq(sg_vcpus_new(&v), 0);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_vcpus_text(v, f, NULL, &opts), 0);
	fclose(f);
	cr_expect(strstr(text, "no vCPU ran"), "%s", text);
	free(text);

	thread(v, 2, 100, 101, "CPU\x1b[31m 0");
	m = slice(2, 0, 0, 1000, 2000);
	pair(&m, SG_C_CPU_GUEST, 900, 5);
	pair(&m, AMD(0x7b), 100, 5);
	feed(v, &m);
	f = open_memstream(&text, &len);
	cr_assert_eq(sg_vcpus_text(v, f, NULL, &opts), 0);
	fclose(f);
	cr_expect(!strchr(text, 0x1b), "a name's bytes reach the terminal");
	cr_expect(strstr(text, "guest mode") && strstr(text, "90.0%"), "%s", text);
	free(text);
	j = sg_vcpus_json(v, NULL);
	cr_assert(j && json_object_array_length(j) == 1);
	o = json_object_array_get_idx(json_object_object_get(json_object_array_get_idx(j, 0), "vcpus"), 0);
	cr_expect_eq(json_object_get_int64(json_object_object_get(o, "guest_ns")), 900);
	cr_expect_eq(json_object_get_int64(json_object_object_get(o, "total_ns")), 1000);
	json_object_put(j);
	sg_vcpus_free(v);
}
