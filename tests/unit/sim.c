/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "sim.h"

#define NEVER UINT64_MAX
#define T0    1000
#define NLOCK 3
#define NPIPE 4

enum act {
	ACT_NEXT,
	ACT_LOCK,
	ACT_UNLOCK,
	ACT_WRITE,
	ACT_READ,
	ACT_IO,
	ACT_SLEEP,
	ACT_FORK,
	ACT_WAIT,
	ACT_YIELD,
	ACT_FAULT,
	ACT_MARK,
	ACT_EXIT
};

struct thr {
	uint32_t uid;
	uint64_t birth;
	uint32_t creator;
	enum { RUNQ, RUNNING, BLOCKED, DEAD } state;
	int cpu;
	/* what it does now: @left ns of @key, then @act */
	uint16_t key;
	bool begins; /* the system call it does now is not counted yet */
	uint64_t left;
	enum act act;
	unsigned arg;
	uint64_t queued_at;
	/* the slice */
	uint64_t in, upto, quantum_end, next_tick;
	struct sg_pair pair[16];
	unsigned npair;
	/* the wait before, as the record will tell it */
	struct sg_slice wait;
	uint64_t out;
	uint64_t wake_at; /* device or timer */
	uint16_t wait_cause;
	uint32_t inst;
	uint32_t origin;
	bool was_blocked;
	unsigned lock;
	int pipe;
	uint32_t sysseq, fltseq, open_flt;
	uint8_t fltres;
	unsigned ops_left;
	unsigned children;
	uint32_t parent;
	bool waiting_child;
	uint64_t irq_owed;
	uint64_t task[4];
	unsigned ntask;
	uint32_t markseq;
	unsigned vain; /* it is woken in vain this often before the pipe really has something */
};

struct world {
	struct sim *s;
	uint64_t rng, now, next_id, inst;
	struct thr *t;
	unsigned n;
	int running[64]; /* index of a thread or -1 */
	struct {
		int owner;
	} lock[NLOCK];
	unsigned tokens[NPIPE];
};

static uint64_t rnd(struct world *w, uint64_t lo, uint64_t hi)
{
	return lo + sim_rand(&w->rng) % (hi - lo + 1);
}

static void *put(struct world *w, size_t size, unsigned kind, uint32_t uid, int cpu)
{
	struct sim *s = w->s;
	struct sg_hdr *h;

	size = (size + 7) & ~7ul;
	if (s->nbytes + size > s->bytes_cap)
		s->bytes = realloc(s->bytes, s->bytes_cap = (s->bytes_cap + size) * 2);
	if (s->nrec == s->off_cap)
		s->off = realloc(s->off, (s->off_cap = s->off_cap * 2 + 64) * sizeof(*s->off));
	s->off[s->nrec++] = s->nbytes;
	h = (void *)(s->bytes + s->nbytes);
	memset(h, 0, size);
	s->nbytes += size;
	h->ts = w->now;
	h->kind = kind;
	h->uid = uid;
	h->cpu = cpu;
	return h;
}

static void truth(struct world *w, struct thr *t, uint64_t lo, uint64_t hi, uint16_t cause, bool blocked)
{
	struct sim_thread_truth *tt = &w->s->truth[t->uid - 1];
	struct sim_span *last = tt->n ? &tt->span[tt->n - 1] : NULL;

	if (hi <= lo)
		return;
	assert(!last || last->hi == lo);
	if (last && !blocked && !last->blocked && last->cause == cause) {
		last->hi = hi;
		return;
	}
	if (tt->n == tt->cap)
		tt->span = realloc(tt->span, (tt->cap = tt->cap * 2 + 16) * sizeof(*tt->span));
	tt->span[tt->n++] =
		(struct sim_span){ lo, hi, cause, blocked, blocked ? t->origin : 0, blocked ? t->inst : 0 };
}

