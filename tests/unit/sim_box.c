/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A simulated program becomes one with a sandbox in it: some of its threads a
 * Sentry's, a Gofer's, stubs', and their waits and keys what those have. Times, wakes
 * and who ended what stay, so the truth of who did something when is what it was.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "sim.h"

#define SENTRY_TGID 5000
#define GOFER_TGID  5001
#define STUB_TGID   5002 /* and the next: two guests' processes */

struct boxing {
	struct sim *s;
	const struct sim *from;
	uint64_t rng;
};

enum sim_role sim_box_role(const struct sim *s, uint32_t uid)
{
	static const enum sim_role role[] = { SIM_STUB, SIM_SENTRY, SIM_GOFER, SIM_STUB, SIM_NONE };
	enum sim_role mine = role[(uid + s->opts.seed) % 5], by;
	uint32_t creator = uid <= s->nthread ? s->truth[uid - 1].creator : 0;

	if (!s->opts.boxes)
		return SIM_NONE;
	if (mine || !creator)
		return mine;
	/* a process of its own that a Sentry or a stub forks is a stub, told or not */
	by = sim_box_role(s, creator);
	return by == SIM_SENTRY || by == SIM_STUB ? SIM_STUB : SIM_NONE;
}

static void *put(struct boxing *b, const void *rec, size_t size)
{
	struct sim *s = b->s;

	size = (size + 7) & ~7ul;
	if (s->nbytes + size > s->bytes_cap)
		s->bytes = realloc(s->bytes, s->bytes_cap = (s->bytes_cap + size) * 2);
	if (s->nrec == s->off_cap)
		s->off = realloc(s->off, (s->off_cap = s->off_cap * 2 + 64) * sizeof(*s->off));
	s->off[s->nrec++] = s->nbytes;
	memset(s->bytes + s->nbytes, 0, size);
	memcpy(s->bytes + s->nbytes, rec, size);
	s->nbytes += size;
	return s->bytes + s->nbytes - size;
}

static unsigned tgid_of(enum sim_role role, uint32_t uid)
{
	return role == SIM_SENTRY ? SENTRY_TGID : role == SIM_GOFER ? GOFER_TGID : STUB_TGID + uid % 2;
}

static void thread(struct boxing *b, const struct sg_thread *ev)
{
	static const char *const names[] = { "", "sentry", "gofer", "stub" };
	enum sim_role role = sim_box_role(b->from, ev->h.uid);
	struct sg_thread t = *ev;
	struct sg_role r = { .h = { .ts = ev->h.ts, .kind = SG_REC_ROLE }, .sandbox = SENTRY_TGID };

	/* of those nobody names, the maker says what they are */
	if (role == SIM_STUB && (ev->h.uid + b->from->opts.seed) % 5 == 4)
		role = SIM_NONE;
	if (role)
		t.tgid = tgid_of(role, ev->h.uid);
	put(b, &t, sizeof(t));
	if (!role)
		return;
	r.tgid = t.tgid;
	strcpy(r.name, names[role]);
	put(b, &r, sizeof(r));
}

/* CPU time that a sandbox's part has under other keys. One key becomes one key: cuts stay cuts. */
static void rekey(enum sim_role role, uint32_t uid, struct sg_pair *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (role == SIM_STUB && p[i].key == (SG_KEY_SYSCALL | SYS_getpid))
			p[i].key = (uid & 1 ? SG_KEY_GUEST : SG_KEY_EMULATED) | SYS_getpid;
		else if (role == SIM_STUB && p[i].key == (SG_KEY_SYSCALL | SYS_sched_yield))
			p[i].key = SG_KEY_SYSCALL | SYS_rt_sigreturn;
		else if (role == SIM_SENTRY && p[i].key == (SG_KEY_SYSCALL | SYS_sched_yield))
			p[i].key = SG_KEY_SYSCALL | SYS_ptrace;
	}
}

