/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Evidence: per blame row, what its time hangs on (system call, file, waker,
 * stack ...), as texts with a time each. Bounded: when full, the small half is
 * dropped, so times are lower bounds for a table with very many different texts.
 * Never part of any sum. Private to user/model.
 */
#ifndef SG_EVIDENCE_H
#define SG_EVIDENCE_H

#include "base/pairmap.h"
#include "base/strtab.h"
#include "model/blame.h"

struct sg_evid_item {
	uint32_t row, str;
	uint16_t kind;
	uint64_t ns;
};

/* The item a fact went to last time: neighbouring segments state the same few facts. */
#define SG_EVID_HOT 512
struct sg_evid_hot {
	uint64_t id;
	uint32_t row, item; /* item + 1; 0 = free */
	uint32_t kind;
};

#define SG_EVID_CAP 16384
struct sg_evid {
	struct sg_pairmap at;	/* (row << 8 | kind, string) -> item */
	struct sg_pairmap text; /* (kind, id of the model) -> string; of one add */
	struct sg_strtab str;
	struct sg_evid_item *item;
	size_t n, cap;
	struct sg_evid_hot *hot; /* SG_EVID_HOT, of one add */
};

#define SG_EVID_TOP 6 /* items that are handed out of one row; of one kind SG_EVIDENCE_FUNCTIONS */

/* Rows of the table by wait have this bit set in their number. */
#define SG_EVID_WAIT 0x80000000u
#define SG_EVID_NONE UINT32_MAX

/** sg_evid_begin_task() - texts remembered by id are of an earlier moment: forget them; @t follows */
void sg_evid_begin_task(struct sg_evid *e, const struct sg_task *t);
/** sg_evid_seg() - what a segment says about rows @leaf and @wait (may be SG_EVID_NONE). 0 or -ENOMEM. */
int sg_evid_seg(struct sg_evid *e, const struct sg_model *m, const struct sg_seg *s, uint32_t leaf,
		uint32_t wait);
/** sg_evid_count() - one more of @text for row @row: in a table of counts, whose items' ns are numbers. 0 or -ENOMEM. */
int sg_evid_count(struct sg_evid *e, uint32_t row, unsigned kind, const char *text);
/** sg_evid_merge() - add @src; @leaf_map and @wait_map translate its row numbers. */
int sg_evid_merge(struct sg_evid *dst, const struct sg_evid *src, const uint32_t *leaf_map,
		  const uint32_t *wait_map);
/** sg_evid_top() - the most telling items of one row, most time first */
size_t sg_evid_top(const struct sg_evid *e, uint32_t row, struct sg_evidence ret[SG_EVID_TOP]);
void sg_evid_clear(struct sg_evid *e);
void sg_evid_free(struct sg_evid *e);

#endif
