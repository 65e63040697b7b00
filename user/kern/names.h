/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names of block devices, sent once when a device is first seen. */
#ifndef SG_NAMES_H
#define SG_NAMES_H

#include "kern/intern.h"

struct sg_names;
int sg_names_new(struct sg_names **ret, sg_emit_fn emit, void *ctx);
void sg_names_free(struct sg_names *n);
/** sg_names_dev() - @dev: kernel dev_t (major << 20 | minor); @at: the record that mentions it */
int sg_names_dev(struct sg_names *n, uint32_t dev, const struct sg_hdr *at);

#endif
