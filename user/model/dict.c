/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The dictionaries of a recording: frames, stacks, device names, and details of waits. */
#include <errno.h>
#include <stdlib.h>
#include "base/sysnr.h"
#include "model/priv.h"

#define DETAIL_MAX 65536 /* distinct files and sockets kept; later ones go unnamed */

/* How the kernel enters a system call, page fault or interrupt; a call's own function may have become its entry. */
static uint16_t entry_of(const char *sym)
{
	static const char *const calls[] = { "__x64_sys_", "__se_sys_", "__do_sys_", "ksys_", "kernel_" };

	if (!strcmp(sym, "asm_exc_page_fault"))
		return SG_C_CPU_FAULT;
	if (!strcmp(sym, "asm_common_interrupt") || !strncmp(sym, "asm_sysvec_", 11))
		return SG_C_CPU_IRQ;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const char *name = sym + strlen(calls[i]);
		int nr;

		if (strncmp(sym, calls[i], strlen(calls[i])))
			continue;
		nr = sg_sysnr_find(name, strlen(name));
		return nr < 0 ? 0 : (uint16_t)(SG_KEY_SYSCALL | nr);
	}
	return 0;
}

static int frame_add(struct sg_model *m, const struct sg_frame *ev)
{
	struct sg_dict_frame *f;
	uint64_t val;
	char *text;
	int rc;

	if (sg_map_get(&m->frame_map, ev->id, &val))
		return 0;
	text = calloc(1, ev->len + 2u);
	if (!text)
		return -ENOMEM;
	memcpy(text, ev->text, ev->len);
	rc = SG_GROW(m->frame, m->frame_cap, m->nframe + 1);
	if (!rc)
		rc = sg_map_put(&m->frame_map, ev->id, m->nframe + 1);
	if (rc) {
		free(text);
		return rc;
	}
	f = &m->frame[m->nframe++];
	f->sym = text;
	f->mod = text + strlen(text) + 1;
	f->kernel = ev->is_kernel;
	f->syms = f->kernel ? sg_symbol_syms(text) : 0;
	f->key = f->kernel ? entry_of(text) : 0;
	f->sysmon = !f->kernel && !strcmp(text, "runtime.sysmon");
	return 0;
}

static int stack_add(struct sg_model *m, const struct sg_stackdef *ev)
{
	struct sg_dict_stack *s;
	uint64_t val;
	uint32_t *ids;
	int rc;

	if (!ev->id || sg_map_get(&m->stack_map, ev->id, &val))
		return 0;
	ids = malloc((ev->n + 1ull) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	memcpy(ids, ev->frame, ev->n * sizeof(*ids));
	rc = SG_GROW(m->stack, m->stack_cap, m->nstack + 1);
	if (!rc)
		rc = sg_map_put(&m->stack_map, ev->id, m->nstack + 1);
	if (rc) {
		free(ids);
		return rc;
	}
	s = &m->stack[m->nstack++];
	*s = (struct sg_dict_stack){ .n = ev->n, .frame = ids };
	for (uint32_t i = 0; i < ev->n; i++) {
		const struct sg_dict_frame *f;

		if (!sg_map_get(&m->frame_map, ids[i], &val))
			continue;
		f = &m->frame[val - 1];
		s->syms |= f->syms;
		s->sysmon |= f->sysmon;
		if (!s->key) /* the innermost: an interrupt of a system call is an interrupt */
			s->key = f->key;
	}
	return 0;
}

static int name_add(struct sg_model *m, const struct sg_name *ev)
{
	uint64_t val;
	char *text;

	if (ev->type != SG_NAME_DEV)
		return 0;
	text = strndup(ev->text, ev->len);
	if (!text)
		return -ENOMEM;
	if (sg_map_get(&m->dev_map, ev->id, &val))
		free((void *)(uintptr_t)val);
	if (sg_map_put(&m->dev_map, ev->id, (uintptr_t)text)) {
		free(text);
		return -ENOMEM;
	}
	return 0;
}

int sg_dict_feed(struct sg_model *m, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_FRAME:
		return frame_add(m, (const void *)ev);
	case SG_REC_STACKDEF:
		return stack_add(m, (const void *)ev);
	default:
		return name_add(m, (const void *)ev);
	}
}

