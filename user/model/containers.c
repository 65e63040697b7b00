/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/containers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"

#define ID_SHOWN  12 /* digits of an id, as its managers show it */
#define ID_DIGITS 64
#define NO_NAME	  "(no container)"

/* What the second word of a key in the map means. */
enum { KEY_THREAD = 1, KEY_PROC, KEY_CROWD, KEY_SCOPE };

struct proc {
	struct sg_owner_proc p;
	uint32_t leader; /* uid of the thread that had the process's id, 0 not seen */
};

struct cgroup_name {
	uint64_t id;
	char name[SG_CGROUP_NAME];
};

struct sg_owners {
	struct sg_pairmap who; /* of threads, processes, and of cgroups for the crowd */
	size_t nthread, nscope;
	struct proc *proc; /* [0] is nobody's */
	size_t nproc, proc_cap;
	struct sg_pairmap at; /* cgroup -> index + 1 in ct */
	struct sg_owner_container *ct;
	size_t nct;
	struct sg_pairmap named; /* cgroup -> index + 1 in name */
	struct cgroup_name *name;
	size_t nname, name_cap;
	const struct sg_owner_container **list;
};

int sg_owners_new(struct sg_owners **ret)
{
	struct sg_owners *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->proc_cap = 64;
	o->proc = calloc(o->proc_cap, sizeof(*o->proc));
	o->ct = calloc(SG_OWNERS_CONTAINERS, sizeof(*o->ct));
	o->list = calloc(SG_OWNERS_CONTAINERS, sizeof(*o->list));
	if (!o->proc || !o->ct || !o->list) {
		sg_owners_free(o);
		return -ENOMEM;
	}
	o->nproc = 1;
	memcpy(o->proc[0].p.comm, "?", 2);
	*ret = o;
	return 0;
}

void sg_owners_free(struct sg_owners *o)
{
	if (!o)
		return;
	for (size_t i = 0; o->ct && i < o->nct; i++)
		free(o->ct[i].text);
	free(o->ct);
	free(o->list);
	free(o->proc);
	free(o->name);
	sg_pairmap_free(&o->who);
	sg_pairmap_free(&o->at);
	sg_pairmap_free(&o->named);
	free(o);
}

/* ---- processes ----------------------------------------------------------- */

static struct proc *proc_new(struct sg_owners *o)
{
	if (o->nproc == o->proc_cap) {
		struct proc *p = realloc(o->proc, o->proc_cap * 2 * sizeof(*p));

		if (!p)
			return NULL;
		o->proc = p;
		o->proc_cap *= 2;
	}
	memset(&o->proc[o->nproc], 0, sizeof(*o->proc));
	return &o->proc[o->nproc];
}

/* One entry a cgroup for all processes that are too many. Its number, 0 when even those are too many. */
static int crowd_of(struct sg_owners *o, uint64_t cgroup, uint32_t *ret)
{
	const uint32_t *known = sg_pairmap_get(&o->who, cgroup, KEY_CROWD);
	struct proc *p;

	*ret = known ? *known : 0;
	if (known || o->nproc >= SG_OWNERS_PROCS + SG_OWNERS_CONTAINERS)
		return 0;
	p = proc_new(o);
	if (!p || !sg_pairmap_at(&o->who, cgroup, KEY_CROWD, (uint32_t)o->nproc, NULL))
		return -ENOMEM;
	p->p.cgroup = cgroup;
	snprintf(p->p.comm, sizeof(p->p.comm), "(others)");
	*ret = (uint32_t)o->nproc++;
	return 0;
}

/* The current program of process @tgid becomes a new one, which keeps its role if the process stays the same. */
static int proc_begin(struct sg_owners *o, uint32_t tgid, bool same_process, uint32_t *ret)
{
	uint32_t *at = sg_pairmap_at(&o->who, tgid, KEY_PROC, 0, NULL);
	struct proc *p;

	if (!at)
		return -ENOMEM;
	p = proc_new(o);
	if (!p)
		return -ENOMEM;
	if (same_process) {
		memcpy(p->p.role, o->proc[*at].p.role, sizeof(p->p.role));
		p->p.sandbox = o->proc[*at].p.sandbox;
	}
	p->p.tgid = tgid;
	memcpy(p->p.comm, "?", 2);
	*ret = *at = (uint32_t)o->nproc++;
	return 0;
}

