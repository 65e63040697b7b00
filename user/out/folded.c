/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "out/sink.h"
#include "out/stacks.h"

void sg_folded_frame(char *buf, size_t cap, const char *text)
{
	size_t n = strlen(text), o = 0;
	int32_t c;

	for (size_t i = 0, len; i < n; i += len) {
		char one = 0;

		len = sg_utf8_next(text + i, n - i, &c);
		if (c == ';')
			one = ':';
		else if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0)
			one = '_';
		else if (c < 0 || sg_utf8_is_control(c))
			one = '?';
		if (o + (one ? 1 : len) >= cap)
			break;
		memcpy(buf + o, one ? &one : text + i, one ? 1 : len);
		o += one ? 1 : len;
	}
	if (!o)
		buf[o++] = '-';
	buf[o] = 0;
}

/* The line of the stack that ends in @node: @path holds its nodes from the root on. */
static void put_line(struct sg_sink *out, const struct sg_stacks *s, const uint32_t *path, size_t depth,
		     char *buf, size_t cap)
{
	for (size_t i = 0; i < depth; i++) {
		sg_folded_frame(buf, cap, sg_strtab_str(&s->frame, s->node[path[i]].frame));
		if (i)
			sg_sink_puts(out, ";");
		sg_sink_puts(out, buf);
	}
	sg_sink_printf(out, " %" PRIu64 "\n", s->node[path[depth - 1]].weight);
}

int sg_folded_write(FILE *f, struct sg_stacks *s)
{
	uint32_t *path = NULL, at;
	size_t depth = 0, cap = 0;
	char buf[1024];
	struct sg_sink out;

	sg_sink_init(&out, f);
	sg_sink_fail(&out, sg_stacks_sort(s));
	for (at = s->n ? s->node[0].child : 0; at && !out.err;) {
		if (depth == cap) {
			uint32_t *p = realloc(path, (cap = cap ? 2 * cap : 64) * sizeof(*p));

			if (!p) {
				sg_sink_fail(&out, -ENOMEM);
				break;
			}
			path = p;
		}
		path[depth++] = at;
		if (s->node[at].weight)
			put_line(&out, s, path, depth, buf, sizeof(buf));
		if (s->node[at].child) {
			at = s->node[at].child;
			continue;
		}
		while (depth && !s->node[path[depth - 1]].next)
			depth--;
		at = depth ? s->node[path[--depth]].next : 0;
	}
	free(path);
	return sg_sink_end(&out);
}
