/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Virtual machines and their balloons: a line each for people, and JSON. */
#include "model/vmsum.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include "out/json.h"
#include "out/json_parts.h"
#include "out/text.h"

#define SHOWN 16

/* "512 MiB", "0.3 MiB", "1.50 GiB" */
static const char *size_text(char buf[32], uint64_t bytes)
{
	if (bytes % (1 << 20) == 0)
		snprintf(buf, 32, "%" PRIu64 " MiB", bytes >> 20);
	else
		snprintf(buf, 32, "%.1f MiB", (double)bytes / 1048576);
	return buf;
}

/* Where it went, and what it touched on the way if that is beyond both ends. */
static void put_actual(FILE *f, const struct sg_vmsum_row *r)
{
	const struct sg_vmsum_value *a = &r->balloon[SG_BALLOON_ACTUAL],
				    *max = &r->balloon[SG_BALLOON_MAXIMUM];
	uint64_t low = a->first < a->last ? a->first : a->last,
		 high = a->first < a->last ? a->last : a->first;
	char b[32];

	if (!a->known) {
		fputs("balloon not told", f);
		return;
	}
	fprintf(f, "memory by the balloon %s", size_text(b, a->first));
	if (a->last != a->first || a->n > 1)
		fprintf(f, " -> %s", size_text(b, a->last));
	if (a->low < low)
		fprintf(f, ", down to %s", size_text(b, a->low));
	if (a->high > high)
		fprintf(f, ", up to %s", size_text(b, a->high));
	if (max->known)
		fprintf(f, " of %s", size_text(b, max->last));
}

/* What was asked of it last, if that was heard. */
static void put_target(FILE *f, const struct sg_vmsum_row *r)
{
	const struct sg_vmsum_value *a = &r->balloon[SG_BALLOON_ACTUAL], *t = &r->balloon[SG_BALLOON_TARGET];
	char b[32];

	if (t->known)
		fprintf(f, ", target %s%s", size_text(b, t->last),
			a->known && a->last != t->last ? " not reached" : "");
}

/* What has grown while it was recorded. */
static void put_grown(FILE *f, const struct sg_vmsum_row *r, unsigned what, const char *text, bool bytes,
		      const char **sep)
{
	const struct sg_vmsum_value *v = &r->balloon[what];
	char b[32];

	if (!v->known || v->last <= v->first)
		return;
	if (bytes)
		fprintf(f, "%s%s %s", *sep, text, size_text(b, v->last - v->first));
	else
		fprintf(f, "%s%" PRIu64 " %s", *sep, v->last - v->first, text);
	*sep = ", ";
}

static void put_guest(FILE *f, const struct sg_vmsum_row *r)
{
	const struct sg_vmsum_value *usable = &r->balloon[SG_BALLOON_USABLE];
	const char *sep = "; guest: ";
	char b[32];

	put_grown(f, r, SG_BALLOON_SWAP_IN, "swapped in", true, &sep);
	put_grown(f, r, SG_BALLOON_SWAP_OUT, "swapped out", true, &sep);
	put_grown(f, r, SG_BALLOON_MAJOR_FAULT, "major faults", false, &sep);
	put_grown(f, r, SG_BALLOON_MINOR_FAULT, "minor faults", false, &sep);
	if (usable->known)
		fprintf(f, "%s%s usable at the end", sep, size_text(b, usable->last));
}

static void put_vm(FILE *f, const struct sg_vmsum_row *r)
{
	char name[200], vmm[40], accel[16];

	fprintf(f, "VM %s (%s process %" PRIu32, sg_text_clean(name, sizeof(name), *r->name ? r->name : "-"),
		sg_text_clean(vmm, sizeof(vmm), *r->vmm ? r->vmm : "?"), r->tgid);
	if (*r->accel)
		fprintf(f, ", %s", sg_text_clean(accel, sizeof(accel), r->accel));
	if (r->vcpus)
		fprintf(f, ", %" PRIu32 " vCPU%s", r->vcpus, r->vcpus == 1 ? "" : "s");
	fputs("): ", f);
	put_actual(f, r);
	put_target(f, r);
	put_guest(f, r);
	fputc('\n', f);
}

int sg_vmsum_text(struct sg_vmsum *s, FILE *f)
{
	const struct sg_vmsum_row *const *r;
	size_t n = sg_vmsum_rows(s, &r), shown = 0, in = 0;

	for (size_t i = 0; i < n && r[i]->in_scope; i++) {
		in++;
		if (shown == SHOWN)
			continue;
		if (!shown++)
			fputc('\n', f);
		put_vm(f, r[i]);
	}
	if (in > shown)
		fprintf(f, "and %zu virtual machines more\n", in - shown);
	return ferror(f) ? -EIO : 0;
}

static struct json_object *balloon_json(const struct sg_vmsum_row *r)
{
	struct json_object *o = json_object_new_object();

	for (unsigned i = 1; o && i < SG_BALLOON_MAX; i++) {
		const struct sg_vmsum_value *v = &r->balloon[i];
		struct json_object *x = v->known ? json_object_new_object() : NULL;

		if (!x)
			continue;
		sg_jp_u64(x, "first", v->first);
		sg_jp_u64(x, "last", v->last);
		sg_jp_u64(x, "low", v->low);
		sg_jp_u64(x, "high", v->high);
		sg_jp_u64(x, "told", v->n);
		json_object_object_add(o, sg_balloon_name(i), x);
	}
	return o;
}

struct json_object *sg_vmsum_json(struct sg_vmsum *s)
{
	struct json_object *list = json_object_new_array();
	const struct sg_vmsum_row *const *r;
	size_t n = sg_vmsum_rows(s, &r);

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "name", r[i]->name);
		sg_jp_text(o, "uuid", r[i]->uuid);
		sg_jp_text(o, "vmm", r[i]->vmm);
		sg_jp_text(o, "source", r[i]->source);
		sg_jp_text(o, "accel", r[i]->accel);
		sg_jp_u64(o, "pid", r[i]->tgid);
		sg_jp_u64(o, "vcpus", r[i]->vcpus);
		sg_jp_u64(o, "memory_bytes", r[i]->memory_bytes);
		sg_jp_u64(o, "cgroup", r[i]->cgroup);
		sg_jp_bool(o, "in_scope", r[i]->in_scope);
		sg_jp_add(o, "balloon", balloon_json(r[i]));
		json_object_array_add(list, o);
	}
	return list;
}
