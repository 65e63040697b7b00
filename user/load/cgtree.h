/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A cgroup with cgroups below it, made by others (a container runtime) in every hierarchy of the machine. */
#ifndef SG_CGTREE_H
#define SG_CGTREE_H

/**
 * sg_cgtree_remove() - kill what is in @name ("/name", from the hierarchies' roots) and below it, remove both
 *
 * Return: 0, also when there is none; -EBUSY when something did not die within 20 s.
 */
int sg_cgtree_remove(const char *name);

#endif
