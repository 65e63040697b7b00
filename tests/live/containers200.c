// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * containers200 DIR CACHE SANDGLASS: containers that come and go under one recording of the whole system, and none is
 * misnamed: each cgroup in which a recorded thread was has the id, name, image and runtime that the Engine was told.
 * Once with the Engine's help, once without. Then how long the recorder's company takes to begin, and to end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/engine.h"
#include "env/image.h"
#include "env/watch.h"
#include "load/child.h"
#include "model/containers.h"
#include "trace/rec.h"

/* What two shared cores start and stop in 100 s, at this many a time. */
#define WITH_ENGINE    200
#define WITHOUT_ENGINE 48
#define AT_A_TIME      8
#define SANDBOX_EVERY  25 /* one of so many is gVisor's, alternating releases */

#define IMAGE	 "sandglass-test/many"
#define START_MS 150 /* the company's begin, with IDLE containers there */
#define IDLE	 10
#define CGROUPS	 65536u
#define ANSWERS	 (2 * AT_A_TIME) /* asked for all that run, a daemon has answered for each within so many */

static void say(const char *name, int good, const char *why)
{
	printf(good ? "ok %s\n" : "not ok %s %s\n", name, why);
	fflush(stdout);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- containers, made and removed ------------------------------------------------------ */
struct made {
	char id[65], name[64], image[64];
	const char *runtime;
	bool lives;		 /* long enough for a look at its files */
	uint64_t answer_ns;	 /* what the daemon took to tell of it, right after its start */
	uint64_t life_ns;	 /* from that answer to its removal */
	bool seen, named, whole; /* in the recording: a thread in it, its name, all of it */
};

struct crowd {
	const char *socket, *runtime[2]; /* gVisor's, NULL: not there */
	struct made *c;
	unsigned n;
	double took_s; /* to make and remove them all */
	atomic_uint next, failed;
	pthread_mutex_t lock;
	char why[512];
};

static const char *const at_once[] = { "true", NULL };
static const char *const brief[] = { "sleep", "0.2", NULL };
static const char *const longer[] = { "sleep", "1.5", NULL };

static void plan(struct crowd *w, unsigned i)
{
	const char *box = w->runtime[i / SANDBOX_EVERY % 2];
	struct made *c = &w->c[i];

	snprintf(c->name, sizeof(c->name), "sg-many_%u.%u-x", i, i * 7919 % 1000);
	snprintf(c->image, sizeof(c->image), IMAGE ":%u", 1 + i % 2);
	c->runtime = i % SANDBOX_EVERY == SANDBOX_EVERY - 1 && box ? box : "runc";
	c->lives = i % 3 == 2;
}

static int one(struct crowd *w, struct sg_engine *e, unsigned i, struct sg_err *err)
{
	static const char *const *const what[] = { at_once, brief, longer };
	struct made *c = &w->c[i];
	struct sg_engine_run r = {
		.name = c->name, .image = c->image, .runtime = c->runtime, .argv = what[i % 3]
	};
	struct json_object *o = NULL;
	char path[128];
	uint64_t at;
	uint32_t pid;
	int rc = sg_engine_start(e, &r, c->id, &pid, err);

	if (rc)
		return rc;
	at = now_ns();
	snprintf(path, sizeof(path), "/containers/%s/json", c->id);
	rc = sg_engine_check(e, "GET", path, NULL, &o, err);
	json_object_put(o);
	c->answer_ns = now_ns() - at;
	if (rc >= 0)
		rc = sg_engine_wait(e, c->id, 60000, err);
	c->life_ns = now_ns() - at - c->answer_ns;
	return rc < 0 ? rc : sg_engine_remove(e, c->id, err);
}

static void *worker(void *arg)
{
	struct crowd *w = arg;
	struct sg_err err = { 0 };
	struct sg_engine *e;
	int rc = sg_engine_open(&e, w->socket, &err);
	unsigned i;

	while (!rc && (i = atomic_fetch_add(&w->next, 1)) < w->n)
		rc = one(w, e, i, &err);
	if (rc) {
		atomic_fetch_add(&w->failed, 1);
		pthread_mutex_lock(&w->lock);
		snprintf(w->why, sizeof(w->why), "%s", err.msg);
		pthread_mutex_unlock(&w->lock);
	}
	sg_engine_close(e);
	return NULL;
}

static void all_of_them(struct crowd *w)
{
	pthread_t t[AT_A_TIME];

	for (unsigned i = 0; i < w->n; i++)
		plan(w, i);
	for (unsigned i = 0; i < AT_A_TIME; i++)
		pthread_create(&t[i], NULL, worker, w);
	for (unsigned i = 0; i < AT_A_TIME; i++)
		pthread_join(t[i], NULL);
}

/* ---- what was recorded ------------------------------------------------------------------ */
struct seen { /* a cgroup in which a recorded thread was, and its own name */
	uint64_t cgroup;
	bool thread;
	char name[SG_CGROUP_NAME + 1];
};

struct found {
	struct seen *at; /* CGROUPS slots */
	unsigned wrong;	 /* CONTAINER events that say of one of ours what it is not */
	uint64_t lost;
	char why[512];
};

static struct seen *slot(struct found *f, uint64_t cgroup)
{
	uint32_t i = (uint32_t)(cgroup * 2654435761u) % CGROUPS;

	while (f->at[i].cgroup && f->at[i].cgroup != cgroup)
		i = (i + 1) % CGROUPS;
	f->at[i].cgroup = cgroup;
	return &f->at[i];
}

static struct made *by_id(struct crowd *w, const char *id)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!strcmp(w->c[i].id, id))
			return &w->c[i];
	return NULL;
}

