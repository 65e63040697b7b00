/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Who is who: threads by uid, processes by tgid, and the component each belongs to. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/box.h"
#include "model/priv.h"

#define COMP_MAX 4096 /* distinct component names; hostile recordings get "other" beyond */

struct sg_thr *sg_thr_find(const struct sg_model *m, uint32_t uid)
{
	uint64_t val;

	if (m->thr_last && m->thr_last->uid == uid)
		return m->thr_last;
	if (!uid || !sg_map_get(&m->thr_map, uid, &val))
		return NULL;
	return (struct sg_thr *)(uintptr_t)val;
}

struct sg_thr *sg_thr_get(struct sg_model *m, uint32_t uid)
{
	struct sg_thr *th = sg_thr_find(m, uid);

	if (!th && uid) {
		if (SG_GROW(m->thr, m->thr_cap, m->nthr + 1))
			return NULL;
		th = calloc(1, sizeof(*th));
		if (!th)
			return NULL;
		th->uid = uid;
		if (sg_map_put(&m->thr_map, uid, (uintptr_t)th)) {
			free(th);
			return NULL;
		}
		m->thr[m->nthr++] = th;
		snprintf(th->comm, sizeof(th->comm), "uid-%u", uid);
	}
	m->thr_last = th;
	return th;
}

static uint64_t text_hash(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3ull;
	return h;
}

/* Names reach tables and folded stacks: letters, digits and a few signs pass, the rest becomes '_'. */
int sg_comp_intern(struct sg_model *m, const char *name, size_t len, uint16_t *ret)
{
	char clean[SG_MACHINE_NAME + SG_ROLE_NAME];
	size_t n = 0;
	uint64_t h, val;
	int rc;

	for (; n < len && n < sizeof(clean) - 1 && name[n]; n++)
		clean[n] = isalnum((unsigned char)name[n]) || strchr("._+:-/@", name[n]) ? name[n] : '_';
	if (!n)
		clean[n++] = '?';
	clean[n] = 0;
	/* linear from the hash: a collision tries the next key */
	for (h = text_hash(clean, n); sg_map_get(&m->comp_map, h, &val); h++)
		if (!strcmp(m->comp[val - 1], clean)) {
			*ret = val - 1;
			return 0;
		}
	if (m->ncomp >= COMP_MAX) {
		*ret = m->comp_other;
		return 0;
	}
	rc = SG_GROW(m->comp, m->comp_cap, m->ncomp + 1);
	if (rc)
		return rc;
	m->comp[m->ncomp] = strdup(clean);
	if (!m->comp[m->ncomp])
		return -ENOMEM;
	*ret = m->ncomp++;
	return sg_map_put(&m->comp_map, h, m->ncomp);
}

static bool begins(const struct sg_thr *th, const char *with)
{
	return !strncmp(th->comm, with, strlen(with));
}

/* QEMU calls it "CPU 0/KVM"; one that emulates its guest has no other sign. */
bool sg_thr_is_vcpu(const struct sg_thr *th)
{
	return th->vcpu || (begins(th, "CPU ") && strstr(th->comm, "/TCG"));
}

static bool is_vmm(const struct sg_model *m, uint32_t tgid)
{
	uint64_t val;

	return sg_map_get(&m->proc_map, tgid, &val) && ((struct sg_proc *)(uintptr_t)val)->vmm;
}

/*
 * The part of a thread in a virtual machine, NULL: none. vhost's workers are kernel
 * threads, since Linux 6.4 threads of the VMM (6e890c5d5021); QEMU calls an I/O thread
 * by its object's name, "IO iothread1" with debug-threads. The one of its monitor is
 * none: it serves no device.
 */
static const char *vm_part(const struct sg_model *m, const struct sg_thr *th)
{
	if (th->vcpu)
		return "vcpu";
	if (!m->vmms)
		return NULL;
	if (th->flags & SG_TF_KTHREAD)
		return begins(th, "vhost-") ? "vhost" : NULL;
	if (!is_vmm(m, th->tgid))
		return NULL;
	if (begins(th, "vhost-"))
		return "vhost";
	return (begins(th, "IO ") && !begins(th, "IO mon_")) || begins(th, "iothread") ? "iothread" : "vmm";
}

/*
 * The process whose machine @th works for, 0: none. A kernel thread names it, or the
 * thread of it that asked for vhost.
 */
static uint32_t vmm_of(const struct sg_model *m, const struct sg_thr *th)
{
	unsigned of;

	if (!m->vmms)
		return 0;
	if (!(th->flags & SG_TF_KTHREAD))
		return is_vmm(m, th->tgid) ? th->tgid : 0;
	if (sscanf(th->comm, "vhost-%u", &of) != 1 && sscanf(th->comm, "kvm-pit/%u", &of) != 1)
		return 0;
	if (is_vmm(m, of))
		return of;
	for (uint32_t i = 0; i < m->nthr; i++)
		if (m->thr[i]->tid == of && is_vmm(m, m->thr[i]->tgid))
			return m->thr[i]->tgid;
	return 0;
}

