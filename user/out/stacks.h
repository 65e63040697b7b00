/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A tree of named stacks with weights: what folded and speedscope are written
 * from. A stack is a node; its frames are the way from the root. Pure.
 */
#ifndef SG_STACKS_H
#define SG_STACKS_H

#include <stdio.h>
#include "base/pairmap.h"
#include "base/strtab.h"

struct sg_stack_node {
	uint32_t parent, frame;
	uint32_t child, next; /* lists; 0 = none */
	uint64_t weight;      /* of stacks that end here */
};

/* More nodes than this become one frame "[truncated]" each: frames can be made up by whoever is recorded. */
#define SG_STACKS_MAX (4u << 20)
struct sg_stacks {
	struct sg_stack_node *node; /* 0 is the root */
	size_t n, cap;
	struct sg_pairmap at; /* (parent, frame) -> node */
	struct sg_strtab frame;
	int err; /* first error, negative errno */
};

/** sg_stacks_child() - node of @text under @node (0: root); errors stick, and give the root */
uint32_t sg_stacks_child(struct sg_stacks *s, uint32_t node, const char *text);
/** sg_stacks_add() - @weight more for the stack that ends in @node */
void sg_stacks_add(struct sg_stacks *s, uint32_t node, uint64_t weight);
/** sg_stacks_sort() - children in byte order of their texts; call before writing */
int sg_stacks_sort(struct sg_stacks *s);
uint64_t sg_stacks_total(const struct sg_stacks *s);
void sg_stacks_free(struct sg_stacks *s);

/*
 * sg_folded_write() - "frame;frame;frame weight" lines, in byte order, for flamegraph.pl, inferno and others
 *
 * In a frame ';' becomes ':', white space '_', control bytes and invalid UTF-8
 * '?'; an empty frame becomes "-".
 * Return: 0 or the first error.
 */
int sg_folded_write(FILE *f, struct sg_stacks *s);

/** sg_folded_frame() - one frame's text as above into @buf */
void sg_folded_frame(char *buf, size_t cap, const char *text);

#endif
