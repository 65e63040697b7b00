/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/owndaemon.h"

#define POLL_MS	 20
#define ARGS_MAX 65536

int sg_owndaemon_file(const char *top, const char *name, struct sg_err *err, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	FILE *f;
	int bad;

	if (snprintf(path, sizeof(path), "%s/%s", top, name) >= (int)sizeof(path))
		return sg_err_set(err, -ENAMETOOLONG, "cannot write %s/%s: %s", top, name,
				  strerror(ENAMETOOLONG));
	f = fopen(path, "wxe");
	va_start(ap, fmt);
	bad = !f || vfprintf(f, fmt, ap) < 0;
	va_end(ap);
	if ((f && fclose(f)) || bad)
		return sg_err_set(err, errno ? -errno : -EIO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

/* ---- the process ------------------------------------------------------------------------- */

static void log_path(const struct sg_owndaemon *d, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%.100s/%s.log", d->top, d->name);
}

int sg_owndaemon_spawn(struct sg_owndaemon *d, char *const argv[], struct sg_err *err)
{
	struct sg_child_opts o = { .name = d->name, .dir = d->top, .group = true };
	char log[PATH_MAX];
	int rc;

	log_path(d, log);
	o.out_fd = o.err_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (o.err_fd < 0)
		return sg_err_set(err, -errno, "cannot write %s: %s", log, strerror(errno));
	rc = sg_child_spawn(&d->child, &o, argv, err);
	close(o.err_fd);
	return rc;
}

/* The message of the last line of its log, for a sentence. */
static const char *last_words(const struct sg_owndaemon *d, char *buf, size_t cap)
{
	char path[PATH_MAX], line[4096], *msg;
	FILE *f;

	log_path(d, path);
	snprintf(buf, cap, "it gave no reason");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		msg = d->message ? strstr(line, d->message) : NULL;
		if (line[0])
			snprintf(buf, cap, "%.200s", msg ? msg + strlen(d->message) : line);
	}
	if (f)
		fclose(f);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
			*p = ' ';
	return buf;
}

static bool answers(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	yes = fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (fd >= 0)
		close(fd);
	return yes;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int sg_owndaemon_wait(struct sg_owndaemon *d, const char *socket, int limit_ms, int sigfd, struct sg_err *err)
{
	struct sg_child *one = &d->child;
	char log[PATH_MAX], words[256], fate[64];
	int64_t since = now_ms();
	off_t size = 0;

	log_path(d, log);
	while (!answers(socket)) {
		int rc = sg_child_wait_any(&one, 1, -1, sigfd, POLL_MS);
		struct stat st;

		if (rc == -EINTR)
			return sg_err_set(err, rc, "interrupted");
		if (d->child.done)
			return sg_err_set(err, -EIO, "%s ended with %s: %s", d->name,
					  sg_child_fate(&d->child, fate, sizeof(fate)),
					  last_words(d, words, sizeof(words)));
		if (d->logs_work && !stat(log, &st) && st.st_size != size) {
			size = st.st_size;
			since = now_ms();
		}
		if (now_ms() - since > limit_ms)
			return sg_err_set(err, -ETIMEDOUT, "%s does not get ready; its last words: %s",
					  d->name, last_words(d, words, sizeof(words)));
	}
	return 0;
}

/* ---- what is left of one that was killed --------------------------------------------------- */

static bool name_is_known(const struct sg_owndaemon_kin *k, const char *arg0)
{
	const char *base = strrchr(arg0, '/');

	base = base ? base + 1 : arg0;
	for (const char *const *n = k->programs; *n; n++)
		if (!strncmp(base, *n, strlen(*n)))
			return true;
	return false;
}

/* Does @arg up to @at end with one of these? */
static bool ends_with(const char *arg, const char *at, const char *const *before)
{
	for (; *before; before++) {
		size_t len = strlen(*before);

		if ((size_t)(at - arg) >= len && !strncmp(at - len, *before, len))
			return true;
	}
	return false;
}

/* "/top/x", "--root=/top/x"; not "/elsewhere/top/x" */
static bool names_folder(const struct sg_owndaemon_kin *k, const char *arg, const char *top)
{
	size_t len = strlen(top);

	for (const char *p = arg; (p = strstr(p, top)); p++)
		if (p[len] == '/' && (p == arg || ends_with(arg, p, k->before)))
			return true;
	return false;
}

bool sg_owndaemon_is_kin(const struct sg_owndaemon_kin *k, const char *args, size_t len, const char *top)
{
	const char *end = args + len;

	if (!len || args[len - 1] || !name_is_known(k, args))
		return false;
	for (args += strlen(args) + 1; args < end; args += strlen(args) + 1)
		if (names_folder(k, args, top))
			return true;
	return false;
}

size_t sg_owndaemon_kill(const struct sg_owndaemon_kin *k, const char *top)
{
	char path[300], args[ARGS_MAX];
	DIR *d = opendir("/proc");
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d))) {
		ssize_t len;
		long pid = strtol(de->d_name, NULL, 10);
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", de->d_name);
		if (pid <= 1 || pid == getpid() || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		len = read(fd, args, sizeof(args) - 1);
		close(fd);
		if (len <= 0)
			continue;
		args[len] = 0; /* a longer one was cut */
		if (sg_owndaemon_is_kin(k, args, (size_t)len + (args[len - 1] != 0), top)) {
			kill((pid_t)pid, SIGKILL);
			n++;
		}
	}
	if (d)
		closedir(d);
	return n;
}
