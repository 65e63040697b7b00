/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What the rooms of user/model share among themselves: the thread table, the
 * timelines, the dictionaries and the walk. Nobody outside includes this.
 */
#ifndef SG_MODEL_PRIV_H
#define SG_MODEL_PRIV_H

#include <string.h>
#include "model/classify.h"
#include "model/model.h"
#include "model/vec.h"
#include "trace/machine.h"

#define SG_SETTLE_NS 200000000ull
#define SG_T_MAX     UINT64_MAX

/* ---- cuts: exact breakdowns of a slice up to an instant ------------------ */
struct sg_cut {
	uint64_t ts;
	uint32_t off; /* first pair, index into sg_cuts.pair */
	uint32_t flt; /* fault instance open at the cut */
	uint16_t npair;
	uint16_t keep; /* a mark sits here: never thinned out */
	uint32_t rsv;
};

struct sg_cuts {
	uint32_t n, cap;
	uint32_t npair, pair_cap;
	struct sg_cut *cut;
	struct sg_pair *pair;
};

/* A slice as the walk reads it: closed (a record) or still open (its cuts so far). */
struct sg_view {
	uint64_t in, out;
	const struct sg_pair *pair; /* breakdown of [in, out], by key */
	uint32_t npair;
	const struct sg_cuts *cuts;
	uint32_t ncut;
	uint32_t flags; /* of the record; an open slice's are not known yet */
};

/* ---- timelines: one piece of memory per slice record --------------------- */
struct sg_ext { /* rarely present */
	uint64_t throttle_ns, svc_ns, work_queued;
	uint32_t work_by, rsv;
};

struct sg_memo;
struct sg_trec {
	uint64_t in, out;
	uint64_t lo;   /* where the wait before `in` begins, as far as this record explains */
	uint64_t wake; /* effective wake: max(wake, lo), 0 = none seen */
	struct sg_cuts *cuts;
	struct sg_memo *memo;
	uint32_t waker, raiser, sysseq, fltseq, out_fltseq, flags, dev, who, arg;
	uint32_t stack_kern, stack_user, detail, note;
	uint16_t nr;
	uint8_t stop, wkind, fdtype, wctx, wsrc, fltres, out_stop, out_kind, npair;
	uint8_t has_ext;
	uint16_t cpu;  /* it ran on in [in, out] */
	uint16_t woke; /* 1 + the guest's CPU whose interrupt woke it, 0 not told; of a timer: SG_LATE_NS */
	uint8_t ext_at, asked;
	uint8_t rule, origin;  /* what wait.c made of it: index + 1, 0 not yet */
	struct sg_pair pair[]; /* npair, then a struct sg_ext when has_ext */
};

static inline const struct sg_ext *sg_trec_ext(const struct sg_trec *r)
{
	return r->has_ext ? (const void *)(r->pair + r->ext_at) : NULL;
}

/* A chunk: records from the front, their offsets from the back. */
struct sg_chunk {
	uint32_t size, used, n;
	uint32_t rsv;
	char data[];
};

struct sg_pos {
	uint32_t chunk, slot;
};

/* Marks of one thread, for the dimension "for whom". */
struct sg_stay {
	uint64_t begin, end; /* end: SG_T_MAX while open */
	uint64_t id;
};

/* A CPU sample as kept for the tasks that are open: kernel and user stack, 0 none. */
struct sg_shot {
	uint64_t ts;
	uint32_t kern, user;
};

