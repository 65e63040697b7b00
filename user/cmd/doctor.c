// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* sandglass doctor: what this machine can attribute, by which probe, and what is missing without the rest. */
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd/cmd.h"
#include "env/gvsource.h"
#include "kern/facts.h"
#include "kern/live.h"

#define CMD "sandglass doctor"

enum { OPT_JSON = 256, OPT_DRY };

struct args {
	bool json, dry;
};

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "one JSON object instead of tables", 0 },
	{ "dry", OPT_DRY, NULL, 0,
	  "only ask the kernel what it offers; do not load and attach the probes to see", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;

	switch (key) {
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_DRY:
		a->dry = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(s, "doctor takes no argument, '%s' was given", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp sg_argp_doctor = { options,
				     parse,
				     NULL,
				     "Tell what this machine can attribute, by which variant of which probe, "
				     "and what is missing without the rest."
				     "\vThe exit code is 0 when recording is possible here, else 1.",
				     NULL,
				     NULL,
				     NULL };

/* What doctor found. The plan is that of probes really attached, unless this failed or was not wanted. */
struct findings {
	struct sg_kern_view view;
	struct sg_plan own; /* asked, not tried */
	struct sg_live *live;
	const struct sg_plan *plan;
	struct sg_fact fact[SG_FACT_MAX];
	char obstacle[384]; /* why recording is impossible, and what to do; empty: possible */
};

static void obstacle_from_plan(struct findings *f)
{
	if (f->fact[SG_FACT_PRIVILEGES].limits) {
		snprintf(f->obstacle, sizeof(f->obstacle), "%s", f->fact[SG_FACT_PRIVILEGES].note);
		return;
	}
	if (f->fact[SG_FACT_BTF].limits) {
		snprintf(f->obstacle, sizeof(f->obstacle), "%s", f->fact[SG_FACT_BTF].note);
		return;
	}
	for (size_t i = 0; i < f->plan->n; i++)
		if (f->plan->row[i].probe->required && f->plan->row[i].chosen < 0) {
			snprintf(f->obstacle, sizeof(f->obstacle),
				 "probe %s, without which nothing can be recorded, is refused here (%s): use "
				 "a kernel that has it",
				 f->plan->row[i].probe->name, f->plan->row[i].reason);
			return;
		}
}

static int examine(struct findings *f, const struct args *a)
{
	/* A cgroup is named only so that its probe is tried as well. */
	struct sg_live_opts opts = { .all = true,
				     .cgroup_id = 1,
				     .cgroup_subsys = -1,
				     .ring_bytes = 1 << 18,
				     .stacks = true,
				     .stack_threshold_ns = 50000,
				     .sample_hz = 99 };
	struct sg_err err = { 0 };
	int r = sg_kern_view_live(&f->view);

	if (r)
		return r;
	r = sg_plan_make(&f->own, sg_catalogue, &f->view, NULL);
	if (r)
		return r;
	f->plan = &f->own;
	sg_facts_read(f->fact, &f->view);
	if (!a->dry && !f->fact[SG_FACT_PRIVILEGES].limits) {
		/* Attached switched off, and detached at once: what the kernel accepts, not what it has. */
		r = sg_live_open(&f->live, &opts, &err);
		if (!r)
			f->plan = sg_live_plan(f->live);
	}
	obstacle_from_plan(f);
	if (r && !f->obstacle[0])
		snprintf(f->obstacle, sizeof(f->obstacle), "%s", err.msg[0] ? err.msg : strerror(-r));
	return 0;
}

static void findings_drop(struct findings *f)
{
	sg_live_close(f->live);
	sg_plan_free(&f->own);
	sg_kern_view_free(&f->view);
}

/* A probe whose place the user names is off until then, and nothing is missing. */
static bool on_request(const struct findings *f, const struct sg_plan_row *row)
{
	return row->chosen < 0 && row->probe->v[0].type == SG_AT_UPROBE && f->view.uprobe(f->view.ctx);
}

/* ---- JSON ----------------------------------------------------------------- */

static struct json_object *facts_json(const struct findings *f)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; o && i < SG_FACT_MAX; i++) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "value", json_object_new_string(f->fact[i].value));
		json_object_object_add(one, "limits", json_object_new_boolean(f->fact[i].limits));
		json_object_object_add(one, "note", json_object_new_string(f->fact[i].note));
		json_object_object_add(o, f->fact[i].key, one);
	}
	return o;
}