/* A guest's components are called MACHINE:COMPONENT. */
static void comp_of_machine(struct sg_model *m, struct sg_thr *th)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);
	char name[SG_MACHINE_NAME + SG_ROLE_NAME];

	if (!mi || !mi->number)
		return;
	snprintf(name, sizeof(name), "%s:%s", mi->name, sg_model_comp(m, th->comp));
	if (sg_comp_intern(m, name, sizeof(name), &th->comp))
		th->comp = m->comp_other;
}

/* Component 0 is the empty name: "not known". */
uint16_t sg_thr_comp(struct sg_model *m, struct sg_thr *th)
{
	const char *part;

	if (th->comp)
		return th->comp;
	part = th->role ? NULL : vm_part(m, th);
	if (th->role)
		th->comp = th->role;
	else if (part)
		th->comp = sg_comp_intern(m, part, strlen(part), &th->comp) ? m->comp_other : th->comp;
	else if (th->flags & SG_TF_KTHREAD)
		th->comp = m->comp_kernel;
	else if (th->flags & SG_TF_INSCOPE)
		th->comp = m->comp_app;
	else if (sg_comp_intern(m, th->comm, sizeof(th->comm), &th->comp))
		th->comp = m->comp_other;
	comp_of_machine(m, th);
	return th->comp;
}

struct sg_proc *sg_proc_get(struct sg_model *m, uint32_t tgid)
{
	struct sg_proc *p;
	uint64_t val;

	if (sg_map_get(&m->proc_map, tgid, &val))
		return (struct sg_proc *)(uintptr_t)val;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->tgid = tgid;
	if (sg_map_put(&m->proc_map, tgid, (uintptr_t)p)) {
		free(p);
		return NULL;
	}
	return p;
}

/* A process runs guests: all its threads have parts in that. */
static int vmm_learn(struct sg_model *m, const struct sg_thr *th)
{
	struct sg_proc *p = sg_proc_get(m, th->tgid);

	if (!p)
		return -ENOMEM;
	if (p->vmm)
		return 0;
	p->vmm = true;
	m->vmms = true;
	for (uint32_t i = 0; i < m->nthr; i++)
		if (m->thr[i]->tgid == th->tgid || m->thr[i]->flags & SG_TF_KTHREAD)
			m->thr[i]->comp = 0;
	return 0;
}

int sg_thr_vcpu(struct sg_model *m, struct sg_thr *th, const struct sg_slice *s)
{
	bool runs = false;

	for (unsigned i = 0; i < s->npair && !runs; i++)
		runs = s->pair[i].key == SG_C_CPU_GUEST || SG_KEY_IS_KVM(s->pair[i].key);
	if (!runs || th->vcpu)
		return 0;
	th->vcpu = true;
	th->comp = 0;
	m->nvcpu++;
	return th->announced ? vmm_learn(m, th) : 0; /* else its THREAD will say which process it is */
}

static void role_take(struct sg_model *m, struct sg_thr *th, const struct sg_proc *p)
{
	bool listed = th->box == SG_BOX_SENTRY;

	/* without a place in the list: only the flag go-handoff is missing */
	if (p->box == SG_BOX_SENTRY && !listed && !SG_GROW(m->sentry, m->sentry_cap, m->nsentry + 1))
		m->sentry[m->nsentry++] = th;
	th->role = p->role;
	th->box = p->box;
	th->sandbox = p->sandbox;
	th->comp = 0;
}

/* A thread born before its process is another one's, that had the same number. */
static bool is_of(const struct sg_thr *th, const struct sg_proc *p)
{
	return th->tgid == p->tgid && th->announced && th->birth >= p->birth;
}

/*
 * A process begins whose number another had, and the end of that one may have been
 * lost: what was told of it is not true of this one. A role told since its birth is
 * its own, though it may come before its THREAD.
 */
static void process_begins(struct sg_model *m, const struct sg_thr *th, struct sg_proc *p)
{
	const struct sg_thr *old = p->guest ? sg_thr_find(m, p->guest->begin_uid) : NULL;

	if (old) {
		p->guest->incomplete = true;
		sg_guest_end(m, p, old, old->last_out);
	}
	p->birth = th->birth;
	p->guests = p->ncalls = 0;
	p->vmm = false;
	if (p->role_ts >= th->birth)
		return;
	p->role = 0;
	p->box = SG_BOX_NONE;
	p->sandbox = 0;
}

/*
 * A new thread's role: its process's. A process that a stub or a Sentry forks and
 * that executes nothing is a stub: they make them in no other way.
 */
