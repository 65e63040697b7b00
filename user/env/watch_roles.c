/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Roles of processes. What the recording itself tells (who forked whom) comes
 * first: a stub may be gone before its /proc can be read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "env/gvisor_proc.h"
#include "env/watch_priv.h"

#define PROCS	   16384u /* slots for sandboxes' processes; a power of two */
#define PROCS_FULL (PROCS / 4 * 3)
#define UIDS	   65536u /* threads remembered: the newest, and those of sandboxes */
#define WAYS	   4u	  /* places that a thread may have */
#define SEEN	   16384u /* processes looked at, newest by slot */
#define FORKS	   1024u  /* forks whose maker was not known, newest */

/* A ROLE may go back in time to its process's birth, but not behind the recorder's watermark. */
#define BACK_NS 200000000ull
/* How far apart the drain reads two records of one moment, amply. */
#define TURN_NS 1000000000ull

struct proc {
	uint32_t tgid; /* 0: free */
	uint32_t uid;  /* of its first thread, 0 not known: an id used again has another */
	uint32_t sentry;
	uint32_t role;
};

struct fork {
	uint64_t ts;
	uint32_t tgid, uid, creator;
};

struct sg_watch_roles {
	const char *proc;
	struct sg_boxes *boxes;
	struct sg_watch_out *out;
	struct proc procs[PROCS];
	size_t nproc;
	struct {
		uint32_t uid, tgid;
	} uids[UIDS];
	uint32_t seen[SEEN];
	struct fork forks[FORKS];
	uint32_t nfork;
	struct sg_watch_cgroups cgroups;
};

int sg_watch_roles_new(struct sg_watch_roles **ret, const char *proc, struct sg_boxes *boxes,
		       struct sg_watch_out *out)
{
	struct sg_watch_roles *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->proc = proc ? proc : "/proc";
	r->boxes = boxes;
	r->cgroups.boxes = boxes;
	r->out = out;
	*ret = r;
	return 0;
}

void sg_watch_roles_free(struct sg_watch_roles *r)
{
	free(r);
}

/* ---- processes of sandboxes ------------------------------------------------------------- */
static struct proc *slot_of(struct sg_watch_roles *r, uint32_t tgid)
{
	uint32_t i = tgid * 2654435761u % PROCS;

	while (r->procs[i].tgid && r->procs[i].tgid != tgid)
		i = (i + 1) % PROCS;
	return &r->procs[i];
}

static struct proc *proc_find(struct sg_watch_roles *r, uint32_t tgid)
{
	struct proc *p = tgid ? slot_of(r, tgid) : NULL;

	return p && p->tgid && p->role ? p : NULL;
}

static bool is_there(const struct sg_watch_roles *r, uint32_t pid)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%u", r->proc, pid);
	return !stat(path, &st);
}

/* Full: those that are gone make room. */
static void procs_sweep(struct sg_watch_roles *r)
{
	struct proc *old = malloc(sizeof(r->procs));

	if (!old)
		return;
	memcpy(old, r->procs, sizeof(r->procs));
	memset(r->procs, 0, sizeof(r->procs));
	r->nproc = 0;
	for (size_t i = 0; i < PROCS; i++)
		if (old[i].tgid && old[i].role && is_there(r, old[i].tgid)) {
			*slot_of(r, old[i].tgid) = old[i];
			r->nproc++;
		}
	free(old);
}

static struct proc *proc_get(struct sg_watch_roles *r, uint32_t tgid)
{
	struct proc *p = slot_of(r, tgid);

	if (p->tgid)
		return p;
	if (r->nproc >= PROCS_FULL) {
		procs_sweep(r);
		p = slot_of(r, tgid);
	}
	if (r->nproc >= PROCS_FULL) {
		r->out->crowded++;
		return NULL;
	}
	r->nproc++;
	p->tgid = tgid;
	return p;
}

static uint32_t tgid_of(const struct sg_watch_roles *r, uint32_t uid)
{
	for (uint32_t i = 0; uid && i < WAYS; i++)
		if (r->uids[(uid + i) % UIDS].uid == uid)
			return r->uids[(uid + i) % UIDS].tgid;
	return 0;
}

/* Makers of stubs live long: they stay while others pass through. */
static void uid_keep(struct sg_watch_roles *r, uint32_t uid, uint32_t tgid)
{
	uint32_t best = 0, best_worth = UINT32_MAX;

	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t at = (uid + i) % UIDS, has = r->uids[at].uid, worth = 0;

		if (has == uid) {
			best = at;
			break;
		}
		if (has)
			worth = proc_find(r, r->uids[at].tgid) ? 2 + is_there(r, r->uids[at].tgid) : 1;
		if (worth < best_worth) {
			best = at;
			best_worth = worth;
		}
	}
	r->uids[best].uid = uid;
	r->uids[best].tgid = tgid;
}