struct sg_thr {
	uint32_t uid, tid, tgid, flags, creator;
	uint64_t birth;
	uint64_t exit_ts; /* 0 = alive */
	char comm[16];
	uint16_t role, comp;  /* comp: cached, 0 = not yet */
	uint8_t box;	      /* enum sg_box: its part in a sandbox */
	bool vcpu;	      /* it runs a guest */
	uint32_t sandbox;     /* process id of that sandbox's Sentry, 0 none */
	bool announced, seen; /* THREAD came; a SLICE or SNAP came */
	bool first_set;	      /* first_lo and last_out are valid */
	bool onstack, capped, waited, mark_hole;
	uint32_t mark_seq;
	/* timeline */
	struct sg_chunk **chunk;
	uint32_t chunk0, nchunk, chunk_cap; /* live: chunk[chunk0 .. chunk0+nchunk) */
	uint64_t first_lo;		    /* where the very first record begins to explain, 0 none yet */
	uint64_t guest_in;		    /* stubs: where its newest guest thread went on */
	uint32_t guest_waker;		    /* by whom */
	uint64_t last_in, last_out;	    /* begin and end of the newest closed slice */
	uint64_t dropped_to;		    /* out of the newest record dropped from the front */
	/* what waits for its slice */
	uint64_t open_in, last_snap;
	struct sg_cuts cuts;
	uint64_t pend_kern_ts, pend_user_ts, pend_detail_ts;
	uint32_t pend_kern, pend_user, pend_detail;
	uint64_t sample_ts;
	uint32_t sample_kern, sample_user;
	struct sg_shot *shot; /* by time, from shot0 on */
	uint32_t shot0, nshot, shot_cap;
	struct sg_stay *stay;
	uint32_t nstay, stay_cap;
	uint64_t first_mark; /* time of its first begin + 1, 0 none */
};

/* ---- a simple hash from integers to indices or pointers ------------------ */
struct sg_map {
	uint64_t *key;
	uint64_t *val;
	uint32_t n, cap; /* cap: power of two or 0 */
};
int sg_map_put(struct sg_map *map, uint64_t key, uint64_t val);
bool sg_map_get(const struct sg_map *map, uint64_t key, uint64_t *ret);
void sg_map_del(struct sg_map *map, uint64_t key);
void sg_map_free(struct sg_map *map);

/* ---- tasks --------------------------------------------------------------- */
struct sg_open {
	struct sg_open *prev, *next; /* all unexplained tasks, by begin */
	struct sg_open *hash_next;   /* open tasks of one id, newest first */
	struct sg_open *queue_next;  /* ended, waiting to be ripe */
	uint64_t id, begin, end, status;
	uint32_t begin_uid, uid, tgid;
	uint32_t need_uid; /* what the last attempt lacked */
	uint64_t need_ts, retry_at;
	uint8_t src;
	bool incomplete, root, ended, is_thread, trapped;
	bool is_inside; /* a guest's task that is a part of one of its host's: no task of its own */
	struct {
		uint32_t uid; /* 0: none */
		uint64_t id, begin, end;
	} inside; /* what a guest did of this task, on the guest's clock */
	char name[SG_MARK_NAME + 1];
};

struct sg_proc { /* by tgid */
	uint32_t tgid;
	uint32_t sandbox;
	uint64_t birth;	  /* of its first thread, if another process had the number before */
	uint64_t role_ts; /* when its role was told */
	uint16_t role;
	uint8_t box;
	bool vmm;		     /* a thread of it runs a guest */
	uint32_t guests;	     /* guests that were made in it */
	struct sg_guest_open *calls; /* of its guest's threads */
	uint32_t ncalls, calls_cap;
	struct sg_open *task, *guest;
};

/* ---- the walk's result --------------------------------------------------- */
struct sg_segs {
	struct sg_seg *seg;
	size_t n, cap;
};

struct sg_memo {
	uint32_t base; /* chain id of the pushed frame when stored */
	uint32_t note; /* message whose wait it lies in */
	uint16_t spec, refine, comp;
	uint32_t nseg, nthr;
	uint64_t prorated_ns, uncertain_ns, calls_off;
	size_t bytes;
	struct sg_thr **thr; /* every thread entered below */
	struct sg_seg *seg;  /* latest first, as the walk makes them */
};

