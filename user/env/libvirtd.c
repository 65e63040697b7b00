/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/libvirtd.h"
#include "env/tool.h"

#define TOP_MAX	  61
#define START_MS  60000
#define GRACE_MS  10000
#define OTHER_UID 65534 /* nobody's: has a name on every Debian, which libvirtd wants to know */

struct sg_libvirtd {
	const struct sg_libvirt *lib;
	virConnectPtr conn;
	struct sg_owndaemon daemon;
	char top[TOP_MAX], socket[108];
};

const struct sg_libvirt *sg_libvirtd_lib(const struct sg_libvirtd *d)
{
	return d->lib;
}

virConnectPtr sg_libvirtd_conn(const struct sg_libvirtd *d)
{
	return d->conn;
}

const char *sg_libvirtd_top(const struct sg_libvirtd *d)
{
	return d->top;
}

int sg_libvirtd_pid_file(const struct sg_libvirtd *d, const char *name, char *ret, size_t cap)
{
	return snprintf(ret, cap, "%s/run/libvirt/qemu/run/%s.pid", d->top, name) < (int)cap ? 0
											     : -ENAMETOOLONG;
}

static int make_folder(struct sg_libvirtd *d, struct sg_err *err)
{
	static const char *const sub[] = { "", "/run", "/cfg", "/cfg/libvirt", "/cache", "/data", NULL };
	char path[PATH_MAX];
	int rc;

	for (const char *const *s = sub; *s; s++) {
		snprintf(path, sizeof(path), "%s%s", d->top, *s);
		if (mkdir(path, 0700))
			return sg_err_set(err, -errno, "cannot make the folder %s: %s", path,
					  strerror(errno));
	}
	/* else it starts virtlogd, which would outlive it */
	rc = sg_owndaemon_file(d->top, "cfg/libvirt/qemu.conf", err,
			       "stdio_handler = \"file\"\nsecurity_driver = \"none\"\n");
	return rc ? rc : sg_owndaemon_file(d->top, "libvirtd.conf", err, "log_level = 3\n");
}

static int spawn(struct sg_libvirtd *d, const char *cache, struct sg_err *err)
{
	char unshare[PATH_MAX], bin[PATH_MAX], set[6][PATH_MAX], opt[2][PATH_MAX], ids[2][32];
	/* clang-format off */
	char *argv[] = { "env", "-u", "NOTIFY_SOCKET", "-u", "LIBVIRT_DEFAULT_URI",
			 set[0], set[1], set[2], set[3], set[4], set[5], unshare, "--user", ids[0], ids[1],
			 bin, opt[0], opt[1], NULL };
	/* clang-format on */
	const char *path = getenv("PATH");
	int rc = sg_tool_find("libvirtd", "libvirt-daemon", bin, err);

	if (!rc)
		rc = sg_tool_find("unshare", "util-linux", unshare, err);
	if (rc)
		return rc;
	snprintf(set[0], PATH_MAX, "HOME=%s", d->top);
	snprintf(set[1], PATH_MAX, "XDG_RUNTIME_DIR=%s/run", d->top);
	snprintf(set[2], PATH_MAX, "XDG_CONFIG_HOME=%s/cfg", d->top);
	snprintf(set[3], PATH_MAX, "XDG_DATA_HOME=%s/data", d->top);
	if (cache)
		snprintf(set[4], PATH_MAX, "XDG_CACHE_HOME=%.4000s", cache);
	else
		snprintf(set[4], PATH_MAX, "XDG_CACHE_HOME=%s/cache", d->top);
	snprintf(set[5], PATH_MAX, "PATH=%.3900s%s" SG_TOOL_PATH, path ? path : "", path ? ":" : "");
	snprintf(ids[0], sizeof(ids[0]), "--map-user=%d", OTHER_UID);
	snprintf(ids[1], sizeof(ids[1]), "--map-group=%d", OTHER_UID);
	/* both name our folder, by which the sweep knows it */
	snprintf(opt[0], PATH_MAX, "--config=%s/libvirtd.conf", d->top);
	snprintf(opt[1], PATH_MAX, "--pid-file=%s/libvirtd.pid", d->top);
	return sg_owndaemon_spawn(&d->daemon, argv, err);
}

int sg_libvirtd_start(struct sg_libvirtd **ret, const char *top, const char *cache, int sigfd,
		      struct sg_err *err)
{
	struct sg_libvirtd *d = calloc(1, sizeof(*d));
	char uri[256];
	int rc;

	*ret = NULL;
	if (!d)
		return sg_err_set(err, -ENOMEM, "out of memory");
	d->daemon = (struct sg_owndaemon){ .name = "libvirtd", .top = d->top, .child = SG_CHILD_NONE };
	rc = sg_libvirt_load(&d->lib, err);
	if (!rc && snprintf(d->top, sizeof(d->top), "%s", top) >= (int)sizeof(d->top))
		rc = sg_err_set(err, -ENAMETOOLONG, "the path %s is too long for a libvirtd's sockets", top);
	if (rc) {
		free(d);
		return rc;
	}
	if (!access(top, F_OK)) {
		free(d);
		return sg_err_set(err, -EEXIST, "the folder %s exists: remove it", top);
	}
	snprintf(d->socket, sizeof(d->socket), "%s/run/libvirt/libvirt-sock", d->top);
	snprintf(uri, sizeof(uri), "qemu+unix:///session?socket=%s&mode=direct", d->socket);
	rc = make_folder(d, err);
	if (!rc)
		rc = spawn(d, cache, err);
	if (!rc)
		rc = sg_owndaemon_wait(&d->daemon, d->socket, START_MS, sigfd, err);
	/* it listens before its drivers are there; opening waits for them */
	if (!rc && !(d->conn = d->lib->virConnectOpen(uri)))
		rc = sg_libvirt_err(d->lib, err, -EIO, "cannot use our libvirtd");
	if (rc)
		sg_libvirtd_stop(d);
	else
		*ret = d;
	return rc;
}

int sg_libvirtd_stop(struct sg_libvirtd *d)
{
	int rc;

	if (!d)
		return 0;
	if (d->conn)
		d->lib->virConnectClose(d->conn);
	sg_child_term(&d->daemon.child, GRACE_MS);
	rc = sg_libvirtd_sweep(d->top);
	free(d);
	return rc;
}