/* ---- out ------------------------------------------------------------------------------------ */
static void put_role(struct sg_watch_roles *r, uint32_t tgid, const char *name, uint32_t sentry, uint64_t ts)
{
	uint64_t now = sg_watch_now_ns();
	struct sg_role ev = { .h = { .ts = ts + BACK_NS > now ? ts : now - BACK_NS, .kind = SG_REC_ROLE },
			      .tgid = tgid,
			      .sandbox = sentry };

	if (ev.h.ts > now)
		ev.h.ts = now;
	snprintf(ev.name, sizeof(ev.name), "%s", name);
	if (!r->out->put(r->out->ctx, &ev.h))
		r->out->roles++;
}

static void forks_settle(struct sg_watch_roles *r);

/* @tgid is @role. Return: that was not known. */
static bool set_role(struct sg_watch_roles *r, uint32_t tgid, uint32_t uid, enum sg_gv_role role,
		     uint32_t sentry, uint64_t ts)
{
	struct proc *p = proc_get(r, tgid);

	if (!p)
		return false;
	p->uid = uid ? uid : p->uid;
	if (p->role == role && p->sentry == sentry)
		return false;
	p->role = role;
	p->sentry = sentry;
	put_role(r, tgid, sg_gv_role_name(role), sentry, ts);
	return true;
}

/* A Gofer is older than its Sentry: those that have none look again. */
static void gofers_again(struct sg_watch_roles *r)
{
	for (size_t i = 0; i < PROCS; i++) {
		struct proc *p = &r->procs[i];
		struct sg_gv_proc found;

		if (p->tgid && p->role == SG_GV_GOFER && !p->sentry &&
		    !sg_gv_identify(r->proc, p->tgid, &found) && found.role == SG_GV_GOFER && found.sentry)
			set_role(r, p->tgid, 0, SG_GV_GOFER, found.sentry, sg_watch_now_ns());
	}
}

/* Read /proc of @tgid and act on it. Return: 0 with its role, negative errno when it is gone. */
static int look_at(struct sg_watch_roles *r, uint32_t tgid, uint32_t uid, uint64_t ts, enum sg_gv_role *ret)
{
	struct sg_gv_proc found;
	int e = sg_gv_identify(r->proc, tgid, &found);

	*ret = e ? SG_GV_NONE : found.role;
	if (e || !found.role)
		return e;
	if (!set_role(r, tgid, uid, found.role, found.sentry, ts))
		return 0;
	if (found.role == SG_GV_SENTRY) {
		sg_boxes_sentry(r->boxes, found.id, tgid,
				sg_gv_platform_name(sg_gv_platform_told(r->proc, tgid)));
		gofers_again(r);
	}
	forks_settle(r);
	return 0;
}

/* ---- forks ------------------------------------------------------------------------------------ */
static void forks_add(struct sg_watch_roles *r, const struct sg_watch_item *it)
{
	r->forks[r->nfork++ % FORKS] = (struct fork){ it->ts, it->tgid, it->uid, it->creator };
}

/* Records of two CPUs come in turn: a child's may be read before its maker's. */
static bool settle_once(struct sg_watch_roles *r)
{
	uint64_t newest = r->nfork ? r->forks[(r->nfork - 1) % FORKS].ts : 0;
	bool any = false;

	for (uint32_t n = 0; n < FORKS && n < r->nfork; n++) {
		struct fork *f = &r->forks[(r->nfork - 1 - n) % FORKS];
		struct proc *maker;

		if (f->ts + TURN_NS < newest)
			break;
		maker = f->tgid ? proc_find(r, tgid_of(r, f->creator)) : NULL;
		if (!maker || maker->role == SG_GV_GOFER)
			continue;
		any |= set_role(r, f->tgid, f->uid, SG_GV_STUB, maker->sentry, f->ts);
		f->tgid = 0;
	}
	return any;
}

static void forks_settle(struct sg_watch_roles *r)
{
	while (settle_once(r))
		;
}

