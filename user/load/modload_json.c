/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload's results for programs: docs/bench-modload.md names the members. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/load_json.h"
#include "load/modload_sums.h"

static struct json_object *stats(const struct sg_stats *s)
{
	struct json_object *o = json_object_new_object();

	sg_lj_u64(o, "n", s->n);
	sg_lj_u64(o, "mean_ns", s->mean_ns);
	sg_lj_u64(o, "min_ns", s->min_ns);
	sg_lj_u64(o, "p50_ns", s->p50_ns);
	sg_lj_u64(o, "p90_ns", s->p90_ns);
	sg_lj_u64(o, "p99_ns", s->p99_ns);
	sg_lj_u64(o, "max_ns", s->max_ns);
	return o;
}

static void put_explained(struct json_object *o, const struct sg_diff *d)
{
	sg_lj_double(o, "explained", sg_modload_explained(d));
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
			sg_lj_u64(o, "pairs", p.pairs);
			sg_lj_double(o, "recording_cost", p.cost);
		}
		v = json_object_new_object();
		sg_lj_text(v, "source", sg_modload_sources_names[s]);
		sg_lj_u64(v, "pairs", p.pairs);
		sg_lj_double(v, "cost", p.cost);
		sg_lj_double(v, "added", p.added);
		sg_lj_u64(v, "guest_calls", c->seen[s]);
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
	sg_lj_text(o, "runtime", r->opts.runtime[c->runtime]->name);
	sg_lj_u64(o, "containers", r->opts.count[c->count]);
	sg_lj_text(o, "module", r->opts.module[c->module].name);
	json_object_object_add(o, "client", stats(&s.latency));
	json_object_object_add(o, "require", stats(&s.require));
	sg_lj_double(o, "ratio", sg_modload_ratio(s.latency.mean_ns, b.latency.mean_ns));
	sg_lj_double(o, "require_ratio", sg_modload_ratio(s.require.p50_ns, b.require.p50_ns));
	if (!r->opts.record)
		return 0;
	if (bare.latency.n) {
		json_object_object_add(o, "client_not_recorded", stats(&bare.latency));
		json_object_object_add(o, "require_not_recorded", stats(&bare.require));
	}
	rc = put_prices(o, r, c);
	put_files(o, r, c);
	sg_lj_u64(o, "lost", c->lost);
	sg_lj_u64(o, "missing", c->missing);
	sg_lj_blame(o, c->blame);
	return rc ? rc : sg_lj_slowdown(o, base->blame, c->blame, put_explained);
}

int sg_modload_json(FILE *out, const struct sg_modload_result *r)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int rc = 0;

	sg_lj_text(o, "bench", "modload");
	sg_lj_text(o, "base", r->opts.runtime[r->base]->name);
	sg_lj_u64(o, "rounds", r->opts.rounds);
	json_object_object_add(o, "cold", json_object_new_boolean(r->opts.cold));
	json_object_object_add(o, "recorded", json_object_new_boolean(r->opts.record));
	json_object_object_add(o, "combinations", list);
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = put_combo(list, r, &r->combo[i]);
	return sg_lj_print(out, o, rc);
}
