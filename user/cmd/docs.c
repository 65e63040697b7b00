// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* "sandglass __man [COMMAND]": not a command of its own, the Makefile makes the manual with it. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "cmd/docs.h"

/* Text as roff: nothing in it may act as a request or an escape. */
static void roff(FILE *f, const char *s, size_t n, bool line_start)
{
	for (size_t i = 0; i < n; i++) {
		if (line_start && (s[i] == '.' || s[i] == '\''))
			fputs("\\&", f);
		line_start = s[i] == '\n';
		if (s[i] == '\\')
			fputs("\\e", f);
		else if (s[i] == '-')
			fputs("\\-", f);
		else
			fputc(s[i], f);
	}
}

static void roff_str(FILE *f, const char *s)
{
	roff(f, s, strlen(s), false);
}

/*
 * Paragraphs. Indented lines are kept as they are (examples), an empty line
 * parts paragraphs, other lines flow.
 */
static void text(FILE *f, const char *s)
{
	bool kept = false;

	while (*s) {
		size_t n = strcspn(s, "\n");
		bool indent = *s == ' ' || *s == '\t';

		if (indent != kept && n) {
			fputs(indent ? ".PP\n.nf\n" : ".fi\n.PP\n", f);
			kept = indent;
		}
		if (!n)
			fputs(kept ? "\n" : ".PP\n", f);
		else {
			roff(f, s, n, true);
			fputc('\n', f);
		}
		s += n;
		s += *s == '\n';
	}
	if (kept)
		fputs(".fi\n", f);
}

static bool is_short(int key)
{
	return key > 0 && key < 128 && isprint(key);
}

static void option_names(FILE *f, const struct argp_option *o, const struct argp_option *arg_of)
{
	const char *arg = arg_of->arg, *open = arg && arg_of->flags & OPTION_ARG_OPTIONAL ? "[" : "";

	if (is_short(o->key))
		fprintf(f, "\\fB\\-%c\\fR", o->key);
	if (is_short(o->key) && o->name)
		fputs(", ", f);
	if (o->name) {
		fputs("\\fB\\-\\-", f);
		roff_str(f, o->name);
		fputs("\\fR", f);
	}
	if (arg) {
		fprintf(f, "%s%s\\fI", open, o->name ? "=" : " ");
		roff_str(f, arg);
		fprintf(f, "\\fR%s", *open ? "]" : "");
	}
}

static void options(FILE *f, const struct argp *a)
{
	for (const struct argp_option *o = a->options; o && (o->name || o->key || o->doc || o->group); o++) {
		if (o->flags & (OPTION_HIDDEN | OPTION_ALIAS))
			continue;
		if (!o->name && !o->key) {
			if (o->doc) {
				fputs(".SS ", f);
				roff_str(f, o->doc);
				fputc('\n', f);
			}
			continue;
		}
		fputs(".TP\n", f);
		option_names(f, o, o);
		for (const struct argp_option *al = o + 1; al->flags & OPTION_ALIAS && (al->name || al->key);
		     al++) {
			if (al->flags & OPTION_HIDDEN)
				continue;
			fputs(", ", f);
			option_names(f, al, o);
		}
		fputc('\n', f);
		if (o->doc)
			text(f, o->doc);
	}
	for (const struct argp_child *c = a->children; c && c->argp; c++) {
		if (c->header && *c->header) {
			fputs(".SS ", f);
			roff_str(f, c->header);
			fputc('\n', f);
		}
		options(f, c->argp);
	}
}

static void heading(FILE *f, const char *name, const char *summary)
{
	fputs(".TH \"", f);
	for (const char *p = name; *p; p++)
		fputc(toupper((unsigned char)*p), f);
	fprintf(f, "\" \"1\" \"\" \"sandglass " SG_VERSION "\" \"sandglass\"\n.SH NAME\n");
	roff_str(f, name);
	fputs(" \\- ", f);
	roff_str(f, summary);
	fputc('\n', f);
}

