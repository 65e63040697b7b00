/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel side as one object. Every program is optional ("?"): the catalogue in
 * user/kern/probes.c decides which are loaded. Start and stop are one switch:
 * everything attaches while enabled == 0, threads are seeded, then it is set to 1.
 */
#include "core.bpf.h"
#include "detail.bpf.h"
#include "mark.bpf.h"
#include "uprobe.bpf.h"
#include "sched.bpf.h"
#include "waking.bpf.h"
#include "life.bpf.h"
#include "work.bpf.h"
#include "balloon.bpf.h"
#include "irq.bpf.h"
#include "block.bpf.h"
#include "sample.bpf.h"
#include "seed.bpf.h"

char LICENSE[] SEC("license") = "GPL";
