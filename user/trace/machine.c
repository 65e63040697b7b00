/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/machine.h"

#include <string.h>

/* The next text of @len bytes at @p, as much of it as fits; returns what follows its NUL. */
static size_t text_take(const char *p, size_t len, char *ret, size_t room)
{
	size_t n = strnlen(p, len), k = n < room - 1 ? n : room - 1;

	memcpy(ret, p, k);
	ret[k] = 0;
	return n < len ? n + 1 : len;
}

bool sg_machines_add(struct sg_machines *ms, const struct sg_machine *ev)
{
	struct sg_machine_info *m;
	size_t at;

	if (ev->number >= SG_MACHINE_MAX)
		return false;
	m = &ms->m[ev->number];
	ms->n += !m->known;
	*m = (struct sg_machine_info){ .begin = ev->begin,
				       .end = ev->end,
				       .shift = ev->shift,
				       .number = ev->number,
				       .uid_base = ev->uid_base,
				       .uid_end = ev->uid_end,
				       .frame_base = ev->frame_base,
				       .stack_base = ev->stack_base,
				       .meta = ev->meta,
				       .vmm = ev->vmm,
				       .cid = ev->cid,
				       .cpu_base = ev->cpu_base,
				       .ncpu = ev->ncpu,
				       .known = true };
	at = text_take(ev->text, ev->len, m->name, sizeof(m->name));
	text_take(ev->text + at, ev->len - at, m->kernel, sizeof(m->kernel));
	return true;
}

const struct sg_machine_info *sg_machine_of_cpu(const struct sg_machines *ms, unsigned cpu)
{
	for (unsigned i = 0; ms->n && i < SG_MACHINE_MAX; i++)
		if (ms->m[i].known && cpu >= ms->m[i].cpu_base &&
		    cpu < (unsigned)ms->m[i].cpu_base + ms->m[i].ncpu)
			return &ms->m[i];
	return NULL;
}

const struct sg_machine_info *sg_machine_of_uid(const struct sg_machines *ms, uint32_t uid)
{
	for (unsigned i = 0; ms->n && i < SG_MACHINE_MAX; i++)
		if (ms->m[i].known && uid > ms->m[i].uid_base && uid <= ms->m[i].uid_end)
			return &ms->m[i];
	return NULL;
}
