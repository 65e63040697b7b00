/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvisor.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "env/gvisor_proc.h"

/* A stub's stub's ... Sentry: two or three levels in practice. */
#define DEPTH_MAX 64

#define LISAFS_ONLY 20221214 /* e3f77dddd: 9P removed from runsc */

const char *sg_gv_role_name(enum sg_gv_role r)
{
	switch (r) {
	case SG_GV_SENTRY:
		return "sentry";
	case SG_GV_GOFER:
		return "gofer";
	case SG_GV_STUB:
		return "stub";
	default:
		return NULL;
	}
}

const char *sg_gv_platform_name(enum sg_gv_platform p)
{
	switch (p) {
	case SG_GV_PTRACE:
		return "ptrace";
	case SG_GV_SYSTRAP:
		return "systrap";
	case SG_GV_KVM:
		return "kvm";
	default:
		return "";
	}
}

enum sg_gv_proto sg_gv_proto_of(uint32_t release, bool flag_lisafs)
{
	if (release >= LISAFS_ONLY)
		return SG_GV_LISAFS;
	if (!release)
		return SG_GV_PROTO_UNKNOWN;
	return flag_lisafs ? SG_GV_LISAFS : SG_GV_9P;
}

/* Eight digits that are a day since gVisor exists. */
static uint32_t date_of(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		if (!isdigit((unsigned char)p[i]))
			return 0;
		v = v * 10 + (uint32_t)(p[i] - '0');
	}
	if (v < 20180101 || v > 20991231 || v / 100 % 100 < 1 || v / 100 % 100 > 12 || v % 100 < 1 ||
	    v % 100 > 31)
		return 0;
	return v;
}

uint32_t sg_gv_release(const char *text)
{
	for (const char *p = text; *p; p++) {
		uint32_t v;

		if (p > text && isalnum((unsigned char)p[-1]))
			continue;
		v = date_of(p);
		if (v && !isalnum((unsigned char)p[8]))
			return v;
	}
	return 0;
}

/* Sentry by command line? Its id in @id. */
static bool is_sentry(const char *proc, uint32_t pid, char id[65])
{
	struct sg_gv_args a;
	bool is = !sg_gv_args_read(proc, pid, &a) && sg_gv_args_role(&a, id) == SG_GV_SENTRY;

	sg_gv_args_free(&a);
	return is;
}

static bool is_nameless(const char *proc, uint32_t pid)
{
	struct sg_gv_args a;
	bool is = !sg_gv_args_read(proc, pid, &a) && !a.n;

	sg_gv_args_free(&a);
	return is;
}

/* A process just forked by a Sentry still shows the Sentry's command line: the uppermost of equal ones is the Sentry. */
static uint32_t uppermost(const char *proc, uint32_t pid, const char *id)
{
	for (int i = 0; i < DEPTH_MAX; i++) {
		struct sg_gv_status st;
		char up[65];

		if (sg_gv_status(proc, pid, &st) || !st.ppid || !is_sentry(proc, st.ppid, up) ||
		    strcmp(up, id) || !sg_gv_same_exe(proc, pid, st.ppid))
			break;
		pid = st.ppid;
	}
	return pid;
}

static bool found_stub(const char *proc, uint32_t sentry, const char *id, struct sg_gv_proc *ret)
{
	ret->role = SG_GV_STUB;
	ret->sentry = uppermost(proc, sentry, id);
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	return true;
}

/* Up the chain of parents through other stubs to a Sentry of the same executable. */
static bool stub_by_parent(const char *proc, const struct sg_gv_status *st, struct sg_gv_proc *ret)
{
	uint32_t up = st->ppid;
	char id[65];

	for (int i = 0; i < DEPTH_MAX && up > 1; i++) {
		struct sg_gv_status next;
		bool dead = st->state == 'Z'; /* has no executable any more; its parent still tells */

		if (!dead && !sg_gv_same_exe(proc, ret->pid, up))
			return false;
		if (is_sentry(proc, up, id))
			return found_stub(proc, up, id, ret);
		if (!is_nameless(proc, up) || sg_gv_status(proc, up, &next))
			return false;
		up = next.ppid;
	}
	return false;
}

/* The ptrace platform: a thread of the Sentry traces it, whoever its parent is by now. */
static bool stub_by_tracer(const char *proc, const struct sg_gv_status *st, struct sg_gv_proc *ret)
{
	struct sg_gv_status tracer;
	char id[65];

	return st->tracer && !sg_gv_status(proc, st->tracer, &tracer) &&
	       sg_gv_same_exe(proc, ret->pid, tracer.tgid) && is_sentry(proc, tracer.tgid, id) &&
	       found_stub(proc, tracer.tgid, id, ret);
}

/* ---- a Gofer's Sentry --------------------------------------------------------------- */
struct partner {
	const char *proc, *id;
	uint32_t gofer, ppid;
	uint32_t same_id, sibling; /* found so far */
	unsigned siblings;
};

static bool try_partner(void *ctx, uint32_t pid)
{
	struct partner *p = ctx;
	struct sg_gv_status st;
	char id[65];

	if (!is_sentry(p->proc, pid, id))
		return true;
	if (p->id[0] && !strcmp(id, p->id)) {
		p->same_id = uppermost(p->proc, pid, id);
		return false;
	}
	if (!sg_gv_status(p->proc, pid, &st) && st.ppid == p->ppid && p->ppid > 1 &&
	    sg_gv_same_exe(p->proc, pid, p->gofer)) {
		p->sibling = pid;
		p->siblings++;
	}
	return true;
}

/* Of the same container; or, in a pod (a Gofer each, one Sentry), the only one below the same shim. */
static uint32_t gofers_sentry(const char *proc, uint32_t gofer, const char *id)
{
	struct partner p = { .proc = proc, .id = id, .gofer = gofer };
	struct sg_gv_status st;

	if (sg_gv_status(proc, gofer, &st))
		return 0;
	p.ppid = st.ppid;
	sg_gv_each(proc, try_partner, &p);
	return p.same_id ? p.same_id : p.siblings == 1 ? p.sibling : 0;
}

int sg_gv_identify(const char *proc, uint32_t pid, struct sg_gv_proc *ret)
{
	struct sg_gv_status st;
	struct sg_gv_args a;
	bool nameless;
	int e;

	proc = proc ? proc : "/proc";
	*ret = (struct sg_gv_proc){ .pid = pid };
	e = sg_gv_args_read(proc, pid, &a);
	if (!e)
		ret->role = sg_gv_args_role(&a, ret->id);
	nameless = !a.n;
	sg_gv_args_free(&a);
	if (e || (!nameless && !ret->role))
		return e;
	if (ret->role == SG_GV_GOFER) {
		ret->sentry = gofers_sentry(proc, pid, ret->id);
		return 0;
	}
	if (ret->role == SG_GV_SENTRY) {
		ret->sentry = uppermost(proc, pid, ret->id);
		ret->role = ret->sentry == pid ? SG_GV_SENTRY : SG_GV_STUB;
		return 0;
	}
	e = sg_gv_status(proc, pid, &st);
	if (!e && !stub_by_parent(proc, &st, ret))
		stub_by_tracer(proc, &st, ret);
	return e;
}
