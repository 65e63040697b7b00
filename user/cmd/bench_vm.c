/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench: the options of virtual machines, of all workloads that have them. */
#include "base/parse.h"
#include "cmd/bench.h"
#include "load/inside.h"

#define VM_MEMORY_MIN (96ull << 20)

enum { OPT_VM_MEMORY = 1536, OPT_VCPUS, OPT_ACCEL, OPT_CACHE, OPT_INSIDE };

static const struct argp_option options[] = {
	{ "vm-memory", OPT_VM_MEMORY, "SIZE", 0,
	  "memory of each virtual machine (default: what kernel and server, or job, need)", 1 },
	{ "vcpus", OPT_VCPUS, "N", 0, "virtual CPUs of each virtual machine (default 1)", 1 },
	{ "accel", OPT_ACCEL, "HOW", 0,
	  "virtual machines run by kvm, emulated by tcg, or auto (the default): kvm when a Linux guest is "
	  "found to "
	  "boot on /dev/kvm, else tcg",
	  1 },
	{ "cache", OPT_CACHE, "DIR", 0,
	  "folder that keeps kernel and image of the virtual machines (default: ~/.cache/sandglass)", 1 },
	{ "inside", OPT_INSIDE, NULL, 0,
	  "record each virtual machine from inside, too, by an agent that the command starts in it: the "
	  "guest's causes and the host's in one table",
	  1 },
	{ 0 },
};

void sg_bench_size(struct argp_state *s, const char *name, const char *text, uint64_t *ret)
{
	if (sg_parse_size(text, ret) || *ret < (1 << 20) || *ret > 1ull << 44)
		argp_error(s, "--%s takes a size from 1M, like 640M or 2G, not '%s'", name, text);
}

void sg_bench_inside_check(struct argp_state *s, const struct sg_bench_args *a, bool machines, unsigned n)
{
	if (!a->vm.inside)
		return;
	if (!machines)
		argp_error(s, "--inside is for virtual machines: --env kvm%s",
			   a->what == SG_BENCH_task ? " or docker-in-kvm" : "");
	if (a->no_record)
		argp_error(s, "--inside and --no-record: which of them?");
	if (n > SG_INSIDE_MAX)
		argp_error(s, "--inside: a recording has the host and %d guests at most, not %u",
			   SG_INSIDE_MAX, n);
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;
	uint64_t v = 0;

	if (key >= OPT_VM_MEMORY && key <= OPT_INSIDE)
		a->given_vm = options[key - OPT_VM_MEMORY].name;
	switch (key) {
	case OPT_VM_MEMORY:
		sg_bench_size(s, "vm-memory", arg, &a->vm.memory_bytes);
		if (a->vm.memory_bytes < VM_MEMORY_MIN)
			argp_error(s, "--vm-memory %s: a Linux guest does not boot in less than 96M", arg);
		return 0;
	case OPT_VCPUS:
		sg_bench_number(s, "vcpus", arg, 1, SG_VMS_VCPUS_MAX, &v);
		a->vm.vcpus = (unsigned)v;
		return 0;
	case OPT_ACCEL:
		a->vm.accel = (enum sg_accel)sg_bench_word(s, "accel", arg, sg_accel_find, "auto, kvm, tcg");
		return 0;
	case OPT_CACHE:
		if (!*arg)
			argp_error(s, "--cache takes a folder");
		a->vm.cache = arg;
		return 0;
	case OPT_INSIDE:
		a->vm.inside = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp sg_bench_vm_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };
