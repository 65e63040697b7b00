// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Planning: which variant of which probe is used on a kernel. Pure: everything
 * about the kernel is asked through a view. A missing probe is normal here and
 * becomes a reason and a sentence, never an error.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kern/catalogue.h"

static const char *const attach_names[SG_AT_MAX] = {
	[SG_AT_NONE] = "none",		 [SG_AT_TP_BTF] = "tp_btf",   [SG_AT_TP] = "tp",
	[SG_AT_FENTRY] = "fentry",	 [SG_AT_FEXIT] = "fexit",     [SG_AT_KPROBE] = "kprobe",
	[SG_AT_KRETPROBE] = "kretprobe", [SG_AT_PERF_SW] = "perf_sw", [SG_AT_ITER] = "iter",
	[SG_AT_UPROBE] = "uprobe",	 [SG_AT_USDT] = "usdt",
};

const char *sg_attach_name(enum sg_attach a)
{
	if ((unsigned)a >= SG_AT_MAX || !attach_names[a])
		return "?";
	return attach_names[a];
}

/* Append to a row's reason; what does not fit is cut, never an error. */
static void reason_add(struct sg_plan_row *row, const struct sg_variant *v, const char *why)
{
	size_t len = strlen(row->reason);

	if (len + 1 >= sizeof(row->reason))
		return;
	if (v)
		snprintf(row->reason + len, sizeof(row->reason) - len, "%s%s%s%s: %s", len ? "; " : "",
			 sg_attach_name(v->type), v->target ? ":" : "", v->target ? v->target : "", why);
	else
		snprintf(row->reason + len, sizeof(row->reason) - len, "%s%s", len ? "; " : "", why);
}

/* NULL when the kernel has what @v attaches to, else why not. */
static const char *tp_missing(const struct sg_variant *v, const struct sg_kern_view *view)
{
	char cat[64];
	const char *slash = v->target ? strchr(v->target, '/') : NULL;

	if (!slash || (size_t)(slash - v->target) >= sizeof(cat))
		return "its target is not CATEGORY/NAME";
	memcpy(cat, v->target, slash - v->target);
	cat[slash - v->target] = 0;
	return view->tracepoint(view->ctx, cat, slash + 1) ? NULL : "no such tracepoint";
}

static const char *variant_missing(const struct sg_variant *v, const struct sg_kern_view *view)
{
	void *ctx = view->ctx;

	switch (v->type) {
	case SG_AT_TP_BTF:
		if (!view->has_btf(ctx))
			return "the kernel has no BTF";
		return view->btf_tracepoint(ctx, v->target) ? NULL : "no such tracepoint";
	case SG_AT_TP:
		return tp_missing(v, view);
	case SG_AT_FENTRY:
	case SG_AT_FEXIT:
		if (!view->has_btf(ctx))
			return "the kernel has no BTF";
		return view->fentry(ctx, v->target) ? NULL : "refused, or no such function";
	case SG_AT_KPROBE:
	case SG_AT_KRETPROBE:
		return view->kprobe(ctx, v->target) ? NULL : "refused, or no such function";
	case SG_AT_PERF_SW:
		return view->perf_sw(ctx, v->target) ? NULL : "the event cannot be opened";
	case SG_AT_ITER:
		return view->has_btf(ctx) ? NULL : "the kernel has no BTF";
	case SG_AT_UPROBE:
	case SG_AT_USDT:
		return view->uprobe(ctx) ? NULL : "the kernel has no uprobes";
	default:
		return "unknown kind of attachment";
	}
}

static int variant_cnt(const struct sg_probe *p)
{
	int n = 0;

	while (n < SG_VARIANT_MAX && p->v[n].type != SG_AT_NONE)
		n++;
	return n;
}

static bool preemption_off(enum sg_attach type)
{
	return type == SG_AT_TP || type == SG_AT_KPROBE;
}

/*
 * The order in which variants are tried, as indices into p->v. A preemptible
 * context on a kernel that leaves preemption on around tracepoint programs: a
 * thread preempted inside a tp_btf program mutes that program for its CPU (the
 * program's `active` count stays raised): 30 to 43 % of the system calls were
 * lost on Linux 7.2, and by fentry up to 6 % of a guest's refaults. The classic
 * tracepoint and the kprobe run with preemption off and lost none: they go first.
 */
