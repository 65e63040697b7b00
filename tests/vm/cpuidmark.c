// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * cpuidmark EVERY_MS: for a Linux guest, until it is killed: instants that its host sees, too. Each is a CPUID of a leaf that is
 * nobody's, whose exit the host can stamp (tracepoint kvm_cpuid). A line is its number, CLOCK_MONOTONIC before and after it in
 * nanoseconds: the instant lies between; then a reading of the TSC with that clock before and after it, which lie closer.
 */
#include <cpuid.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#define LEAF  0x4f4d0000u /* and the number in its lower half */
#define MARKS 0x10000u
#define TRIES 5

struct tick {
	uint64_t before, tsc, after;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The narrowest of some. */
static struct tick tick(void)
{
	struct tick best = { .after = UINT64_MAX };

	for (int i = 0; i < TRIES; i++) {
		struct tick t;
		unsigned aux;

		t.before = now_ns();
		t.tsc = __rdtscp(&aux);
		t.after = now_ns();
		if (t.after - t.before < best.after - best.before)
			best = t;
	}
	return best;
}

int main(int argc, char **argv)
{
	unsigned every = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0, a, b, c, d;
	struct timespec pause = { .tv_sec = every / 1000, .tv_nsec = every % 1000 * 1000000 };

	if (!every)
		return fprintf(stderr, "Usage: cpuidmark EVERY_MS\n"), 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < MARKS; i++) {
		uint64_t before = now_ns(), after;
		struct tick t;

		__cpuid_count(LEAF | i, 0, a, b, c, d);
		after = now_ns();
		t = tick();
		if (printf("%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", i, before,
			   after, t.before, t.tsc, t.after) < 0)
			return 1;
		nanosleep(&pause, NULL);
	}
	return 0;
}
