/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Go's scheduler in a sandbox: threads that are lent to other goroutines. Private to user/model. */
#ifndef SG_HANDOFF_H
#define SG_HANDOFF_H

#include "model/priv.h"

/**
 * sg_handoff() - may @th, entered for a wait (@lo, @hi], have been lent for another goroutine's work meanwhile?
 *
 * A Go futex wake hands over a thread, not the work: a Sentry's thread that blocked for
 * more than half of the wait that it ended, while another one of its sandbox ran, may
 * have got the goroutine that ended it from there. @traced: a stub's stop, which its
 * tracer ends, whose goroutine keeps its thread: never.
 * Only what had ended, or had been cut, by @hi counts, so that the answer is the same
 * whenever it is asked.
 */
bool sg_handoff(const struct sg_model *m, const struct sg_thr *th, uint64_t lo, uint64_t hi, bool traced);

#endif
