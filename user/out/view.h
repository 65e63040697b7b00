/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Views: what becomes a stack in a flame graph. oncpu: samples; offcpu: waits of
 * all threads in scope; path: the tasks' chains of waits; cause: component and
 * cause. path and cause sum to the tasks' latency. Pure.
 */
#ifndef SG_VIEW_H
#define SG_VIEW_H

#include "model/analysis.h"
#include "out/stacks.h"

/* X(SYMBOL, name, what it shows) */
#define SG_VIEW_LIST(X)                                                                           \
	X(PATH, "path", "where the tasks' time went, through every wait into who was waited for") \
	X(CAUSE, "cause", "the tasks' time by component and cause")                               \
	X(OFFCPU, "offcpu", "waits of all recorded threads, by stack and cause")                  \
	X(ONCPU, "oncpu", "CPU samples of all recorded threads, by stack")
enum sg_view_kind {
#define SG_X(sym, name, help) SG_VIEW_##sym,
	SG_VIEW_LIST(SG_X)
#undef SG_X
		SG_VIEW_MAX,
};

struct sg_view {
	enum sg_view_kind kind;
	struct sg_stacks stacks;
	const struct sg_model *model; /* set after sg_analysis_new(); spans and samples need it */
	uint64_t sample_ns;	      /* time one sample stands for; 0 = count samples */
	struct sg_pairmap node;	      /* (chain, cause) -> node; of one task */
};

/** sg_view_kind() - by name; -1 when there is none */
int sg_view_kind(const char *name);
/** sg_view_task(), _span(), _sample() - callbacks of the analysis; those that are not of the view do nothing */
int sg_view_task(struct sg_view *v, const struct sg_model *m, const struct sg_task *t);
int sg_view_span(struct sg_view *v, const struct sg_span *s);
int sg_view_sample(struct sg_view *v, const struct sg_sample *s);
void sg_view_free(struct sg_view *v);

/**
 * sg_view_path() - the frames of a segment in the path view: calls @fn root first, leaf cause last
 *
 * Threads are "component:name", a sandbox's parts (whose name is "exe") the component
 * alone: "app;[trap.ptrace];sentry;[io.gofer];gofer;kernel;openat;cpu.sys.openat".
 */
void sg_view_path(const struct sg_model *m, const struct sg_seg *s, void (*fn)(void *ctx, const char *frame),
		  void *ctx);

#endif
