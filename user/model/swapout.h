/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Whose pages went to swap, whoever wrote them, beside the kernel's own count (vmstat pswpout). Pure. */
#ifndef SG_SWAPOUT_H
#define SG_SWAPOUT_H

#include <stdio.h>
#include "trace/event.h"

struct sg_swapout_row {
	uint32_t tgid;
	char comm[16]; /* hostile bytes possible; NUL-terminated; empty when never announced */
	uint64_t pages;
};

struct sg_swapouts;

int sg_swapouts_new(struct sg_swapouts **ret);
void sg_swapouts_free(struct sg_swapouts *s);
/** sg_swapouts_feed() - next event; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_swapouts_feed(struct sg_swapouts *s, const struct sg_hdr *ev);
/** sg_swapouts_rows() - victims by falling pages; *ret_total their sum. Valid until the next feed. */
size_t sg_swapouts_rows(struct sg_swapouts *s, const struct sg_swapout_row **ret, uint64_t *ret_total);

/** sg_swapouts_text() - a few lines, nothing when nothing was swapped out (user/out/swapout_text.c) */
int sg_swapouts_text(struct sg_swapouts *s, const char *end_meta, FILE *f);
/** sg_swapouts_json() - {"pages":..,"kernel_pages":..,"victims":[{"process","tgid","pages"}]}; caller owns; NULL: no memory */
struct json_object *sg_swapouts_json(struct sg_swapouts *s, const char *end_meta);

#endif