/* Some calls fail, told by their number in the thread: nothing else of the program changes by it. */
static bool fails(const struct thr *t)
{
	return (t->sysseq * 2654435761u + t->uid) >> 13 & 1;
}

static void charge(struct thr *t, uint16_t key, uint64_t ns)
{
	unsigned i = 0;

	while (i < t->npair && t->pair[i].key != key)
		i++;
	assert(i < 16);
	if (i == t->npair)
		t->pair[t->npair++] = (struct sg_pair){ .key = key, .cnt = !(key & SG_KEY_SYSCALL) };
	t->pair[i].ns += ns;
	if (!(key & SG_KEY_SYSCALL) || !t->begins)
		return;
	t->begins = false;
	t->pair[i].cnt++;
	t->pair[i].err += fails(t);
}

/* The thread has decided what to do next: if that is a system call, it begins now. */
static void call_begins(struct world *w, struct thr *t)
{
	struct sim_thread_truth *tt = &w->s->truth[t->uid - 1];

	t->begins = t->key & SG_KEY_SYSCALL;
	if (!t->begins)
		return;
	if (tt->ncall == tt->call_cap)
		tt->call = realloc(tt->call, (tt->call_cap = tt->call_cap * 2 + 16) * sizeof(*tt->call));
	tt->call[tt->ncall++] = (struct sim_call){ w->now, t->key & ~SG_KEY_SYSCALL, fails(t) };
}

/* Bring a running thread's account up to now. */
static void settle(struct world *w, struct thr *t)
{
	uint64_t ns = w->now - t->upto;

	if (!ns)
		return;
	charge(t, t->key, ns);
	truth(w, t, t->upto, w->now, t->key == SG_C_CPU_FAULT_OPEN ? SG_C_CPU_FAULT_MAJOR : t->key, false);
	t->upto = w->now;
	t->left -= ns;
}

static void snap(struct world *w, struct thr *t)
{
	struct sg_snap *r;

	settle(w, t);
	if (w->now == t->in)
		return;
	r = put(w, sizeof(*r) + t->npair * sizeof(*t->pair), SG_REC_SNAP, t->uid, t->cpu);
	r->in = t->in;
	r->npair = t->npair;
	r->out_fltseq = t->open_flt;
	memcpy(r->pair, t->pair, t->npair * sizeof(*t->pair));
}

static struct sg_slice *emit_slice(struct world *w, struct thr *t, uint8_t stop, uint8_t kind)
{
	struct sg_slice *r = put(w, sizeof(*r) + t->npair * sizeof(*t->pair), SG_REC_SLICE, t->uid, t->cpu);
	struct sg_hdr h = r->h;

	*r = t->wait;
	r->h = h;
	r->in = t->in;
	r->npair = t->npair;
	r->out_stop = stop;
	r->out_kind = kind;
	r->out_fltseq = t->open_flt;
	r->flags |= SG_SF_INSCOPE;
	memcpy(r->pair, t->pair, t->npair * sizeof(*t->pair));
	return r;
}

/* The running thread leaves its CPU; @t->wait is begun anew. */
static void switch_out(struct world *w, struct thr *t, uint8_t stop, uint8_t kind, uint16_t nr)
{
	settle(w, t);
	emit_slice(w, t, stop, kind);
	w->running[t->cpu] = -1;
	t->npair = 0;
	t->out = t->queued_at = w->now;
	memset(&t->wait, 0, sizeof(t->wait));
	t->wait.stop = stop;
	t->wait.wkind = kind;
	t->wait.nr = nr;
	t->wait.prev_out = w->now;
	t->wait.sysseq = kind == SG_K_SYSCALL ? t->sysseq : 0;
	t->wait.fltseq = t->open_flt;
	t->was_blocked = stop == SG_STOP_SLEEP || stop == SG_STOP_DISK;
	t->origin = 0;
	t->state = t->was_blocked ? BLOCKED : RUNQ;
}