static const struct gvsource {
	const char *name, *option, *sees, *price;
} gvsources[] = {
#define SG_X(name, option, sees, price) { name, option, sees, price },
	SG_GVSOURCE_LIST(SG_X)
#undef SG_X
};
#define NGVSOURCE (sizeof(gvsources) / sizeof(*gvsources))

static struct json_object *gvsources_json(void)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < NGVSOURCE; i++) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "name", json_object_new_string(gvsources[i].name));
		json_object_object_add(one, "option", json_object_new_string(gvsources[i].option));
		json_object_object_add(one, "sees", json_object_new_string(gvsources[i].sees));
		json_object_object_add(one, "price", json_object_new_string(gvsources[i].price));
		json_object_array_add(list, one);
	}
	return list;
}

static int print_json(const struct findings *f, const struct args *a)
{
	struct json_object *o = json_object_new_object(), *sep = json_object_new_array(), *plan;
	char *text = sg_plan_json(f->plan);
	const char *s;
	int r = -ENOMEM;

	plan = text ? json_tokener_parse(text) : NULL;
	free(text);
	if (o && sep && plan) {
		json_object_object_add(o, "possible", json_object_new_boolean(!f->obstacle[0]));
		json_object_object_add(o, "obstacle", json_object_new_string(f->obstacle));
		json_object_object_add(o, "tried", json_object_new_boolean(!a->dry && f->live));
		json_object_object_add(o, "plan", plan);
		json_object_object_add(o, "machine", facts_json(f));
		for (size_t i = 0; (s = sg_fact_inseparable(f->fact, i)); i++)
			json_object_array_add(sep, json_object_new_string(s));
		json_object_object_add(o, "inseparable", sep);
		json_object_object_add(o, "gvisor_sources", gvsources_json());
		s = json_object_to_json_string_ext(o,
						   JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		r = puts(s) < 0 ? -EIO : 0;
	} else {
		json_object_put(sep);
		json_object_put(plan);
	}
	json_object_put(o);
	return r;
}

/* ---- tables --------------------------------------------------------------- */

static int print_table(struct libscols_table *t)
{
	int r = scols_print_table(t);

	scols_unref_table(t);
	return r;
}

static int add_line(struct libscols_table *t, const char *const *cell, size_t n)
{
	struct libscols_line *l = scols_table_new_line(t, NULL);

	if (!l)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (scols_line_set_data(l, i, cell[i]))
			return -ENOMEM;
	return 0;
}

static int table_probes(const struct findings *f)
{
	struct libscols_table *t = scols_new_table();
	int r = 0;

	if (!t)
		return -ENOMEM;
	scols_table_new_column(t, "PROBE", 0, 0);
	scols_table_new_column(t, "GROUP", 0, 0);
	scols_table_new_column(t, "BY", 0, 0);
	scols_table_new_column(t, "GIVES", 0, SCOLS_FL_WRAP);
	for (size_t i = 0; !r && i < f->plan->n; i++) {
		const struct sg_plan_row *row = &f->plan->row[i];
		const struct sg_variant *v = row->chosen >= 0 ? &row->probe->v[row->chosen] : NULL;
		char by[96];
		const char *cell[] = { row->probe->name, row->probe->group, by, row->probe->gives };

		snprintf(by, sizeof(by), "%s%s%s",
			 v		      ? sg_attach_name(v->type)
			 : on_request(f, row) ? "on request"
					      : "off",
			 v && v->target ? ":" : "", v && v->target ? v->target : "");
		r = add_line(t, cell, 4);
	}
	r = r ? r : print_table(t);
	return r;
}

static void list_off(const struct findings *f)
{
	size_t off = 0, second = 0;

	for (size_t i = 0; i < f->plan->n; i++) {
		const struct sg_plan_row *row = &f->plan->row[i];

		if (row->chosen >= 0) {
			second += row->chosen > 0;
			continue;
		}
		if (on_request(f, row))
			continue;
		if (!off++)
			puts("\nWhat is missing without the probes that are off:");
		printf("  %s: %s\n    because: %s\n", row->probe->name, row->probe->without, row->reason);
	}
	if (!second)
		return;
	puts("\nNot by the first choice:");
	for (size_t i = 0; i < f->plan->n; i++)
		if (f->plan->row[i].chosen > 0)
			printf("  %s: %s\n", f->plan->row[i].probe->name,
			       f->plan->row[i].reason[0] ? f->plan->row[i].reason
							 : "this kernel can preempt the other variant");
}

static int table_facts(const struct findings *f)
{
	struct libscols_table *t = scols_new_table();
	int r = 0;

	if (!t)
		return -ENOMEM;
	scols_table_new_column(t, "MACHINE", 0, 0);
	scols_table_new_column(t, "IS", 0, 0);
	scols_table_new_column(t, "WHAT FOLLOWS", 0, SCOLS_FL_WRAP);
	for (size_t i = 0; !r && i < SG_FACT_MAX; i++) {
		const char *cell[] = { f->fact[i].key, f->fact[i].value, f->fact[i].note };

		r = add_line(t, cell, 3);
	}
	return r ? r : print_table(t);
}

/* Prices are of the machine that they were measured on; what measures them here is said beside. */
static int table_gvsources(void)
{
	struct libscols_table *t = scols_new_table();
	int r = 0;

	if (!t)
		return -ENOMEM;
	scols_table_new_column(t, "GVISOR'S CALLS BY", 0, 0);
	scols_table_new_column(t, "OPTION", 0, 0);
	scols_table_new_column(t, "SEES", 0, SCOLS_FL_WRAP);
	scols_table_new_column(t, "PRICE", 0, SCOLS_FL_WRAP);
	for (size_t i = 0; !r && i < NGVSOURCE; i++) {
		const struct gvsource *s = &gvsources[i];
		const char *cell[] = { s->name, s->option[0] ? s->option : "always", s->sees, s->price };

		r = add_line(t, cell, 4);
	}
	return r ? r : print_table(t);
}

static int print_text(const struct findings *f, const struct args *a)
{
	size_t on = 0, asked = 0;
	const char *s;
	int r = table_probes(f);

	if (r)
		return r;
	list_off(f);
	putchar('\n');
	r = table_facts(f);
	if (r)
		return r;
	puts("\nWhat cannot be separated here:");
	for (size_t i = 0; (s = sg_fact_inseparable(f->fact, i)); i++)
		printf("  %s\n", s);
	putchar('\n');
	r = table_gvsources();
	if (r)
		return r;
	for (size_t i = 0; i < f->plan->n; i++) {
		on += f->plan->row[i].chosen >= 0;
		asked += on_request(f, &f->plan->row[i]);
	}
	if (!f->obstacle[0])
		printf("\nRecording is possible: %zu of %zu probes %s.\n", on, f->plan->n - asked,
		       f->live && !a->dry ? "were loaded and attached" : "are offered by the kernel");
	return 0;
}

int sg_cmd_doctor(int argc, char **argv)
{
	static const char name[] = CMD;
	struct args a = { 0 };
	struct findings *f;
	int r, code;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_doctor, argc, argv, 0, NULL, &a);
	f = calloc(1, sizeof(*f));
	r = f ? examine(f, &a) : -ENOMEM;
	if (!r && f->fact[SG_FACT_PRIVILEGES].limits && !a.json) {
		/* Without privileges nearly every answer would be a refusal: one sentence says more. */
		fprintf(stderr, CMD ": %s\n", f->obstacle);
		findings_drop(f);
		free(f);
		return SG_EXIT_FAIL;
	}
	if (!r)
		r = a.json ? print_json(f, &a) : print_text(f, &a);
	if (r)
		fprintf(stderr, CMD ": %s\n", strerror(-r));
	else if (f->obstacle[0] && !a.json)
		fprintf(stderr, CMD ": %s\n", f->obstacle);
	code = r || f->obstacle[0] ? SG_EXIT_FAIL : SG_EXIT_OK;
	if (f)
		findings_drop(f);
	free(f);
	return code;
}
