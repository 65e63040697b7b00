/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <inttypes.h>
#include "load/told.h"
#include "out/json_parts.h"
#include "out/text.h"

bool sg_told_task(struct sg_told *t, const struct sg_model *m, const struct sg_task *task)
{
	const struct sg_machine_info *at = sg_machine_of_uid(sg_model_machines(m), task->uid);

	if (at && at->number)
		return false;
	t->tasks += task->inside_ns != 0;
	t->ns += task->inside_ns;
	t->fused_ns += task->fused_ns;
	t->ambiguous_ns += task->ambiguous_ns;
	return true;
}

void sg_told_clocks(struct sg_told *t, const struct sg_model *m)
{
	const struct sg_machines *ms = sg_model_machines(m);
	struct sg_model_clock c;

	for (unsigned i = 1; i < SG_MACHINE_MAX && ms->n; i++) {
		if (!ms->m[i].known)
			continue;
		sg_model_clock(m, i, &c);
		t->error_ns = c.error_ns > t->error_ns ? c.error_ns : t->error_ns;
		t->violations += c.violations;
		t->exchange |= !c.points || c.by[SG_CLOCK_TSC] != c.points;
	}
}

void sg_told_text(FILE *out, const struct sg_told *t, const char *where, const char *noun, uint64_t all)
{
	uint64_t n = t->tasks ? t->tasks : 1;
	char a[32], b[32], c[32];

	fprintf(out,
		"%s: %s of a %s is told by the guest that did it (%" PRIu64 " of %" PRIu64
		" %ss); the guests' clocks are known within %s, %s, which leaves %s of that to either side",
		where, sg_text_ns(a, sizeof(a), t->ns / n), noun, t->tasks, all, noun,
		sg_text_ns(b, sizeof(b), t->error_ns), t->exchange ? "by two-way exchange" : "by their TSC",
		sg_text_ns(c, sizeof(c), t->ambiguous_ns / n));
	if (t->fused_ns)
		fprintf(out, "; %s of it was looked at from the host: exits, and who took the vCPU\n",
			sg_text_ns(a, sizeof(a), t->fused_ns / n));
	else
		fputs("; nothing of it was looked at from the host, which sees no exits of an emulated "
		      "machine: "
		      "what the emulator did meanwhile is in the guest's own causes\n",
		      out);
	if (t->violations)
		fprintf(out, "%s: %" PRIu64 " times the clocks contradicted each other\n", where,
			t->violations);
}

struct json_object *sg_told_json(const struct sg_told *t, const char *noun)
{
	struct json_object *o = json_object_new_object();

	sg_jp_u64(o, noun, t->tasks);
	sg_jp_u64(o, "ns", t->ns);
	sg_jp_u64(o, "fused_ns", t->fused_ns);
	sg_jp_u64(o, "ambiguous_ns", t->ambiguous_ns);
	sg_jp_u64(o, "clock_error_ns", t->error_ns);
	sg_jp_u64(o, "clock_violations", t->violations);
	sg_jp_text(o, "clock", t->exchange ? "exchange" : "tsc");
	return o;
}
