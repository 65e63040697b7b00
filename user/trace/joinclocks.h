/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Clocks of recordings that were made apart, from the CLOCK records that each has. Pure. */
#ifndef SG_JOINCLOCKS_H
#define SG_JOINCLOCKS_H

#include "base/err.h"
#include "trace/clockmap.h"

/* The CLOCK records of one recording, in order of time. */
struct sg_stamps {
	struct sg_clock *c;
	size_t n, cap;
};

/** sg_stamps_read() - of the recording @fd; none is no error */
int sg_stamps_read(struct sg_stamps *s, int fd, struct sg_err *err);
int sg_stamps_add(struct sg_stamps *s, const struct sg_clock *c);
void sg_stamps_free(struct sg_stamps *s);

/* How far apart CLOCK's time and TSC can have been read where it does not tell: sg_stamp_take() takes the best of five. */
#define SG_STAMP_ERROR_NS 1000

/**
 * sg_clocks_by_tsc() - the guest's stamps on the host's clock, by one TSC
 * @guest: its tsc values and widths turned into the host's ticks already
 *
 * Stamps of the guest that lie outside the host's are used as well, with the bound that has. Return:
 * 0; -ENODATA when either has no TSC or the host fewer than two stamps; -ENOMEM.
 */
int sg_clocks_by_tsc(const struct sg_stamps *host, const struct sg_stamps *guest, struct sg_clocks *ret);

/**
 * sg_clocks_by_realtime() - by CLOCK_REALTIME of both, which is known to agree within @bound ns
 *
 * What the host's clock was set by while it was recorded is added to the bound of each point.
 * Return: 0; -ENODATA when either has no reading of it; -ERANGE when the host's was set by more than @bound while it
 * was recorded; -ENOMEM.
 */
int sg_clocks_by_realtime(const struct sg_stamps *host, const struct sg_stamps *guest, uint64_t bound,
			  struct sg_clocks *ret);

/** sg_clocks_by_offset() - host = guest + @offset (modulo 2^64) from @begin to @end of the guest's clock, true within @error */
int sg_clocks_by_offset(uint64_t offset, uint64_t begin, uint64_t end, uint64_t error, unsigned source,
			struct sg_clocks *ret);

#endif
