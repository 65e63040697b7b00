/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* An instant of CLOCK_MONOTONIC between two readings of the TSC, as near to each other as a few tries give. */
#ifndef SG_STAMP_H
#define SG_STAMP_H

#include <stdint.h>
#include <time.h>

struct sg_stamp {
	uint64_t mono;
	uint64_t tsc0, tsc1; /* 0: this machine has none */
};

static inline uint64_t sg_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

#ifdef __x86_64__
/*
 * Not before what comes before it, nor after what comes after. By LFENCE, as
 * RDTSCP is a feature that a hypervisor may leave out.
 */
static inline uint64_t sg_tsc(void)
{
	uint64_t t;

	__builtin_ia32_lfence();
	t = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return t;
}
#endif

static inline struct sg_stamp sg_stamp_take(void)
{
#ifdef __x86_64__
	struct sg_stamp best = { .tsc1 = UINT64_MAX };

	for (int i = 0; i < 5; i++) {
		struct sg_stamp s;

		s.tsc0 = sg_tsc();
		s.mono = sg_mono_ns();
		s.tsc1 = sg_tsc();
		if (s.tsc1 - s.tsc0 < best.tsc1 - best.tsc0)
			best = s;
	}
	return best;
#else
	return (struct sg_stamp){ .mono = sg_mono_ns() };
#endif
}

#endif
