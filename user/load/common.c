/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "load/common.h"

void sg_say(sg_progress_fn fn, void *ctx, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fn)
		fn(ctx, text);
}

int sg_stopped(int sigfd, struct sg_err *err)
{
	struct pollfd p = { .fd = sigfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 ? sg_err_set(err, -EINTR, "interrupted") : 0;
}

uint64_t sg_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sg_task_ids(void)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint32_t)sg_now_ns();
	return ((uint64_t)(r >> 12) + 1) << 32;
}

int sg_self_path(char *buf, size_t cap, struct sg_err *err)
{
	ssize_t n = readlink("/proc/self/exe", buf, cap - 1);

	if (n < 0)
		return sg_err_set(err, -errno, "cannot find this program's own file: %s", strerror(errno));
	buf[n] = 0;
	return 0;
}

int sg_make_dir(const char *path, struct sg_err *err)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", path, strerror(errno));
	return 0;
}

int sg_result_dir(const char *dir, char *ret_path, size_t cap, struct sg_err *err)
{
	char path[PATH_MAX];
	int rc = sg_make_dir(dir, err);

	if (rc)
		return rc;
	if (!realpath(dir, path) || strlen(path) + 100 >= cap)
		return sg_err_set(err, -ENAMETOOLONG, "the path of %s is too long", dir);
	strcpy(ret_path, path);
	return 0;
}

int sg_result_file(const char *dir, const char *file, int (*write)(FILE *f, const void *ctx), const void *ctx,
		   struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	rc = write(f, ctx);
	if (fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

int sg_child_dead(struct sg_child *c, struct sg_err *err)
{
	char fate[64], said[200] = "";

	sg_child_read_err(c, said, sizeof(said));
	return sg_err_set(err, -ECHILD, "%s ended (%s)%s%s", c->name, sg_child_fate(c, fate, sizeof(fate)),
			  said[0] ? ": " : "", sg_child_sentence(said));
}
