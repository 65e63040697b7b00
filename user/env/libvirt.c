/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "env/libvirt.h"

static const struct {
	const char *lib, *name;
	size_t at;
} symbols[] = {
#define SG_X(fn) { "libvirt.so.0", #fn, offsetof(struct sg_libvirt, fn) },
	SG_LIBVIRT_LIST(SG_X)
#undef SG_X
#define SG_X(fn) { "libvirt-qemu.so.0", #fn, offsetof(struct sg_libvirt, fn) },
		SG_LIBVIRT_QEMU_LIST(SG_X)
#undef SG_X
};

/* It would print every error by itself. */
static void be_quiet(void *ctx, virErrorPtr error)
{
	(void)ctx;
	(void)error;
}

int sg_libvirt_load(const struct sg_libvirt **ret, struct sg_err *err)
{
	static struct sg_libvirt all;
	static bool loaded;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols) && !loaded; i++) {
		void *lib = dlopen(symbols[i].lib, RTLD_NOW | RTLD_LOCAL);
		void *fn = lib ? dlsym(lib, symbols[i].name) : NULL;

		if (!fn)
			return sg_err_set(err, -ENOENT, "%s: install the Debian package libvirt0",
					  lib ? "this libvirt is too old" : "libvirt is not installed");
		memcpy((char *)&all + symbols[i].at, &fn, sizeof(fn));
	}
	loaded = true;
	all.virSetErrorFunc(NULL, be_quiet);
	*ret = &all;
	return 0;
}

int sg_libvirt_err(const struct sg_libvirt *v, struct sg_err *err, int code, const char *what)
{
	const char *said = v->virGetLastErrorMessage();
	char text[240];

	snprintf(text, sizeof(text), "%s", said ? said : "it gave no reason");
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
			*p = ' ';
	return sg_err_set(err, code, "%s: %s", what, text);
}
