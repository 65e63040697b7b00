/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/callfiles.h"

#include <errno.h>
#include <stdlib.h>

void *sg_callfiles_room(void *p, size_t *cap, size_t n, size_t each)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *q = p;

	if (n < *cap)
		return p;
	q = realloc(p, want * each);
	*cap = q ? want : *cap;
	return q;
}

int64_t sg_callfiles_name(struct sg_callfiles *f, const char *text)
{
	int64_t id =
		f->name.n < SG_CALLFILES_MAX ? sg_strtab_id(&f->name, text) : sg_strtab_find(&f->name, text);

	return id == -ENOENT ? -ENOSPC : id;
}

int sg_callfiles_add(struct sg_callfiles *f, uint32_t row, uint32_t name, uint64_t ns, uint64_t cnt)
{
	const uint32_t *known = sg_pairmap_get(&f->at, row, name);
	struct sg_callfile *p;

	if (!known && f->n == SG_CALLFILES_MAX)
		return 0;
	if (!known) {
		p = sg_callfiles_room(f->file, &f->cap, f->n, sizeof(*p));
		if (!p)
			return -ENOMEM;
		f->file = p;
		if (!sg_pairmap_at(&f->at, row, name, (uint32_t)f->n, NULL))
			return -ENOMEM;
		f->file[f->n] = (struct sg_callfile){ .row = row, .name = name };
		f->n++;
	}
	p = &f->file[known ? *known : f->n - 1];
	p->ns += ns;
	p->cnt += cnt;
	return 0;
}

void sg_callfiles_free(struct sg_callfiles *f)
{
	sg_pairmap_free(&f->at);
	sg_strtab_free(&f->name);
	free(f->file);
}
