/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEV_MAX 256

struct sg_names {
	sg_emit_fn emit;
	void *ctx;
	uint32_t dev[DEV_MAX];
	size_t n;
};

int sg_names_new(struct sg_names **ret, sg_emit_fn emit, void *ctx)
{
	struct sg_names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->emit = emit;
	n->ctx = ctx;
	*ret = n;
	return 0;
}

void sg_names_free(struct sg_names *n)
{
	free(n);
}

int sg_names_dev(struct sg_names *n, uint32_t dev, const struct sg_hdr *at)
{
	char link[64], target[PATH_MAX];
	union {
		struct sg_name n;
		char bytes[sizeof(struct sg_name) + 64];
	} u = { 0 };
	const char *base;
	ssize_t len;

	for (size_t i = 0; i < n->n; i++)
		if (n->dev[i] == dev)
			return 0;
	if (n->n == DEV_MAX)
		return 0;
	n->dev[n->n++] = dev;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", dev >> 20, dev & 0xfffff);
	len = readlink(link, target, sizeof(target) - 1);
	if (len <= 0)
		return 0; /* gone: the report says its numbers */
	target[len] = 0;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	u.n.h = *at;
	u.n.h.kind = SG_REC_NAME;
	u.n.id = dev;
	u.n.type = SG_NAME_DEV;
	u.n.len = strnlen(base, 63);
	memcpy(u.n.text, base, u.n.len);
	return n->emit(n->ctx, &u.n.h);
}
