// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * gvsession DIR CACHE: gVisor's trace points of real sandboxes become exactly the calls that were made; what
 * gvsession.sh runs. gvsession guest FILE: the program in the container, of known shape.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/engine.h"
#include "env/gvtrace.h"
#include "env/image.h"

#define IMAGE	"sandglass-test/gvtrace:1"
#define GETPIDS 5000
#define OPENS	300
#define PATH	"/no such folder/\xc3\xa4"

static int guest(const char *go)
{
	while (access(go, F_OK))
		usleep(20000);
	for (int i = 0; i < GETPIDS; i++)
		syscall(SYS_getpid);
	for (int i = 0; i < OPENS; i++)
		if (syscall(SYS_openat, AT_FDCWD, PATH, O_RDONLY) >= 0)
			return 1;
	usleep(300000);
	return 0;
}

static void say(const char *rt, const char *name, int good, const char *why)
{
	printf(good ? "ok %s-%s\n" : "not ok %s-%s %s\n", rt, name, why);
	fflush(stdout);
}

/* ---- what is recorded -------------------------------------------------------------- */
struct got {
	pthread_mutex_t lock;
	unsigned getpid, open, slept, half, odd, drops;
	int32_t dropped;
	uint32_t sandbox;
};

static int take(void *ctx, const struct sg_hdr *h)
{
	const struct sg_guest *g = (const void *)h;
	struct got *t = ctx;
	size_t name = strnlen(g->text, g->len), path = name + 1 < g->len ? g->len - name - 1 : 0;

	pthread_mutex_lock(&t->lock);
	if (g->nr == SG_GVTRACE_DROPPED) {
		t->drops++;
		t->dropped = g->ret;
	} else {
		t->half += !g->begin;
		t->odd += g->sandbox != t->sandbox || g->begin > h->ts || (g->begin && !g->gtid);
		t->getpid += g->nr == SYS_getpid && g->ret > 0 && name == 7 && !memcmp(g->text, "gvtrace", 7);
		t->open += g->nr == SYS_openat && g->ret == -ENOENT && path == strlen(PATH) &&
			   !memcmp(g->text + name + 1, PATH, path);
		t->slept += g->nr == SYS_clock_nanosleep && g->begin && h->ts - g->begin >= 300000000 &&
			    h->ts - g->begin < 1000000000;
	}
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static void check(const char *rt, const char *how, const struct got *t, const struct sg_gvtrace_stats *st)
{
	char why[512], name[64];

	snprintf(why, sizeof(why),
		 "getpid %u of %d, openat %u of %d, long sleeps %u, halves %u, odd %u, dropped %d (told %u "
		 "times); "
		 "%lu messages, %lu bad, %lu unknown; %s",
		 t->getpid, GETPIDS, t->open, OPENS, t->slept, t->half, t->odd, t->dropped, t->drops,
		 (unsigned long)st->messages, (unsigned long)st->bad, (unsigned long)st->unknown,
		 st->err.msg);
	snprintf(name, sizeof(name), "%s-counts", how);
	say(rt, name, t->getpid == GETPIDS && t->open == OPENS && t->slept == 1, why);
	snprintf(name, sizeof(name), "%s-whole", how);
	/* what was going on when the session began has no begin: a sleep, or two */
	say(rt, name,
	    !t->odd && t->half <= 2 && t->drops && !t->dropped && !st->bad && !st->unknown && !st->failed &&
		    st->sandboxes == 1,
	    why);
}

/* ---- one runtime ------------------------------------------------------------------- */
struct bench {
	struct sg_engine *e;
	const char *rt, *dir;
	char go[PATH_MAX], id[65];
	uint32_t sentry;
};

static int container_start(struct bench *b, struct sg_err *err)
{
	char bind[PATH_MAX + 16];
	const char *const argv[] = { "/opt/test/gvtrace", "guest", "/job/go", NULL };
	const char *const binds[] = { bind, NULL };
	const struct sg_engine_run r = { .image = IMAGE, .runtime = b->rt, .argv = argv, .binds = binds };

	unlink(b->go);
	snprintf(bind, sizeof(bind), "%s/job:/job", b->dir);
	return sg_engine_start(b->e, &r, b->id, &b->sentry, err);
}

static int let_go(struct bench *b, struct sg_err *err)
{
	int fd = open(b->go, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return sg_err_set(err, -errno, "%s: %s", b->go, strerror(errno));
	close(fd);
	return sg_engine_wait(b->e, b->id, 60000, err);
}

/* Another recorder on the same sandbox, which holds its session until it is killed. */
static pid_t other_start(struct bench *b, const char *dir)
{
	struct sg_gvtrace_opts o = { .sentry = &b->sentry, .nsentry = 1, .dir = dir };
	struct got t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_companion c;
	struct sg_err err = { 0 };
	int up[2];
	char ok = 0;
	pid_t pid;

	if (pipe(up))
		return -1;
	pid = fork();
	if (!pid) {
		ok = !sg_gvtrace_new(&c, &o, &err) && !c.start(c.ctx, take, &t, &err);
		if (!ok)
			fprintf(stderr, "%s\n", err.msg);
		if (write(up[1], &ok, 1) == 1)
			pause();
		_exit(1);
	}
	close(up[1]);
	if (read(up[0], &ok, 1) != 1 || !ok)
		fprintf(stderr, "the other recorder did not start\n");
	close(up[0]);
	return pid;
}

static void other_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A sandbox that is there: its session, others' sessions, its calls. */
static void try_present(struct bench *b)
{
	char mine[PATH_MAX], theirs[PATH_MAX], sock[PATH_MAX + 64];
	struct sg_gvtrace_opts o = { .sentry = &b->sentry, .nsentry = 1, .dir = mine };
	struct got t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_gvtrace_stats st;
	struct sg_companion c = { 0 };
	struct sg_err err = { 0 };
	int rc = container_start(b, &err);
	pid_t other;

	if (rc) {
		say(b->rt, "container", 0, err.msg);
		return;
	}
	snprintf(mine, sizeof(mine), "%s/m", b->dir);
	snprintf(theirs, sizeof(theirs), "%s/o", b->dir);
	t.sandbox = b->sentry;
	rc = sg_gvtrace_new(&c, &o, &err);

	other = other_start(b, theirs);
	rc = c.start(c.ctx, take, &t, &err);
	say(b->rt, "foreign-session", rc == -EBUSY && strstr(err.msg, "not ours"), err.msg);
	other_kill(other);
	o.dir = theirs;
	sg_gvtrace_free(&c);
	rc = sg_gvtrace_new(&c, &o, &err);
	other = -1;
	err.msg[0] = 0;
	rc = c.start(c.ctx, take, &t, &err);
	say(b->rt, "killed-recorder", !rc, err.msg);
	if (!rc) {
		struct sg_companion second;

		sg_gvtrace_new(&second, &o, &err);
		rc = second.start(second.ctx, take, &t, &err);
		say(b->rt, "two-recorders", rc == -EBUSY && strstr(err.msg, "another recorder"), err.msg);
		sg_gvtrace_free(&second);
		rc = let_go(b, &err);
		say(b->rt, "guest", !rc, rc < 0 ? err.msg : "failed");
		c.finish(c.ctx);
		sg_gvtrace_stats(&c, &st);
		check(b->rt, "present", &t, &st);
	}
	sg_gvtrace_free(&c);
	snprintf(sock, sizeof(sock), "%s/o", b->dir);
	say(b->rt, "nothing-left", !rmdir(sock) && (!rmdir(mine) || errno == ENOENT), strerror(errno));
	sg_engine_remove(b->e, b->id, NULL);
}

/* A sandbox that starts while recording: found by its Sentry's exec. A /proc of its own keeps others' out. */
static void try_later(struct bench *b)
{
	char proc[PATH_MAX], link[PATH_MAX + 16], target[32], dir[PATH_MAX];
	struct sg_gvtrace_opts o = { .proc = proc, .dir = dir };
	struct got t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_thread ev = { .h.kind = SG_REC_THREAD, .flags = SG_TF_EXEC };
	struct sg_gvtrace_stats st;
	struct sg_companion c = { 0 };
	struct sg_err err = { 0 };
	int rc;

	snprintf(proc, sizeof(proc), "%s/proc", b->dir);
	snprintf(dir, sizeof(dir), "%s/m", b->dir);
	mkdir(proc, 0700);
	rc = sg_gvtrace_new(&c, &o, &err);
	if (!rc)
		rc = c.start(c.ctx, take, &t, &err);
	say(b->rt, "none-yet", !rc, err.msg);
	if (!rc)
		rc = container_start(b, &err);
	t.sandbox = ev.tid = ev.tgid = b->sentry;
	snprintf(target, sizeof(target), "/proc/%u", b->sentry);
	snprintf(link, sizeof(link), "%s/%u", proc, b->sentry);
	if (!rc && !symlink(target, link)) {
		c.event(c.ctx, &ev.h);
		sleep(2);
		rc = let_go(b, &err);
		say(b->rt, "later-guest", !rc, rc < 0 ? err.msg : "failed");
		unlink(link);
		c.finish(c.ctx);
		sg_gvtrace_stats(&c, &st);
		check(b->rt, "later", &t, &st);
	}
	sg_gvtrace_free(&c);
	sg_engine_remove(b->e, b->id, NULL);
	rmdir(proc);
	rmdir(dir);
}

/* The Sentry is stopped and does not answer: a sentence, and the end is reached. */
static void try_stopped(struct bench *b)
{
	char dir[PATH_MAX];
	struct sg_gvtrace_opts o = { .sentry = &b->sentry, .nsentry = 1, .dir = dir };
	struct got t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_gvtrace_stats st = { 0 };
	struct sg_companion c = { 0 };
	struct sg_err err = { 0 };
	int rc = container_start(b, &err);

	snprintf(dir, sizeof(dir), "%s/m", b->dir);
	t.sandbox = b->sentry;
	if (!rc)
		rc = sg_gvtrace_new(&c, &o, &err);
	if (!rc)
		rc = c.start(c.ctx, take, &t, &err);
	if (!rc) {
		kill((pid_t)b->sentry, SIGSTOP);
		c.finish(c.ctx);
		kill((pid_t)b->sentry, SIGCONT);
		sg_gvtrace_stats(&c, &st);
		say(b->rt, "stopped-end", st.failed == 1 && strstr(st.err.msg, "stopped"), st.err.msg);
		sg_gvtrace_free(&c);
		sg_gvtrace_new(&c, &o, &err);
		rc = c.start(c.ctx, take, &t, &err);
		say(b->rt, "stopped-replaced", !rc, err.msg);
		if (!rc)
			c.finish(c.ctx);
	} else {
		say(b->rt, "stopped", 0, err.msg);
	}
	sg_gvtrace_free(&c);
	sg_engine_remove(b->e, b->id, NULL);
	rmdir(dir);
}

static void runtime(struct sg_engine *e, const char *rt, const char *dir)
{
	struct bench b = { .e = e, .rt = rt, .dir = dir };

	snprintf(b.go, sizeof(b.go), "%s/job/go", dir);
	try_present(&b);
	try_later(&b);
	try_stopped(&b);
	unlink(b.go);
}

int main(int argc, char **argv)
{
	static const char *const ptrace[] = { "--platform=ptrace", "--network=none", NULL };
	static const char *const systrap[] = { "--platform=systrap", "--network=none", NULL };
	static char path[2][PATH_MAX];
	static char self[PATH_MAX];
	const struct sg_image_file files[] = { { self, "/opt/test/gvtrace" }, { NULL, NULL } };
	struct sg_runtime rt[3] = { { NULL, NULL, NULL } };
	struct sg_err err = { 0 };
	struct sg_dockerd *d;
	struct sg_engine *e;
	char work[PATH_MAX];
	size_t n = 0;

	if (argc == 3 && !strcmp(argv[1], "guest"))
		return guest(argv[2]);
	if (argc != 3 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	if (!sg_runsc_get("bookworm", argv[2], path[0], &err))
		rt[n++] = (struct sg_runtime){ "runsc-ptrace", path[0], ptrace };
	else
		printf("skip runsc-ptrace %s\n", err.msg);
	if (!sg_runsc_get("trixie", argv[2], path[1], &err))
		rt[n++] = (struct sg_runtime){ "runsc-systrap", path[1], systrap };
	else
		printf("skip runsc-systrap %s\n", err.msg);
	if (!n)
		return 0;
	snprintf(work, sizeof(work), "%s/job", argv[1]);
	if (mkdir(work, 0755) || sg_dockerd_start(&d, argv[1], rt, &err)) {
		say("dockerd", "start", 0, err.msg[0] ? err.msg : strerror(errno));
		return 1;
	}
	if (sg_engine_open(&e, sg_dockerd_socket(d), &err)) {
		say("dockerd", "open", 0, err.msg);
	} else {
		if (sg_image_make_with(e, argv[1], IMAGE, false, files, &err))
			say("dockerd", "image", 0, err.msg);
		else
			for (size_t i = 0; i < n; i++)
				runtime(e, rt[i].name, argv[1]);
		sg_engine_close(e);
	}
	return sg_dockerd_stop(d) ? 1 : 0;
}