static void block(struct world *w, struct thr *t, uint8_t stop, uint8_t kind, uint16_t nr, uint16_t cause,
		  bool again)
{
	switch_out(w, t, stop, kind, nr);
	t->wait_cause = cause;
	if (!again)
		t->inst = ++w->inst;
}

static void wake(struct world *w, struct thr *t, uint8_t ctx, uint8_t src, struct thr *by)
{
	assert(t->state == BLOCKED);
	t->wait.wake = w->now;
	t->wait.wctx = ctx;
	t->wait.wsrc = src;
	if (by && ctx == SG_WCTX_TASK)
		t->wait.waker = by->uid;
	else if (by)
		t->wait.raiser = by->uid;
	t->origin = by ? by->uid : 0;
	truth(w, t, t->out, w->now, t->wait_cause, true);
	t->queued_at = w->now;
	t->state = RUNQ;
	t->wake_at = NEVER;
}

static void switch_in(struct world *w, struct thr *t, int cpu)
{
	truth(w, t, t->queued_at, w->now, t->wait.stop == SG_STOP_YIELD ? SG_C_SCHED_YIELD : SG_C_SCHED_RUNQ,
	      false);
	t->state = RUNNING;
	t->cpu = cpu;
	t->in = t->upto = w->now;
	t->quantum_end = w->now + rnd(w, 5000, 60000);
	t->next_tick = w->s->opts.tick_ns ? w->now + w->s->opts.tick_ns : NEVER;
	w->running[cpu] = t - w->t;
	if (t->fltres) { /* the fault ends in this slice; its remaining time is already in @left */
		t->wait.fltres = t->fltres;
		t->fltres = 0;
		t->open_flt = 0;
	}
}

static void run(struct thr *t, uint16_t key, uint64_t ns, enum act act, unsigned arg)
{
	t->key = key;
	t->left = ns;
	t->act = act;
	t->arg = arg;
}

static uint16_t sys(unsigned nr)
{
	return SG_KEY_SYSCALL | nr;
}

static void spawn(struct world *w, struct thr *by)
{
	struct thr *t = &w->t[w->n];
	struct sg_thread *r;

	memset(t, 0, sizeof(*t));
	t->uid = ++w->n;
	t->wake_at = NEVER;
	t->queued_at = t->out = w->now;
	t->pipe = -1;
	t->birth = by ? w->now : 0;
	t->creator = by ? by->uid : 0;
	t->ops_left = by ? rnd(w, 3, 20) : 100000;
	t->parent = t->creator;
	t->wait.stop = by ? SG_STOP_NEW : SG_STOP_RUNNABLE;
	t->wait.prev_out = w->now;
	t->wait.flags = by ? 0 : SG_SF_FIRST;
	w->s->truth[t->uid - 1] =
		(struct sim_thread_truth){ .uid = t->uid, .creator = t->creator, .birth = t->birth };
	w->s->nthread = w->n;
	r = put(w, sizeof(*r), SG_REC_THREAD, t->uid, by ? by->cpu : 0);
	r->birth = t->birth;
	r->creator = t->creator;
	r->tid = r->tgid = 100 + t->uid;
	r->flags = SG_TF_INSCOPE | (by ? 0 : SG_TF_BEFORE);
	memcpy(r->comm, "simulated", 9);
	run(t, SG_C_CPU_USER, rnd(w, 100, 3000), ACT_NEXT, 0);
}

static void mark(struct world *w, struct thr *t)
{
	struct sg_mark *r;
	bool end = t->ntask && (t->ntask == 4 || !rnd(w, 0, 3));

	snap(w, t);
	r = put(w, sizeof(*r), SG_REC_MARK, t->uid, t->cpu);
	r->type = end ? SG_MARK_END : SG_MARK_BEGIN;
	r->src = SG_MSRC_USDT;
	r->seq = ++t->markseq;
	if (end) {
		unsigned i = rnd(w, 0, t->ntask - 1);

		r->id = t->task[i];
		t->task[i] = t->task[--t->ntask];
	} else {
		r->id = t->task[t->ntask++] = ++w->next_id;
	}
}