static uint16_t guest_nr(struct boxing *b)
{
	static const uint16_t nr[] = {
		SYS_read, SYS_openat, SYS_getpid, SYS_futex, SYS_exit, SYS_exit_group
	};
	uint64_t v = sim_rand(&b->rng);

	return v % 8 ? nr[v % 3 + (v & 64 ? 1 : 0)] : nr[v / 8 % 6];
}

/* A stub's wait for a lock becomes one at a guest's call, at a signal of it, or stays one on a futex. */
static void wait(struct boxing *b, enum sim_role role, struct sg_slice *s)
{
	uint64_t v = sim_rand(&b->rng);

	if (s->stop != SG_STOP_SLEEP || s->wkind != SG_K_SYSCALL || s->nr != SYS_futex)
		return;
	if (role == SIM_SENTRY && v & 1)
		s->nr = SYS_wait4;
	if (role == SIM_SENTRY && v & 2)
		s->note = SG_NOTE_FLIPCALL | (v >> 8 & 31);
	if (role != SIM_STUB || !(v & 3))
		return;
	s->stop = SG_STOP_TRACED;
	s->wkind = v & 4 ? SG_K_GUESTCALL : SG_K_USER;
	s->nr = v & 4 ? guest_nr(b) : 0;
	s->arg = 0x1000 + (v >> 3) % 3; /* whichever thread of the guest the stub has */
	s->sysseq = 0;
}

static void guest(struct boxing *b, const struct sg_slice *s)
{
	uint64_t v = sim_rand(&b->rng);
	struct sg_guest g = { .h = s->h, .nr = guest_nr(b), .what = SG_GUEST_CALL, .src = SG_GSRC_TRAP };

	g.h.kind = SG_REC_GUEST;
	/* inside the slice, or begun before its wait */
	g.begin = v & 1 ? s->in : s->prev_out;
	put(b, &g, sizeof(g));
}

static void slice(struct boxing *b, const struct sg_slice *ev)
{
	enum sim_role role = sim_box_role(b->from, ev->h.uid);
	union {
		struct sg_slice s;
		char room[sizeof(struct sg_slice) + SG_PAIR_MAX * sizeof(struct sg_pair)];
	} u;

	memcpy(&u, ev, sizeof(*ev) + ev->npair * sizeof(*ev->pair));
	rekey(role, ev->h.uid, u.s.pair, u.s.npair);
	wait(b, role, &u.s);
	if ((role == SIM_GOFER || role == SIM_SENTRY) && sim_rand(&b->rng) % 2)
		u.s.pair[u.s.npair++] = (struct sg_pair){ .key = SG_KEY_FLIPCALL | 7, .cnt = 1 };
	put(b, &u, sizeof(u.s) + u.s.npair * sizeof(*u.s.pair));
	if (role == SIM_STUB && !(sim_rand(&b->rng) % 4))
		guest(b, &u.s);
}

void sim_box(struct sim *s)
{
	struct sim from = *s;
	struct boxing b = { .s = s, .from = &from, .rng = s->opts.seed * 991 + 3 };

	s->bytes = NULL;
	s->off = NULL;
	s->nbytes = s->bytes_cap = s->nrec = s->off_cap = 0;
	for (size_t i = 0; i < from.nrec; i++) {
		const struct sg_hdr *h = sim_rec(&from, i);
		size_t end = i + 1 < from.nrec ? from.off[i + 1] : from.nbytes;
		struct sg_snap *snap;

		if (h->kind == SG_REC_THREAD) {
			thread(&b, (const void *)h);
		} else if (h->kind == SG_REC_SLICE) {
			slice(&b, (const void *)h);
		} else {
			snap = put(&b, h, end - from.off[i]);
			if (h->kind == SG_REC_SNAP)
				rekey(sim_box_role(&from, h->uid), h->uid, snap->pair, snap->npair);
		}
	}
	free(from.bytes);
	free(from.off);
}