struct sg_node { /* chain */
	uint32_t parent, uid;
	uint16_t comp, wait;
	bool handoff, handed; /* of this frame; of it or one before it */
	uint32_t depth;
	struct sg_chain_frame *frames; /* made on request */
};

struct sg_dict_stack {
	uint32_t n, syms; /* syms: what classify looks for, by name */
	uint16_t key;	  /* what the kernel was entered for, see sg_dict_key() */
	bool sysmon;	  /* of Go's runtime.sysmon */
	uint32_t *frame;
};
struct sg_dict_frame {
	bool kernel;
	uint16_t key; /* kernel: what it is the entry of, 0 nothing */
	bool sysmon;
	uint32_t syms;
	const char *mod;
	char *sym;
};

/* Pages that a balloon took in one go: inflate.c. The same ones may be told from inside and by the host; 0 in both: they were not counted. */
enum { SG_INFLATED_INSIDE, SG_INFLATED_HOST };
struct sg_inflation {
	uint64_t owner, begin, end, pages[2];
};

struct sg_walk;
struct sg_model {
	struct sg_model_opts opts;
	uint64_t settle_ns;
	sg_task_fn on_task;
	void *task_ctx;
	sg_guest_call_fn on_guest;
	void *guest_ctx;
	sg_sample_fn on_sample;
	void *sample_ctx;
	sg_span_fn on_span;
	void *span_ctx;

	uint64_t now, first_ts;
	uint64_t win_begin, win_end;
	bool finished;
	int stopped; /* negative return of on_task: sticky */

	struct sg_map thr_map;
	struct sg_thr **thr;
	uint32_t nthr, thr_cap;
	struct sg_thr *thr_last; /* newest lookup */
	uint32_t sweep;

	struct sg_map proc_map;
	char **comp;
	uint32_t ncomp, comp_cap;
	struct sg_map comp_map;
	uint16_t comp_app, comp_kernel, comp_other;
	struct sg_machines machines; /* known of a merged recording only */

	struct sg_map frame_map, stack_map, dev_map;
	struct sg_dict_frame *frame;
	uint32_t nframe, frame_cap;
	struct sg_dict_stack *stack;
	uint32_t nstack, stack_cap;
	struct sg_detail *detail;
	uint32_t ndetail, detail_cap;
	struct sg_map detail_map;

	struct sg_node *node;
	uint32_t nnode, node_cap;
	struct sg_map node_map;

	struct sg_map open_map;
	struct sg_open *head, *tail;	    /* by begin */
	struct sg_open *queue, *queue_tail; /* ended, by end */
	struct sg_open *stuck;		    /* ripe, but a slice they need is still open */
	uint64_t recheck;		    /* look at `stuck` again from this time on */
	bool threads_started;
	bool boxes;		/* a sandbox's process was named */
	struct sg_thr **sentry; /* threads that are or were a Sentry's */
	uint32_t nsentry, sentry_cap;
	uint32_t nvcpu; /* threads that run guests */
	bool vmms;	/* a vCPU was seen */

	struct sg_walk *walk;
	struct sg_inflation *inflation;			    /* by begin */
	uint32_t ninflation, inflation_cap, inflation_base; /* base: how many were forgotten */
	struct sg_kicks *kicks;	  /* who gave guests interrupts and memory; NULL: none told of, or no guest */
	struct sg_fusion *fusion; /* guests and the vCPUs that ran them; NULL: none in the recording */
	struct sg_insides *insides; /* room for one task's; NULL: not needed yet */
	struct sg_chunk *spare[4];
	uint32_t nspare[4];
	size_t memo_bytes;
	uint32_t nshots; /* samples kept, of all threads */
	struct sg_model_stats stats;
};

