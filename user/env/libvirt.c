/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
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
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int r = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols) && !loaded && !r; i++) {
		void *lib = dlopen(symbols[i].lib, RTLD_NOW | RTLD_LOCAL);
		void *fn = lib ? dlsym(lib, symbols[i].name) : NULL;

		if (!fn)
			r = sg_err_set(err, -ENOENT, "%s: install the Debian package libvirt0",
				       lib ? "this libvirt is too old" : "libvirt is not installed");
		else
			memcpy((char *)&all + symbols[i].at, &fn, sizeof(fn));
	}
	if (!r && !loaded)
		all.virSetErrorFunc(NULL, be_quiet);
	loaded |= !r;
	pthread_mutex_unlock(&lock);
	*ret = r ? NULL : &all;
	return r;
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
