/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/text_value.h"

#include <string.h>
#include "base/sysnr.h"

bool sg_text_is_word(struct sg_text_word w, const char *s)
{
	return w.n == strlen(s) && !memcmp(w.s, s, w.n);
}

bool sg_text_split(struct sg_text_word *w, char c, struct sg_text_word *rest)
{
	const char *p = w->n ? memchr(w->s, c, w->n) : NULL;

	if (!p)
		return false;
	rest->s = p + 1;
	rest->n = w->n - (size_t)(p + 1 - w->s);
	w->n = (size_t)(p - w->s);
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool sg_text_number(struct sg_text_word w, uint64_t max, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (w.n > 2 && w.s[0] == '0' && w.s[1] == 'x')
		base = 16, w.s += 2, w.n -= 2;
	if (!w.n)
		return false;
	for (; w.n; w.s++, w.n--) {
		int d = digit(*w.s);

		if (d < 0 || (unsigned)d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	*ret = v;
	return v <= max;
}

int sg_text_unquote(struct sg_text_word w, char *dst, size_t cap)
{
	size_t n = 0;
	int hi, lo;

	if (!w.n || w.s[0] != '"') {
		if (w.n > cap || memchr(w.s, '"', w.n))
			return -1;
		memcpy(dst, w.s, w.n);
		return (int)w.n;
	}
	if (w.n < 2 || w.s[w.n - 1] != '"')
		return -1;
	for (size_t i = 1; i < w.n - 1; i++) {
		char c = w.s[i];

		if (c == '"')
			return -1;
		if (c == '\\') {
			if (++i >= w.n - 1)
				return -1;
			c = w.s[i];
			if (c == 'x') {
				if (i + 2 >= w.n - 1 || (hi = digit(w.s[i + 1])) < 0 ||
				    (lo = digit(w.s[i + 2])) < 0)
					return -1;
				c = (char)(hi * 16 + lo);
				i += 2;
			} else if (c != '"' && c != '\\') {
				return -1;
			}
		}
		if (n >= cap)
			return -1;
		dst[n++] = c;
	}
	return (int)n;
}

bool sg_text_sysnr(struct sg_text_word w, uint64_t *ret)
{
	int nr;

	if (w.n > 2 && w.s[0] == 'n' && w.s[1] == 'r' &&
	    sg_text_number((struct sg_text_word){ w.s + 2, w.n - 2 }, 0xffff, ret))
		return true;
	nr = sg_sysnr_find(w.s, w.n);
	*ret = (uint64_t)nr;
	return nr >= 0 || sg_text_number(w, 0xffff, ret);
}

bool sg_text_word_or_number(const struct sg_word *words, struct sg_text_word w, uint64_t max, uint64_t *ret)
{
	uint32_t v;

	if (words && sg_word_find(words, w.s, w.n, &v)) {
		*ret = v;
		return true;
	}
	return sg_text_number(w, max, ret);
}

bool sg_text_flags(const struct sg_field *f, struct sg_text_word w, uint64_t *ret)
{
	struct sg_text_word rest = { 0 };
	bool more = true;
	uint64_t v;

	*ret = f->def;
	while (more) {
		more = sg_text_split(&w, ',', &rest);
		if (sg_text_is_word(w, "outscope"))
			*ret &= ~(uint64_t)f->def;
		else if (sg_text_word_or_number(f->words, w, UINT32_MAX, &v))
			*ret |= v;
		else
			return false;
		w = rest;
	}
	return true;
}

bool sg_text_device(struct sg_text_word w, uint64_t *ret)
{
	uint64_t major, minor;
	struct sg_text_word rest;

	if (!sg_text_split(&w, ':', &rest))
		return sg_text_number(w, UINT32_MAX, ret);
	if (!sg_text_number(w, 0xfff, &major) || !sg_text_number(rest, 0xfffff, &minor))
		return false;
	*ret = major << 20 | minor;
	return true;
}