/* thread.c */
struct sg_thr *sg_thr_find(const struct sg_model *m, uint32_t uid);
struct sg_thr *sg_thr_get(struct sg_model *m, uint32_t uid); /* makes it; NULL: no memory */
uint16_t sg_thr_comp(struct sg_model *m, struct sg_thr *th);
int sg_comp_intern(struct sg_model *m, const char *name, size_t len, uint16_t *ret);
int sg_thr_announce(struct sg_model *m, const struct sg_thread *ev);
/* What @s says of its thread: who runs a guest is a vCPU, and its process a VMM. */
int sg_thr_vcpu(struct sg_model *m, struct sg_thr *th, const struct sg_slice *s);
bool sg_thr_is_vcpu(const struct sg_thr *th);
int sg_thr_role(struct sg_model *m, const struct sg_role *ev);
struct sg_proc *sg_proc_get(struct sg_model *m, uint32_t tgid);
void sg_thr_free_all(struct sg_model *m);

/* timeline.c */
int sg_timeline_append(struct sg_model *m, struct sg_thr *th, const struct sg_slice *s);
bool sg_timeline_find(const struct sg_thr *th, uint64_t cur, struct sg_pos *ret);
struct sg_trec *sg_timeline_at(const struct sg_thr *th, struct sg_pos pos);
bool sg_timeline_prev(const struct sg_thr *th, struct sg_pos *pos);
bool sg_timeline_next(const struct sg_thr *th, struct sg_pos *pos);
int sg_timeline_lost_slice(struct sg_model *m, struct sg_thr *th);
void sg_timeline_drop(struct sg_model *m, struct sg_thr *th, uint64_t horizon);
void sg_timeline_cap(struct sg_model *m);
void sg_timeline_free_spare(struct sg_model *m);
uint64_t sg_timeline_horizon(const struct sg_model *m);
void sg_mem_add(struct sg_model *m, size_t bytes);
void sg_mem_sub(struct sg_model *m, size_t bytes);

/* cut.c */
int sg_cut_add(struct sg_model *m, struct sg_thr *th, const struct sg_snap *s);
struct sg_cuts *sg_cut_take(struct sg_model *m, struct sg_thr *th, uint64_t in, uint64_t out,
			    const struct sg_pair *total, uint32_t n, uint32_t flt);
void sg_cut_clear(struct sg_model *m, struct sg_thr *th);
void sg_cut_free(struct sg_model *m, struct sg_cuts *c);
size_t sg_cut_bytes(const struct sg_cuts *c);
bool sg_view_rec(const struct sg_trec *r, struct sg_view *ret);
bool sg_view_open(const struct sg_thr *th, struct sg_view *ret);

/* dict.c */
int sg_dict_feed(struct sg_model *m, const struct sg_hdr *ev);
int sg_dict_detail(struct sg_model *m, const struct sg_detail *ev, uint32_t *ret);
uint32_t sg_dict_syms(const struct sg_model *m, uint32_t stack);
/* What a kernel stack is in: SG_KEY_SYSCALL | number, SG_C_CPU_FAULT, SG_C_CPU_IRQ, 0: it does not say. */
uint16_t sg_dict_key(const struct sg_model *m, uint32_t stack);
/* Is it a user stack of the thread that watches over Go's scheduler? */
bool sg_dict_sysmon(const struct sg_model *m, uint32_t stack);
void sg_dict_free(struct sg_model *m);

/* chain.c */
int sg_chain_push(struct sg_model *m, uint32_t parent, uint16_t wait, uint32_t uid, uint16_t comp,
		  bool handoff, uint32_t *ret);
int sg_chain_rebase(struct sg_model *m, uint32_t chain, uint32_t from, uint32_t to, uint32_t *ret);
/* @chain as the continuation of @onto, whose thread waits for (runs in) it: @wait. */
int sg_chain_graft(struct sg_model *m, uint32_t chain, uint32_t onto, uint16_t wait, uint32_t *ret);
bool sg_chain_has(const struct sg_model *m, uint32_t chain, uint32_t uid);
void sg_chain_free(struct sg_model *m);

