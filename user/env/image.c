/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/image.h"
#include "env/tar.h"
#include "env/tool.h"

#define TOOL_MS 20000

static int tar_fail(int rc, const char *path, struct sg_err *err)
{
	return rc >= 0 ? 0 : sg_err_set(err, rc, "cannot put %s into an image: %s", path, strerror(-rc));
}

/*
 * The shared libraries that the loader would take, under the paths by which it finds them. The
 * loader itself is asked (ldd); to a static program it has nothing to say.
 */
static int add_libraries(struct sg_tar *t, const char *program, struct sg_err *err)
{
	char *argv[] = { "ldd", (char *)program, NULL }, *out = NULL, *save = NULL;
	struct sg_err why;
	int rc = sg_tool_run("ldd", argv, TOOL_MS, &out, &why);

	if (rc) {
		free(out);
		/* static, or no program at all: it says so by its status */
		return rc < 0 ? sg_err_set(err, rc, "%s", why.msg) : 0;
	}
	for (char *l = strtok_r(out, "\n", &save); l && !rc; l = strtok_r(NULL, "\n", &save)) {
		char *arrow = strstr(l, "=> "), *path = arrow ? arrow + 3 : l, *end;

		path += strspn(path, " \t");
		end = strstr(path, " (0x");
		if (end)
			*end = 0;
		if (arrow && !strncmp(path, "not found", 9))
			rc = sg_err_set(err, -ENOENT, "a library of %s is missing here: %.120s", program, l);
		else if (path[0] == '/' && end)
			rc = tar_fail(sg_tar_file(t, path, path), path, err);
	}
	free(out);
	return rc;
}

/* A program and all it needs. */
static int add_program(struct sg_tar *t, const char *path, const char *host, struct sg_err *err)
{
	int rc = tar_fail(sg_tar_file(t, path, host), host, err);

	return rc ? rc : add_libraries(t, host, err);
}

static int add_busybox(struct sg_tar *t, struct sg_err *err)
{
	char host[PATH_MAX], path[300], *out = NULL, *save = NULL;
	char *argv[] = { host, "--list", NULL };
	int rc = sg_tool_find("busybox", "busybox-static", host, err);

	if (!rc)
		rc = add_program(t, "/bin/busybox", host, err);
	if (!rc)
		rc = sg_tool_run("busybox", argv, TOOL_MS, &out, err);
	if (rc > 0)
		rc = -EIO;
	for (char *l = rc ? NULL : strtok_r(out, "\n", &save); l && !rc; l = strtok_r(NULL, "\n", &save)) {
		snprintf(path, sizeof(path), "/bin/%s", l);
		rc = tar_fail(sg_tar_link(t, path, "busybox"), path, err);
	}
	free(out);
	return rc;
}

static int add_node(struct sg_tar *t, struct sg_err *err)
{
	char host[PATH_MAX], magic[4] = "";
	int rc = sg_tool_find("node", "nodejs", host, err);
	FILE *f;

	if (rc)
		return rc;
	f = fopen(host, "re");
	if (f && fread(magic, sizeof(magic), 1, f) != 1)
		magic[0] = 0;
	if (f)
		fclose(f);
	if (memcmp(magic, "\177ELF", 4))
		return sg_err_set(err, -ENOEXEC,
				  "%s is a script around Node.js and does not work inside of a container: "
				  "put the real node before it in PATH",
				  host);
	return add_program(t, "/usr/bin/node", host, err);
}

/* What programs expect of any root. */
static int add_basics(struct sg_tar *t, struct sg_err *err)
{
	static const char *const dirs[] = { "/proc", "/sys", "/dev", "/etc", "/root", "/var", "/work" };
	int rc = tar_fail(sg_tar_dir(t, "/tmp", 01777), "/tmp", err);

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs) && !rc; i++)
		rc = tar_fail(sg_tar_dir(t, dirs[i], 0755), dirs[i], err);
	if (!rc)
		rc = tar_fail(sg_tar_text(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), "passwd",
			      err);
	return rc ? rc : tar_fail(sg_tar_text(t, "/etc/group", "root:x:0:\n"), "group", err);
}

int sg_image_write(const char *tar, bool node, const struct sg_image_file *files, struct sg_err *err)
{
	struct sg_tar t = { .out = fopen(tar, "wxe") };
	int rc, end;

	if (!t.out)
		return sg_err_set(err, -errno, "cannot write the archive %s: %s", tar, strerror(errno));
	rc = add_basics(&t, err);
	for (; files && files->host && !rc; files++) /* before busybox: theirs are the names they ask for */
		rc = add_program(&t, files->image, files->host, err);
	if (!rc)
		rc = add_busybox(&t, err);
	if (!rc && node)
		rc = add_node(&t, err);
	end = sg_tar_end(&t);
	if (fclose(t.out))
		end = -errno;
	if (!rc && end)
		rc = sg_err_set(err, end, "cannot write the archive %s: %s", tar, strerror(-end));
	if (rc)
		unlink(tar);
	return rc;
}

int sg_image_make_with(struct sg_engine *e, const char *dir, const char *ref, bool node,
		       const struct sg_image_file *files, struct sg_err *err)
{
	char tar[PATH_MAX];
	int rc;

	if (snprintf(tar, sizeof(tar), "%s/image-%d.tar", dir, (int)getpid()) >= (int)sizeof(tar))
		return sg_err_set(err, -ENAMETOOLONG, "the path of folder %.80s... is too long", dir);
	unlink(tar);
	rc = sg_image_write(tar, node, files, err);
	if (!rc)
		rc = sg_engine_import(e, tar, ref, err);
	unlink(tar);
	return rc;
}

int sg_image_make(struct sg_engine *e, const char *dir, const char *ref, struct sg_err *err)
{
	return sg_image_make_with(e, dir, ref, true, NULL, err);
}
