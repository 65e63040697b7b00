/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What a virtual machine of ours boots: a stock Debian kernel, an initrd with its virtio drivers, and a read-only root
 * with this program and busybox; with Docker Engine and an image for it, when wanted. Made of this machine's own files.
 */
#ifndef SG_VMIMAGE_H
#define SG_VMIMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "env/image.h"

#define SG_VMIMAGE_CMDLINE "console=ttyS0 quiet panic=-1 net.ifnames=0"
#define SG_VMIMAGE_SELF	   "/usr/bin/sandglass" /* this program, in the guest and in its containers */
#define SG_VMIMAGE_TAR	   "/image.tar" /* with docker: the containers' image, for sg_engine_import() */

struct sg_vmimage_opts {
	const char *cache; /* folder for kernel and images, made when missing; see sg_vmimage_cache() */
	const char *self;  /* this program's file */
	bool docker;
	const struct sg_image_file *files; /* more for the root, ends with a NULL host; or NULL */
	void (*progress)(void *ctx, const char *text);
	void *ctx;
};

struct sg_vmimage {
	char kernel[PATH_MAX], initrd[PATH_MAX], root[PATH_MAX];
	char release[128]; /* of the kernel */
	int lock;	   /* held while it is used: nobody removes it */
};

/**
 * sg_vmimage_get() - the image of @o from the cache, or made
 *
 * It is known by a key over all that it is made of; images of other keys that nobody uses are removed when one is made.
 * Return: 0; -ENOENT with the Debian package that is missing; another negative errno.
 */
int sg_vmimage_get(struct sg_vmimage *ret, const struct sg_vmimage_opts *o, struct sg_err *err);
/** sg_vmimage_put() - let it go; it stays in the cache */
void sg_vmimage_put(struct sg_vmimage *i);

/** sg_vmimage_cache() - the folder where it is by default: $XDG_CACHE_HOME/sandglass, ~/.cache/sandglass, else below /var/cache */
int sg_vmimage_cache(char *ret, size_t cap);

/* One thing that an image is made of. */
struct sg_vmimage_input {
	const char *name; /* where it is in the image */
	const char *path; /* on the host; must exist */
};
/**
 * sg_vmimage_key() - key of @n inputs: their names and paths, and sizes, times and numbers of their files
 * @ret: 17 bytes
 *
 * Return: 0 or negative errno of the input that cannot be looked at.
 */
int sg_vmimage_key(const struct sg_vmimage_input *v, size_t n, uint64_t kind, char *ret);

/**
 * sg_vmimage_disk() - a new ext4 of @bytes in the file @path, for sg_domain_opts.disk
 * @from: folder whose files it has; NULL: none
 */
int sg_vmimage_disk(const char *path, const char *from, uint64_t bytes, struct sg_err *err);

#endif
