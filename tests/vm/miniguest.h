/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* miniguest: a virtual machine whose exits are known by construction. What its files share. */
#ifndef MINIGUEST_H
#define MINIGUEST_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MG_STR_(x) #x
#define MG_STR(x)  MG_STR_(x)

/* Ports of the guest. */
#define MG_PORT_WORK 0x10 /* what --out and --in ask for */
#define MG_PORT_HALT 0x11 /* about to halt */
#define MG_PORT_DONE 0xf4 /* a part is over */

/* Guest-physical memory. */
#define MG_PML4	      0x1000ull
#define MG_PDPT	      0x2000ull
#define MG_PD	      0x3000ull /* four: 4 GiB, one to one, in pages of 2 MiB */
#define MG_GDT	      0x7000ull
#define MG_IDT	      0x8000ull
#define MG_STACK      0xa000ull /* top of vCPU 0's; the next ones each one page higher */
#define MG_STEAL      0xf000ull /* struct kvm_steal_time of each vCPU, 64 bytes apart */
#define MG_CODE	      0x10000ull
#define MG_LOW_BYTES  0x200000ull
#define MG_HIGH	      MG_LOW_BYTES /* from here on: memory that nothing has touched yet */
#define MG_HIGH_MAX   0xb0000000ull
#define MG_AT_MMIO    0xd0000000ull /* nothing is there */
#define MG_AT_INFLATE (MG_AT_MMIO + 0x1000)
#define MG_AT_DEFLATE (MG_AT_MMIO + 0x2000)
#define MG_VCPUS_MAX  4
/* Selectors: kernel's, and those of ring 3. */
#define MG_CS	  0x10
#define MG_DS	  0x18
#define MG_DS3	  0x2b
#define MG_CS3	  0x33
#define MG_VECTOR 0x20
#define MG_PAGE	  4096ull
#define MG_KICK	  256 /* pages a kick of the balloon, as the virtio driver sends them */

/* What a guest can be asked to do, in the order in which it is done: name, loop of guestcode.c, words. */
#define MG_PARTS(X)                             \
	X(OUT, out, "out")                      \
	X(IN, in, "in")                         \
	X(MMIO_WRITE, mmio_write, "mmio-write") \
	X(MMIO_READ, mmio_read, "mmio-read")    \
	X(HALT, halt, "halt")                   \
	X(HYPERCALL, vmmcall, "hypercall")      \
	X(CPUID, cpuid, "cpuid")                \
	X(MSR, msr, "msr")                      \
	X(FAULT, touch, "page-fault")           \
	X(DIRTY, touch, "dirty")                \
	X(POPULATE, touch, "populate")          \
	X(INFLATE, mmio_write, "inflate")       \
	X(DEFLATE, mmio_write, "deflate")       \
	X(REFAULT, touch, "refault")            \
	X(MEMORY, touch, "memory")              \
	X(BURN, burn, "burn")

enum mg_part {
#define X(name, op, words) MG_##name,
	MG_PARTS(X)
#undef X
		MG_PARTS_CNT
};

/* Why KVM_RUN came back, as its own interface says it. */
#define MG_EXITS(X) X(IO, "io") X(MMIO, "mmio") X(HLT, "hlt") X(INTR, "intr") X(OTHER, "other")
enum mg_exit {
#define X(name, words) MG_EXIT_##name,
	MG_EXITS(X)
#undef X
		MG_EXITS_CNT
};

struct mg_options {
	uint64_t count[MG_PARTS_CNT]; /* how often, of each vCPU; BURN: ns; MEMORY: rounds */
	uint64_t memory_bytes;	      /* of MEMORY, of each vCPU */
	uint64_t halt_ns;	      /* length of one halt */
	uint64_t vmm_spin_ns;	      /* in the VMM, at each exit that a count asked for */
	uint64_t vmm_sleep_ns;
	uint64_t limit_ns; /* of one part */
	unsigned vcpus;
	int cpu;       /* all vCPUs on this one; -1: not pinned */
	unsigned ring; /* 0, or 3 with the right to do I/O */
	bool wake_signal;
};

/* KVM's own counters of one descriptor (KVM_GET_STATS_FD); histograms are left out. */
struct mg_stats {
	int fd;
	unsigned cnt;
	struct {
		char name[64];
		uint64_t offset; /* in the file, in bytes */
		bool cumulative;
	} row[128];
};
struct mg_counts {
	uint64_t value[128];
};

struct mg_vm {
	int kvm, fd;
	bool intel; /* which of the two hypercall instructions the processor has */
	uint8_t *low, *high;
	uint64_t high_bytes;
	uint32_t tsc_khz;
	struct mg_stats stats;
	char irq_why[160]; /* why there are no interrupts, or empty */
};

/* What was seen of one part. */
struct mg_seen {
	bool ran;
	uint64_t count; /* asked for */
	uint64_t exits[MG_EXITS_CNT];
	uint64_t run_ns;     /* inside KVM_RUN, the VMM's clock */
	uint64_t outside_ns; /* between two KVM_RUN */
	uint64_t work_ns;    /* of that: what --vmm-spin, --vmm-sleep and the balloon took */
	uint64_t burn_ns;    /* by the guest's clock */
	uint64_t halt_ns;    /* from the announcement of a halt to its interrupt */
	uint64_t pages;	     /* given to madvise */
	struct mg_counts before, after;
	char why[200]; /* why it did not end as it should, or empty */
};

struct mg_vcpu {
	struct mg_vm *vm;
	const struct mg_options *opt;
	unsigned id;
	int fd, tid;
	struct kvm_run *run;
	struct mg_stats stats;
	uint64_t base; /* guest-physical: its share of the memory at MG_HIGH */
	struct mg_seen seen[MG_PARTS_CNT];
	uint64_t vmm_ns[MG_EXITS_CNT]; /* from that exit to the next KVM_RUN */
	uint64_t
		parts_ns; /* from the first part's begin to the last one's end, with all that lies between them */
	uint64_t sched_run_ns, sched_wait_ns;
	uint64_t steal_ns;
	bool steal_known;
	pthread_t thread;
};

/* guestcode.c */
size_t mg_code_copy(void *to);
uint64_t mg_code_irq(void);
uint64_t mg_code_entry(enum mg_part part, bool intel);

/* machine.c: 0, or -1 with a sentence in why */
int mg_vm_open(struct mg_vm *vm, const struct mg_options *opt, char *why, size_t len);
int mg_vcpu_open(struct mg_vcpu *v, char *why, size_t len);
int mg_vcpu_reset(struct mg_vcpu *v);
int mg_vm_interrupt(struct mg_vm *vm);
int mg_vm_log_writes(struct mg_vm *vm, bool on);
void mg_stats_read(const struct mg_stats *s, struct mg_counts *ret);
uint64_t mg_vcpu_bytes(const struct mg_options *opt);

/* run.c */
void *mg_vcpu_main(void *vcpu);
int mg_waker_start(struct mg_vm *vm);
void mg_waker_stop(void);
uint64_t mg_now_ns(void);

/* json.c */
void mg_json(FILE *f, const struct mg_vm *vm, const struct mg_vcpu *v, const struct mg_options *opt);
extern const char *const mg_part_words[MG_PARTS_CNT];

#endif