static int variant_order(const struct sg_probe *p, const struct sg_kern_view *view, int ret[SG_VARIANT_MAX])
{
	int n = variant_cnt(p), k = 0;

	if (p->ctx == SG_CTX_PREEMPTIBLE && view->preemptible_tracepoints(view->ctx)) {
		for (int i = 0; i < n; i++)
			if (preemption_off(p->v[i].type))
				ret[k++] = i;
		for (int i = 0; i < n; i++)
			if (!preemption_off(p->v[i].type))
				ret[k++] = i;
	} else {
		while (k < n) {
			ret[k] = k;
			k++;
		}
	}
	return n;
}

/* Choose the first usable variant at or after position @from of the order. */
static void row_choose(struct sg_plan_row *row, const struct sg_kern_view *view, const int *order, int n,
		       int from)
{
	row->chosen = -1;
	for (int i = from; i < n; i++) {
		const struct sg_variant *v = &row->probe->v[order[i]];
		const char *why = variant_missing(v, view);

		if (!why) {
			row->chosen = order[i];
			return;
		}
		reason_add(row, v, why);
	}
	if (!n)
		reason_add(row, NULL, "no variant is built in");
}

/* Is @name one of the comma-separated words of @list? Blanks around words do not count. */
static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (list && *list) {
		size_t n = strcspn(list, ",");
		size_t skip = strspn(list, " \t");
		size_t word = n > skip ? n - skip : 0;

		while (word && (list[skip + word - 1] == ' ' || list[skip + word - 1] == '\t'))
			word--;
		if (word == len && !memcmp(list + skip, name, len))
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

int sg_plan_make(struct sg_plan *ret, const struct sg_probe *rows, const struct sg_kern_view *view,
		 const char *skip_groups)
{
	struct sg_plan_row *out;
	size_t n = 0;

	while (rows[n].name)
		n++;
	out = calloc(n ? n : 1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int order[SG_VARIANT_MAX];

		out[i].probe = &rows[i];
		/* A required row cannot be switched off with its group: nothing would be recorded. */
		if (!rows[i].required && skip_groups && list_has(skip_groups, rows[i].group)) {
			out[i].chosen = -1;
			reason_add(&out[i], NULL, "switched off by request");
			continue;
		}
		row_choose(&out[i], view, order, variant_order(&rows[i], view, order), 0);
	}
	ret->n = n;
	ret->row = out;
	return 0;
}

void sg_plan_free(struct sg_plan *p)
{
	if (!p)
		return;
	free(p->row);
	p->row = NULL;
	p->n = 0;
}

void sg_plan_demote(struct sg_plan_row *row, const struct sg_kern_view *view, const char *why)
{
	int order[SG_VARIANT_MAX], n, at = 0;

	if (row->chosen < 0)
		return;
	n = variant_order(row->probe, view, order);
	while (at < n && order[at] != row->chosen)
		at++;
	reason_add(row, &row->probe->v[row->chosen], why && *why ? why : "failed");
	row_choose(row, view, order, n, at + 1);
}

static struct json_object *row_json(const struct sg_plan_row *row)
{
	const struct sg_probe *p = row->probe;
	struct json_object *o = json_object_new_object();
	char variant[160] = "none";

	if (!o)
		return NULL;
	if (row->chosen >= 0) {
		const struct sg_variant *v = &p->v[row->chosen];

		snprintf(variant, sizeof(variant), "%s:%s", sg_attach_name(v->type),
			 v->target ? v->target : "");
	}
	json_object_object_add(o, "name", json_object_new_string(p->name));
	json_object_object_add(o, "group", json_object_new_string(p->group));
	json_object_object_add(o, "on", json_object_new_boolean(row->chosen >= 0));
	json_object_object_add(o, "variant", json_object_new_string(variant));
	json_object_object_add(o, "required", json_object_new_boolean(p->required));
	json_object_object_add(o, "gives", json_object_new_string(p->gives ? p->gives : ""));
	json_object_object_add(o, "reason", json_object_new_string(row->reason));
	if (row->chosen < 0)
		json_object_object_add(o, "without", json_object_new_string(p->without ? p->without : ""));
	return o;
}

char *sg_plan_json(const struct sg_plan *p)
{
	struct json_object *a = json_object_new_array();
	const char *s;
	char *ret = NULL;

	if (!a)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		struct json_object *o = row_json(&p->row[i]);

		if (!o || json_object_array_add(a, o)) {
			json_object_put(o);
			goto out;
		}
	}
	s = json_object_to_json_string_ext(a, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	ret = s ? strdup(s) : NULL;
out:
	json_object_put(a);
	return ret;
}
