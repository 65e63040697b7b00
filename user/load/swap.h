/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Real swap for the time of a run: a swap file, or a zram device. The guard removes it. */
#ifndef SG_SWAP_H
#define SG_SWAP_H

#include <stdint.h>
#include "load/guard.h"

/** sg_swap_file() - make @path (which must not exist) a swap file of @bytes and use it */
int sg_swap_file(struct sg_guard *g, const char *path, uint64_t bytes, struct sg_err *err);

/**
 * sg_swap_zram() - set up a zram device of @bytes and use it as swap
 * @ret_dev: its path, at least 32 bytes
 *
 * Takes an unused device, or asks the kernel for a new one.
 */
int sg_swap_zram(struct sg_guard *g, uint64_t bytes, char *ret_dev, struct sg_err *err);

/** sg_swap_free() - bytes of swap that are free on the machine */
uint64_t sg_swap_free(void);

/** sg_swap_pages() - pages read from and written to swap since boot, machine-wide */
void sg_swap_pages(uint64_t *ret_in, uint64_t *ret_out);

#endif
