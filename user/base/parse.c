/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include "base/parse.h"

/* Digits at *@p; moves it past them. */
static int digits(const char **p, uint64_t *ret)
{
	uint64_t v = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	*p = s;
	*ret = v;
	return 0;
}

int sg_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int rc = digits(&text, &v);

	if (rc)
		return rc;
	if (*text)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* "1.5" at *@p in units of 1e-6, exact: no more than six places. */
static int micro(const char **p, uint64_t *ret)
{
	uint64_t whole, frac = 0, scale = 1000000;
	int rc = digits(p, &whole);

	if (rc)
		return rc;
	if (**p == '.') {
		const char *s = *p + 1;

		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++) {
			if (scale == 1)
				return -EINVAL;
			scale /= 10;
			frac += (uint64_t)(*s - '0') * scale;
		}
		*p = s;
	}
	if (__builtin_mul_overflow(whole, 1000000, &whole) || __builtin_add_overflow(whole, frac, ret))
		return -ERANGE;
	return 0;
}

static int scaled(uint64_t v_micro, uint64_t unit, uint64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)v_micro * unit / 1000000;

	if (v > UINT64_MAX)
		return -ERANGE;
	if (!v)
		return -EINVAL;
	*ret = (uint64_t)v;
	return 0;
}

struct unit {
	const char *name;
	uint64_t scale;
};

static int with_unit(const char *text, const struct unit *u, uint64_t bare, uint64_t *ret)
{
	uint64_t v;
	int rc = micro(&text, &v);

	if (rc)
		return rc;
	if (!*text)
		return scaled(v, bare, ret);
	for (; u->name; u++)
		if (!strcmp(text, u->name))
			return scaled(v, u->scale, ret);
	return -EINVAL;
}

int sg_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "B", 1 },
#define SG_X(c, shift) { c, 1ull << (shift) }, { c "B", 1ull << (shift) }, { c "iB", 1ull << (shift) }
		SG_X("K", 10), SG_X("k", 10), SG_X("M", 20), SG_X("m", 20),
		SG_X("G", 30), SG_X("g", 30), SG_X("T", 40), SG_X("t", 40),
#undef SG_X
		{ 0 },
	};

	return with_unit(text, units, 1, ret_bytes);
}

int sg_parse_duration(const char *text, uint64_t unit_ns, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "m", 60000000000ull },
		{ "min", 60000000000ull },
		{ "h", 3600000000000ull },
		{ 0 },
	};

	return with_unit(text, units, unit_ns, ret_ns);
}

int sg_parse_list(const char *text, uint64_t max, unsigned *ret, unsigned cap)
{
	unsigned n = 0;

	for (;;) {
		uint64_t v;
		int rc = digits(&text, &v);

		if (rc)
			return rc;
		if (v > max)
			return -ERANGE;
		for (unsigned i = 0; i < n; i++)
			if (ret[i] == v)
				return -EEXIST;
		if (n == cap)
			return -E2BIG;
		ret[n++] = (unsigned)v;
		if (!*text)
			return (int)n;
		if (*text++ != ',')
			return -EINVAL;
	}
}

int sg_parse_cpus(const char *text, uint64_t max, unsigned *ret, unsigned cap)
{
	unsigned n = 0;

	for (;;) {
		uint64_t from, to;
		int rc = digits(&text, &from);

		to = from;
		if (!rc && *text == '-') {
			text++;
			rc = digits(&text, &to);
		}
		if (rc)
			return rc;
		if (to < from || to >= max)
			return -ERANGE;
		for (; from <= to; from++) {
			if (n == cap)
				return -E2BIG;
			ret[n++] = (unsigned)from;
		}
		if (!*text)
			return (int)n;
		if (*text++ != ',')
			return -EINVAL;
	}
}

bool sg_parse_word(const char **text, char *word, size_t cap, bool *ret_too_long)
{
	size_t n = *text ? strcspn(*text, ",") : 0;

	if (!*text)
		return false;
	*ret_too_long = n >= cap;
	if (!*ret_too_long) {
		memcpy(word, *text, n);
		word[n] = 0;
	}
	*text = (*text)[n] ? *text + n + 1 : NULL;
	return true;
}
