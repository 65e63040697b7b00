/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Sandboxes (gVisor): what the parts of one are, and what that makes of their
 * time. A stub runs the guest's code, the Sentry is its kernel, the Gofer its
 * files. docs/gvisor.md tells the rules. Private to user/model.
 */
#ifndef SG_BOX_H
#define SG_BOX_H

#include "model/priv.h"

/** sg_box_role() - enum sg_box of a component's name, SG_BOX_NONE when it is no sandbox's part */
uint8_t sg_box_role(const char *name);

/**
 * sg_box_cause() - what time of @th on a CPU under @key is booked as
 * @ret_nr: set when the key tells a guest's system call
 *
 * Switching between guest and Sentry is the trap's: the tracer's ptrace and wait
 * calls, the stub's signal handler between the trap and its return.
 */
uint16_t sg_box_cause(const struct sg_thr *th, uint16_t key, uint16_t *ret_nr);

/** sg_box_comp() - component of @th's time booked as @cause: in a stub all but traps is the guest's, "app" */
uint16_t sg_box_comp(struct sg_model *m, struct sg_thr *th, uint16_t cause);

/**
 * sg_box_switch() - cause of the run-queue part of a wait between stub and Sentry
 *
 * The hand-over from one to the other is the trap's while the CPU was theirs or
 * idle; when somebody else had it, or for long, it is the run queue's. Return: 0 when it is no such hand-over.
 */
uint16_t sg_box_switch(const struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r);

#endif