/* memo.c */
void sg_memo_free(struct sg_model *m, struct sg_memo *memo);

/* walk.c */
int sg_walk_new(struct sg_walk **ret);
void sg_walk_free(struct sg_walk *w);
/* -EAGAIN: a slice that is needed is still open (ret_need_*); never when @force. */
int sg_walk_run(struct sg_model *m, struct sg_open *o, bool force);
const struct sg_segs *sg_walk_segs(const struct sg_model *m);
void sg_walk_sums(const struct sg_model *m, struct sg_task *ret); /* what prorating did */
size_t sg_walk_samples(const struct sg_model *m, const struct sg_task_sample **ret);

/* guesttask.c */
/* @r: the newest record of a stub's thread, before advance(). */
int sg_guest_slice(struct sg_model *m, struct sg_thr *th, const struct sg_trec *r, const struct sg_slice *s);
int sg_guest_call(struct sg_model *m, const struct sg_guest *ev);
void sg_guest_end(struct sg_model *m, struct sg_proc *p, const struct sg_thr *th, uint64_t ts);

/* task.c */
/* Begun at @begin, a little in the past at most; in the list by begin. NULL: no memory. */
struct sg_open *sg_task_open(struct sg_model *m, uint64_t begin, uint64_t id, const char *name, uint8_t src);
void sg_task_close(struct sg_model *m, struct sg_open *o, uint32_t uid, uint64_t end);
int sg_task_mark(struct sg_model *m, struct sg_thr *th, const struct sg_mark *ev);
int sg_task_ripen(struct sg_model *m);
int sg_task_thread(struct sg_model *m, struct sg_thr *th, uint64_t end);
int sg_task_finish(struct sg_model *m);
void sg_task_free_all(struct sg_model *m);

/* inflate.c */
int sg_inflate_slice(struct sg_model *m, const struct sg_thr *th, const struct sg_slice *s);
bool sg_inflate_follows(uint16_t cause); /* may time of this cause follow from one? */
/* The inflation of the same memory that @s follows, NULL: none; @ret_id: its number from 1 on */
const struct sg_inflation *sg_inflate_before(const struct sg_model *m, const struct sg_seg *s,
					     uint64_t *ret_id);
void sg_inflate_text(const struct sg_inflation *x, uint64_t id, char *buf, size_t cap);

/* fuse.c: of recordings of several machines, guests' time in terms of their host's. */
int sg_fuse_clock(struct sg_model *m, const struct sg_clockmap *ev);
/* @o was walked: -EAGAIN as sg_walk_run(). */
int sg_fuse(struct sg_model *m, struct sg_open *o, bool force);
uint64_t sg_fuse_keep(const struct sg_model *m); /* ns that threads of the host are kept longer for guests */
void sg_fuse_sums(const struct sg_model *m, struct sg_task *ret);
uint32_t sg_fuse_vmm(const struct sg_model *m,
		     const struct sg_machine_info *mi); /* process of the host, 0 not known */
void sg_fuse_free(struct sg_fusion *f);
/* The host's time at @ts of @uid's clock, true to *ret_error; false: @uid is no guest's, or nothing maps it. */
bool sg_fuse_host(struct sg_model *m, uint32_t uid, uint64_t ts, uint64_t *ret_host, uint64_t *ret_error);
/* Of the task walked last @ns were told by @uid's guest, give or take @error_ns; @fits: false, they cannot have been there */
void sg_fuse_seam(struct sg_model *m, uint32_t uid, uint64_t ns, uint64_t error_ns, bool fits);

