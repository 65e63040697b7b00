/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Words of the text stream and what they can mean: numbers, names, strings. */
#ifndef SG_TEXT_VALUE_H
#define SG_TEXT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trace/field.h"

/* Part of a line; no NUL at its end. */
struct sg_text_word {
	const char *s;
	size_t n;
};

bool sg_text_is_word(struct sg_text_word w, const char *s);

/** sg_text_split() - cut @w at the first @c, @rest is what follows it; false, and @w whole, when there is none */
bool sg_text_split(struct sg_text_word *w, char c, struct sg_text_word *rest);

/** sg_text_number() - decimal or 0x hexadecimal, up to @max */
bool sg_text_number(struct sg_text_word w, uint64_t max, uint64_t *ret);

/** sg_text_unquote() - plain or quoted string into @dst; its length, or -1 when it does not fit or is malformed */
int sg_text_unquote(struct sg_text_word w, char *dst, size_t cap);

/** sg_text_sysnr() - system call by name, by number, or as nrN */
bool sg_text_sysnr(struct sg_text_word w, uint64_t *ret);

/** sg_text_word_or_number() - a name of @words (may be NULL) or a number up to @max */
bool sg_text_word_or_number(const struct sg_word *words, struct sg_text_word w, uint64_t max, uint64_t *ret);

/** sg_text_flags() - names of bits separated by commas, added to the field's default */
bool sg_text_flags(const struct sg_field *f, struct sg_text_word w, uint64_t *ret);

/** sg_text_device() - MAJOR:MINOR, or a number */
bool sg_text_device(struct sg_text_word w, uint64_t *ret);

#endif
