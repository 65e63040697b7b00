/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Numbers and sizes as a user writes them: all of the text or nothing. Locale-free. */
#ifndef SG_PARSE_H
#define SG_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** sg_parse_u64() - decimal digits only, @min..@max; -EINVAL, or -ERANGE when it is a number outside */
int sg_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/** sg_parse_size() - bytes: "4096", "64K", "256M", "1.5G", "2GiB" (powers of 1024 always); > 0 */
int sg_parse_size(const char *text, uint64_t *ret_bytes);

/** sg_parse_duration() - "10s", "1.5ms", "50us", "100ns", "2m", "1h"; a bare number is in @unit_ns; > 0 */
int sg_parse_duration(const char *text, uint64_t unit_ns, uint64_t *ret_ns);

/**
 * sg_parse_list() - "0,1,2": numbers up to @max, no empty place, none twice
 *
 * Return: how many, or -EINVAL, -ERANGE, -EEXIST (twice), -E2BIG (more than @cap).
 */
int sg_parse_list(const char *text, uint64_t max, unsigned *ret, unsigned cap);

/**
 * sg_parse_cpus() - "0-3,6,0": numbers below @max and ranges of them, in the order given; one may come again
 *
 * Return: how many, or -EINVAL, -ERANGE, -E2BIG (more than @cap).
 */
int sg_parse_cpus(const char *text, uint64_t max, unsigned *ret, unsigned cap);

/**
 * sg_parse_word() - the next word of a comma-separated list
 * @text: the list; moved past the word, NULL after the last. An empty word is a word.
 * @ret_too_long: the word does not fit into @word, which is not written then
 *
 * Return: false when *@text was NULL: there are no more words.
 */
bool sg_parse_word(const char **text, char *word, size_t cap, bool *ret_too_long);

#endif
