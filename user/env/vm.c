/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "env/vm_priv.h"
#include "out/text.h"

#define NAMED_MAX 4 /* candidates in a sentence */

struct sg_vm_info *sg_vm_add(struct sg_vm_list *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct sg_vm_info *v = l->n < SG_VM_MAX ? reallocarray(l->v, cap, sizeof(*v)) : NULL;

		if (!v)
			return NULL;
		l->v = v;
		l->cap = cap;
	}
	memset(&l->v[l->n], 0, sizeof(l->v[0]));
	return &l->v[l->n++];
}

void sg_vms_free(struct sg_vm_list *l)
{
	free(l->v);
	*l = (struct sg_vm_list){ 0 };
}

/*
 * What libvirt's own files name is it. Else a process may call itself what it wants: its uuid, or with
 * none its name, counts only if no other process says the same.
 */
struct sg_vm_info *sg_vm_domain(const struct sg_vm_list *l, const char *name, const char *uuid)
{
	struct sg_vm_info *by_uuid = NULL, *by_name = NULL;
	unsigned uuids = 0, names = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct sg_vm_info *v = &l->v[i];

		if (!v->pid)
			continue;
		if (!strcmp(v->source, "libvirt") && !strcmp(v->name, name))
			return v;
		if (*uuid && !strcasecmp(v->uuid, uuid)) {
			by_uuid = v;
			uuids++;
		} else if (!v->uuid[0] && !strcmp(v->name, name)) {
			by_name = v;
			names++;
		}
	}
	if (uuids)
		return uuids == 1 ? by_uuid : NULL;
	return names == 1 ? by_name : NULL;
}

/* ---- from a word to one ------------------------------------------------------------------------ */

/* A name that libvirt vouches for wins over a process id, that over what a process says of itself. */
enum fit { FIT_NONE, FIT_UUID, FIT_NAME, FIT_PID, FIT_LIBVIRT };

static enum fit fits(const struct sg_vm_info *v, const char *what)
{
	bool vouched = !strcmp(v->source, "libvirt");
	uint64_t pid;

	if (!*what)
		return FIT_NONE;
	if (!strcmp(v->name, what))
		return vouched ? FIT_LIBVIRT : FIT_NAME;
	if (v->uuid[0] && !strcasecmp(v->uuid, what))
		return vouched ? FIT_LIBVIRT : FIT_UUID;
	return v->pid && !sg_parse_u64(what, 1, 1u << 22, &pid) && pid == v->pid ? FIT_PID : FIT_NONE;
}

/* "web (process 12), db (process 13) ..." of those that fit as well as @best, FIT_NONE: of all that run. */
static size_t enumerate(const struct sg_vm_list *l, const char *what, enum fit best, char *ret, size_t cap)
{
	size_t n = 0, at = 0;
	char name[32];

	*ret = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct sg_vm_info *v = &l->v[i];

		if (best ? fits(v, what) != best : !v->pid)
			continue;
		if (n++ < NAMED_MAX && at < cap)
			at += (size_t)snprintf(ret + at, cap - at, "%s%s (process %u)", n > 1 ? ", " : "",
					       sg_text_clean(name, sizeof(name), v->name), v->pid);
	}
	if (n > NAMED_MAX && at < cap)
		snprintf(ret + at, cap - at, " ...");
	return n;
}

int sg_vm_pick(const struct sg_vm_list *l, const char *what, const struct sg_vm_info **ret,
	       struct sg_err *err)
{
	enum fit best = FIT_NONE;
	char list[256], clean[48];
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		enum fit f = fits(&l->v[i], what);

		if (f < best || f == FIT_NONE)
			continue;
		n = f > best ? 1 : n + 1;
		*ret = f > best ? &l->v[i] : *ret;
		best = f;
	}
	if (n == 1)
		return 0;
	sg_text_clean(clean, sizeof(clean), what);
	if (n > 1) {
		enumerate(l, what, best, list, sizeof(list));
		return sg_err_set(err, -ENOTUNIQ, "'%s' fits %zu virtual machines: %s; give the process id",
				  clean, n, list);
	}
	if (!enumerate(l, what, FIT_NONE, list, sizeof(list)))
		return sg_err_set(err, -ENOENT, "no virtual machine runs here, so none is called '%s'",
				  clean);
	return sg_err_set(err, -ENOENT, "no virtual machine is called '%s'; those that run here: %s", clean,
			  list);
}

/* ---- from where ---------------------------------------------------------------------------------- */

int sg_vms(struct sg_vm_list *ret, const struct sg_vm_opts *o, bool stopped, struct sg_err *err)
{
	struct sg_err why = { 0 };
	int r;

	*ret = (struct sg_vm_list){ 0 };
	r = sg_vm_host_list(ret, o, err);
	if (!r && sg_vm_virt_list(ret, o, stopped, &why)) {
		snprintf(ret->note, sizeof(ret->note), "%s", why.msg);
		if (o && o->connect)
			r = sg_err_set(err, why.code, "%s", why.msg);
	}
	if (r)
		sg_vms_free(ret);
	return r;
}

int sg_vm_find(const char *what, const struct sg_vm_opts *o, struct sg_vm_info *ret, struct sg_err *err)
{
	const struct sg_vm_info *v = NULL;
	struct sg_vm_list l;
	char clean[64];
	int r = sg_vms(&l, o, true, err);

	if (r)
		return r;
	r = sg_vm_pick(&l, what, &v, err);
	if (r == -ENOENT && l.note[0] && err)
		snprintf(err->msg + strlen(err->msg), sizeof(err->msg) - strlen(err->msg),
			 " (without libvirt's help: %s)", l.note);
	if (!r)
		*ret = *v;
	if (!r && !v->pid)
		r = sg_err_set(err, -ESRCH,
			       !strcmp(v->state, "shut off") || !strcmp(v->state, "crashed")
				       ? "virtual machine %s does not run: start it first"
				       : "virtual machine %s runs in no process that can be seen from here",
			       sg_text_clean(clean, sizeof(clean), v->name));
	sg_vms_free(&l);
	return r;
}
