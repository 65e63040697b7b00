/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The functions of one ELF file, asked by offset in the file. Files are hostile: any content is survived. */
#ifndef SG_ELFTAB_H
#define SG_ELFTAB_H

#include <stddef.h>
#include <stdint.h>
#include "kern/symtab.h"

#define SG_ELF_LOAD_MAX 16
struct sg_elftab {
	struct sg_symtab tab;
	size_t nload;
	struct {
		uint64_t off, vaddr, size;
	} load[SG_ELF_LOAD_MAX]; /* executable segments */
};

/**
 * sg_elftab_load() - read the functions of the file open as @fd
 * @path: its path, to look for its separate debug file beside; may be NULL
 *
 * Takes .symtab, else that of an installed debug file (build id, debug link),
 * else .dynsym and, of a stripped Go program, .gopclntab. Return: 0 (perhaps no functions), -ENOEXEC, -ENOMEM.
 */
int sg_elftab_load(struct sg_elftab *ret, int fd, const char *path);

/** sg_elftab_memory() - the same for an image in memory (the vdso) */
int sg_elftab_memory(struct sg_elftab *ret, const void *image, size_t size);

/** sg_elftab_find() - function at @offset of the file, or NULL */
const char *sg_elftab_find(const struct sg_elftab *t, uint64_t offset);
void sg_elftab_free(struct sg_elftab *t);

#endif
