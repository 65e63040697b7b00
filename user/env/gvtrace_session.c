/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "env/gvtrace_points.h"
#include "env/gvtrace_priv.h"
#include "env/gvtrace_sock.h"
#include "kern/proc.h"
#include "load/child.h"

/* A Sentry that does not answer (somebody has stopped it) must not hold us. */
#define RUNSC_MS   5000
#define LAST_MS	   2000
#define OUTPUT_MAX (4 << 20) /* 174 KB of metadata in 2024 */
#define SESSION	   "Default" /* the one name that gVisor allows */

static char *text_of(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);
	char *s = n >= 0 && n < OUTPUT_MAX ? malloc((size_t)n + 1) : NULL;
	ssize_t k = s ? pread(fd, s, (size_t)n, 0) : -1;

	if (k < 0) {
		free(s);
		return NULL;
	}
	s[k] = 0;
	return s;
}

/* Go's messages may end with a stack or be pages long: the first sentence will do. */
static void said(struct sg_child *c, char *buf, size_t cap)
{
	sg_child_read_err(c, buf, cap);
	if (!*buf)
		sg_child_fate(c, buf, cap);
}

/* Run "runsc --root=R trace @args"; its output, when wanted, malloc'd in @ret. */
static int runsc(const struct sg_gvbox *b, const char *const *args, char **ret, struct sg_err *err)
{
	char root[sizeof(b->sb.root) + 8], why[200];
	char *argv[12] = { (char *)b->sb.exe, root, (char *)"trace" };
	struct sg_child c = SG_CHILD_NONE, *list = &c;
	struct sg_child_opts o = { .name = "runsc", .err = true, .quiet = true };
	int out = ret ? memfd_create("runsc", MFD_CLOEXEC) : -1, rc;

	if (ret && out < 0)
		return sg_err_set(err, -errno, "no memory for what runsc prints: %s", strerror(errno));
	snprintf(root, sizeof(root), "--root=%s", b->sb.root);
	for (size_t i = 0; args[i]; i++)
		argv[3 + i] = (char *)args[i];
	o.out_fd = out;
	rc = sg_child_spawn(&c, &o, argv, err);
	if (!rc) {
		rc = sg_child_wait_any(&list, 1, -1, -1, RUNSC_MS);
		if (rc < 0)
			rc = sg_err_set(err, rc,
					"runsc trace %s did not end within %d s: is the sandbox of container "
					"%.12s stopped?",
					args[0], RUNSC_MS / 1000, b->sb.id);
		else if (c.status) {
			said(&c, why, sizeof(why));
			rc = sg_err_set(err, -EPROTO, "runsc trace %s failed for container %.12s: %s",
					args[0], b->sb.id, why);
		}
		sg_child_kill(&c);
	}
	if (!rc && ret) {
		*ret = text_of(out);
		if (!*ret)
			rc = sg_err_set(err, -ENOMEM, "runsc trace %s printed too much", args[0]);
	}
	if (out >= 0)
		close(out);
	return rc;
}

