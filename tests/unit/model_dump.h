/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Run the model over records and keep everything it said, as comparable text and as segments. */
#ifndef SG_TEST_MODEL_DUMP_H
#define SG_TEST_MODEL_DUMP_H

#include "model/model.h"

struct dump_task {
	struct sg_task t;
	struct sg_seg *seg; /* own copy; chain is not meaningful */
	char *text;	    /* all of it: every field, chains spelled out */
	unsigned depth;	    /* longest chain */
};

struct dump {
	struct sg_model *m;
	struct dump_task *task;
	size_t n, cap;
	struct sg_model_stats stats;
	bool conserving; /* every task tiled exactly, chains well formed */
	char why_not[200];
};

void dump_begin(struct dump *d, const struct sg_model_opts *opts);
void dump_feed(struct dump *d, const struct sg_hdr *ev);
void dump_end(struct dump *d); /* sorts by (id, begin) */
void dump_free(struct dump *d);
bool dump_same(const struct dump *a, const struct dump *b, char *why, size_t cap);

#endif
