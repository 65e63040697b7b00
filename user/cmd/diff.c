/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass diff: why B takes longer than A, cause by cause. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/input.h"
#include "out/json.h"
#include "out/text.h"

enum { OPT_JSON = 256, OPT_GROUP, OPT_QUANTILE, OPT_ROWS };

#define PAIRS_MAX 8

struct args {
	struct sg_analysis_opts o;
	struct sg_text_opts text;
	const char *file[2], *json;
	char *group[2]; /* --group A,B; one name: the same on both sides */
	bool want_json;
	double quantile; /* 0: means */
};

static const struct argp_option options[] = {
	{ "json", OPT_JSON, "FILE", OPTION_ARG_OPTIONAL,
	  "print JSON to FILE (or standard output) instead of tables", 1 },
	{ "group", OPT_GROUP, "NAME[,NAME]", 0,
	  "compare the tasks of this name; with two names, the second with the first", 1 },
	{ "quantile", OPT_QUANTILE, "Q", 0, "compare the tasks around this quantile instead of the means",
	  1 },
	{ "rows", OPT_ROWS, "N", 0, "rows of a table (default 20)", 1 },
	{ 0 },
};

static void parse_group(struct args *a, char *arg, struct argp_state *s)
{
	char *comma = strchr(arg, ',');

	if (comma)
		*comma = 0;
	a->group[0] = arg;
	a->group[1] = comma ? comma + 1 : arg;
	if (!*a->group[0] || !*a->group[1])
		argp_error(s, "--group takes one name or two with a comma between");
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	uint64_t v = 0;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		s->child_inputs[0] = &a->o;
		break;
	case OPT_JSON:
		a->want_json = true;
		a->json = arg;
		break;
	case OPT_GROUP:
		parse_group(a, arg, s);
		break;
	case OPT_QUANTILE:
		a->quantile = strtod(arg, &end);
		if (*end || !(a->quantile > 0.5 && a->quantile < 1))
			argp_error(s, "--quantile lies between 0.5 and 1, not '%s'", arg);
		break;
	case OPT_ROWS:
		if (sg_parse_u64(arg, 1, 1000, &v))
			argp_error(s, "--rows takes 1 to 1000, not '%s'", arg);
		a->text.rows = (unsigned)v;
		break;
	case ARGP_KEY_ARG:
		if (a->file[1])
			argp_error(s, "two recordings, not more");
		a->file[a->file[0] ? 1 : 0] = arg;
		break;
	case ARGP_KEY_END:
		if (!a->file[0] || (!a->file[1] && (!a->group[0] || a->group[0] == a->group[1])))
			argp_error(s, "say what to compare: two recordings, or one with --group A,B");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &sg_input_argp, 0, NULL, 20 }, { 0 } };

const struct argp sg_argp_diff = {
	options,
	parse,
	"A [B]",
	"Explain why the tasks of B take longer (or shorter) than those of A, cause by cause. The rows sum "
	"to the difference.\v"
	"Examples:\n"
	"  sandglass diff before.sgt after.sgt\n"
	"  sandglass diff --quantile 0.99 before.sgt after.sgt      what the slow ones gained\n"
	"  sandglass diff --group read,write one.sgt                two kinds of tasks of one recording\n\n"
	"The command of 'run' or 'record' is compared with that of the other side; otherwise tasks of equal "
	"names.",
	children,
	NULL,
	NULL
};

struct side {
	struct sg_input in;
	struct sg_group *const *g;
	size_t n;
};

static struct sg_group *find_group(const struct side *s, const char *name)
{
	struct sg_group_stats st;

	for (size_t i = 0; i < s->n; i++) {
		sg_group_stats(s->g[i], &st);
		if (!strcmp(st.name, name))
			return s->g[i];
	}
	return NULL;
}

struct pair {
	struct sg_group *a, *b;
	const char *an, *bn; /* names for people */
};

/* Which groups face each other: those asked for, those of equal names, else the first of each side. */
static size_t make_pairs(const struct args *a, struct side *s, struct pair *p, struct sg_err *err)
{
	const struct side *b = a->file[1] ? &s[1] : &s[0];
	struct sg_group_stats st;
	size_t n = 0;

	if (a->group[0]) {
		p[0] = (struct pair){ find_group(&s[0], a->group[0]), find_group(b, a->group[1]), a->group[0],
				      a->group[1] };
		if (!p[0].a || !p[0].b)
			sg_err_set(err, -ENOENT, "no tasks named '%s' in %s",
				   p[0].a ? a->group[1] : a->group[0],
				   p[0].a && a->file[1] ? a->file[1] : a->file[0]);
		return p[0].a && p[0].b;
	}
	for (size_t i = 0; i < s[0].n && n < PAIRS_MAX; i++) {
		sg_group_stats(s[0].g[i], &st);
		p[n] = (struct pair){ s[0].g[i], find_group(b, st.name), st.name, st.name };
		n += p[n].b != NULL;
	}
	if (!n && s[0].n && b->n) {
		p[0] = (struct pair){ .a = s[0].g[0], .b = b->g[0] };
		sg_group_stats(p[0].a, &st);
		p[0].an = st.name;
		sg_group_stats(p[0].b, &st);
		p[0].bn = st.name;
		n = 1;
	}
	if (!n)
		sg_err_set(err, -ENODATA, "no task to compare in %s", s[0].n ? a->file[1] : a->file[0]);
	return n;
}