/* Not everybody may wait for a writer. */
static bool writers_left(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n; i++)
		n += w->t[i].state != DEAD && w->t[i].pipe < 0;
	return n > 2;
}

static void choose_op(struct world *w, struct thr *t)
{
	const struct sim_opts *o = &w->s->opts;

	t->sysseq++;
	if (!t->ops_left--) {
		run(t, SG_C_CPU_EXIT, rnd(w, 50, 2000), ACT_EXIT, 0);
		return;
	}
	if (rnd(w, 0, 99) < o->mark_percent) {
		run(t, SG_C_CPU_USER, rnd(w, 10, 50), ACT_MARK, 0);
		return;
	}
	switch (rnd(w, 0, 13)) {
	case 0:
	case 1:
		run(t, SG_C_CPU_USER, rnd(w, 200, 20000), ACT_NEXT, 0);
		break;
	case 2:
		run(t, sys(SYS_getpid), rnd(w, 100, 3000), ACT_NEXT, 0);
		break;
	case 3:
		run(t, SG_C_CPU_FAULT, rnd(w, 100, 1500), ACT_NEXT, 0);
		break;
	case 4:
	case 5:
		run(t, sys(SYS_futex), rnd(w, 30, 200), ACT_LOCK, rnd(w, 0, NLOCK - 1));
		break;
	case 6:
		run(t, sys(SYS_write), rnd(w, 100, 2000), ACT_WRITE, rnd(w, 0, NPIPE - 1));
		break;
	case 7:
		if (!writers_left(w)) {
			run(t, sys(SYS_write), rnd(w, 100, 2000), ACT_WRITE, rnd(w, 0, NPIPE - 1));
			break;
		}
		run(t, sys(SYS_read), rnd(w, 100, 500), ACT_READ, rnd(w, 0, NPIPE - 1));
		break;
	case 8:
		run(t, sys(rnd(w, 0, 1) ? SYS_read : SYS_fsync), rnd(w, 100, 900), ACT_IO, 0);
		break;
	case 9:
		run(t, sys(SYS_nanosleep), rnd(w, 50, 200), ACT_SLEEP, 0);
		break;
	case 10:
		if (o->fork && w->n < o->max_thread)
			run(t, sys(SYS_clone), rnd(w, 500, 3000), ACT_FORK, 0);
		else
			run(t, SG_C_CPU_USER, rnd(w, 100, 1000), ACT_NEXT, 0);
		break;
	case 11:
		if (t->children)
			run(t, sys(SYS_wait4), rnd(w, 50, 300), ACT_WAIT, 0);
		else
			run(t, sys(SYS_sched_yield), rnd(w, 50, 200), ACT_YIELD, 0);
		break;
	default:
		t->fltseq++;
		t->open_flt = t->fltseq;
		run(t, SG_C_CPU_FAULT_OPEN, rnd(w, 100, 500), ACT_FAULT, 0);
	}
}

static void next_op(struct world *w, struct thr *t)
{
	choose_op(w, t);
	call_begins(w, t);
}

static bool fits_pipe(const struct thr *t, unsigned pipe)
{
	return t->state == BLOCKED && t->pipe == (int)pipe;
}

static void pipe_write(struct world *w, struct thr *t, unsigned pipe)
{
	unsigned from = rnd(w, 0, w->n - 1);

	w->tokens[pipe]++;
	for (unsigned i = 0; i < w->n; i++) {
		struct thr *r = &w->t[(from + i) % w->n];

		if (!fits_pipe(r, pipe))
			continue;
		/* pipes 0 and 1 are pipes, 2 and 3 loopback sockets: woken through the sender's soft interrupt */
		wake(w, r, pipe < 2 ? SG_WCTX_TASK : SG_WCTX_SOFT, pipe < 2 ? SG_WSRC_NONE : SG_WSRC_NET, t);
		return;
	}
}

