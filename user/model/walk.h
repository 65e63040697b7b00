/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The walk's own state; shared by walk.c, emit.c, wait.c and memo.c only. */
#ifndef SG_WALK_H
#define SG_WALK_H

#include "model/priv.h"

#define SG_COMPACT_AT (1u << 19) /* segments made before neighbours are merged */

struct sg_wframe {
	struct sg_thr *th;
	uint64_t lo;
	uint32_t chain;
	uint16_t spec;	 /* kind of the nearest asker that is specific, 0 none */
	uint16_t refine; /* what a device is waited for on behalf of, 0 none */
	uint16_t comp;	 /* nearest component that is no kernel thread */
	uint16_t nr;	 /* system call of the wait that led here, 0xffff none */
	uint16_t flags;	 /* of every segment of this thread: SG_SEG_REWAIT */
	uint32_t detail; /* of that wait */
	uint32_t note;
	/* position in th's timeline */
	bool have_pos;
	struct sg_pos pos;
	/* a work item: whoever queued it continues below this time */
	uint64_t jump_at;
	struct sg_thr *jump_to;
	/* a VMM's event loop: the vCPU that ended a later wait, and that wait's rule */
	struct sg_thr *guest;
	const struct sg_rule *guest_rule;
	/* a loop that serves a device (sg_walk.serving): what ended a later wait, a thread or what the rule says */
	struct sg_thr *server;
	const struct sg_rule *served_rule;
	uint32_t served_dev;
	/* repeated waits of one system call or fault: the last part seen */
	uint32_t inst;
	uint8_t inst_kind;
	bool inst_lost, inst_open, have_inst; /* open: what comes later may tell more */
	struct sg_trec *inst_final;
	/* to be stored in this record's memo at the pop */
	struct sg_trec *memo_rec;
	uint32_t chain0; /* chain and comp as pushed: a creator jump changes them */
	uint16_t comp0;
	size_t seg0, vis0;
	uint64_t hits0, steps0, prorated0, uncertain0, calls_off0;
};

struct sg_walk {
	struct sg_wframe *frame;
	size_t n, cap;
	struct sg_segs segs; /* latest first until the end */
	struct sg_thr **vis; /* threads entered, in order */
	size_t nvis, vis_cap;
	size_t compact_at;
	struct sg_task_sample *sample; /* CPU samples in the segments made so far */
	size_t nsample, sample_cap;
	size_t told; /* segments before this one have been asked for theirs */
	uint64_t cur;
	uint64_t hits;	       /* things that make a result depend on who asks, or on when */
	uint64_t steps, quiet; /* quiet: steps since the last segment */
	uint64_t prorated_ns, uncertain_ns, calls_off, own_calls_off;
	uint16_t outer;	   /* what the task's own thread waits for */
	uint16_t outer_nr; /* in which system call (0xffff none), on which file */
	uint32_t outer_detail;
	uint32_t message; /* to a Gofer, of the wait in hand */
	bool force, critical;
	bool serving; /* the thread asked about itself serves a guest's device, for which the guest waits all the time */
	uint16_t
		behalf; /* what a device is waited for by the thread that is asked about itself, 0 nothing special */
	bool trapped; /* the task is a trapped call: its own thread's time on a CPU is the trap's */
	uint32_t need_uid;
	uint64_t need_ts;
};

/* emit.c */
int sg_emit(struct sg_walk *w, const struct sg_seg *s);
struct sg_seg sg_emit_base(struct sg_model *m, struct sg_walk *w, uint64_t lo, uint16_t cause);
int sg_emit_unknown(struct sg_model *m, struct sg_walk *w, uint64_t lo, uint8_t why);
int sg_emit_slice(struct sg_model *m, struct sg_walk *w, const struct sg_view *v, uint64_t lo);

/* compact.c */
void sg_compact(struct sg_walk *w);

/* shot.c: samples of the segments made since the last call, before anything moves them. 0 or -ENOMEM. */
int sg_shot_tell(struct sg_model *m, struct sg_walk *w);

/* wait.c */
int sg_wait_step(struct sg_model *m, struct sg_walk *w, struct sg_trec *r, uint64_t floor);

/* walk.c */
struct sg_push {
	struct sg_thr *th;
	uint64_t lo;
	uint16_t wait, spec, refine, nr, flags;
	uint32_t detail, note;
	bool handoff;
	struct sg_trec *memo_rec; /* NULL: not memoisable */
};
int sg_walk_push(struct sg_model *m, struct sg_walk *w, const struct sg_push *p);
int sg_walk_replace(struct sg_model *m, struct sg_walk *w, struct sg_thr *th, bool fresh_chain);
/* Walk @th back over (lo, hi], into @w's segments, in time order. */
int sg_walk_window(struct sg_model *m, struct sg_walk *w, struct sg_thr *th, uint64_t lo, uint64_t hi,
		   bool force);
int sg_walk_visit(struct sg_walk *w, struct sg_thr *th);

/* memo.c: 1 applied, 0 not */
int sg_memo_apply(struct sg_model *m, struct sg_walk *w, const struct sg_push *p, uint16_t comp,
		  uint32_t chain);
int sg_memo_store(struct sg_model *m, struct sg_walk *w, const struct sg_wframe *f);

static inline struct sg_wframe *sg_walk_top(struct sg_walk *w)
{
	return &w->frame[w->n - 1];
}

#endif
