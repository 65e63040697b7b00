// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Manual pages from option tables: of a made-up program, so that every kind of option is there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/docs.h"

static const struct argp_option child_options[] = {
	{ "deep", 'd', "N", 0, "of the child", 0 },
	{ 0 },
};
static const struct argp child = { .options = child_options };
static const struct argp_child children[] = { { &child, 0, "Child:", 0 }, { 0 } };
static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "A group:", 1 },
	{ "output", 'o', "FILE", 0, "where to", 1 },
	{ "out", 0, NULL, OPTION_ALIAS, NULL, 1 },
	{ "json", 300, "FILE", OPTION_ARG_OPTIONAL, "a \\backslash\n.dot at a line's start\n'quote too", 1 },
	{ NULL, 'q', NULL, 0, "short only", 1 },
	{ "secret", 301, NULL, OPTION_HIDDEN, "not for people", 1 },
	{ 0 },
};
static const struct argp argp = {
	options, NULL, "FILE\n-- PROGRAM", "Before.\vAfter.\n  $ kept   as it is\nflows", children, NULL, NULL
};
const struct sg_command sg_commands[] = { { "frob", NULL, &argp, "does a thing" }, { 0 } };

static char *page(const char *command)
{
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);

	cr_assert_eq(sg_docs_man(f, sg_commands, command), 0);
	fclose(f);
	return buf;
}

static void has(const char *page_text, const char *part)
{
	cr_expect(strstr(page_text, part), "no '%s' in:\n%s", part, page_text);
}

Test(docs, command_page)
{
	char *p = page("frob");

	has(p, ".TH \"SANDGLASS-FROB\"");
	has(p, "sandglass\\-frob \\- does a thing");
	has(p, "\\fBsandglass frob\\fR [\\fIOPTION\\fR...] FILE\n");
	has(p, "[\\fIOPTION\\fR...] \\-\\- PROGRAM\n");
	has(p, ".SS A group:");
	has(p, "\\fB\\-o\\fR, \\fB\\-\\-output\\fR=\\fIFILE\\fR, \\fB\\-\\-out\\fR=\\fIFILE\\fR\nwhere to");
	has(p, "\\fB\\-\\-json\\fR[=\\fIFILE\\fR]");
	has(p, "\\fB\\-q\\fR\nshort only");
	has(p, ".SS Child:\n.TP\n\\fB\\-d\\fR, \\fB\\-\\-deep\\fR=\\fIN\\fR");
	has(p, ".SH DESCRIPTION\nBefore.\n");
	has(p, ".SH NOTES\nAfter.\n.PP\n.nf\n  $ kept   as it is\n.fi\n.PP\nflows\n");
	cr_expect_null(strstr(p, "secret"));
	free(p);
}

Test(docs, text_cannot_act_as_roff)
{
	char *p = page("frob");

	has(p, "a \\ebackslash\n");
	has(p, "\n\\&.dot at a line's start\n");
	has(p, "\n\\&'quote too\n");
	free(p);
}

Test(docs, program_page_lists_commands)
{
	char *p = page(NULL);

	has(p, ".BR sandglass\\-frob (1)\ndoes a thing\n");
	free(p);
}

Test(docs, unknown_command)
{
	FILE *f = fopen("/dev/null", "w");

	cr_expect_eq(sg_docs_man(f, sg_commands, "nope"), -ENOENT);
	cr_expect_eq(sg_docs_man(f, sg_commands, ""), -ENOENT);
	fclose(f);
	f = fopen("/dev/full", "w");
	cr_expect_eq(sg_docs_man(f, sg_commands, "frob"), -ENOSPC);
	fclose(f);
}
