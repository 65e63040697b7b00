/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The vCPUs of what was recorded, by virtual machine, as the host sees them: guest mode,
 * exits by reason, the VMM's part of them, halts, waits for a CPU (what the guest calls
 * steal) and for swapped memory, the balloon. Raw sums of slices of the threads that run
 * guests, inside tasks or not; for every vCPU they sum to the time it was seen for, to
 * the nanosecond. Pure; memory is bounded by the limits below.
 */
#ifndef SG_VCPUS_H
#define SG_VCPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "trace/event.h"

#define SG_VCPUS_MAX   4096 /* threads that run guests; later ones are only counted */
#define SG_VCPU_EXITS  64   /* reasons of one vCPU told apart; the others are one row */
#define SG_VCPU_TAKERS 4    /* who had the CPU while it waited for one: those shown */

/* One reason. The kernel's part counts exits of this kind, the VMM's part returns of KVM_RUN. */
struct sg_vcpu_exit {
	uint16_t key; /* SG_KEY_KVM, see base/kvmexit.h; 0: those that found no row */
	uint64_t cnt;
	uint64_t ns; /* on a CPU */
};

/* A reason with what the VMM did for its class: the returns of KVM_RUN know only that. */
struct sg_vcpu_reason {
	uint16_t key;
	uint64_t cnt, kernel_ns;
	uint64_t returns, vmm_ns;
};

struct sg_vcpu_taker {
	char comm[16]; /* hostile bytes possible */
	uint64_t ns;
};

/* clang-format off */
/* Page fault exits, by what they turned out to be: X(SYMBOL, key, name for people) */
#define SG_VCPU_FAULT_LIST(X) \
	X(PLAIN, "plain", "plain: a page that is not mapped") \
	X(SWAPIN, "swapin", "swap-in: guest memory back from swap") \
	X(REFAULT, "refault", "refault: the balloon had taken the page") \
	X(DIRTY, "dirty", "dirty: writes to the page are logged") \
	X(ASYNC, "async", "async: a kernel worker brings the page")

/* What the time of a vCPU is made of, and what is counted: X(field) */
#define SG_VCPU_PARTS(X) \
	X(run_ns) X(guest_ns) X(exit_ns) X(vmm_ns) X(balloon_ns) X(vmm_kernel_ns) X(swapin_ns) X(reclaim_ns) \
	X(irq_ns) X(halt_ns) X(throttle_ns) X(runq_ns) X(wait_ns) X(unknown_ns)
#define SG_VCPU_COUNTS(X) \
	X(runs) X(entries) X(halts) X(swapins) X(runqs) X(swapin_wait_ns) X(inflate_pages) X(deflate_pages) \
	X(balloon_kicks)
/* clang-format on */

enum sg_vcpu_fault_kind {
#define SG_X(sym, key, name) SG_VCPU_FAULT_##sym,
	SG_VCPU_FAULT_LIST(SG_X)
#undef SG_X
		SG_VCPU_FAULTS
};

struct sg_vcpu_fault {
	uint64_t cnt;
	uint64_t cpu_ns, wait_ns; /* on a CPU, and blocked inside the exit */
};

struct sg_vcpu {
	uint32_t uid, tid, tgid;
	char comm[16];	   /* hostile bytes possible */
	uint64_t from, to; /* first and last instant that is accounted for */
	/* these sum to `to - from` */
	uint64_t run_ns; /* inside KVM_RUN where guest mode and exits can't be told apart */
	uint64_t guest_ns, exit_ns, vmm_ns, balloon_ns;
	uint64_t
		vmm_kernel_ns; /* system calls and faults of the VMM in this thread, KVM_RUN's own overhead */
	uint64_t swapin_ns;    /* exits that brought guest memory back from swap, on a CPU and waiting */
	uint64_t reclaim_ns, irq_ns, halt_ns, throttle_ns, runq_ns, wait_ns;
	uint64_t unknown_ns; /* torn, lost, before its first record told why it waited */

	uint64_t runs, entries, halts, swapins, runqs;
	uint64_t swapin_wait_ns;
	uint64_t inflate_pages, deflate_pages, balloon_kicks;
	struct sg_vcpu_fault fault[SG_VCPU_FAULTS]; /* parts of the above: exits, swap-in and waits */
	size_t nexit;
	struct sg_vcpu_exit exit[SG_VCPU_EXITS]; /* most time first */
	size_t ntaker;
	struct sg_vcpu_taker taker[SG_VCPU_TAKERS]; /* most time first */
};

/* One process that runs guests. */
struct sg_vmm {
	uint32_t tgid;
	char comm[16]; /* of its first thread; hostile bytes possible */
	size_t nvcpu;
	const struct sg_vcpu *vcpu; /* by thread id */
	struct sg_vcpu all;	    /* together; `to - from` is the sum of theirs */
};

struct sg_vcpus;

int sg_vcpus_new(struct sg_vcpus **ret);
void sg_vcpus_free(struct sg_vcpus *v);
/** sg_vcpus_feed() - next event, in time order; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_vcpus_feed(struct sg_vcpus *v, const struct sg_hdr *ev);
/** sg_vcpus_list() - the machines so far; valid until the next call or feed. 0 or -ENOMEM. */
int sg_vcpus_list(struct sg_vcpus *v, const struct sg_vmm **ret, size_t *ret_n);
/** sg_vcpu_merge() - add @from to @to; who had its CPU is left out */
void sg_vcpu_merge(struct sg_vcpu *to, const struct sg_vcpu *from);
/** sg_vcpu_exit_add() - @cnt exits of reason @key, which took @ns */
void sg_vcpu_exit_add(struct sg_vcpu *c, uint16_t key, uint64_t cnt, uint64_t ns);
/** sg_vcpu_exits_sort() - most time first */
void sg_vcpu_exits_sort(struct sg_vcpu *c);
/** sg_vcpu_fault_of() - enum sg_vcpu_fault_kind of @key, a pair's; SG_VCPU_FAULTS: it is no page fault exit */
unsigned sg_vcpu_fault_of(uint16_t key);
/** sg_vcpu_faults() - all page fault exits of @c: the sum of c->fault */
struct sg_vcpu_fault sg_vcpu_faults(const struct sg_vcpu *c);
/**
 * sg_vcpu_reasons() - the exits of @c, each of the VMM's parts with the most frequent reason of its class
 * @ret: room for SG_VCPU_EXITS
 *
 * A VMM's part without a reason of its class is a row of its own. Return: how many, most time first.
 */
size_t sg_vcpu_reasons(const struct sg_vcpu *c, struct sg_vcpu_reason *ret);
/** sg_vcpus_uncounted() - slices of vCPUs left out because there were too many */
uint64_t sg_vcpus_uncounted(const struct sg_vcpus *v);

/* What else is known of the machines; each may be NULL. */
struct sg_vm_facts {
	const struct sg_vmsum *vms; /* what their processes' machines are called */
	const struct sg_vmthreads *threads;
	const struct sg_model *model; /* that @threads was fed by */
};

/** sg_vcpus_text() - tables for every machine (user/out/vcpus_text.c) */
struct sg_text_opts;
int sg_vcpus_text(struct sg_vcpus *v, FILE *f, const struct sg_vm_facts *k, const struct sg_text_opts *o);
/** sg_vcpus_json() - [{"tgid":..,"vcpus":[..]}], see docs/json.md; caller owns; NULL: no memory */
struct json_object *sg_vcpus_json(struct sg_vcpus *v, const struct sg_vm_facts *k);

#endif