/* The configuration goes through a file: runsc opens it by name. */
static int config_write(const char *path, const char *text, struct sg_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		rc = sg_err_set(err, errno ? -errno : -EIO, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

int sg_gvsession_listen(struct sg_gvbox *b, struct sg_gvrx *rx, const char *dir, struct sg_err *err)
{
	struct sg_proc_stat st;
	int rc = sg_proc_stat((pid_t)b->sb.sentry, 0, &st);

	if (rc)
		return sg_err_set(err, -ESRCH, "the sandbox of process %u has ended", b->sb.sentry);
	b->sentry_start_ns = st.start_ns;
	rc = snprintf(b->sock, sizeof(b->sock), "%s/gvtrace-%u-%llu", dir, b->sb.sentry,
		      (unsigned long long)st.start_ns);
	if (rc >= (int)sizeof(b->sock))
		return sg_err_set(err, -ENAMETOOLONG, "the folder for sockets has too long a name: %s", dir);
	rc = sg_gvsock_listen(b->sock, &b->left, err);
	b->listen_fd = rc;
	return rc < 0 ? rc : sg_gvrx_add(rx, b, err);
}

static bool session_there(const struct sg_gvbox *b)
{
	char *list = NULL;
	bool there = !runsc(b, (const char *const[]){ "list", b->sb.id, NULL }, &list, NULL) &&
		     strstr(list, "\"" SESSION "\"");

	free(list);
	return there;
}

static int create(struct sg_gvbox *b, const char *config, struct sg_err *err)
{
	const char *plain[] = { "create", "--config", config, b->sb.id, NULL };
	const char *force[] = { "create", "--force", "--config", config, b->sb.id, NULL };
	struct sg_err why = { 0 };
	int rc = runsc(b, plain, NULL, &why);

	if (rc && !session_there(b)) {
		if (err)
			*err = why;
		return rc;
	}
	if (!rc)
		return 0;
	if (!b->left)
		return sg_err_set(err, -EBUSY,
				  "container %.12s already has a trace session that is not ours, and gVisor "
				  "allows one: "
				  "end it (runsc trace delete --name " SESSION
				  ") or record without --gvisor-trace",
				  b->sb.id);
	return runsc(b, force, NULL, err);
}

int sg_gvsession_begin(struct sg_gvbox *b, struct sg_err *err)
{
	char *metadata = NULL, *json = NULL, path[sizeof(b->sock) + 8];
	int rc = runsc(b, (const char *const[]){ "metadata", NULL }, &metadata, err);

	snprintf(path, sizeof(path), "%s.json", b->sock);
	if (!rc)
		rc = sg_gvpoints_config(metadata, b->sock, &json, NULL, err);
	if (!rc)
		rc = config_write(path, json, err);
	if (!rc)
		rc = create(b, path, err);
	unlink(path);
	free(metadata);
	free(json);
	if (!rc && !atomic_load(&b->greeted))
		rc = sg_err_set(err, -EPROTO, "the sandbox of container %.12s did not connect to %s",
				b->sb.id, b->sock);
	b->on = !rc;
	b->had |= b->on;
	b->left &= !b->on;
	return rc;
}

bool sg_gvsession_drops(const char *list, uint64_t *ret)
{
	const char *p = strstr(list, "\"" SESSION "\"");

	p = p ? strstr(p, "Sink: \"remote\", dropped: ") : NULL;
	return p && sscanf(p, "Sink: \"remote\", dropped: %lu", ret) == 1;
}

/* The Sentry closes its end once the session is gone; before that, all it sent is here. */
static int last_wait(struct sg_gvbox *b, struct sg_err *err)
{
	for (int ms = 0; ms < LAST_MS; ms++) {
		if (atomic_load(&b->over))
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return sg_err_set(err, -ETIMEDOUT, "container %.12s had not sent its last trace message after %d s",
			  b->sb.id, LAST_MS / 1000);
}

int sg_gvsession_end(struct sg_gvbox *b, struct sg_err *err)
{
	const char *args[] = { "delete", "--name", SESSION, b->sb.id, NULL };
	struct sg_proc_stat st;
	char *list = NULL;
	uint64_t drops = 0;
	int rc = 0;

	if (b->on && !atomic_load(&b->over)) {
		rc = runsc(b, (const char *const[]){ "list", b->sb.id, NULL }, &list, err);
		if (!rc)
			sg_gvsession_drops(list, &drops);
		free(list);
		if (rc != -ETIMEDOUT)
			rc = runsc(b, args, NULL, err);
		if (rc && (sg_proc_stat((pid_t)b->sb.sentry, 0, &st) || st.start_ns != b->sentry_start_ns))
			rc = 0; /* the sandbox ended at the same time */
		else if (!rc && (rc = last_wait(b, err)))
			unlink(b->sock);
		atomic_store(&b->dropped_told, drops);
	}
	b->on = false;
	/* where the path stays, the next recorder knows that the session is one of ours */
	if (!rc && !b->left)
		unlink(b->sock);
	return rc;
}
