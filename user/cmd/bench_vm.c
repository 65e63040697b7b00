/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench: the options of virtual machines, of all workloads that have them. */
#include "base/parse.h"
#include "cmd/bench.h"

#define VM_MEMORY_MIN (96ull << 20)

enum { OPT_VM_MEMORY = 1536, OPT_VCPUS, OPT_ACCEL, OPT_CACHE };

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
	{ 0 },
};

void sg_bench_size(struct argp_state *s, const char *name, const char *text, uint64_t *ret)
{
	if (sg_parse_size(text, ret) || *ret < (1 << 20) || *ret > 1ull << 44)
		argp_error(s, "--%s takes a size from 1M, like 640M or 2G, not '%s'", name, text);
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;
	uint64_t v = 0;

	if (key >= OPT_VM_MEMORY && key <= OPT_CACHE)
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
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp sg_bench_vm_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };
