/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A guest's clock, asked over the connection: many questions, of which the fastest answer counts. The
 * guest read its clock between question and answer, so half the time between them is the bound. Where
 * KVM tells the offset of the guest's TSC, both sides' readings of it leave but tens of nanoseconds.
 */
#ifndef SG_GUESTCLOCK_H
#define SG_GUESTCLOCK_H

#include "env/kvmtsc.h"
#include "kern/stamp.h"
#include "trace/clockmap.h"
#include "trace/link.h"

struct sg_guestclock {
	const char *kvm_root; /* SG_KVMTSC_ROOT */
	uint32_t pid, cid;    /* whose VM it is; both 0: not known */
	struct sg_kvmtsc kvm;
	bool by_tsc, looked;
	bool doubted;	       /* the TSC's answer contradicted the exchange: not used from there on */
	struct sg_stamp first; /* the host's, early on: how long a tick of the TSC is */
	/* the burst that runs */
	unsigned left;
	uint64_t id, sent_ns, due_ns;
	struct sg_clock_point best;
	struct sg_link_pong best_pong;
	struct sg_stamp best_stamp;
	struct sg_clocks clocks; /* all points so far */
};

void sg_guestclock_init(struct sg_guestclock *k, uint32_t pid, uint32_t cid);

/** sg_guestclock_due() - is a question to be asked now; then ask @ret at once */
bool sg_guestclock_due(struct sg_guestclock *k, struct sg_link_ping *ret);
/** sg_guestclock_break() - the connection is gone, and with it the burst */
void sg_guestclock_break(struct sg_guestclock *k);
/** sg_guestclock_wait_ms() - until the next question at most */
int sg_guestclock_wait_ms(const struct sg_guestclock *k);

/**
 * sg_guestclock_answer() - an answer came
 * @ret: the point that a burst ends with
 *
 * Return: 1 with @ret, 0, -ENOMEM.
 */
int sg_guestclock_answer(struct sg_guestclock *k, const struct sg_link_pong *pong,
			 struct sg_clock_point *ret);

#endif
