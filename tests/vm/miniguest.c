// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* miniguest: a virtual machine without an operating system, by /dev/kvm alone, whose exits are known by construction.
 * Prints what it saw, what its own clock says, and KVM's own counters, as JSON.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>

#include "miniguest.h"

enum {
	KEY_PART = 0x100,
	KEY_MEMORY = 0x200,
	KEY_HALT_NS,
	KEY_SPIN,
	KEY_SLEEP,
	KEY_LIMIT,
	KEY_VCPUS,
	KEY_CPU,
	KEY_WAKE,
	KEY_RING
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What each vCPU does, in this order (an exit by I/O ends each):", 1 },
	{ "out", KEY_PART + MG_OUT, "N", 0, "N port writes", 1 },
	{ "in", KEY_PART + MG_IN, "N", 0, "N port reads", 1 },
	{ "mmio-write", KEY_PART + MG_MMIO_WRITE, "N", 0, "N writes to where no memory is", 1 },
	{ "mmio-read", KEY_PART + MG_MMIO_READ, "N", 0, "N reads from there", 1 },
	{ "halt", KEY_PART + MG_HALT, "N", 0,
	  "N halts of vCPU 0, each announced by a port write and ended by an interrupt after --halt-ns", 1 },
	{ "hypercall", KEY_PART + MG_HYPERCALL, "N", 0, "N hypercalls that do nothing", 1 },
	{ "cpuid", KEY_PART + MG_CPUID, "N", 0, "N times CPUID", 1 },
	{ "msr", KEY_PART + MG_MSR, "N", 0, "N reads of IA32_APIC_BASE", 1 },
	{ "page-fault", KEY_PART + MG_FAULT, "N", 0, "N pages touched that were never used", 1 },
	{ "dirty", KEY_PART + MG_DIRTY, "N", 0,
	  "the first N of them are written to again, after the VMM has begun to log writes", 1 },
	{ "balloon", KEY_PART + MG_INFLATE, "N", 0,
	  "touch N x 256 pages; give them back by N MMIO exits with 256 madvise(MADV_DONTNEED) each; touch "
	  "them again",
	  1 },
	{ "deflate", KEY_PART + MG_DEFLATE, NULL, 0,
	  "before they are touched again: N MMIO exits with 256 madvise(MADV_WILLNEED) each", 1 },
	{ "rounds", KEY_PART + MG_MEMORY, "N", 0, "write to every page of --memory, N times", 1 },
	{ "burn", KEY_PART + MG_BURN, "NS", 0, "NS of computing, by the guest's clock", 1 },
	{ NULL, 0, NULL, 0, "How:", 2 },
	{ "memory", KEY_MEMORY, "MIB", 0, "memory for --rounds (64)", 2 },
	{ "halt-ns", KEY_HALT_NS, "NS", 0, "length of one halt (2000000)", 2 },
	{ "vmm-spin", KEY_SPIN, "NS", 0, "the VMM computes NS at each exit of out, in and mmio", 2 },
	{ "vmm-sleep", KEY_SLEEP, "NS", 0, "the VMM sleeps NS at each of them", 2 },
	{ "wake", KEY_WAKE, "irq|signal", 0, "halts end by an interrupt (irq), or by a signal to the VMM",
	  2 },
	{ "vcpus", KEY_VCPUS, "N", 0, "vCPUs, each a thread (1; at most 4)", 2 },
	{ "cpu", KEY_CPU, "N", 0, "all of them on CPU N", 2 },
	{ "ring", KEY_RING, "0|3", 0,
	  "privilege of the guest (0). Where the kernel emulates all of ring 0, ring 3 is what runs on the "
	  "processor; "
	  "it has no halt and no msr",
	  2 },
	{ "limit", KEY_LIMIT, "NS", 0, "what a part may take (20000000000)", 2 },
	{ 0 }
};

static uint64_t number(struct argp_state *state, const char *arg)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-')
		argp_error(state, "'%s' is not a number", arg);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct mg_options *o = state->input;

	if (key >= KEY_PART && key < KEY_PART + MG_PARTS_CNT) {
		o->count[key - KEY_PART] = arg ? number(state, arg) : 1;
		return 0;
	}
	switch (key) {
	case KEY_MEMORY:
		o->memory_bytes = number(state, arg) << 20;
		return 0;
	case KEY_HALT_NS:
		o->halt_ns = number(state, arg);
		return 0;
	case KEY_SPIN:
		o->vmm_spin_ns = number(state, arg);
		return 0;
	case KEY_SLEEP:
		o->vmm_sleep_ns = number(state, arg);
		return 0;
	case KEY_LIMIT:
		o->limit_ns = number(state, arg);
		return 0;
	case KEY_VCPUS:
		o->vcpus = (unsigned)number(state, arg);
		if (!o->vcpus || o->vcpus > MG_VCPUS_MAX)
			argp_error(state, "--vcpus: 1 to %d", MG_VCPUS_MAX);
		return 0;
	case KEY_CPU:
		o->cpu = (int)number(state, arg);
		return 0;
	case KEY_RING:
		o->ring = (unsigned)number(state, arg);
		if (o->ring && o->ring != 3)
			argp_error(state, "--ring is 0 or 3");
		return 0;
	case KEY_WAKE:
		o->wake_signal = !strcmp(arg, "signal");
		if (!o->wake_signal && strcmp(arg, "irq"))
			argp_error(state, "--wake is irq or signal");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is no option", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse,
					  NULL,	   "A virtual machine whose exits are known by construction.",
					  NULL,	   NULL,
					  NULL };
	static struct mg_vcpu vcpu[MG_VCPUS_MAX];
	struct mg_options o = { .halt_ns = 2000000,
				.limit_ns = 20000000000ull,
				.memory_bytes = 64ull << 20,
				.vcpus = 1,
				.cpu = -1 };
	struct mg_vm vm;
	char why[256];
	int failed = 0;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return 2;
	/* The balloon's three or four parts have one count. */
	o.count[MG_POPULATE] = o.count[MG_REFAULT] = o.count[MG_INFLATE] * MG_KICK;
	o.count[MG_DEFLATE] = o.count[MG_DEFLATE] ? o.count[MG_INFLATE] : 0;
	if (mg_vm_open(&vm, &o, why, sizeof(why))) {
		fprintf(stderr, "miniguest: %s\n", why);
		return 77;
	}
	for (unsigned i = 0; i < o.vcpus; i++) {
		vcpu[i] = (struct mg_vcpu){ .vm = &vm, .opt = &o, .id = i };
		if (mg_vcpu_open(&vcpu[i], why, sizeof(why))) {
			fprintf(stderr, "miniguest: %s\n", why);
			return 77;
		}
	}
	if (mg_waker_start(&vm)) {
		fprintf(stderr, "miniguest: no thread\n");
		return 1;
	}
	for (unsigned i = 0; i < o.vcpus; i++)
		if (pthread_create(&vcpu[i].thread, NULL, mg_vcpu_main, &vcpu[i])) {
			fprintf(stderr, "miniguest: no thread\n");
			return 1;
		}
	for (unsigned i = 0; i < o.vcpus; i++)
		pthread_join(vcpu[i].thread, NULL);
	mg_waker_stop();
	mg_json(stdout, &vm, vcpu, &o);
	for (unsigned i = 0; i < o.vcpus; i++)
		for (unsigned p = 0; p < MG_PARTS_CNT; p++)
			if (vcpu[i].seen[p].why[0]) {
				fprintf(stderr, "miniguest: vCPU %u, %s: %s\n", i, mg_part_words[p],
					vcpu[i].seen[p].why);
				failed = 1;
			}
	return failed;
}
