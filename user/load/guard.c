/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "env/dockerd_priv.h"
#include "env/libvirtd.h"
#include "kern/proc.h"
#include "load/cgtree.h"
#include "load/guard.h"

#define STATE_DIR    "/run/sandglass"
#define STATE_PREFIX "bench-"
#define PATH_CAP     1024
#define THING_MAX    256

struct thing {
	char kind;
	char path[PATH_CAP];
};

/* One message each way per request; SEQPACKET keeps them apart. */
struct request {
	char op; /* 'A' add, 'X' clean this one, 'E' clean all and end */
	struct thing t;
};

struct sg_guard {
	int sock;
	pid_t pid;
};

struct things {
	struct thing v[THING_MAX];
	size_t n;
};

static void nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Kill and remove until the directory goes: what forks while being killed is met in the next round. */
static int clean_cgroup(const char *path)
{
	char procs[PATH_CAP + 16];
	int pid;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	for (int i = 0; i < 1000; i++) {
		FILE *f;

		if (!rmdir(path) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		f = fopen(procs, "re");
		while (f && fscanf(f, "%d", &pid) == 1)
			if (pid > 0)
				kill(pid, SIGKILL);
		if (f)
			fclose(f);
		nap(20);
	}
	return -EBUSY;
}

static int clean_thing(const struct thing *t)
{
	char path[PATH_CAP + 16];
	int rc = 0;

	switch (t->kind) {
	case SG_GUARD_CGROUP:
		return clean_cgroup(t->path);
	case SG_GUARD_SWAP:
		/* EINVAL: not in use as swap, so nothing to undo */
		return swapoff(t->path) && errno != ENOENT && errno != EINVAL ? -errno : 0;
	case SG_GUARD_FILE:
		return unlink(t->path) && errno != ENOENT ? -errno : 0;
	case SG_GUARD_DIR:
		return rmdir(t->path) && errno != ENOENT && errno != ENOTEMPTY ? -errno : 0;
	case SG_GUARD_ZRAM:
		snprintf(path, sizeof(path), "%s/reset", t->path);
		for (int i = 0; i < 50 && (rc = sg_proc_write(path, "1")) == -EBUSY; i++)
			nap(20);
		return rc == -ENOENT ? 0 : rc;
	case SG_GUARD_HOTZRAM:
		snprintf(path, sizeof(path), "%s", t->path + strcspn(t->path, "0123456789"));
		for (int i = 0;
		     i < 50 && (rc = sg_proc_write("/sys/class/zram-control/hot_remove", path)) == -EBUSY;
		     i++)
			nap(20);
		return rc == -ENODEV || rc == -ENOENT ? 0 : rc;
	case SG_GUARD_CGTREE:
		return sg_cgtree_remove(t->path);
	case SG_GUARD_DOCKERD:
		return sg_dockerd_sweep(t->path);
	case SG_GUARD_LIBVIRTD:
		return sg_libvirtd_sweep(t->path);
	}
	return -EINVAL;
}

/* Clean the last @n things in reverse; the first failure is kept in @bad. */
static int clean_all(struct things *all, struct thing *bad)
{
	int rc = 0;

	while (all->n) {
		const struct thing *t = &all->v[--all->n];
		int one = clean_thing(t);

		if (one && !rc) {
			rc = one;
			*bad = *t;
		}
	}
	return rc;
}

/* The state file says what is still to be cleaned; one line "K path" each. */
static void state_write(int fd, const struct things *all)
{
	char line[PATH_CAP + 8];
	off_t at = 0;

	for (size_t i = 0; i < all->n; i++) {
		int len = snprintf(line, sizeof(line), "%c %s\n", all->v[i].kind, all->v[i].path);

		if (pwrite(fd, line, (size_t)len, at) == len)
			at += len;
	}
	if (ftruncate(fd, at))
		return; /* only costs the next start a few needless attempts */
}

struct reply {
	int rc;
	struct thing bad;
};

static void guard_main(int sock, int state_fd, const char *state_path)
{
	struct things *all = calloc(1, sizeof(*all));
	struct request rq;
	struct reply rp;
	ssize_t n;

	if (!all)
		_exit(1);
	for (;;) {
		n = recv(sock, &rq, sizeof(rq), 0);
		if (n < 0 && errno == EINTR)
			continue;
		memset(&rp, 0, sizeof(rp));
		if (n != sizeof(rq) || rq.op == 'E') {
			rp.rc = clean_all(all, &rp.bad);
			unlink(state_path);
			if (send(sock, &rp, sizeof(rp), MSG_NOSIGNAL) < 0)
				_exit(rp.rc ? 1 : 0);
			_exit(0);
		}
		if (rq.op == 'A') {
			if (all->n == THING_MAX)
				rp.rc = -ENOSPC;
			else
				all->v[all->n++] = rq.t;
		} else {
			rp.rc = clean_thing(&rq.t);
			rp.bad = rq.t;
			for (size_t i = all->n; i-- > 0 && !rp.rc;)
				if (all->v[i].kind == rq.t.kind && !strcmp(all->v[i].path, rq.t.path)) {
					memmove(&all->v[i], &all->v[i + 1],
						(all->n - i - 1) * sizeof(all->v[0]));
					all->n--;
					break;
				}
		}
		state_write(state_fd, all);
		if (send(sock, &rp, sizeof(rp), MSG_NOSIGNAL) < 0 && errno != EPIPE)
			continue; /* the next recv tells that the maker is gone */
	}
}

/* Keep only the two descriptors: nobody shall wait for the end of a pipe that the guard holds open. */
static void guard_detach(int *sock, int *state_fd)
{
	int null = open("/dev/null", O_RDWR), s = fcntl(*sock, F_DUPFD, 16),
	    f = fcntl(*state_fd, F_DUPFD, 16);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(s, 3);
	dup2(f, 4); /* a duplicate shares the lock */
	syscall(SYS_close_range, 5, ~0u, 0);
	*sock = 3;
	*state_fd = 4;
}

/* A state file whose lock is free belongs to a guard that died: clean what it lists. */
static void sweep_one(const char *path)
{
	struct things *all = calloc(1, sizeof(*all));
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	char line[PATH_CAP];
	struct thing bad;
	FILE *f = NULL;

	if (!all || fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || !(f = fdopen(fd, "r")))
		goto out;
	fd = -1;
	while (all->n < THING_MAX && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] && line[1] == ' ' && line[2] == '/') {
			all->v[all->n].kind = line[0];
			snprintf(all->v[all->n].path, PATH_CAP, "%s", line + 2);
			all->n++;
		}
	}
	if (!clean_all(all, &bad))
		unlink(path);