static void pipe_read(struct world *w, struct thr *t, unsigned pipe, bool again)
{
	if (w->tokens[pipe] && !t->vain) {
		w->tokens[pipe]--;
		t->pipe = -1;
		next_op(w, t);
		return;
	}
	if (!again)
		t->vain = rnd(w, 0, 5) ? 0 : rnd(w, 1, 3);
	else if (t->vain)
		t->vain--;
	block(w, t, SG_STOP_SLEEP, SG_K_SYSCALL, SYS_read, pipe < 2 ? SG_C_IPC_PIPE : SG_C_IPC_SOCKET, again);
	t->wait.fdtype = pipe < 2 ? SG_FD_FIFO : SG_FD_SOCK_INET;
	t->pipe = pipe;
	run(t, sys(SYS_read), rnd(w, 50, 300), ACT_READ, pipe | 256);
}

static void unlock(struct world *w, struct thr *t)
{
	unsigned from = rnd(w, 0, w->n - 1);

	w->lock[t->lock].owner = -1;
	for (unsigned i = 0; i < w->n; i++) {
		struct thr *r = &w->t[(from + i) % w->n];

		if (r->state == BLOCKED && r->wait_cause == SG_C_IPC_FUTEX && r->lock == t->lock) {
			wake(w, r, SG_WCTX_TASK, SG_WSRC_NONE, t);
			break;
		}
	}
	next_op(w, t);
}

static void exit_thread(struct world *w, struct thr *t)
{
	if (t->parent && w->t[t->parent - 1].state != DEAD) {
		struct thr *p = &w->t[t->parent - 1];

		if (p->state == BLOCKED && p->waiting_child) {
			p->waiting_child = false;
			wake(w, p, SG_WCTX_TASK, SG_WSRC_EXIT, t);
		}
	}
	switch_out(w, t, SG_STOP_DEAD, SG_K_EXIT, 0);
	t->state = DEAD;
	put(w, sizeof(struct sg_exit), SG_REC_EXIT, t->uid, t->cpu);
}

