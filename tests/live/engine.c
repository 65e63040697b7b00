// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * engine DIR all|hold|again: what engine.sh has to be done with a real Docker daemon.
 * all: every use of it, results as the test scripts print them. hold: two containers,
 * "ready", then sleep until killed. again: start and stop, saying how many containers there were.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/engine.h"
#include "env/image.h"

#define IMAGE "sandglass-test/busybox:1"

static void say(const char *name, int good, const char *why)
{
	printf(good ? "ok %s\n" : "not ok %s %s\n", name, why);
	fflush(stdout);
}

static const char *const forever[] = { "sleep", "1000", NULL };
static const char *const hello[] = { "sh", "-c", "echo to out; echo to err >&2; exit 7", NULL };

/* runsc where it is installed: then its containers are tried, too */
static const struct sg_runtime *runtimes(void)
{
	static char path[4096];
	static const char *const args[] = { "--platform=ptrace", "--network=none", NULL };
	static struct sg_runtime rt[2] = { { .name = "runsc-ptrace", .path = path, .args = args } };
	struct sg_err err;

	return sg_runsc_get("bookworm", "/nowhere", path, &err) ? NULL : rt;
}

struct watch {
	struct sg_engine *e;
	pthread_t thread;
	int rc;
	unsigned start, die, destroy, other;
	atomic_uint until_destroy; /* 0: for ever */
};

static bool on_event(void *ctx, struct json_object *ev)
{
	struct watch *w = ctx;
	struct json_object *a;
	const char *what = json_object_object_get_ex(ev, "Action", &a) ? json_object_get_string(a) : "";

	w->start += !strcmp(what, "start");
	w->die += !strcmp(what, "die");
	w->destroy += !strcmp(what, "destroy");
	w->other +=
		json_object_object_get_ex(ev, "Type", &a) && strcmp(json_object_get_string(a), "container");
	return !w->until_destroy || w->destroy < w->until_destroy;
}

static void *watch_run(void *ctx)
{
	struct watch *w = ctx;
	struct sg_err err;

	w->rc = sg_engine_events(w->e, on_event, w, &err);
	return NULL;
}

/* The name that the daemon knows container @id under, without its slash. */
static int is_named(struct sg_engine *e, const char *id, const char *name)
{
	struct json_object *o = NULL, *v;
	char path[128];
	int yes;

	snprintf(path, sizeof(path), "/containers/%s/json", id);
	yes = sg_engine_check(e, "GET", path, NULL, &o, NULL) == 200 &&
	      json_object_object_get_ex(o, "Name", &v) && !strcmp(json_object_get_string(v) + 1, name);
	json_object_put(o);
	return yes;
}

static size_t containers(struct sg_engine *e)
{
	struct json_object *o = NULL;
	size_t n = 999;

	if (sg_engine_check(e, "GET", "/containers/json?all=1", NULL, &o, NULL) == 200)
		n = json_object_array_length(o);
	json_object_put(o);
	return n;
}

/* Two containers, one of them gVisor's where there is one: start, look, events, remove. */
static void try_two(struct sg_engine *e, const char *second)
{
	struct watch w = { .e = e, .until_destroy = 2 };
	struct sg_engine_run r = { .name = "sg-one", .image = IMAGE, .argv = forever }, r2 = r;
	struct sg_err err = { 0 };
	char id[2][65], twin[65];
	uint32_t pid[2] = { 0 }, none;
	int rc;

	r2.name = "sg-two";
	r2.runtime = second;
	rc = sg_engine_start(e, &r, id[0], &pid[0], &err);
	/* only now: what was before must come, too */
	pthread_create(&w.thread, NULL, watch_run, &w);
	say("start", !rc && pid[0] && !kill((pid_t)pid[0], 0), err.msg);
	rc = sg_engine_start(e, &r2, id[1], &pid[1], &err);
	say(second ? "start-runsc" : "start-second", !rc && pid[1] && pid[1] != pid[0], err.msg);
	if (rc) {
		w.until_destroy = 1; /* the rest would wait for it for ever */
		sg_engine_remove(e, id[0], NULL);
		pthread_join(w.thread, NULL);
		return;
	}
	say("inspect", is_named(e, id[0], "sg-one") && is_named(e, id[1], "sg-two"), "names differ");
	say("name-in-use", sg_engine_start(e, &r, twin, &none, &err) == -EEXIST, err.msg);
	say("two", containers(e) == 2, "not two containers");
	rc = sg_engine_remove(e, id[0], &err);
	rc = rc ? rc : sg_engine_remove(e, "sg-two", &err);
	say("remove", !rc && !containers(e), err.msg);
	say("remove-again", !sg_engine_remove(e, id[0], &err), err.msg);
	say("processes-gone", kill((pid_t)pid[0], 0) && kill((pid_t)pid[1], 0),
	    "a removed container's process lives");
	pthread_join(w.thread, NULL);
	say("events", !w.rc && w.start == 2 && w.die == 2 && w.destroy == 2 && !w.other,
	    "wrong number of events");
}