/* Is what @p was another program than the one thread @t tells of? */
static bool is_other(const struct proc *p, const struct sg_thread *t)
{
	if (!p->p.cgroup && !p->leader)
		return false; /* only its role is known so far */
	if (t->tid != t->tgid)
		return false;
	return (p->leader && p->leader != t->h.uid) || (p->leader && t->flags & SG_TF_EXEC) ||
	       (t->cgroup && p->p.cgroup != t->cgroup);
}

/* Cgroups of threads that are followed; as many as containers, and names, may be. */
static int scope_add(struct sg_owners *o, uint64_t cgroup)
{
	if (o->nscope == SG_OWNERS_CONTAINERS || sg_pairmap_get(&o->who, cgroup, KEY_SCOPE))
		return 0;
	o->nscope++;
	return sg_pairmap_at(&o->who, cgroup, KEY_SCOPE, 0, NULL) ? 0 : -ENOMEM;
}

static int on_thread(struct sg_owners *o, const struct sg_thread *t)
{
	uint32_t number = sg_owners_tgid(o, t->tgid);
	struct proc *p = &o->proc[number];
	uint32_t *at;
	int is_new = 0, ret = 0;

	if (!t->h.uid)
		return 0;
	if (t->flags & SG_TF_INSCOPE && scope_add(o, t->cgroup))
		return -ENOMEM;
	if (!number || is_other(p, t)) {
		bool same = number && (p->leader == t->h.uid || t->flags & SG_TF_EXEC);

		ret = o->nproc < SG_OWNERS_PROCS ? proc_begin(o, t->tgid, same, &number)
						 : crowd_of(o, t->cgroup, &number);
		if (ret)
			return ret;
		p = &o->proc[number];
	}
	if (number && p->p.tgid == t->tgid) {
		p->p.cgroup = t->cgroup;
		if (t->tid == t->tgid || p->p.comm[0] == '?')
			memcpy(p->p.comm, t->comm, sizeof(p->p.comm) - 1);
		if (t->tid == t->tgid)
			p->leader = t->h.uid;
	}
	if (o->nthread >= SG_OWNERS_THREADS && !sg_pairmap_get(&o->who, t->h.uid, KEY_THREAD))
		return 0;
	at = sg_pairmap_at(&o->who, t->h.uid, KEY_THREAD, 0, &is_new);
	if (!at)
		return -ENOMEM;
	o->nthread += is_new ? 1 : 0;
	*at = number;
	return 0;
}

static int on_role(struct sg_owners *o, const struct sg_role *r)
{
	uint32_t number = sg_owners_tgid(o, r->tgid);
	int ret = 0;

	if (!number && o->nproc < SG_OWNERS_PROCS)
		ret = proc_begin(o, r->tgid, false, &number);
	if (ret || !number)
		return ret;
	memcpy(o->proc[number].p.role, r->name, SG_ROLE_NAME - 1);
	o->proc[number].p.sandbox = r->sandbox;
	return 0;
}

uint32_t sg_owners_proc(const struct sg_owners *o, uint32_t uid)
{
	const uint32_t *at = sg_pairmap_get(&o->who, uid, KEY_THREAD);

	return at ? *at : 0;
}

uint32_t sg_owners_tgid(const struct sg_owners *o, uint32_t tgid)
{
	const uint32_t *at = sg_pairmap_get(&o->who, tgid, KEY_PROC);

	return at ? *at : 0;
}

const struct sg_owner_proc *sg_owners_proc_at(const struct sg_owners *o, uint32_t number)
{
	return &o->proc[number < o->nproc ? number : 0].p;
}

/* ---- containers ---------------------------------------------------------- */

static int on_container(struct sg_owners *o, const struct sg_container *c)
{
	const char **part[] = { NULL, NULL, NULL, NULL, NULL }, *s, *end;
	struct sg_owner_container *t;
	uint32_t *at;
	char *text;

	if (o->nct == SG_OWNERS_CONTAINERS && !sg_pairmap_get(&o->at, c->cgroup, 0))
		return 0;
	at = sg_pairmap_at(&o->at, c->cgroup, 0, 0, NULL);
	text = at ? calloc(1, c->len + 1u) : NULL;
	if (!text)
		return -ENOMEM;
	memcpy(text, c->text, c->len);
	if (!*at)
		*at = (uint32_t)++o->nct;
	t = &o->ct[*at - 1];
	free(t->text);
	*t = (struct sg_owner_container){ .cgroup = c->cgroup, .pid = c->pid, .text = text };
	part[0] = &t->id, part[1] = &t->name, part[2] = &t->image, part[3] = &t->runtime,
	part[4] = &t->platform;
	s = text, end = text + c->len;
	for (size_t i = 0; i < 5; i++) {
		*part[i] = s;
		s += strlen(s);
		s += s < end ? 1 : 0;
	}
	return 0;
}