static uint64_t detail_hash(const struct sg_detail *d)
{
	const unsigned char *p = (const unsigned char *)d + sizeof(d->h);
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < sizeof(*d) - sizeof(d->h); i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* One entry per file or socket, whoever waited for it. @ret: index + 1, 0 when there are too many. */
int sg_dict_detail(struct sg_model *m, const struct sg_detail *ev, uint32_t *ret)
{
	const size_t from = sizeof(ev->h);
	uint64_t h, val;
	int rc;

	for (h = detail_hash(ev); sg_map_get(&m->detail_map, h, &val); h++)
		if (!memcmp((char *)&m->detail[val - 1] + from, (const char *)ev + from,
			    sizeof(*ev) - from)) {
			*ret = val;
			return 0;
		}
	*ret = 0;
	if (m->ndetail == DETAIL_MAX)
		return 0;
	rc = SG_GROW(m->detail, m->detail_cap, m->ndetail + 1);
	if (!rc)
		rc = sg_map_put(&m->detail_map, h, m->ndetail + 1);
	if (rc)
		return rc;
	m->detail[m->ndetail++] = *ev;
	*ret = m->ndetail;
	return 0;
}

uint32_t sg_dict_syms(const struct sg_model *m, uint32_t stack)
{
	uint64_t val;

	return stack && sg_map_get(&m->stack_map, stack, &val) ? m->stack[val - 1].syms : 0;
}

bool sg_dict_sysmon(const struct sg_model *m, uint32_t stack)
{
	uint64_t val;

	return stack && sg_map_get(&m->stack_map, stack, &val) && m->stack[val - 1].sysmon;
}

uint16_t sg_dict_key(const struct sg_model *m, uint32_t stack)
{
	uint64_t val;

	return stack && sg_map_get(&m->stack_map, stack, &val) ? m->stack[val - 1].key : 0;
}

void sg_dict_free(struct sg_model *m)
{
	for (uint32_t i = 0; i < m->nframe; i++)
		free(m->frame[i].sym);
	for (uint32_t i = 0; i < m->nstack; i++)
		free(m->stack[i].frame);
	for (uint32_t i = 0; i < m->dev_map.cap; i++)
		if (m->dev_map.val[i])
			free((void *)(uintptr_t)m->dev_map.val[i]);
	free(m->frame);
	free(m->stack);
	free(m->detail);
	sg_map_free(&m->frame_map);
	sg_map_free(&m->stack_map);
	sg_map_free(&m->dev_map);
	sg_map_free(&m->detail_map);
}

const struct sg_detail *sg_model_detail(const struct sg_model *m, uint32_t detail)
{
	return detail && detail <= m->ndetail ? &m->detail[detail - 1] : NULL;
}

size_t sg_model_stack(const struct sg_model *m, uint32_t stack, const uint32_t **ret)
{
	uint64_t val;

	*ret = NULL;
	if (!stack || !sg_map_get(&m->stack_map, stack, &val))
		return 0;
	*ret = m->stack[val - 1].frame;
	return m->stack[val - 1].n;
}

bool sg_model_frame(const struct sg_model *m, uint32_t frame, const char **ret_sym, const char **ret_mod,
		    bool *ret_kernel)
{
	uint64_t val;

	if (!sg_map_get(&m->frame_map, frame, &val)) {
		*ret_sym = "[unknown]";
		*ret_mod = "[unknown]";
		*ret_kernel = false;
		return false;
	}
	*ret_sym = m->frame[val - 1].sym;
	*ret_mod = m->frame[val - 1].mod;
	*ret_kernel = m->frame[val - 1].kernel;
	return true;
}

const char *sg_model_dev(const struct sg_model *m, uint32_t dev)
{
	uint64_t val;

	return sg_map_get(&m->dev_map, dev, &val) ? (const char *)(uintptr_t)val : NULL;
}