/* The thread's current stretch is over. */
static void act(struct world *w, struct thr *t)
{
	settle(w, t);
	switch (t->act) {
	case ACT_NEXT:
		next_op(w, t);
		break;
	case ACT_LOCK:
		t->lock = t->arg;
		if (w->lock[t->arg].owner >= 0) {
			unsigned lock = t->arg;

			block(w, t, SG_STOP_SLEEP, SG_K_SYSCALL, SYS_futex, SG_C_IPC_FUTEX, false);
			t->sysseq++;
			run(t, sys(SYS_futex), rnd(w, 30, 200), ACT_LOCK, lock);
		} else {
			w->lock[t->arg].owner = t - w->t;
			run(t, SG_C_CPU_USER, rnd(w, 300, 15000), ACT_UNLOCK, 0);
		}
		break;
	case ACT_UNLOCK:
		unlock(w, t);
		break;
	case ACT_WRITE:
		pipe_write(w, t, t->arg);
		next_op(w, t);
		break;
	case ACT_READ:
		pipe_read(w, t, t->arg & 255, t->arg & 256);
		break;
	case ACT_IO: {
		bool sync = t->key == sys(SYS_fsync);

		block(w, t, SG_STOP_DISK, SG_K_SYSCALL, sync ? SYS_fsync : SYS_read,
		      sync ? SG_C_IO_FSYNC : SG_C_IO_BLOCK, false);
		t->wait.fdtype = SG_FD_REG;
		t->wake_at = w->now + rnd(w, 500, 80000);
		run(t, sys(sync ? SYS_fsync : SYS_read), rnd(w, 100, 500), ACT_NEXT, 0);
		break;
	}
	case ACT_SLEEP:
		block(w, t, SG_STOP_SLEEP, SG_K_SYSCALL, SYS_nanosleep, SG_C_TIMER_SLEEP, false);
		t->wait.flags |= SG_SF_TIMEOUT;
		t->wake_at = w->now + rnd(w, 500, 100000);
		run(t, sys(SYS_nanosleep), rnd(w, 50, 200), ACT_NEXT, 0);
		break;
	case ACT_FORK:
		if (w->n < w->s->opts.max_thread) {
			t->children++;
			spawn(w, t);
		}
		next_op(w, t);
		break;
	case ACT_WAIT:
		t->children--;
		for (unsigned i = 0; i < w->n; i++)
			t->waiting_child |= w->t[i].parent == t->uid && w->t[i].state != DEAD;
		if (!t->waiting_child) {
			next_op(w, t);
			break;
		}
		block(w, t, SG_STOP_SLEEP, SG_K_SYSCALL, SYS_wait4, SG_C_IPC_CHILD, false);
		run(t, sys(SYS_wait4), rnd(w, 50, 200), ACT_NEXT, 0);
		break;
	case ACT_YIELD:
		switch_out(w, t, SG_STOP_YIELD, SG_K_SYSCALL, SYS_sched_yield);
		run(t, sys(SYS_sched_yield), rnd(w, 50, 100), ACT_NEXT, 0);
		break;
	case ACT_FAULT:
		block(w, t, SG_STOP_DISK, SG_K_FAULT, 0, SG_C_IO_BLOCK, false);
		t->wake_at = w->now + rnd(w, 500, 50000);
		t->fltres = SG_FLT_MAJOR;
		run(t, SG_C_CPU_FAULT_MAJOR, rnd(w, 50, 400), ACT_NEXT, 0);
		break;
	case ACT_MARK:
		mark(w, t);
		next_op(w, t);
		break;
	case ACT_EXIT:
		exit_thread(w, t);
		break;
	}
}

/* A device or timer interrupt: it lands on a CPU and takes time of whoever runs there. */
static void irq(struct world *w, struct thr *t)
{
	int cpu = rnd(w, 0, w->s->opts.ncpu - 1);
	bool timer = t->wait_cause == SG_C_TIMER_SLEEP;

	if (w->running[cpu] >= 0 && rnd(w, 0, 1)) {
		struct thr *c = &w->t[w->running[cpu]];

		settle(w, c);
		/* the interrupt took 1..60 ns of the stretch that is about to run */
		c->irq_owed += rnd(w, 1, 60);
	}
	wake(w, t,
	     timer	    ? SG_WCTX_TIMER
	     : rnd(w, 0, 1) ? SG_WCTX_SOFT
			    : SG_WCTX_HARD,
	     timer ? SG_WSRC_TIMER : SG_WSRC_BLOCK, NULL);
}

static void schedule(struct world *w)
{
	for (unsigned c = 0; c < w->s->opts.ncpu; c++) {
		struct thr *best = NULL;

		if (w->running[c] >= 0)
			continue;
		for (unsigned i = 0; i < w->n; i++)
			if (w->t[i].state == RUNQ && (!best || w->t[i].queued_at < best->queued_at) &&
			    w->t[i].queued_at < w->now)
				best = &w->t[i];
		if (best)
			switch_in(w, best, c);
	}
}

static bool anyone_waits(const struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->t[i].state == RUNQ)
			return true;
	return false;
}

static bool idle_cpu(const struct world *w)
{
	for (unsigned c = 0; c < w->s->opts.ncpu; c++)
		if (w->running[c] < 0)
			return true;
	return false;
}