/* Each line of args_doc is one way to call the command. */
static void synopsis(FILE *f, const struct sg_command *c)
{
	const char *args = c->argp->args_doc ? c->argp->args_doc : "";

	fputs(".SH SYNOPSIS\n", f);
	do {
		size_t n = strcspn(args, "\n");

		fputs("\\fBsandglass ", f);
		roff_str(f, c->name);
		fputs("\\fR [\\fIOPTION\\fR...] ", f);
		roff(f, args, n, false);
		fputs("\n.br\n", f);
		args += n;
	} while (*args++ == '\n');
}

static void page_command(FILE *f, const struct sg_command *c)
{
	const char *doc = c->argp->doc ? c->argp->doc : "", *more = strchr(doc, '\v');
	char name[64];

	snprintf(name, sizeof(name), "sandglass-%s", c->name);
	heading(f, name, c->summary);
	synopsis(f, c);
	fputs(".SH DESCRIPTION\n", f);
	if (more) {
		char part[2048];

		snprintf(part, sizeof(part), "%.*s", (int)(more - doc), doc);
		text(f, part);
	} else {
		text(f, doc);
	}
	fputs(".SH OPTIONS\n", f);
	options(f, c->argp);
	fputs(".SS Help:\n.TP\n\\fB\\-?\\fR, \\fB\\-\\-help\\fR\nexplain the command and its options\n"
	      ".TP\n\\fB\\-\\-usage\\fR\na short usage message\n",
	      f);
	if (more) {
		fputs(".SH NOTES\n", f);
		text(f, more + 1);
	}
	fputs(".SH SEE ALSO\n.BR sandglass (1)\n", f);
}

static void page_program(FILE *f, const struct sg_command *list)
{
	heading(f, "sandglass", "where did this task's time go, and which layer took it?");
	fputs(".SH SYNOPSIS\n\\fBsandglass\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\-\\- "
	      "\\fIPROGRAM\\fR...]\n"
	      ".SH DESCRIPTION\nCuts the latency of a task (a command's life, a request, any pair of marks) "
	      "into segments and gives\n"
	      "each to one component and one cause. The segments add up to the latency to the nanosecond; "
	      "what cannot be\n"
	      "explained is called unknown and printed like every other cause.\n.SH COMMANDS\n",
	      f);
	for (const struct sg_command *c = list; c->name; c++) {
		fputs(".TP\n.BR sandglass\\-", f);
		roff_str(f, c->name);
		fputs(" (1)\n", f);
		roff(f, c->summary, strlen(c->summary), true);
		fputc('\n', f);
	}
	fputs(".SH SEE ALSO\n", f);
	for (const struct sg_command *c = list; c->name; c++) {
		fputs(".BR sandglass\\-", f);
		roff_str(f, c->name);
		fprintf(f, " (1)%s\n", c[1].name ? "," : "");
	}
}

int sg_docs_man(FILE *f, const struct sg_command *list, const char *command)
{
	const struct sg_command *c = list;

	while (command && c->name && strcmp(c->name, command))
		c++;
	if (command && !c->name)
		return -ENOENT;
	if (command)
		page_command(f, c);
	else
		page_program(f, list);
	errno = 0;
	return fflush(f) || ferror(f) ? -(errno ? errno : EIO) : 0;
}

int sg_cmd_docs(int argc, char **argv)
{
	int r = argc > 2 || strcmp(argv[0], "__man") ? -EINVAL : sg_docs_man(stdout, sg_commands, argv[1]);

	if (!r)
		return SG_EXIT_OK;
	if (r == -EINVAL)
		fprintf(stderr, "usage: sandglass __man [COMMAND]\n");
	else
		fprintf(stderr, "sandglass __man: %s: %s\n", argc > 1 ? argv[1] : "stdout",
			r == -ENOENT ? "no such command" : strerror(-r));
	return r == -EINVAL || r == -ENOENT ? SG_EXIT_USAGE : SG_EXIT_FAIL;
}
