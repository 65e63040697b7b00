/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The text stream: events as lines, for tests, golden files and people. One
 * syntax for reading and printing; docs/stream.md describes it.
 */
#ifndef SG_TEXT_H
#define SG_TEXT_H

#include <stdio.h>
#include "base/err.h"
#include "trace/event.h"

/* @ev is valid during the call. A negative return stops the parser, which returns it. */
typedef int (*sg_text_event_fn)(void *ctx, const struct sg_hdr *ev);
/* A line "= ...": @text is what follows "= ", NUL-terminated, valid during the call. */
typedef int (*sg_text_expect_fn)(void *ctx, unsigned line, const char *text);

/**
 * sg_text_parse() - read a text stream from memory
 * @on_event:  every event, in the order of the text
 * @on_expect: every expectation; NULL skips them
 *
 * Return: 0, what a callback returned, or -EINVAL with @err naming line and word.
 */
int sg_text_parse(const char *text, size_t len, sg_text_event_fn on_event, sg_text_expect_fn on_expect,
		  void *ctx, struct sg_err *err);

/** sg_text_parse_file() - the same from @f, which is read to its end */
int sg_text_parse_file(FILE *f, sg_text_event_fn on_event, sg_text_expect_fn on_expect, void *ctx,
		       struct sg_err *err);

/* Room that holds the line of any event. */
#define SG_TEXT_MAX (SG_EVENT_MAX * 4 + 1024)

/**
 * sg_text_format() - the line of one event, without a newline, NUL-terminated
 * @buf: SG_TEXT_MAX bytes
 *
 * Reserved fields are not printed; all others are, so that parsing the line
 * gives the same event.
 * Return: length of the line, or 0 when @ev is no valid event.
 */
size_t sg_text_format(const struct sg_hdr *ev, char *buf, size_t cap);

#endif
