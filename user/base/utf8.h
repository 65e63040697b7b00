/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names are bytes chosen by others; who prints or writes them makes them text here. Pure. */
#ifndef SG_UTF8_H
#define SG_UTF8_H

#include <stddef.h>
#include <stdint.h>

/**
 * sg_utf8_next() - one character of @s (@n > 0 bytes)
 * @ret: the code point, or -1 for a byte that is not valid UTF-8 (overlong, surrogate, cut, too large)
 *
 * Return: bytes taken, at least 1.
 */
size_t sg_utf8_next(const char *s, size_t n, int32_t *ret);

/** sg_utf8_fix() - malloc'd copy of @s with each invalid byte as U+FFFD; NULL when out of memory */
char *sg_utf8_fix(const char *s);

/**
 * sg_utf8_clean() - the first @n bytes of @s for a terminal: valid characters that are no control stay, all else becomes '?'
 * @cap: at most so many bytes with the NUL, cut between two characters; returns @buf
 */
char *sg_utf8_clean(char *buf, size_t cap, const char *s, size_t n);

/** sg_utf8_is_control() - C0, DEL, C1, line separators and marks that reorder text */
int sg_utf8_is_control(int32_t c);

#endif
