/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload's results for programs: docs/bench-modload.md names the members. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/modload_sums.h"
#include "load/result_json.h"

static struct json_object *stats_object(const struct sg_stats *s)
{
	struct json_object *o = json_object_new_object();

	sg_put_stats(o, s);
	return o;
}

static int put_prices(struct json_object *o, const struct sg_modload_result *r,
		      const struct sg_modload_combo *c)
{
	struct json_object *list = json_object_new_array();

	for (unsigned s = SG_SOURCE_DEFAULT; s < SG_SOURCES_MAX; s++) {
		struct sg_modload_price p;
		struct json_object *v;
		int rc = sg_modload_price(&p, c, (enum sg_modload_source)s, r->opts.rounds);

		if (rc) {
			json_object_put(list);
			return rc;
		}
		if (!p.pairs)
			continue;
		if (s == SG_SOURCE_DEFAULT) {
			sg_jp_u64(o, "pairs", p.pairs);
			sg_put_double(o, "recording_cost", p.cost);
		}
		v = json_object_new_object();
		sg_jp_text(v, "source", sg_modload_sources_names[s]);
		sg_jp_u64(v, "pairs", p.pairs);
		sg_put_double(v, "cost", p.cost);
		sg_put_double(v, "added", p.added);
		sg_jp_u64(v, "guest_calls", c->seen[s]);
		json_object_array_add(list, v);
	}
	json_object_object_add(o, "sources", list);
	return 0;
}

static void put_files(struct json_object *o, const struct sg_modload_result *r,
		      const struct sg_modload_combo *c)
{
	struct json_object *a = json_object_new_array();
	char name[64], file[96];

	sg_modload_task(name, sizeof(name), &r->opts, c, '.');
	for (unsigned i = 0; i < r->opts.rounds; i++) {
		snprintf(file, sizeof(file), "%s.r%u.sgt", name, i);
		json_object_array_add(a, json_object_new_string(file));
	}
	json_object_object_add(o, "recordings", a);
}

static int put_combo(struct json_object *list, const struct sg_modload_result *r,
		     const struct sg_modload_combo *c)
{
	const struct sg_modload_combo *base = sg_modload_base(r, c);
	struct json_object *o = json_object_new_object();
	struct sg_modload_sum s, b, bare;
	int rc = sg_modload_sum(&s, c, r->opts.record);

	json_object_array_add(list, o);
	if (!rc)
		rc = sg_modload_sum(&b, base, r->opts.record);
	if (!rc)
		rc = sg_modload_sum(&bare, c, false);
	if (rc)
		return rc;
	sg_jp_text(o, "runtime", r->opts.runtime[c->runtime]->name);
	sg_jp_u64(o, "containers", r->opts.count[c->count]);
	sg_jp_text(o, "module", r->opts.module[c->module].name);
	json_object_object_add(o, "client", stats_object(&s.latency));
	json_object_object_add(o, "require", stats_object(&s.require));
	sg_put_double(o, "ratio", sg_stats_ratio(s.latency.mean_ns, b.latency.mean_ns));
	sg_put_double(o, "require_ratio", sg_stats_ratio(s.require.p50_ns, b.require.p50_ns));
	if (!r->opts.record)
		return 0;
	if (bare.latency.n) {
		json_object_object_add(o, "client_not_recorded", stats_object(&bare.latency));
		json_object_object_add(o, "require_not_recorded", stats_object(&bare.require));
	}
	rc = put_prices(o, r, c);
	put_files(o, r, c);
	sg_jp_u64(o, "lost", c->lost);
	sg_jp_u64(o, "missing", c->missing);
	if (c->blame)
		sg_put_blame(o, c->blame);
	return rc ? rc : sg_put_diff(o, "slowdown", base->blame, c->blame);
}

int sg_modload_json(FILE *out, const struct sg_modload_result *r)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int rc = 0;

	sg_jp_text(o, "bench", "modload");
	sg_jp_text(o, "base", r->opts.runtime[r->base]->name);
	sg_jp_u64(o, "rounds", r->opts.rounds);
	sg_jp_bool(o, "cold", r->opts.cold);
	sg_jp_bool(o, "recorded", r->opts.record);
	json_object_object_add(o, "combinations", list);
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = put_combo(list, r, &r->combo[i]);
	if (!rc)
		rc = sg_put_print(out, o);
	json_object_put(o);
	return rc;
}
