/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include "out/nest.h"
#include "out/view.h"

static void want_frame(void *ctx, const char *text)
{
	struct sg_nest *n = ctx;
	int64_t id = sg_strtab_id(n->frame, text);

	if (id < 0)
		n->err = -ENOMEM;
	else if (n->nwant < SG_NEST_DEPTH)
		n->want[n->nwant++] = id;
}

/* Close what is not wanted any more, open what is new. */
static void switch_to(struct sg_nest *n, uint64_t at)
{
	size_t same = 0;

	while (same < n->n && same < n->nwant && n->open[same] == n->want[same])
		same++;
	while (n->n > same)
		n->fn(n->ctx, false, n->open[--n->n], at);
	for (; n->n < n->nwant; n->n++) {
		n->open[n->n] = n->want[n->n];
		n->fn(n->ctx, true, n->open[n->n], at);
	}
}

int sg_nest_task(struct sg_nest *n, const struct sg_model *m, const struct sg_task *t)
{
	n->n = 0;
	for (size_t i = 0; i < t->nseg && !n->err; i++) {
		n->nwant = 0;
		sg_view_path(m, &t->seg[i], want_frame, n);
		switch_to(n, t->seg[i].lo);
	}
	n->nwant = 0;
	switch_to(n, t->end);
	return n->err;
}
