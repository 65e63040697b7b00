/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A text stream through the analysis, and what a writer makes of it as a string. */
#ifndef SG_TEST_OUT_CASE_H
#define SG_TEST_OUT_CASE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/analysis.h"
#include "trace/text.h"

static inline int out_case_feed(void *ctx, const struct sg_hdr *ev)
{
	struct sg_err err = { 0 };
	int ret = sg_analysis_feed(ctx, ev, &err);

	cr_assert_eq(ret, 0, "feed: %s", err.msg);
	return 0;
}

/* Feeds @text (a text stream) to @a and finishes it. */
static inline void out_case_run(struct sg_analysis *a, const char *text)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_text_parse(text, strlen(text), out_case_feed, NULL, a, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_analysis_finish(a, &err), 0, "%s", err.msg);
}

static inline char *out_case_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);
	size_t n;

	cr_assert(f, "%s", path);
	n = fread(text, 1, (1 << 20) - 1, f);
	cr_assert(n < (1 << 20) - 1);
	fclose(f);
	return text;
}

/* What is written between out_open() and out_close(), as a NUL-terminated string; free() it. */
struct out_case {
	FILE *f;
	char *text;
	size_t len;
};

static inline FILE *out_open(struct out_case *o)
{
	o->text = NULL;
	o->f = open_memstream(&o->text, &o->len);
	cr_assert(o->f);
	return o->f;
}

static inline char *out_close(struct out_case *o)
{
	fclose(o->f);
	return o->text;
}

#endif
