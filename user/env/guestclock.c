/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/guestclock.h"

#include <errno.h>
#include <string.h>

#define FIRST_ASKS 100
#define ASKS	   10
#define PERIOD_NS  1000000000ull
#define TICKS_NS   20000000ull /* a tick of the TSC is measured over this at least */
#define DOUBT_NS   1000	       /* rounding, and how ticks were measured */

void sg_guestclock_init(struct sg_guestclock *k, uint32_t pid, uint32_t cid)
{
	memset(k, 0, sizeof(*k));
	k->kvm_root = SG_KVMTSC_ROOT;
	k->pid = pid;
	k->cid = cid;
	k->first = sg_stamp_take();
	k->left = FIRST_ASKS;
}

void sg_guestclock_break(struct sg_guestclock *k)
{
	k->id++;
	k->sent_ns = 0;
	k->left = ASKS;
	k->best.error = 0;
}

bool sg_guestclock_due(struct sg_guestclock *k, struct sg_link_ping *ret)
{
	uint64_t now = sg_mono_ns();

	if (k->sent_ns)
		return false; /* one at a time: the second would wait behind the first */
	if (!k->left) {
		if (now < k->due_ns)
			return false;
		k->left = ASKS;
	}
	ret->id = ++k->id;
	k->sent_ns = sg_mono_ns();
	return true;
}

int sg_guestclock_wait_ms(const struct sg_guestclock *k)
{
	uint64_t now = sg_mono_ns();

	if (k->sent_ns)
		return 1000;
	return k->left || now >= k->due_ns ? 0 : (int)((k->due_ns - now) / 1000000 + 1);
}

static uint64_t middle(uint64_t a, uint64_t b)
{
	return a + (b - a) / 2;
}

/* The offset may have been changed since: then nothing is known from there on. */
static bool offset_moved(struct sg_guestclock *k)
{
	struct sg_kvmtsc was = k->kvm;
	int e;

	if (k->doubted || (!k->pid && !k->cid))
		return false;
	e = sg_kvmtsc_read(k->kvm_root, "/proc", k->pid, k->cid, &k->kvm);
	if (!k->looked) {
		k->looked = true;
		k->by_tsc = !e;
		return false;
	}
	if (e)
		k->by_tsc = false; /* the VM is gone, or its vCPUs differ: the exchange goes on */
	return k->by_tsc && !sg_kvmtsc_same(&was, &k->kvm);
}

/* The same instant by the TSC. False when it can't be told, or contradicts the exchange. */
static bool by_tsc(struct sg_guestclock *k, struct sg_clock_point *p)
{
	const struct sg_link_pong *g = &k->best_pong;
	const struct sg_stamp *h = &k->best_stamp, *f = &k->first;
	uint64_t ns = h->mono - f->mono, ticks = middle(h->tsc0, h->tsc1) - middle(f->tsc0, f->tsc1), width;
	double per_tick, host;
	int64_t d;

	if (!k->by_tsc || !g->tsc0 || g->tsc1 < g->tsc0 || !h->tsc0 || ns < TICKS_NS || !ticks)
		return false;
	per_tick = (double)ns / (double)ticks;
	d = (int64_t)(middle(h->tsc0, h->tsc1) - sg_kvmtsc_host(&k->kvm, middle(g->tsc0, g->tsc1)));
	host = (double)d * per_tick;
	width = (uint64_t)((double)(g->tsc1 - g->tsc0 + h->tsc1 - h->tsc0) / 2 * per_tick) + 2;
	d = (int64_t)(h->mono - (uint64_t)(int64_t)host - p->host);
	if ((d < 0 ? 0 - (uint64_t)d : (uint64_t)d) > p->error + width + DOUBT_NS) {
		k->doubted = true;
		k->by_tsc = false;
		return false;
	}
	p->host += (uint64_t)d;
	/* and how well a tick is known, over the time between the two machines' readings */
	host = host < 0 ? -host : host;
	p->error = width +
		   (uint64_t)(host * (double)(h->tsc1 - h->tsc0 + f->tsc1 - f->tsc0) / 2 / (double)ticks);
	p->source = SG_CLOCK_TSC;
	return true;
}

static int burst_end(struct sg_guestclock *k, struct sg_clock_point *ret)
{
	bool moved = offset_moved(k);
	int e;

	k->due_ns = sg_mono_ns() + PERIOD_NS;
	*ret = k->best;
	k->best.error = 0;
	/* the answer that counts may be older than the offset: a change is no contradiction */
	if (moved)
		ret->flags |= SG_CLOCKMAP_STEP;
	else
		by_tsc(k, ret);
	e = sg_clocks_add(&k->clocks, ret);
	return e < 0 ? e : 1;
}

int sg_guestclock_answer(struct sg_guestclock *k, const struct sg_link_pong *pong, struct sg_clock_point *ret)
{
	struct sg_stamp now = sg_stamp_take();
	uint64_t sent = k->sent_ns, error;

	if (!sent || pong->id != k->id)
		return 0; /* of a connection that is gone */
	error = (now.mono - sent) / 2 + 1;
	k->sent_ns = 0;
	if (!k->best.error || error < k->best.error) {
		k->best = (struct sg_clock_point){ .guest = pong->mono,
						   .host = middle(sent, now.mono),
						   .error = error,
						   .source = SG_CLOCK_EXCHANGE };
		k->best_pong = *pong;
		k->best_stamp = now;
	}
	if (k->left && --k->left)
		return 0;
	return burst_end(k, ret);
}
