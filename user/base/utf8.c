/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

size_t sg_utf8_next(const char *s, size_t n, int32_t *ret)
{
	unsigned char c = (unsigned char)*s;
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = c < 0x80		     ? 1
		     : c >= 0xc2 && c < 0xe0 ? 2
		     : c >= 0xe0 && c < 0xf0 ? 3
		     : c >= 0xf0 && c < 0xf5 ? 4
					     : 0;
	int32_t v;

	*ret = -1;
	if (!len || len > n)
		return 1;
	v = len == 1 ? c : c & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (s[i] & 0x3f);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 1;
	*ret = v;
	return len;
}

char *sg_utf8_fix(const char *s)
{
	size_t n = strlen(s), o = 0;
	char *out = malloc(3 * n + 1);
	int32_t c;

	for (size_t i = 0, len; out && i < n; i += len) {
		len = sg_utf8_next(s + i, n - i, &c);
		memcpy(out + o, c < 0 ? "\xef\xbf\xbd" : s + i, c < 0 ? 3 : len);
		o += c < 0 ? 3 : len;
	}
	if (out)
		out[o] = 0;
	return out;
}

int sg_utf8_is_control(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x200e ||
	       c == 0x200f || c == 0x061c || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0xfeff;
}

char *sg_utf8_clean(char *buf, size_t cap, const char *s, size_t n)
{
	size_t o = 0;
	int32_t c;

	for (size_t i = 0, len; i < n; i += len) {
		len = sg_utf8_next(s + i, n - i, &c);
		bool bad = c < 0 || sg_utf8_is_control(c);

		if (o + (bad ? 1 : len) >= cap)
			break;
		if (bad)
			buf[o++] = '?';
		else
			memcpy(buf + o, s + i, len), o += len;
	}
	if (cap)
		buf[o] = 0;
	return buf;
}