static bool is_or_empty(const char *s, const char *want)
{
	return !*s || !strcmp(s, want);
}

/* At no moment may one be called what it is not. */
static void on_container(struct crowd *w, struct found *f, const struct sg_container *ev)
{
	const char *text[5], *p = (const char *)(ev + 1), *end = p + ev->len;
	const struct made *c;

	for (int i = 0; i < 5; i++) {
		text[i] = p < end ? p : "";
		p += p < end ? strnlen(p, (size_t)(end - p)) + 1 : 0;
	}
	c = by_id(w, text[0]);
	if (!c || (is_or_empty(text[1], c->name) && is_or_empty(text[2], c->image) &&
		   (is_or_empty(text[3], c->runtime) || strstr(text[3], "runsc"))))
		return;
	f->wrong++;
	snprintf(f->why, sizeof(f->why), "%s (%s) is called %s, %s, %s", c->name, c->runtime, text[1],
		 text[2], text[3]);
}

static int read_all(struct crowd *w, struct found *f, struct sg_owners *o, const char *path,
		    struct sg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	const struct sg_hdr *h;
	struct sg_reader *r;

	rc = fd < 0 ? sg_err_set(err, -errno, "%s: %s", path, strerror(errno)) : sg_reader_open(&r, fd, err);
	while (!rc && (rc = sg_reader_next(r, &h, err)) == 1) {
		rc = sg_owners_feed(o, h);
		if (h->kind == SG_REC_THREAD)
			slot(f, ((const struct sg_thread *)h)->cgroup)->thread = true;
		else if (h->kind == SG_REC_CGNAME)
			snprintf(slot(f, ((const struct sg_cgname *)h)->id)->name, sizeof(f->at->name),
				 "%.*s", SG_CGROUP_NAME, ((const struct sg_cgname *)h)->name);
		else if (h->kind == SG_REC_CONTAINER)
			on_container(w, f, (const struct sg_container *)h);
		else if (h->kind == SG_REC_LOST)
			f->lost += ((const struct sg_lost *)h)->n;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* What the recording's end says of the cgroup of @c. */
static void judge(struct made *c, const struct sg_owner_container *o, struct found *f, bool engine)
{
	bool named, whole;

	c->seen = true;
	if (!o || strcmp(o->id, c->id)) {
		f->wrong++;
		snprintf(f->why, sizeof(f->why), "the cgroup of %s is said to be of '%s'", c->name,
			 o ? o->id : "none");
		return;
	}
	named = !strcmp(o->name, c->name) && !strcmp(o->image, c->image);
	whole = named && !strcmp(o->runtime, c->runtime);
	c->named |= named;
	c->whole |= whole;
	if (engine && !whole)
		snprintf(f->why, sizeof(f->why), "%s (%s, %s) is known as '%s' '%s' '%s'", c->name, c->image,
			 c->runtime, o->name, o->image, o->runtime);
}

static void verdict(struct crowd *w, struct found *f, const char *how, bool engine)
{
	unsigned seen = 0, named = 0, whole = 0, late = 0, half = 0, boxes = 0;
	char name[64], why[1024];
	bool slow;

	for (unsigned i = 0; i < w->n; i++) {
		seen += w->c[i].seen;
		named += w->c[i].named;
		whole += w->c[i].whole;
		late += w->c[i].lives && !w->c[i].named;
		half += w->c[i].life_ns > ANSWERS * w->c[i].answer_ns && !w->c[i].whole;
		boxes += strcmp(w->c[i].runtime, "runc") != 0;
	}
	printf("%s: %u containers (%u of gVisor), %d at a time: %u in the recording, %u with name and image, "
	       "%u with "
	       "runtime, "
	       "%u misnamed, %lu records lost\n",
	       how, w->n, boxes, AT_A_TIME, seen, named, whole, f->wrong, (unsigned long)f->lost);
	snprintf(why, sizeof(why),
		 "%u wrong, %u of %u seen, %u named, %u whole, %u of those not whole had the time, %u "
		 "long-lived "
		 "without a name: %s",
		 f->wrong, seen, w->n, named, whole, half, late, f->why);
	snprintf(name, sizeof(name), "%s-none-misnamed", how);
	say(name, !f->wrong, why);
	snprintf(name, sizeof(name), "%s-all-seen", how);
	say(name, seen == w->n || f->lost, why);
	snprintf(name, sizeof(name), "%s-%s", how, engine ? "all-known" : "long-lived-named");
	/*
	 * Its events tell name and image, but for the runtime the Engine must be asked, and answers one after the other: who is
	 * removed before it can answer a few times may be too fast. 2 to 4 of 200 are, and 9 to 18 where all took 160 s.
	 */
	slow = w->took_s > 0.5 * w->n;
	say(name, engine ? named == seen && !half && seen - whole <= w->n / (slow ? 8 : 20) : !late, why);
}

static void examine(struct crowd *w, const char *path, const char *how, bool engine)
{
	struct found f = { .at = calloc(CGROUPS, sizeof(*f.at)) };
	struct sg_owners *o = NULL;
	struct sg_err err = { 0 };

	if (!f.at || sg_owners_new(&o) || read_all(w, &f, o, path, &err)) {
		say(how, 0, err.msg);
	} else {
		for (uint32_t i = 0; i < CGROUPS; i++) {
			struct made *c = f.at[i].thread ? by_id(w, f.at[i].name) : NULL;

			if (c)
				judge(c, sg_owners_container(o, f.at[i].cgroup), &f, engine);
		}
		verdict(w, &f, how, engine);
	}
	sg_owners_free(o);
	free(f.at);
}

/* ---- one recording ------------------------------------------------------------------------- */
/* With a command that says when the recording has begun and is ended by us. */
static int record_start(struct sg_child *c, const char *dir, const char *sandglass, const char *engine,
			struct sg_err *err)
{
	char out[PATH_MAX], cmd[2 * PATH_MAX + 64], file[PATH_MAX];
	char *argv[] = { (char *)sandglass,
			 (char *)"record",
			 (char *)"-q",
			 (char *)"-a",
			 (char *)"--engine",
			 (char *)engine,
			 (char *)"-o",
			 out,
			 (char *)"--",
			 (char *)"sh",
			 (char *)"-c",
			 cmd,
			 NULL };
	struct sg_child_opts o = { .name = "recorder", .err = true };
	int rc;

	snprintf(out, sizeof(out), "%s/r.sgt", dir);
	snprintf(file, sizeof(file), "%s/go", dir);
	snprintf(cmd, sizeof(cmd), "touch '%s'; while [ -e '%s' ]; do sleep 0.1; done", file, file);
	rc = sg_child_spawn(c, &o, argv, err);
	for (int i = 0; !rc && access(file, F_OK); i++) {
		if (sg_child_reap(c) || i > 200)
			rc = sg_err_set(err, -EIO, "the recorder does not start");
		usleep(50000);
	}
	return rc;
}

static void round_of(struct crowd *w, const char *dir, const char *sandglass, const char *how, bool engine)
{
	struct sg_child c = SG_CHILD_NONE, *list = &c;
	struct sg_err err = { 0 };
	char file[PATH_MAX], name[64], said[512] = "";
	uint64_t t0, t1;
	int rc = record_start(&c, dir, sandglass, engine ? w->socket : "", &err);

	snprintf(file, sizeof(file), "%s/go", dir);
	snprintf(name, sizeof(name), "%s-recording", how);
	t0 = now_ns();
	if (!rc)
		all_of_them(w);
	unlink(file);
	t1 = now_ns();
	if (!rc)
		rc = sg_child_wait_any(&list, 1, -1, -1, 20000);
	sg_child_read_err(&c, said, sizeof(said));
	w->took_s = (t1 - t0) / 1e9;
	printf("%s: %.1f s for %u containers, the recording's end took %.2f s\n", how, (t1 - t0) / 1e9, w->n,
	       (now_ns() - t1) / 1e9);
	say(name, rc >= 0 && c.done && !c.status && !w->failed && !said[0],
	    err.msg[0]	? err.msg
	    : w->why[0] ? w->why
			: said);
	sg_child_kill(&c);
	snprintf(file, sizeof(file), "%s/r.sgt", dir);
	examine(w, file, how, engine);
	unlink(file);
}

/* ---- begin and end of the recorder's company ------------------------------------------------- */
static int put_nothing(void *ctx, const struct sg_hdr *ev)
{
	(void)ctx, (void)ev;
	return 0;
}

static void measure(const char *name, const char *engine)
{
	struct sg_watch_opts o = { .engine = engine };
	struct sg_companion c = { 0 };
	struct sg_err err = { 0 };
	uint64_t best = UINT64_MAX, worst = 0, end = 0;
	char why[256];

	for (int i = 0; i < 5; i++) {
		uint64_t t0, t1, t2;
		int rc = sg_watch_new(&c, &o, &err);

		t0 = now_ns();
		rc = rc ? rc : c.start(c.ctx, put_nothing, NULL, &err);
		t1 = now_ns();
		if (rc) {
			say(name, 0, err.msg);
			sg_watch_free(&c);
			return;
		}
		c.finish(c.ctx);
		t2 = now_ns();
		sg_watch_free(&c);
		best = t1 - t0 < best ? t1 - t0 : best;
		worst = t1 - t0 > worst ? t1 - t0 : worst;
		end = t2 - t1 > end ? t2 - t1 : end;
	}
	snprintf(why, sizeof(why),
		 "with %d containers the company begins in %.0f to %.0f ms, ends in at most %.0f ms", IDLE,
		 best / 1e6, worst / 1e6, end / 1e6);
	printf("%s: %s\n", name, why);
	/* the best: others have the CPUs now and then */
	say(name, best <= START_MS * 1000000ull && end < 1300000000, why);
}

static void begin_and_end(struct crowd *w)
{
	struct sg_err err = { 0 };
	struct sg_engine *e = NULL;
	static const char *const idle[] = { "sleep", "1000", NULL };
	struct sg_engine_run r = { .image = IMAGE ":1", .argv = idle };
	char id[IDLE][65] = { "" }, why[64];
	uint32_t pid;
	int rc = sg_engine_open(&e, w->socket, &err);

	for (int i = 0; !rc && i < IDLE; i++)
		rc = sg_engine_start(e, &r, id[i], &pid, &err);
	snprintf(why, sizeof(why), "start-%d", IDLE);
	say(why, !rc, err.msg);
	if (!rc) {
		measure("begin-engine", w->socket);
		measure("begin-files", "");
	}
	for (int i = 0; e && i < IDLE; i++)
		if (id[i][0])
			sg_engine_remove(e, id[i], NULL);
	sg_engine_close(e);
}

/* ---- the daemon ------------------------------------------------------------------------------- */
static int images(const char *dir, const char *socket, struct sg_err *err)
{
	struct sg_engine *e;
	int rc = sg_engine_open(&e, socket, err);

	if (!rc)
		rc = sg_image_make_with(e, dir, IMAGE ":1", false, NULL, err);
	if (!rc)
		rc = sg_engine_check(e, "POST", "/images/" IMAGE ":1/tag?repo=" IMAGE "&tag=2", NULL, NULL,
				     err);
	sg_engine_close(e);
	return rc < 0 ? rc : 0;
}

static unsigned runtimes(struct sg_runtime *rt, const char *cache, char path[2][PATH_MAX])
{
	static const char *const suite[] = { "bookworm", "trixie" };
	static const char *const name[] = { "runsc-ptrace", "runsc-systrap" };
	static const char *const ptrace[] = { "--platform=ptrace", "--network=none", NULL };
	static const char *const systrap[] = { "--platform=systrap", "--network=none", NULL };
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct sg_err err = { 0 };

		if (sg_runsc_get(suite[i], cache, path[i], &err))
			printf("skip %s %s\n", name[i], err.msg);
		else
			rt[n++] = (struct sg_runtime){ name[i], path[i], i ? systrap : ptrace };
	}
	return n;
}

static void rounds(struct crowd *w, const char *dir, const char *sandglass)
{
	static const unsigned size[] = { WITH_ENGINE, WITHOUT_ENGINE };

	for (int i = 0; i < 2; i++) {
		w->n = size[i];
		w->next = w->failed = 0;
		w->why[0] = 0;
		w->c = calloc(w->n, sizeof(*w->c));
		if (!w->c)
			return;
		round_of(w, dir, sandglass, i ? "files" : "engine", !i);
		free(w->c);
	}
}

int main(int argc, char **argv)
{
	struct crowd w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_runtime rt[3] = { { NULL, NULL, NULL } };
	static char path[2][PATH_MAX];
	struct sg_err err = { 0 };
	struct sg_dockerd *d;
	unsigned n;

	if (argc != 4)
		return 2;
	n = runtimes(rt, argv[2], path);
	if (sg_dockerd_start(&d, argv[1], rt, &err)) {
		say("dockerd", 0, err.msg);
		return 1;
	}
	w.socket = sg_dockerd_socket(d);
	w.runtime[0] = n ? rt[0].name : NULL;
	w.runtime[1] = n ? rt[n - 1].name : NULL;
	if (images(argv[1], w.socket, &err)) {
		say("image", 0, err.msg);
	} else {
		begin_and_end(&w);
		rounds(&w, argv[1], argv[3]);
	}
	n = sg_dockerd_stop(d) ? 1 : 0;
	say("stop", !n, "something stays");
	return 0;
}
