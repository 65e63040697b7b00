/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What scenarios need from the machine: made before, removed after, whatever
 * happens in between. Every act is written into a journal in the scratch
 * directory before it is done, so that a later run can undo what a killed one
 * left behind.
 */
#ifndef TRUTH_SETUP_H
#define TRUTH_SETUP_H

#include <stddef.h>

struct setup {
	char base[256];		  /* where scratch directories live */
	char dir[300];		  /* this run's own */
	char tag[32];		  /* its name: sandglass-truth-PID */
	char unified[300];	  /* this scenario's cgroup of version 2, when it has one */
	unsigned fault_hidden_ns; /* faults_hidden_ns() */
};

/** setup_new() - make the scratch directory under @base; undo what dead runs left there. Return: negative errno. */
int setup_new(struct setup *s, const char *base);
/** setup_need() - provide need @name. Return: 0, or -1 with the reason why the machine has it not. */
int setup_need(struct setup *s, const char *name, char *why, size_t cap);
/** setup_undo() - undo all needs; the directory stays. setup_free() - and remove it. */
void setup_undo(struct setup *s);
void setup_free(struct setup *s);

#endif