out:
	if (f)
		fclose(f);
	if (fd >= 0)
		close(fd);
	free(all);
}

static void sweep(void)
{
	DIR *d = opendir(STATE_DIR);
	char path[PATH_CAP];

	if (!d)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strncmp(e->d_name, STATE_PREFIX, strlen(STATE_PREFIX)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", STATE_DIR, e->d_name);
		sweep_one(path);
	}
	closedir(d);
}

int sg_guard_start(struct sg_guard **ret, struct sg_err *err)
{
	char path[64];
	int sock[2], fd, rc;
	struct sg_guard *g;

	if (mkdir(STATE_DIR, 0700) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make %s: %s", STATE_DIR, strerror(errno));
	sweep();
	g = calloc(1, sizeof(*g));
	if (!g)
		return sg_err_set(err, -ENOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s/%s%d", STATE_DIR, STATE_PREFIX, (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
		rc = sg_err_set(err, -errno, "cannot keep %s: %s", path, strerror(errno));
		goto fail;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) || (g->pid = fork()) < 0) {
		rc = sg_err_set(err, -errno, "cannot start the guard process: %s", strerror(errno));
		goto fail;
	}
	if (!g->pid) {
		/* away from the terminal's signals, and holding none of its maker's files open */
		setsid();
		for (int s = 1; s < NSIG; s++)
			if (s != SIGCHLD)
				signal(s, SIG_IGN);
		close(sock[0]);
		guard_detach(&sock[1], &fd);
		guard_main(sock[1], fd, path);
	}
	close(sock[1]);
	close(fd);
	g->sock = sock[0];
	*ret = g;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	free(g);
	return rc;
}

static int ask(struct sg_guard *g, char op, char kind, const char *path, struct sg_err *err)
{
	struct request rq = { .op = op, .t.kind = kind };
	struct reply rp;
	ssize_t n;

	if (strchr(path, '\n'))
		return sg_err_set(err, -EINVAL, "a path with a line break in it is not supported");
	if (snprintf(rq.t.path, sizeof(rq.t.path), "%s", path) >= PATH_CAP - 8)
		return sg_err_set(err, -ENAMETOOLONG, "the path %.60s... is too long", path);
	if (send(g->sock, &rq, sizeof(rq), MSG_NOSIGNAL) < 0)
		return sg_err_set(err, -errno, "the guard process is gone; the next run cleans what is left");
	do
		n = recv(g->sock, &rp, sizeof(rp), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(rp))
		return sg_err_set(err, -EPIPE, "the guard process is gone; the next run cleans what is left");
	if (rp.rc)
		return sg_err_set(err, rp.rc, "cannot remove %s: %s", rp.bad.path, strerror(-rp.rc));
	return 0;
}

int sg_guard_add(struct sg_guard *g, enum sg_guard_kind kind, const char *path, struct sg_err *err)
{
	return ask(g, 'A', (char)kind, path, err);
}

int sg_guard_clean(struct sg_guard *g, enum sg_guard_kind kind, const char *path, struct sg_err *err)
{
	return ask(g, 'X', (char)kind, path, err);
}

int sg_guard_end(struct sg_guard *g, struct sg_err *err)
{
	int rc;

	if (!g)
		return 0;
	rc = ask(g, 'E', 0, "", err);
	close(g->sock);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(g);
	return rc;
}

int sg_guard_ending(struct sg_guard *g, int rc, int (*close)(void *ctx, struct sg_err *err), void *ctx,
		    struct sg_err *err)
{
	struct sg_err later;
	int rc2 = close(ctx, &later);

	if (!rc && rc2) {
		rc = rc2;
		*err = later;
	}
	rc2 = sg_guard_end(g, &later);
	if (!rc && rc2) {
		rc = rc2;
		*err = later;
	}
	return rc;
}