/* Several kinds of tasks: what the kinds gained, and what the change of their proportions did. */
static void print_mix(FILE *f, const struct pair *p, size_t n)
{
	double na = 0, nb = 0, within = 0, total_a = 0, total_b = 0, d;
	struct sg_blame_sums a, b;
	char t[3][32];

	for (size_t i = 0; i < n; i++) {
		sg_blame_sums(sg_group_blame(p[i].a), &a);
		sg_blame_sums(sg_group_blame(p[i].b), &b);
		na += (double)a.tasks;
		nb += (double)b.tasks;
		total_a += (double)a.total_ns;
		total_b += (double)b.total_ns;
	}
	if (n < 2 || na < 1 || nb < 1)
		return;
	for (size_t i = 0; i < n; i++) {
		sg_blame_sums(sg_group_blame(p[i].a), &a);
		sg_blame_sums(sg_group_blame(p[i].b), &b);
		if (a.tasks && b.tasks)
			within +=
				((double)a.tasks / na + (double)b.tasks / nb) / 2 *
				((double)b.total_ns / (double)b.tasks - (double)a.total_ns / (double)a.tasks);
	}
	d = total_b / nb - total_a / na;
	fprintf(f,
		"\nall kinds together, per task: %c%s = %c%s within the kinds and %c%s because their "
		"proportions changed\n",
		d < 0 ? '-' : '+', sg_text_ns(t[0], sizeof(t[0]), (uint64_t)fabs(d)), within < 0 ? '-' : '+',
		sg_text_ns(t[1], sizeof(t[1]), (uint64_t)fabs(within)), d - within < 0 ? '-' : '+',
		sg_text_ns(t[2], sizeof(t[2]), (uint64_t)fabs(d - within)));
}

/* "NAME" when both sides have one name and one file, else with the file. */
static void side_name(char *buf, size_t cap, const struct args *a, const char *group, int side)
{
	const char *file = a->file[1] ? a->file[side] : "";
	const char *slash = strrchr(file, '/');

	snprintf(buf, cap, "%s%s%s", group, *file ? " of " : "", slash ? slash + 1 : file);
}

static int print_pair(FILE *f, const struct args *a, const struct pair *p, bool first)
{
	struct sg_diff d = { 0 };
	char an[300], bn[300];
	int ret;

	side_name(an, sizeof(an), a, p->an, 0);
	side_name(bn, sizeof(bn), a, p->bn, 1);
	if (a->quantile > 0)
		ret = sg_diff_bands(&d, p->a, p->b, a->quantile);
	else
		ret = sg_diff_make(&d, sg_group_blame(p->a), sg_group_blame(p->b));
	if (ret)
		return ret;
	if (!first)
		fputs(a->want_json ? "," : "\n", f);
	ret = a->want_json ? sg_json_diff(f, &d, an, bn) : sg_text_diff(f, &d, an, bn, &a->text);
	if (!ret && !a->want_json)
		fprintf(f, "%" PRIu64 " and %" PRIu64 " tasks\n", d.a_n, d.b_n);
	sg_diff_free(&d);
	return ret;
}

static int print_all(FILE *f, const struct args *a, struct side *s, struct sg_err *err)
{
	struct pair p[PAIRS_MAX + 1];
	size_t n = make_pairs(a, s, p, err);
	int ret = n ? 0 : err->code;

	if (!ret && a->want_json)
		fputs("{\"diffs\":[\n", f);
	for (size_t i = 0; i < n && !ret; i++)
		ret = print_pair(f, a, &p[i], !i);
	if (ret == -ENODATA && !err->code)
		sg_err_set(err, ret, "too few complete tasks to compare%s",
			   a->quantile > 0 ? " around a quantile" : "");
	if (!ret && a->want_json)
		fputs("]}\n", f);
	if (!ret && !a->want_json) {
		print_mix(f, p, n);
		fputs(a->file[1] ? "one run each: how much runs differ by chance is not known\n"
				 : "one recording: how much recordings differ by chance is not known\n",
		      f);
	}
	return ret;
}

static int run(struct args *a, struct side *s, struct sg_err *err)
{
	int ret = 0;
	FILE *f;

	for (int i = 0; i < 2 && a->file[i] && !ret; i++) {
		ret = sg_input_run(&s[i].in, a->file[i], &a->o, NULL, err);
		if (!ret)
			s[i].n = sg_analysis_groups(s[i].in.a, &s[i].g);
	}
	if (ret)
		return ret;
	f = sg_output_open(a->json, a->file, 2, err);
	if (!f)
		return err->code;
	a->text.colour = isatty(fileno(f)) && !getenv("NO_COLOR");
	return sg_output_close(f, a->json, print_all(f, a, s, err), err);
}

int sg_cmd_diff(int argc, char **argv)
{
	static const char name[] = "sandglass diff";
	struct side s[2] = { { .in.fd = -1 }, { .in.fd = -1 } };
	struct sg_err err = { 0 };
	struct args a = { 0 };
	int ret, code = SG_EXIT_OK;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_diff, argc, argv, 0, NULL, &a);
	setlocale(LC_CTYPE, "");
	ret = run(&a, s, &err);
	if (ret)
		code = sg_input_fail(name, &err, ret);
	for (int i = 0; i < 2; i++) {
		if (!ret && sg_input_damage(&s[i].in)) {
			fprintf(stderr, "%s: %s: %s\n", name, a.file[i], sg_input_damage(&s[i].in));
			code = SG_EXIT_FAIL;
		}
		sg_input_close(&s[i].in);
	}
	return code;
}
