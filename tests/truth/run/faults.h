/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Where the time of a page fault passes. A host that keeps shadow page tables for this machine (PVM) fills in the entry at
 * the access after the kernel's handler, unseen: that time is the program's own to whoever is inside.
 */
#ifndef TRUTH_FAULTS_H
#define TRUTH_FAULTS_H

/**
 * faults_hidden_ns() - nanoseconds that first touching a page takes outside the kernel, by the kernel's own count of user
 * and system time; 0 where most of it is the kernel's. Takes half a second.
 */
unsigned faults_hidden_ns(void);

#endif