/* A helper that a Sentry or Gofer runs (it unmounts): part of it, not of the guest, and never a maker of stubs. */
static void helper(struct sg_watch_roles *r, const struct sg_watch_item *it, enum sg_gv_role of,
		   uint32_t sentry)
{
	struct proc *p = proc_find(r, it->tgid);

	if (p)
		p->role = SG_GV_NONE;
	put_role(r, it->tgid, sg_gv_role_name(of), sentry, it->ts);
}

/*
 * A process born of a sandbox. What a stub forks is a stub; so is what a Sentry forks,
 * unless it can be seen to have become another program.
 */
static void born_in_sandbox(struct sg_watch_roles *r, const struct sg_watch_item *it,
			    const struct proc *maker)
{
	uint32_t sentry = maker->sentry;
	enum sg_gv_role role;

	if (maker->role == SG_GV_SENTRY && !look_at(r, it->tgid, it->uid, it->ts, &role)) {
		if (!role)
			helper(r, it, SG_GV_SENTRY, sentry);
		return;
	}
	if (set_role(r, it->tgid, it->uid, SG_GV_STUB, sentry, it->ts))
		forks_settle(r);
}

static void forked(struct sg_watch_roles *r, const struct sg_watch_item *it)
{
	uint32_t maker_tgid = tgid_of(r, it->creator);
	struct proc *maker = proc_find(r, maker_tgid);
	enum sg_gv_role role = SG_GV_NONE;

	if (maker) {
		if (maker->role == SG_GV_GOFER)
			helper(r, it, SG_GV_GOFER, maker->sentry);
		else
			born_in_sandbox(r, it, maker);
		return;
	}
	/* a known maker outside of any sandbox: nothing to be seen before it executes something */
	if (!maker_tgid || it->flags & SG_TF_BEFORE)
		look_at(r, it->tgid, it->uid, it->ts, &role);
	if (!role && it->creator)
		forks_add(r, it);
}

/* After an exec it is what it is now; what a Sentry's child became is the Sentry's helper. */
static void executed(struct sg_watch_roles *r, const struct sg_watch_item *it)
{
	struct proc *p = proc_find(r, it->tgid), *maker = proc_find(r, tgid_of(r, it->creator));
	uint32_t sentry = p && p->role == SG_GV_STUB ? p->sentry : 0;
	enum sg_gv_role role;

	if (!sentry && maker && maker->tgid != it->tgid && maker->role == SG_GV_SENTRY)
		sentry = maker->sentry;
	if (!look_at(r, it->tgid, it->uid, it->ts, &role) && !role && sentry)
		helper(r, it, SG_GV_SENTRY, sentry);
}

static void first_thread(struct sg_watch_roles *r, const struct sg_watch_item *it)
{
	bool seen = r->seen[it->tgid % SEEN] == it->tgid;
	struct proc *p = proc_find(r, it->tgid);

	r->seen[it->tgid % SEEN] = it->tgid;
	if (it->flags & SG_TF_EXEC) {
		executed(r, it);
		return;
	}
	if (p && !p->uid)
		p->uid = it->uid;
	if (p && p->uid == it->uid)
		return; /* known from /proc, or told again */
	if (p)
		p->role = SG_GV_NONE; /* its id is used again */
	if (p || !seen || !(it->flags & SG_TF_BEFORE))
		forked(r, it);
}

/* ---- in ---------------------------------------------------------------------------------------- */
void sg_watch_roles_item(struct sg_watch_roles *r, const struct sg_watch_item *it)
{
	enum sg_gv_role role;

	if (it->is_name) {
		sg_watch_cgroup_named(&r->cgroups, it);
		return;
	}
	if (it->flags & (SG_TF_KTHREAD | SG_TF_IDLE) || !it->tgid)
		return;
	uid_keep(r, it->uid, it->tgid);
	sg_watch_cgroup_used(&r->cgroups, it);
	if (it->tid == it->tgid) {
		first_thread(r, it);
	} else if (r->seen[it->tgid % SEEN] != it->tgid) {
		r->seen[it->tgid % SEEN] = it->tgid;
		if (!proc_find(r, it->tgid))
			look_at(r, it->tgid, 0, it->ts, &role);
	}
	/* a maker of forks that were read before */
	if (proc_find(r, it->tgid))
		forks_settle(r);
}

static bool existing(void *ctx, uint32_t pid)
{
	struct sg_watch_roles *r = ctx;
	enum sg_gv_role role;

	r->seen[pid % SEEN] = pid;
	look_at(r, pid, 0, sg_watch_now_ns(), &role);
	return true;
}

void sg_watch_roles_existing(struct sg_watch_roles *r)
{
	sg_gv_each(r->proc, existing, r);
}
