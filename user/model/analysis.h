/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * From events to explained groups of tasks: the one pipeline behind report, run,
 * diff, export and bench. Pure. Memory is bounded: groups hold samples, of single
 * tasks only the slowest of every group are kept.
 */
#ifndef SG_ANALYSIS_H
#define SG_ANALYSIS_H

#include "model/blame.h"
#include "model/containers.h"
#include "model/taskcalls.h"
#include "model/vmsum.h"
#include "trace/rec.h"

enum sg_task_choice {
	SG_TASKS_AUTO = 0, /* marked tasks, the command of run/record, and processes of sandboxes' guests */
	SG_TASKS_PROC,	   /* every process from exec to exit, guests' processes too */
	SG_TASKS_THREAD,   /* every thread over the recording's window */
	SG_TASKS_MARKED,   /* marked tasks only */
	SG_TASKS_GUEST,	   /* every system call of a sandbox's guest that it waited for */
};

/* @tb: blame of this one task, valid during the call. A negative return stops the analysis. */
typedef int (*sg_analysis_task_fn)(void *ctx, const struct sg_model *m, const struct sg_task *t,
				   struct sg_blame *tb);

struct sg_analysis_opts {
	enum sg_task_choice tasks;
	bool by_component;	  /* group by the component that ended the task instead of by its name */
	bool by_container;	  /* group by the container of the thread that began the task */
	struct sg_owners *owners; /* who is who, fed by the analysis; NULL: it has its own */
	const char *only;	  /* only this group; NULL = all */
	unsigned slowest;	  /* tasks kept per group; 0 = 1 */
	uint64_t mem_cap;	  /* see struct sg_model_opts */
	uint64_t settle_ns;
	bool check_order; /* a second, non-returning walk beside: sg_analysis_order() */
	bool critical;	  /* show the non-returning walk instead: a view, never blame */
	bool calls;	  /* keep the system calls of every group: sg_analysis_calls() */
	sg_analysis_task_fn on_task;
	int (*on_event)(void *ctx, const struct sg_hdr *ev); /* every event, before the model */
	sg_span_fn on_span;
	sg_guest_call_fn on_guest; /* SG_TASKS_GUEST: every call of a guest as its end becomes known */
	sg_sample_fn on_sample;
	void *ctx;
};

/* A stretch of a task's path: neighbours in one thread with one kind of cause. */
struct sg_step {
	uint64_t at_ns; /* since the task's begin */
	uint64_t ns;
	uint32_t merged; /* segments in it */
	char comp[40];
	char cause[48];	 /* what they have in common: "cpu" for cpu.user beside cpu.sys.read */
	char chain[160]; /* "client [ipc.socket] server", empty in the task's own thread */
	char hint[200];	 /* what the longest segment hung on */
};

/* The longest steps of a path, in time order; the others are summed up. */
#define SG_STEPS_MAX 12
struct sg_kept_task {
	uint64_t id, begin, end, status;
	char *name;
	bool incomplete, detached, root;
	uint64_t prorated_ns, uncertain_ns;
	struct sg_blame *blame;
	size_t nstep;
	struct sg_step step[SG_STEPS_MAX];
	uint64_t rest_ns, rest_n; /* in shorter steps */
};

/* A cause on which the returning and the non-returning walk disagree by more than a tenth of the latency. */
struct sg_order_row {
	char comp[40];
	char cause[48];
	uint64_t path_ns, critical_ns; /* means per task */
};

struct sg_analysis;

int sg_analysis_new(struct sg_analysis **ret, const struct sg_analysis_opts *opts);
void sg_analysis_free(struct sg_analysis *a);
int sg_analysis_feed(struct sg_analysis *a, const struct sg_hdr *ev, struct sg_err *err);
int sg_analysis_finish(struct sg_analysis *a, struct sg_err *err);
/**
 * sg_analysis_learn() - read all of @r for who is who, before the run proper reads it again
 *
 * Containers are told of when somebody has found out, which may be after their
 * first tasks; grouping by container wants it before.
 */
int sg_analysis_learn(struct sg_analysis *a, struct sg_reader *r, struct sg_err *err);
/** sg_analysis_run() - feed all that @r gives, and finish. Damage of the recording is no error: ask @r. */
int sg_analysis_run(struct sg_analysis *a, struct sg_reader *r, struct sg_err *err);

struct sg_analysis_info {
	uint64_t first_ts, last_ts; /* of events */
	uint64_t events, tasks;	    /* tasks: those that were chosen */
	uint64_t groups_folded;	    /* tasks put into "(other names)" because there were too many names */
	struct sg_model_stats model;
};
void sg_analysis_info(const struct sg_analysis *a, struct sg_analysis_info *ret);
const struct sg_model *sg_analysis_model(const struct sg_analysis *a);
struct sg_owners *sg_analysis_owners(const struct sg_analysis *a);
struct sg_vmsum *sg_analysis_vms(const struct sg_analysis *a);

/** sg_analysis_groups() - the command's group first, then by falling total time. Valid until free. */
size_t sg_analysis_groups(struct sg_analysis *a, struct sg_group *const **ret);
/** sg_analysis_slowest() - slowest tasks of group number @g (as ordered by the above), slowest first. */
size_t sg_analysis_slowest(struct sg_analysis *a, size_t g, struct sg_kept_task *const **ret);
/** sg_analysis_order() - where the order of waiting decides the answer (group number @g); most ns first. */
size_t sg_analysis_order(struct sg_analysis *a, size_t g, const struct sg_order_row **ret);

/** sg_analysis_calls() - system calls of group number @g, if opts.calls; valid until the next call. 0 or -ENOMEM. */
int sg_analysis_calls(struct sg_analysis *a, size_t g, struct sg_taskcall_group *ret);
/** sg_analysis_uncalled() - calls in none of them, because there were too many rows */
uint64_t sg_analysis_uncalled(const struct sg_analysis *a);

/** sg_steps_make() - longest steps of @t's path into @kept. Private helper of the analysis, public for tests. */
void sg_steps_make(struct sg_kept_task *kept, const struct sg_model *m, const struct sg_task *t);

#endif