static int on_cgname(struct sg_owners *o, const struct sg_cgname *c)
{
	struct cgroup_name *n;
	uint32_t *at;

	if (o->nname == SG_OWNERS_CONTAINERS && !sg_pairmap_get(&o->named, c->id, 0))
		return 0;
	at = sg_pairmap_at(&o->named, c->id, 0, 0, NULL);
	if (!at)
		return -ENOMEM;
	if (!*at && o->nname == o->name_cap) {
		n = realloc(o->name, (o->name_cap + 64) * sizeof(*n));
		if (!n)
			return -ENOMEM;
		o->name = n;
		o->name_cap += 64;
	}
	if (!*at)
		*at = (uint32_t)++o->nname;
	n = &o->name[*at - 1];
	n->id = c->id;
	memcpy(n->name, c->name, sizeof(n->name));
	n->name[sizeof(n->name) - 1] = 0;
	return 0;
}

int sg_owners_feed(struct sg_owners *o, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_THREAD:
		return on_thread(o, (const void *)ev);
	case SG_REC_ROLE:
		return on_role(o, (const void *)ev);
	case SG_REC_CONTAINER:
		return on_container(o, (const void *)ev);
	case SG_REC_CGNAME:
		return on_cgname(o, (const void *)ev);
	}
	return 0;
}

const struct sg_owner_container *sg_owners_container(const struct sg_owners *o, uint64_t cgroup)
{
	const uint32_t *at = sg_pairmap_get(&o->at, cgroup, 0);

	return at && *at ? &o->ct[*at - 1] : NULL;
}

/* The container's id that a cgroup is named after ("docker-ID.scope"), or NULL. */
static const char *id_in(const char *s)
{
	for (size_t n; *s; s += n ? n : 1) {
		n = strspn(s, "0123456789abcdef");
		if (n == ID_DIGITS)
			return s;
	}
	return NULL;
}

const char *sg_owners_label(const struct sg_owners *o, uint64_t cgroup, char buf[SG_OWNERS_LABEL])
{
	const struct sg_owner_container *c = sg_owners_container(o, cgroup);
	const uint32_t *at = sg_pairmap_get(&o->named, cgroup, 0);
	const char *name = at && *at ? o->name[*at - 1].name : "", *id = id_in(name);

	if (c && *c->name)
		snprintf(buf, SG_OWNERS_LABEL, "%s", c->name);
	else if (c && *c->id)
		snprintf(buf, SG_OWNERS_LABEL, "%.*s", ID_SHOWN, c->id);
	else if (id)
		snprintf(buf, SG_OWNERS_LABEL, "%.*s", ID_SHOWN, id);
	else
		snprintf(buf, SG_OWNERS_LABEL, "%s", *name && strcmp(name, "/") ? name : NO_NAME);
	return buf;
}

static int by_name(const void *a, const void *b)
{
	const struct sg_owner_container *x = *(const struct sg_owner_container *const *)a,
					*y = *(const struct sg_owner_container *const *)b;
	int d = strcmp(x->name, y->name);

	if (!d)
		d = strcmp(x->id, y->id);
	return d ? d : (x->cgroup > y->cgroup) - (x->cgroup < y->cgroup);
}

static int by_scope(const void *a, const void *b)
{
	const struct sg_owner_container *x = *(const struct sg_owner_container *const *)a,
					*y = *(const struct sg_owner_container *const *)b;

	return x->in_scope == y->in_scope ? by_name(a, b) : x->in_scope ? -1 : 1;
}

size_t sg_owners_list(struct sg_owners *o, const struct sg_owner_container *const **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < o->nct; i++) {
		o->ct[i].in_scope = sg_pairmap_get(&o->who, o->ct[i].cgroup, KEY_SCOPE);
		o->list[i] = &o->ct[i];
	}
	qsort(o->list, o->nct, sizeof(*o->list), by_name);
	for (size_t i = 0; i < o->nct; i++) {
		if (!n || strcmp(o->list[n - 1]->id, o->list[i]->id) ||
		    strcmp(o->list[n - 1]->name, o->list[i]->name))
			o->list[n++] = o->list[i];
		else /* a further cgroup of the same one */
			o->ct[o->list[n - 1] - o->ct].in_scope |= o->list[i]->in_scope;
	}
	qsort(o->list, n, sizeof(*o->list), by_scope);
	*ret = o->list;
	return n;
}
