/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The generated skeleton speaks the kernel's type names; this is the only place that includes it. */
#ifndef SG_SKEL_H
#define SG_SKEL_H

#include <stdbool.h>
#include "sg_abi.h"
#include "sg_kern.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#include "sandglass.skel.h"

#endif
