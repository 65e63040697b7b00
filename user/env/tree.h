/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Folders with all that is in them. */
#ifndef SG_TREE_H
#define SG_TREE_H

/** sg_tree_remove() - remove @path and all below it on the same file system; what stays is told by its being there */
void sg_tree_remove(const char *path);

/** sg_tree_make() - make @path and the folders above it; 0, also when it exists, or negative errno; -ENOTDIR: there is something else */
int sg_tree_make(const char *path);

#endif