static int role_learn(struct sg_model *m, struct sg_thr *th, const struct sg_thread *ev, bool is_new)
{
	const struct sg_thr *by;
	struct sg_role stub = { .h = ev->h, .tgid = ev->tgid, .name = "stub" };
	struct sg_proc *p = NULL;
	uint64_t val;

	if (sg_map_get(&m->proc_map, ev->tgid, &val))
		p = (struct sg_proc *)(uintptr_t)val;
	if (p && is_new && ev->tid == ev->tgid && th->birth && !(ev->flags & SG_TF_EXEC))
		process_begins(m, th, p);
	if (p && p->role) {
		role_take(m, th, p);
		return 0;
	}
	by = sg_thr_find(m, ev->creator);
	if (!by || !by->sandbox || by->tgid == ev->tgid || ev->flags & SG_TF_EXEC ||
	    (by->box != SG_BOX_STUB && by->box != SG_BOX_SENTRY))
		return 0;
	stub.sandbox = by->sandbox;
	return sg_thr_role(m, &stub);
}

int sg_thr_announce(struct sg_model *m, const struct sg_thread *ev)
{
	struct sg_thr *th = sg_thr_get(m, ev->h.uid);
	bool is_new = th && !th->announced;
	int rc;

	if (!ev->h.uid)
		return 0;
	if (!th)
		return -ENOMEM;
	th->tid = ev->tid;
	th->tgid = ev->tgid;
	th->flags = ev->flags | (th->flags & (SG_TF_INSCOPE | SG_TF_ROOT));
	memcpy(th->comm, ev->comm, sizeof(th->comm));
	th->comm[sizeof(th->comm) - 1] = 0;
	if (!th->announced && !th->first_set) {
		/* a birth after the fact would contradict what is known */
		th->birth = ev->birth;
		th->creator = ev->creator;
	}
	th->announced = true;
	th->comp = 0;
	rc = role_learn(m, th, ev, is_new);
	return rc || !th->vcpu ? rc : vmm_learn(m, th);
}

/* How long after its end a process may still be told what it was: its number is not given again so soon. */
#define ROLE_LATE_NS 2000000000ull

int sg_thr_role(struct sg_model *m, const struct sg_role *ev)
{
	struct sg_proc *p = sg_proc_get(m, ev->tgid);
	char name[SG_ROLE_NAME + 1] = { 0 };
	int rc;

	if (!p)
		return -ENOMEM;
	memcpy(name, ev->name, SG_ROLE_NAME);
	rc = sg_comp_intern(m, name, sizeof(ev->name), &p->role);
	p->role_ts = ev->h.ts;
	p->sandbox = ev->sandbox;
	m->boxes |= ev->sandbox != 0;
	p->box = ev->sandbox ? sg_box_role(name) : SG_BOX_NONE;
	for (uint32_t i = 0; !rc && i < m->nthr; i++)
		if (is_of(m->thr[i], p) &&
		    (!m->thr[i]->exit_ts || ev->h.ts < m->thr[i]->exit_ts + ROLE_LATE_NS))
			role_take(m, m->thr[i], p);
	return rc;
}

void sg_thr_free_all(struct sg_model *m)
{
	for (uint32_t i = 0; i < m->nthr; i++) {
		struct sg_thr *th = m->thr[i];

		sg_timeline_drop(m, th, SG_T_MAX);
		sg_cut_clear(m, th);
		free(th->chunk);
		free(th->stay);
		free(th->shot);
		free(th);
	}
	free(m->thr);
	free(m->sentry);
	sg_map_free(&m->thr_map);
	for (uint32_t i = 0; i < m->proc_map.cap; i++)
		if (m->proc_map.val[i]) {
			free(((struct sg_proc *)(uintptr_t)m->proc_map.val[i])->calls);
			free((void *)(uintptr_t)m->proc_map.val[i]);
		}
	sg_map_free(&m->proc_map);
	for (uint32_t i = 0; i < m->ncomp; i++)
		free(m->comp[i]);
	free(m->comp);
	sg_map_free(&m->comp_map);
}

bool sg_model_thread(const struct sg_model *m, uint32_t uid, struct sg_thread_info *ret)
{
	struct sg_thr *th = sg_thr_find(m, uid);

	if (!th) {
		*ret = (struct sg_thread_info){ .uid = uid, .comm = "unknown", .comp = "unknown" };
		return false;
	}
	/* the cached component is the only thing written: the model stays what it is */
	*ret = (struct sg_thread_info){ .uid = uid,
					.tid = th->tid,
					.tgid = th->tgid,
					.flags = th->flags,
					.comm = th->comm,
					.vmm = vmm_of(m, th),
					.vcpu = th->vcpu,
					.sandboxed = th->box != SG_BOX_NONE,
					.comp = sg_model_comp(m, sg_thr_comp((struct sg_model *)m, th)) };
	return th->announced;
}

const char *sg_model_comp(const struct sg_model *m, uint16_t comp)
{
	return comp && comp < m->ncomp ? m->comp[comp] : "unknown";
}
