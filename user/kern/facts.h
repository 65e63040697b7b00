/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What is true of this machine and matters to what can be attributed on it. */
#ifndef SG_FACTS_H
#define SG_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include "kern/catalogue.h"

#define SG_FACT_LIST(X)                           \
	X(KERNEL, "kernel")                       \
	X(BTF, "btf")                             \
	X(LOCKDOWN, "lockdown")                   \
	X(PRIVILEGES, "privileges")               \
	X(TRACEFS, "tracefs")                     \
	X(PREEMPTIBLE, "preemptible_tracepoints") \
	X(JIT, "bpf_jit")                         \
	X(DELAYACCT, "task_delayacct")            \
	X(PARANOID, "perf_event_paranoid")        \
	X(KPTR, "kernel_symbols")                 \
	X(SWAP, "swap")                           \
	X(CGROUP, "cgroup")                       \
	X(PSI, "pressure")                        \
	X(TICK, "tick")                           \
	X(CLOCK, "clocksource")                   \
	X(CPUS, "cpus")                           \
	X(VIRT, "hypervisor")

/* clang-format off */
enum sg_fact_id {
#define SG_X(sym, key) SG_FACT_##sym,
	SG_FACT_LIST(SG_X)
#undef SG_X
	SG_FACT_MAX,
};
/* clang-format on */

struct sg_fact {
	const char *key;
	char value[96];
	bool limits;	/* something cannot be told, or not as well, because of it */
	char note[256]; /* what follows from it; empty: nothing to say */
};

/** sg_facts_read() - all facts; what cannot be read says so. @view: the running kernel's. */
void sg_facts_read(struct sg_fact ret[SG_FACT_MAX], const struct sg_kern_view *view);

/** sg_fact_guest() - 1: this kernel runs in a virtual machine and sees that, 0: not that it says, -ENOENT: not known */
int sg_fact_guest(void);

/** sg_fact_inseparable() - sentence @i about time that no probe can set apart here, or NULL after the last */
const char *sg_fact_inseparable(const struct sg_fact facts[SG_FACT_MAX], size_t i);

#endif