static void try_output(struct sg_engine *e)
{
	struct sg_engine_run r = { .image = IMAGE, .argv = hello, .memory_bytes = 64 << 20 };
	struct sg_err err = { 0 };
	char id[65], text[64], one[8];
	uint32_t pid;
	int rc = sg_engine_start(e, &r, id, &pid, &err);

	say("exits-at-once", !rc, err.msg);
	rc = sg_engine_wait(e, id, 20000, &err);
	say("exit-status", rc == 7, err.msg);
	rc = sg_engine_logs(e, id, text, sizeof(text), &err);
	say("logs", rc == 14 && strstr(text, "to out\n") && strstr(text, "to err\n"), text);
	say("logs-cut", sg_engine_logs(e, id, one, sizeof(one), &err) == 7, one);
	sg_engine_remove(e, id, NULL);
	r.argv = forever;
	rc = sg_engine_start(e, &r, id, &pid, &err);
	say("wait-ends", !rc && sg_engine_wait(e, id, 300, &err) == -ETIMEDOUT, err.msg);
	sg_engine_remove(e, id, NULL);
}

static void try_bad(struct sg_engine *e)
{
	struct sg_engine_run r = { .image = "no-such-image:1", .argv = forever };
	struct sg_err err = { 0 };
	char id[65];
	uint32_t pid;

	say("no-image", sg_engine_start(e, &r, id, &pid, &err) == -ENOENT && strstr(err.msg, "no-such-image"),
	    err.msg);
	r.image = IMAGE;
	r.runtime = "no-such-runtime";
	say("no-runtime",
	    sg_engine_start(e, &r, id, &pid, &err) == -EPROTO && strstr(err.msg, "no-such-runtime"), err.msg);
	r.runtime = NULL;
	r.argv = (const char *const[]){ "/no/such/program", NULL };
	say("no-program", sg_engine_start(e, &r, id, &pid, &err) < 0 && !containers(e), err.msg);
	r.argv = forever;
	r.name = "../../x y\n\"&force=1";
	say("hostile-name", sg_engine_start(e, &r, id, &pid, &err) == -EPROTO && !strchr(err.msg, '\n'),
	    err.msg);
	say("no-container", sg_engine_wait(e, "nobody", 1000, &err) == -ENOENT, err.msg);
	say("no-tar", sg_engine_import(e, "/nowhere/x.tar", "x:1", &err) == -ENOENT, err.msg);
	say("bad-tar", sg_engine_import(e, "/proc/self/exe", "x:1", &err) < 0, err.msg);
}

/* node with its libraries works, and so does a program that was put in. */
static void try_node(struct sg_engine *e, const char *dir)
{
	static const struct sg_image_file files[] = { { "/usr/bin/env", "/opt/test/env" }, { NULL, NULL } };
	static const char *const argv[] = { "/opt/test/env", "node", "-e", "console.log(6*7)", NULL };
	struct sg_engine_run r = { .image = "sandglass-test/node:1", .argv = argv };
	struct sg_err err = { 0 };
	char id[65], text[200] = "";
	uint32_t pid;
	int rc = sg_image_make_with(e, dir, r.image, true, files, &err);

	if (rc == -ENOENT) {
		printf("skip image-node %s\n", err.msg);
		return;
	}
	if (!rc)
		rc = sg_engine_start(e, &r, id, &pid, &err);
	if (!rc)
		rc = sg_engine_wait(e, id, 60000, &err);
	if (rc >= 0)
		sg_engine_logs(e, id, text, sizeof(text), &err);
	say("image-node", !rc && !strcmp(text, "42\n"), rc < 0 ? err.msg : text);
	sg_engine_remove(e, id, NULL);
}

