/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A container image that the program makes itself, out of this machine's own
 * files: busybox and Node.js with the shared libraries it wants. No registry is asked.
 */
#ifndef SG_IMAGE_H
#define SG_IMAGE_H

#include <stdbool.h>
#include "base/err.h"
#include "env/engine.h"

/* A file of the host, and its whole path in the image. What it links to dynamically comes along. */
struct sg_image_file {
	const char *host, *image;
};

/**
 * sg_image_make() - image @ref ("name:tag") with /bin/busybox under all its names and /usr/bin/node
 * @dir: folder for the archive (some 100 MB) until it is imported
 *
 * Return: 0; -ENOENT with the Debian package to install when busybox or node is missing; another negative errno.
 */
int sg_image_make(struct sg_engine *e, const char *dir, const char *ref, struct sg_err *err);

/**
 * sg_image_make_with() - the same with more files, and node only if wanted
 * @files: ends with a NULL host; may be NULL. An image path must be absolute, without "..".
 */
int sg_image_make_with(struct sg_engine *e, const char *dir, const char *ref, bool node,
		       const struct sg_image_file *files, struct sg_err *err);

/** sg_image_write() - only the archive, into the new file @tar, as of sg_image_make_with() */
int sg_image_write(const char *tar, bool node, const struct sg_image_file *files, struct sg_err *err);

#endif
