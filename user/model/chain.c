/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Chains: who waited for whom, from the task's thread to the leaf. A tree of
 * nodes; a chain is the number of its last node. Node 0 is nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

/* Lock convoys make endless permutations: beyond this many nodes deeper frames fold into their parent. */
#define NODE_MAX (1u << 20)

static uint64_t node_hash(uint32_t parent, uint16_t wait, uint32_t uid, uint16_t comp, bool handoff)
{
	uint64_t h = ((uint64_t)parent << 32 | uid) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 31;
	h += (uint64_t)handoff << 32 | (uint64_t)wait << 16 | comp;
	h *= 0xbf58476d1ce4e5b9ull;
	return h ^ (h >> 30);
}

/* @wait: what @parent's thread waits for (0: it was created by @uid); @handoff: see sg_handoff() */
int sg_chain_push(struct sg_model *m, uint32_t parent, uint16_t wait, uint32_t uid, uint16_t comp,
		  bool handoff, uint32_t *ret)
{
	struct sg_node *n;
	uint64_t h, val;
	int rc;

	for (h = node_hash(parent, wait, uid, comp, handoff); sg_map_get(&m->node_map, h, &val); h++) {
		n = &m->node[val];
		if (n->parent == parent && n->wait == wait && n->uid == uid && n->comp == comp &&
		    n->handoff == handoff) {
			*ret = val;
			return 0;
		}
	}
	if (m->nnode >= NODE_MAX && parent) {
		*ret = parent;
		return 0;
	}
	if (!m->nnode)
		m->nnode = 1;
	rc = SG_GROW(m->node, m->node_cap, m->nnode + 1);
	if (!rc)
		rc = sg_map_put(&m->node_map, h, m->nnode);
	if (rc)
		return rc;
	m->node[m->nnode] = (struct sg_node){ .parent = parent,
					      .uid = uid,
					      .comp = comp,
					      .wait = wait,
					      .handoff = handoff,
					      .handed = handoff || (parent && m->node[parent].handed),
					      .depth = parent ? m->node[parent].depth + 1 : 1 };
	*ret = m->nnode++;
	return 0;
}

/* The chain that continues @to as @chain continues @from. */
int sg_chain_rebase(struct sg_model *m, uint32_t chain, uint32_t from, uint32_t to, uint32_t *ret)
{
	uint32_t depth = m->node[from].depth, k = 0, below = m->node[chain].depth - depth;
	uint32_t small[64], *path = small;
	int rc = 0;

	if (below > 64)
		path = malloc(below * sizeof(*path));
	if (!path)
		return -ENOMEM;
	for (uint32_t c = chain; c != from && k < below; c = m->node[c].parent)
		path[k++] = c;
	*ret = to;
	while (!rc && k--) {
		struct sg_node n = m->node[path[k]];

		rc = sg_chain_push(m, *ret, n.wait, n.uid, n.comp, n.handoff, ret);
	}
	if (path != small)
		free(path);
	return rc;
}

int sg_chain_graft(struct sg_model *m, uint32_t chain, uint32_t onto, uint16_t wait, uint32_t *ret)
{
	struct sg_node root;
	uint32_t c = chain, from;
	int rc;

	while (m->node[c].parent)
		c = m->node[c].parent;
	from = c;
	root = m->node[from];
	rc = sg_chain_push(m, onto, wait, root.uid, root.comp, false, &c);
	return rc ? rc : sg_chain_rebase(m, chain, from, c, ret);
}

bool sg_chain_has(const struct sg_model *m, uint32_t chain, uint32_t uid)
{
	for (; chain; chain = m->node[chain].parent)
		if (m->node[chain].uid == uid)
			return true;
	return false;
}

bool sg_model_handoff(const struct sg_model *m, uint32_t chain)
{
	return chain < m->nnode && m->node[chain].handed;
}

size_t sg_model_chain(const struct sg_model *m, uint32_t chain, const struct sg_chain_frame **ret)
{
	struct sg_node *n;
	uint16_t wait = 0;

	*ret = NULL;
	if (!chain || chain >= m->nnode)
		return 0;
	n = &m->node[chain];
	if (!n->frames) {
		n->frames = calloc(n->depth, sizeof(*n->frames));
		if (!n->frames)
			return 0;
		for (uint32_t c = chain, i = n->depth; i-- > 0; c = m->node[c].parent) {
			n->frames[i] = (struct sg_chain_frame){ .comp = m->node[c].comp,
								.wait_cause = wait,
								.uid = m->node[c].uid,
								.handoff = m->node[c].handoff };
			wait = m->node[c].wait;
		}
	}
	*ret = n->frames;
	return n->depth;
}

void sg_chain_free(struct sg_model *m)
{
	for (uint32_t i = 1; i < m->nnode; i++)
		free(m->node[i].frames);
	free(m->node);
	sg_map_free(&m->node_map);
}