/* The daemon dies while its events are read. */
static void try_death(struct sg_engine *e, const char *dir)
{
	struct watch w = { .e = e };
	char path[4096], text[32] = "";
	struct sg_err err = { 0 };
	struct json_object *o;
	FILE *f;

	snprintf(path, sizeof(path), "%s/dockerd/pid", dir);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f) || atoi(text) <= 1) {
		say("death", 0, "no pid of the daemon");
		return;
	}
	fclose(f);
	pthread_create(&w.thread, NULL, watch_run, &w);
	usleep(300000);
	kill(atoi(text), SIGKILL);
	pthread_join(w.thread, NULL);
	say("death-events", w.rc == -ECONNRESET, strerror(-w.rc));
	say("death-call", sg_engine_call(e, "GET", "/info", NULL, &o, &err) < 0 && err.msg[0], "it answers");
}

static int all(const char *dir)
{
	const struct sg_runtime *rt = runtimes();
	struct sg_err err = { 0 };
	struct sg_dockerd *d, *other;
	struct sg_engine *e;
	int rc = sg_dockerd_start(&d, dir, rt, &err);

	say("dockerd", !rc, err.msg);
	if (rc)
		return 1;
	say("dockerd-busy", sg_dockerd_start(&other, dir, rt, &err) == -EBUSY, err.msg);
	rc = sg_engine_open(&e, sg_dockerd_socket(d), &err);
	say("open", !rc, err.msg);
	if (rc)
		goto out;
	rc = sg_image_make_with(e, dir, IMAGE, false, NULL, &err);
	say("image", !rc, err.msg);
	if (!rc) {
		try_two(e, rt ? rt->name : NULL);
		try_output(e);
		try_bad(e);
		try_node(e, dir);
		try_death(e, dir);
	}
	sg_engine_close(e);
out:
	say("stop", !sg_dockerd_stop(d), "something stays");
	return 0;
}

static int hold(const char *dir)
{
	const struct sg_runtime *rt = runtimes();
	struct sg_engine_run r = { .image = IMAGE, .argv = forever };
	struct sg_err err = { 0 };
	struct sg_dockerd *d;
	struct sg_engine *e;
	char id[65];
	uint32_t pid[2];

	if (sg_dockerd_start(&d, dir, rt, &err) || sg_engine_open(&e, sg_dockerd_socket(d), &err) ||
	    sg_image_make_with(e, dir, IMAGE, false, NULL, &err) || sg_engine_start(e, &r, id, &pid[0], &err))
		goto fail;
	r.runtime = rt ? rt->name : NULL;
	printf("id %s\n", id);
	if (sg_engine_start(e, &r, id, &pid[1], &err))
		goto fail;
	printf("id %s\npids %u %u\nready\n", id, pid[0], pid[1]);
	fflush(stdout);
	pause();
fail:
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}

static int again(const char *dir)
{
	struct sg_err err = { 0 };
	struct sg_dockerd *d;
	struct sg_engine *e;
	int rc = sg_dockerd_start(&d, dir, NULL, &err);

	if (!rc)
		rc = sg_engine_open(&e, sg_dockerd_socket(d), &err);
	if (rc) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	printf("containers %zu\n", containers(e));
	sg_engine_close(e);
	return sg_dockerd_stop(d) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "all"))
		return all(argv[1]);
	if (argc == 3 && !strcmp(argv[2], "hold"))
		return hold(argv[1]);
	if (argc == 3 && !strcmp(argv[2], "again"))
		return again(argv[1]);
	fputs("engine DIR all|hold|again\n", stderr);
	return 2;
}
