/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* One task of a Linux guest, marked for sandglass and measured by the guest itself. */
#ifndef GUESTTASK_H
#define GUESTTASK_H

#include <stdint.h>

/** guest_now_ns() - CLOCK_MONOTONIC */
uint64_t guest_now_ns(void);
/** guest_ran_ns() - CPU time of the calling thread */
uint64_t guest_ran_ns(void);
/** guest_burn() - compute until @ms of the clock have passed, whoever took the CPU meanwhile */
void guest_burn(uint64_t ms);
/** guest_nap() - sleep @ns */
void guest_nap(uint64_t ns);
/** guest_fail() - say that @what failed, by errno. Return: 1 */
int guest_fail(const char *what);
/** guest_bind() - the calling thread runs on @cpu alone. Return: 0, 1 after a sentence */
int guest_bind(unsigned cpu);
/** guest_host_tell() - make /out/begun, in the folder that some guests share with their host */
void guest_host_tell(void);
/**
 * guest_task() - run @run(@n) as the task @name, on the calling thread
 * @told: the host does something from its beginning on, and is told of that (guest_host_tell())
 *
 * Prints @name, how long it took by the guest's clock, and how much of that its kernel says the thread neither ran nor
 * was ready to: nanoseconds. Return: 0, or what @run gave.
 */
int guest_task(const char *name, int (*run)(uint64_t n), uint64_t n, int told);

#endif
