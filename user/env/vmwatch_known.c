/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The virtual machines of a recording, and the events about them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "env/vmwatch_priv.h"
#include "out/text.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

bool sg_vmw_wanted(const struct sg_vmw *w, uint32_t pid)
{
	return pid && (!w->o.only || w->only.pid == pid);
}

size_t sg_vmw_count(struct sg_vmw *w)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = w->n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

bool sg_vmw_qemu(struct sg_vmw *w, size_t i, uint32_t *ret_pid, uint64_t *ret_bytes)
{
	bool is;

	pthread_mutex_lock(&w->lock);
	is = i < w->n;
	if (is) {
		*ret_pid = strcmp(w->vm[i].vmm, "qemu") ? 0 : w->vm[i].pid;
		*ret_bytes = w->vm[i].memory_bytes;
	}
	pthread_mutex_unlock(&w->lock);
	return is;
}

/* With the lock. */
static struct sg_vmw_vm *by_pid(struct sg_vmw *w, uint32_t pid)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->vm[i].pid == pid && !w->vm[i].gone)
			return &w->vm[i];
	return NULL;
}

/* With the lock. Of a machine that is started again only the process that runs is meant. */
static bool is_gone(struct sg_vmw *w, struct sg_vmw_vm *v)
{
	char path[512];

	if (!v->gone) {
		snprintf(path, sizeof(path), "%.400s/%u", sg_vm_proc(&w->o.from), v->pid);
		v->gone = access(path, F_OK) && errno == ENOENT;
	}
	return v->gone;
}

/* With the lock. */
static void put_vm(struct sg_vmw *w, const struct sg_vmw_vm *v)
{
	const char *part[] = { v->name, v->uuid, v->vmm, v->source, v->accel };
	_Alignas(8) char room[SG_EVENT_MAX] = { 0 };
	struct sg_vm *ev = (struct sg_vm *)room;

	if (!w->put)
		return;
	ev->h = (struct sg_hdr){ .ts = now_ns(), .kind = SG_REC_VM };
	ev->cgroup = v->cgroup_id;
	ev->memory_bytes = v->memory_bytes;
	ev->tgid = v->pid;
	ev->vcpus = (uint16_t)(v->nvcpu < UINT16_MAX ? v->nvcpu : UINT16_MAX);
	for (size_t i = 0; i < 5; i++) { /* some 400 bytes at most */
		size_t n = strlen(part[i]) + 1;

		memcpy(ev->text + ev->len, part[i], n);
		ev->len = (uint16_t)(ev->len + n);
	}
	if (!w->put(w->put_ctx, &ev->h))
		w->st.vms++;
}

static bool better(const struct sg_vmw_vm *old, const struct sg_vm_info *v)
{
	return strcmp(old->name, v->name) || strcmp(old->uuid, v->uuid) || strcmp(old->vmm, v->vmm) ||
	       strcmp(old->accel, v->accel) || old->cgroup_id != v->cgroup_id || old->nvcpu != v->nvcpu;
}

void sg_vmw_found(struct sg_vmw *w, const struct sg_vm_info *v)
{
	struct sg_vmw_vm *k;
	bool vouched, is_new;

	pthread_mutex_lock(&w->lock);
	k = by_pid(w, v->pid);
	is_new = !k;
	if (!k && w->n < SG_VMW_MAX) {
		k = &w->vm[w->n++];
		memset(k, 0, sizeof(*k));
	}
	vouched = k && !strcmp(k->source, "libvirt");
	if (k && !(vouched && strcmp(v->source, "libvirt")) && (is_new || better(k, v))) {
		snprintf(k->name, sizeof(k->name), "%s", v->name);
		snprintf(k->uuid, sizeof(k->uuid), "%s", v->uuid);
		snprintf(k->vmm, sizeof(k->vmm), "%s", v->vmm);
		snprintf(k->source, sizeof(k->source), "%s", v->source);
		snprintf(k->accel, sizeof(k->accel), "%s", v->accel);
		k->cgroup_id = v->cgroup_id;
		k->memory_bytes = v->memory_bytes;
		k->nvcpu = v->nvcpu;
		k->pid = v->pid;
		put_vm(w, k);
	}
	pthread_mutex_unlock(&w->lock);
}

/* The rule of sg_vm_domain(), over what is kept here. */
uint32_t sg_vmw_domain(struct sg_vmw *w, const char *name, const char *uuid)
{
	struct sg_vmw_vm *k = NULL, *by_name = NULL;
	unsigned n = 0, names = 0;
	uint32_t pid = 0;

	pthread_mutex_lock(&w->lock);
	for (size_t i = w->n; i-- > 0;) {
		struct sg_vmw_vm *v = &w->vm[i];

		if (is_gone(w, v))
			continue;
		if (!strcmp(v->source, "libvirt") && !strcmp(v->name, name)) {
			k = v, n = 1;
			break;
		}
		if (*uuid && !strcasecmp(v->uuid, uuid))
			k = v, n++;
		else if (!v->uuid[0] && !strcmp(v->name, name))
			by_name = v, names++;
	}
	if (!n && names == 1)
		k = by_name, n = 1;
	if (n == 1) {
		pid = k->pid;
		if (strcmp(k->source, "libvirt") || strcmp(k->uuid, uuid)) {
			snprintf(k->source, sizeof(k->source), "libvirt");
			snprintf(k->name, sizeof(k->name), "%s", name);
			snprintf(k->uuid, sizeof(k->uuid), "%s", uuid);
			put_vm(w, k);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return pid;
}

void sg_vmw_balloon(struct sg_vmw *w, uint32_t pid, enum sg_balloon_what what, uint64_t value)
{
	struct sg_balloon ev = { .h = { .ts = now_ns(), .kind = SG_REC_BALLOON },
				 .value = value,
				 .tgid = pid,
				 .what = (uint16_t)what };
	struct sg_vmw_vm *k;

	pthread_mutex_lock(&w->lock);
	k = by_pid(w, pid);
	if (k && w->put && k->told[what] != value + 1) {
		k->told[what] = value + 1;
		if (!w->put(w->put_ctx, &ev.h))
			w->st.balloons++;
	}
	pthread_mutex_unlock(&w->lock);
}

void sg_vmw_note(struct sg_vmw *w, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&w->lock);
	va_start(ap, fmt);
	vsnprintf(w->st.note, sizeof(w->st.note), fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&w->lock);
}

void sg_vmw_fate(struct sg_vmw *w, const char *name, const char *what)
{
	char clean[200];

	pthread_mutex_lock(&w->lock);
	snprintf(w->st.fate, sizeof(w->st.fate), "VM %s %s", sg_text_clean(clean, sizeof(clean), name), what);
	pthread_mutex_unlock(&w->lock);
}

void sg_vmw_unref(struct sg_vmw *w)
{
	bool last;

	pthread_mutex_lock(&w->lock);
	last = --w->refs == 0;
	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->ended);
	if (w->virt_fd >= 0)
		close(w->virt_fd);
	if (w->qmp_fd >= 0)
		close(w->qmp_fd);
	if (w->target_fd >= 0)
		close(w->target_fd);
	free(w->ears);
	free(w);
}

void sg_vmw_speaker_ends(struct sg_vmw *w)
{
	pthread_mutex_lock(&w->lock);
	w->speakers--;
	pthread_cond_broadcast(&w->ended);
	pthread_mutex_unlock(&w->lock);
	sg_vmw_unref(w);
}