static uint64_t next_time(const struct world *w)
{
	uint64_t next = NEVER;

	for (unsigned i = 0; i < w->n; i++) {
		const struct thr *t = &w->t[i];
		uint64_t at = NEVER;

		if (t->state == RUNNING) {
			at = t->upto + t->left;
			at = t->quantum_end > w->now && t->quantum_end < at ? t->quantum_end : at;
			at = t->next_tick < at ? t->next_tick : at;
		} else if (t->state == BLOCKED) {
			at = t->wake_at;
		}
		next = at < next ? at : next;
	}
	/* an idle CPU takes a thread 38 ns after it was queued */
	return idle_cpu(w) && anyone_waits(w) && next > w->now + 38 ? w->now + 38 : next;
}

static void step_running(struct world *w, struct thr *t)
{
	if (t->next_tick == w->now) {
		snap(w, t);
		t->next_tick += w->s->opts.tick_ns;
	}
	if (t->upto + t->left == w->now) {
		uint64_t owed = t->irq_owed;

		if (owed && t->key != SG_C_CPU_IRQ) { /* the interrupt's time, before what comes next */
			settle(w, t);
			t->irq_owed = 0;
			t->key = SG_C_CPU_IRQ;
			t->left = owed;
			return;
		}
		act(w, t);
	} else if (t->quantum_end <= w->now && anyone_waits(w)) {
		uint8_t kind = t->open_flt ? SG_K_FAULT : t->key & SG_KEY_SYSCALL ? SG_K_SYSCALL : SG_K_USER;

		switch_out(w, t, SG_STOP_RUNNABLE, kind, kind == SG_K_SYSCALL ? t->key & ~SG_KEY_SYSCALL : 0);
	}
}

/* The recording stops: whatever is open is closed by a record that says so. */
static void close_all(struct world *w)
{
	struct sg_window *win;

	for (unsigned i = 0; i < w->n; i++) {
		struct thr *t = &w->t[i];

		if (t->state == DEAD)
			continue;
		if (t->state == RUNNING) {
			settle(w, t);
		} else {
			if (t->state == RUNQ)
				truth(w, t, t->queued_at, w->now,
				      t->wait.stop == SG_STOP_YIELD ? SG_C_SCHED_YIELD : SG_C_SCHED_RUNQ,
				      false);
			else
				truth(w, t, t->out, w->now, t->wait_cause, true);
			t->in = w->now;
		}
		emit_slice(w, t, SG_STOP_NONE, SG_K_USER)->flags |= SG_SF_OPEN;
	}
	win = put(w, sizeof(*win), SG_REC_WINDOW, 0, 0);
	win->type = SG_WINDOW_END;
}

void sim_run(struct sim *s, const struct sim_opts *opts)
{
	struct world w = { .s = s, .rng = opts->seed * 77777 + 5, .now = T0 };
	struct sg_window *win;

	memset(s, 0, sizeof(*s));
	s->opts = *opts;
	s->truth = calloc(opts->max_thread, sizeof(*s->truth));
	w.t = calloc(opts->max_thread, sizeof(*w.t));
	memset(w.running, -1, sizeof(w.running));
	for (unsigned i = 0; i < NLOCK; i++)
		w.lock[i].owner = -1;
	win = put(&w, sizeof(*win), SG_REC_WINDOW, 0, 0);
	win->type = SG_WINDOW_BEGIN;
	for (unsigned i = 0; i < opts->nthread; i++)
		spawn(&w, NULL);
	while (w.now < T0 + opts->length_ns) {
		uint64_t next = next_time(&w);

		w.now = next == NEVER ? T0 + opts->length_ns : next;
		for (unsigned i = 0; i < w.n; i++)
			if (w.t[i].state == BLOCKED && w.t[i].wake_at == w.now)
				irq(&w, &w.t[i]);
		for (unsigned i = 0; i < w.n; i++)
			if (w.t[i].state == RUNNING)
				step_running(&w, &w.t[i]);
		schedule(&w);
	}
	close_all(&w);
	free(w.t);
	if (opts->boxes)
		sim_box(s);
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->nthread; i++) {
		free(s->truth[i].span);
		free(s->truth[i].call);
	}
	free(s->truth);
	free(s->bytes);
	free(s->off);
}
