/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Inside the making of a virtual machine's image. */
#ifndef SG_VMIMAGE_PRIV_H
#define SG_VMIMAGE_PRIV_H

#include "env/vmimage.h"
#include "env/vmkernel.h"

#define VMIMAGE_FILES_MAX 32

struct vmimage_files {
	char busybox[PATH_MAX], path[4][PATH_MAX];
	struct sg_image_file file[VMIMAGE_FILES_MAX + 1]; /* ends with a NULL host */
	size_t n;
};

/** sg_vmimage_initrd() - @dir/initrd: busybox, the kernel's modules, an init that mounts the root */
int sg_vmimage_initrd(const char *dir, const struct vmimage_files *f, const struct sg_vmkernel *k,
		      struct sg_err *err);
/** sg_vmimage_root() - @dir/root.ext4 */
int sg_vmimage_root(const char *dir, const struct vmimage_files *f, bool docker, struct sg_err *err);

#endif