#define SG_INSIDE_ID_MIN (1ull << 32) /* ids below it are counters, as likely as not */
/* inside.c: a task of the host's of which a guest does a part, and marks it by the same id and name. */
/* What the host's task is called of which @in, a guest's that has ended, can be the inside; 0: of none */
uint64_t sg_inside_id(const struct sg_model *m, const struct sg_open *in);
/* Is it that one? */
bool sg_inside_of(const struct sg_model *m, const struct sg_open *o, const struct sg_open *in);
/* @o was walked: the guest's own ledger in place of what the host saw meanwhile. -EAGAIN as sg_walk_run(). */
int sg_inside_put(struct sg_model *m, struct sg_open *o, bool force);
void sg_inside_free(struct sg_insides *i);

/* ---- kicks (kicks.c) ------------------------------------------------------- */
typedef bool (*sg_kicks_of_fn)(const struct sg_thr *th, const void *ctx);
#define SG_KICK_ANY UINT32_MAX
struct sg_kick_ask {
	uint64_t from, to; /* in (from, to] */
	sg_kicks_of_fn of; /* of those for whom this is true */
	const void *ctx;
	unsigned machine; /* the guest's number */
	unsigned woke;	  /* 1 + its CPU that the interrupt came to, 0 not told: any */
};
struct sg_kick {
	struct sg_thr *th;
	uint64_t ts;
	uint16_t vector;
	bool others; /* another such thread gave one there, too: that the last one counts is a convention */
};
int sg_kicks_add(struct sg_model *m, const struct sg_inject *ev);
/* Who gave the last interrupt; false: nobody. */
bool sg_kicks_last(struct sg_model *m, const struct sg_kick_ask *ask, struct sg_kick *ret);
int sg_kicks_fetch(struct sg_model *m, const struct sg_fetch *ev);
struct sg_fetched {
	struct sg_thr *worker;
	uint64_t at; /* when it had brought the page */
	bool swapin, several;
};
/*
 * Who brought the memory that @vcpu told its guest of in (@from, @to]: that of the fault
 * @number (SG_TOKEN_NUMBER); 0: the last, which may be one of several. False: not known.
 */
bool sg_kicks_fetched(struct sg_model *m, const struct sg_thr *vcpu, uint16_t number, uint64_t from,
		      uint64_t to, struct sg_fetched *ret);
void sg_kicks_free(struct sg_kicks *k);

/* forwhom.c */
int sg_stay_begin(struct sg_thr *th, uint64_t ts, uint64_t id);
void sg_stay_end(struct sg_thr *th, uint64_t ts, uint64_t id);
void sg_stay_prune(struct sg_thr *th, uint64_t horizon);
uint64_t sg_stay_edge_before(const struct sg_thr *th, uint64_t ts);
void sg_stay_label(struct sg_model *m, const struct sg_open *o, struct sg_seg *seg, size_t n);

/* shot.c */
int sg_shot_add(struct sg_model *m, struct sg_thr *th, const struct sg_stackref *ev);
void sg_shot_drop(struct sg_model *m, struct sg_thr *th, uint64_t horizon);

/* span.c */
int sg_sample_flush(struct sg_model *m, struct sg_thr *th);
int sg_sample_ref(struct sg_model *m, struct sg_thr *th, const struct sg_stackref *ev);
int sg_span_slice(struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r,
		  const struct sg_slice *ev);

/* wait.c */
void sg_wait_of(const struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r,
		struct sg_wait *ret);

#define SG_GROW(ptr, cap, need)                                                   \
	({                                                                        \
		int sg_rc_ = 0;                                                   \
		if ((size_t)(need) > (size_t)(cap)) {                             \
			size_t sg_n_ = (cap) ? (size_t)(cap)*2 : 8;               \
			while (sg_n_ < (size_t)(need))                            \
				sg_n_ *= 2;                                       \
			void *sg_p_ = reallocarray((ptr), sg_n_, sizeof(*(ptr))); \
			if (sg_p_) {                                              \
				(ptr) = sg_p_;                                    \
				(cap) = sg_n_;                                    \
			} else {                                                  \
				sg_rc_ = -ENOMEM;                                 \
			}                                                         \
		}                                                                 \
		sg_rc_;                                                           \
	})

#endif
