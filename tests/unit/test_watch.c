// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The companion that names sandboxes' processes and containers: made-up records and /proc; a daemon if there is one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/container.h"
#include "env/engine.h"
#include "env/watch.h"
#include "fakehost.h"

#define ID  "0c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f2950"
#define ID2 "8991d53c92a1eaedf2f09785098c03a68265d8bfc01d39c90fbccab540a81c8a"

/* ---- a folder made like /proc, and one like /sys/fs/cgroup --------------------------------- */
static void put(unsigned pid, const char *file, const void *data, size_t len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/%s", host.proc, pid, file);
	host_put(path, data, len);
}

static void cmdline(unsigned pid, const char *args)
{
	host_cmdline(pid, args, '|');
}

static void make(unsigned pid, unsigned ppid, const char *args, const char *exe)
{
	char path[256], to[256], status[256];

	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(status, sizeof(status), "Name:\texe\nState:\tS (x)\nTgid:\t%u\nPPid:\t%u\nTracerPid:\t0\n",
		 pid, ppid);
	put(pid, "status", status, strlen(status));
	cmdline(pid, args);
	put(pid, "maps", "", 0);
	snprintf(path, sizeof(path), "%s/%u/exe", host.proc, pid);
	snprintf(to, sizeof(to), "%s/%s", host.top, exe);
	cr_assert_eq(symlink(to, path), 0);
}

static void unmake(unsigned pid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	host_remove(path);
}

static void setup(void)
{
	char path[256];

	host_make("watch");
	snprintf(path, sizeof(path), "%s/runsc", host.top);
	host_put(path, "\0release-20221219.0", 20);
	snprintf(path, sizeof(path), "%s/other", host.top);
	host_put(path, "x", 1);
	snprintf(path, sizeof(path), "%s/cgroup.controllers", host.cgroup);
	host_put(path, "memory\n", 7);
}

TestSuite(watch, .init = setup, .fini = host_gone);

#define SENTRY(id) "runsc-sandbox|--root=/run/r|--platform=ptrace|boot|--bundle=/b/" id "|" id
#define GOFER(id)  "runsc-gofer|--root=/run/r|gofer|--bundle=/b/" id

/* ---- what it puts ------------------------------------------------------------------------------- */
#define PUT_MAX 4096
static struct {
	pthread_mutex_t lock;
	union {
		struct sg_hdr h;
		struct sg_role role;
		struct sg_container c;
		char bytes[1024];
	} ev[PUT_MAX];
	uint64_t at_ns[PUT_MAX];
	size_t n;
} got = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int on_put(void *ctx, const struct sg_hdr *h)
{
	size_t size = sg_event_size(h, SG_EVENT_MAX);

	pthread_mutex_lock(&got.lock);
	cr_assert_eq(ctx, &got);
	cr_assert_gt(size, 0, "a record of kind %u that is none", h->kind);
	cr_assert_leq(size, sizeof(got.ev[0]));
	cr_assert_lt(got.n, PUT_MAX);
	got.at_ns[got.n] = now_ns();
	memcpy(&got.ev[got.n++], h, size);
	pthread_mutex_unlock(&got.lock);
	return 0;
}

/* The last ROLE of @tgid: its name ("" none), its sandbox. */
static const char *role_of(unsigned tgid, unsigned *ret_sandbox)
{
	static char name[SG_ROLE_NAME];
	unsigned box = 0;

	name[0] = 0;
	pthread_mutex_lock(&got.lock);
	for (size_t i = 0; i < got.n; i++)
		if (got.ev[i].h.kind == SG_REC_ROLE && got.ev[i].role.tgid == tgid) {
			memcpy(name, got.ev[i].role.name, sizeof(name));
			box = got.ev[i].role.sandbox;
		}
	pthread_mutex_unlock(&got.lock);
	if (ret_sandbox)
		*ret_sandbox = box;
	return name;
}

#define EXPECT_ROLE(tgid, name, box)                                               \
	do {                                                                       \
		unsigned has_box;                                                  \
		const char *has = role_of(tgid, &has_box);                         \
		cr_expect_str_eq(has, name, "%u is '%s'", (unsigned)(tgid), has);  \
		cr_expect_eq(has_box, box, "%u in %u", (unsigned)(tgid), has_box); \
	} while (0)

/* The last CONTAINER of cgroup @id: its @field-th text (0 id, 1 name, 2 image, 3 runtime, 4 platform); "" none. */
static const char *container_of(uint64_t id, int field)
{
	static char text[512];

	text[0] = 0;
	pthread_mutex_lock(&got.lock);
	for (size_t i = 0; i < got.n; i++)
		if (got.ev[i].h.kind == SG_REC_CONTAINER && got.ev[i].c.cgroup == id) {
			const char *p = got.ev[i].bytes + sizeof(struct sg_container);

			for (int k = 0; k < field; k++)
				p += strlen(p) + 1;
			snprintf(text, sizeof(text), "%s", p);
		}
	pthread_mutex_unlock(&got.lock);
	return text;
}

/* ---- what it is told ---------------------------------------------------------------------------- */
static struct sg_companion watch;

static void begin(const char *engine)
{
	struct sg_watch_opts o = { .engine = engine, .proc = host.proc, .cgroup = host.cgroup };
	struct sg_err err = { 0 };

	cr_assert_eq(sg_watch_new(&watch, &o, &err), 0, "%s", err.msg);
	cr_assert_eq(watch.start(watch.ctx, on_put, &got, &err), 0, "%s", err.msg);
}

static void end(void)
{
	watch.finish(watch.ctx);
	sg_watch_free(&watch);
}

static void thread(unsigned uid, unsigned tid, unsigned tgid, unsigned creator, unsigned flags)
{
	struct sg_thread t = { .h = { .ts = now_ns(), .uid = uid, .kind = SG_REC_THREAD },
			       .tid = tid,
			       .tgid = tgid,
			       .creator = creator,
			       .flags = flags };

	memset(t.comm, 0xff, sizeof(t.comm)); /* nothing hangs on it */
	watch.event(watch.ctx, &t.h);
}

static void cgname(uint64_t id, const char *name)
{
	struct sg_cgname c = { .h = { .ts = now_ns(), .kind = SG_REC_CGNAME }, .id = id };

	memset(c.name, 'x', sizeof(c.name)); /* no NUL of its own */
	memcpy(c.name, name, strlen(name) + 1 < sizeof(c.name) ? strlen(name) + 1 : sizeof(c.name));
	watch.event(watch.ctx, &c.h);
}

static bool role_comes(unsigned tgid, const char *name)
{
	for (int i = 0; i < 200; i++) {
		if (!strcmp(role_of(tgid, NULL), name))
			return true;
		usleep(10000);
	}
	return false;
}

static void sandbox(void)
{
	make(90, 1, "containerd-shim", "other");
	make(100, 90, GOFER(ID), "runsc");
	make(101, 90, SENTRY(ID), "runsc");
	make(110, 101, "", "runsc");
}

/* ---- processes ---------------------------------------------------------------------------------- */
Test(watch, existing_ones)
{
	sandbox();
	begin("");
	end();
	EXPECT_ROLE(101, "sentry", 101);
	EXPECT_ROLE(100, "gofer", 101);
	EXPECT_ROLE(110, "stub", 101);
	EXPECT_ROLE(90, "", 0);
	cr_expect_eq(got.n, 3, "%zu", got.n);
}

/* None of them is in /proc: only the records tell. */
Test(watch, stubs_that_died_unseen)
{
	sandbox();
	begin("");
	thread(7, 101, 101, 0, SG_TF_BEFORE);
	thread(8, 102, 101, 0, SG_TF_BEFORE); /* a thread of the Sentry */
	thread(9, 110, 110, 0, SG_TF_BEFORE);
	for (unsigned i = 0; i < 500; i++)
		thread(1000 + i, 5000 + i, 5000 + i, i % 3 ? 9 : 8, 0);
	for (unsigned i = 0; i < 500; i++)
		thread(2000 + i, 6000 + i, 6000 + i, 1000 + i, 0); /* theirs */
	end();
	for (unsigned i = 0; i < 500; i++) {
		EXPECT_ROLE(5000 + i, "stub", 101);
		EXPECT_ROLE(6000 + i, "stub", 101);
	}
	EXPECT_ROLE(101, "sentry", 101);
	cr_expect_eq(got.n, 1003, "%zu", got.n);
}

/* CPUs are drained in turn: the child's record may be read before its maker's. */
Test(watch, records_out_of_turn)
{
	sandbox();
	begin("");
	thread(30, 5002, 5002, 20, 0);
	thread(20, 5001, 5001, 10, 0);
	thread(10, 5000, 5000, 8, 0);
	thread(8, 102, 101, 0, SG_TF_BEFORE);
	end();
	EXPECT_ROLE(5000, "stub", 101);
	EXPECT_ROLE(5001, "stub", 101);
	EXPECT_ROLE(5002, "stub", 101);
}

Test(watch, others_get_no_role)
{
	sandbox();
	make(300, 1, "sh", "other");
	begin("");
	thread(50, 300, 300, 0, SG_TF_BEFORE);
	thread(51, 301, 301, 50, 0);	      /* a shell's child, gone */
	thread(52, 302, 302, 51, SG_TF_EXEC); /* gone */
	thread(53, 303, 303, 999, 0);	      /* of nobody we know */
	thread(54, 2, 2, 0, SG_TF_KTHREAD);
	thread(55, 100, 100, 0, SG_TF_BEFORE);
	thread(56, 304, 304, 55, 0); /* what a Gofer forks is no stub: its helper */
	thread(58, 305, 305, 56, 0);
	thread(57, 0, 0, 0, SG_TF_IDLE);
	end();
	for (unsigned pid = 300; pid < 304; pid++)
		EXPECT_ROLE(pid, "", 0);
	EXPECT_ROLE(304, "gofer", 101);
	EXPECT_ROLE(305, "", 0);
	cr_expect_eq(got.n, 4);
}

Test(watch, an_id_used_again)
{
	sandbox();
	make(300, 1, "sh", "other");
	begin("");
	thread(9, 110, 110, 0, SG_TF_BEFORE);
	thread(40, 5000, 5000, 9, 0);
	thread(50, 300, 300, 0, SG_TF_BEFORE);
	thread(60, 5000, 5000, 50, 0); /* the shell's child has the dead stub's id */
	thread(61, 5001, 5001, 60, 0); /* and a child */
	end();
	EXPECT_ROLE(5000, "stub", 101);
	EXPECT_ROLE(5001, "", 0);
}

/* docker run, in mid-recording: runtime forks, executes, is what it is. */
Test(watch, a_sandbox_is_born)
{
	begin("");
	make(100, 90, "runc|create", "other");
	thread(1, 100, 100, 0, 0);
	make(400, 90, GOFER(ID2), "runsc");
	thread(70, 400, 400, 1, SG_TF_EXEC);
	cr_assert(role_comes(400, "gofer"));
	EXPECT_ROLE(400, "gofer", 0);
	thread(80, 401, 401, 1, 0); /* not yet executed: its child is read first */
	thread(83, 5001, 5001, 81, 0);
	make(401, 90, SENTRY(ID2), "runsc");
	thread(80, 401, 401, 1, SG_TF_EXEC);
	thread(81, 402, 401, 80, 0);
	thread(82, 5000, 5000, 81, 0);
	end();
	EXPECT_ROLE(401, "sentry", 401);
	EXPECT_ROLE(400, "gofer", 401);
	EXPECT_ROLE(5000, "stub", 401);
	EXPECT_ROLE(5001, "stub", 401);
	EXPECT_ROLE(100, "", 0);
}

/* The Sentry's own helper is no stub, whether it is seen before its exec or after. */
Test(watch, helper_of_a_sentry)
{
	sandbox();
	make(120, 101, SENTRY(ID), "runsc");
	make(121, 101, "exe|umount|--sync-fd=3", "runsc");
	begin("");
	thread(7, 101, 101, 0, SG_TF_BEFORE);
	thread(20, 120, 120, 7, 0);
	cr_assert(role_comes(120, "stub"));
	cmdline(120, "exe|umount|--sync-fd=3");
	thread(20, 120, 120, 7, SG_TF_EXEC);
	thread(21, 121, 121, 7, 0);
	thread(22, 5000, 5000, 21, 0);
	make(122, 101, "exe|umount", "runsc");
	thread(23, 122, 122, 7, SG_TF_EXEC); /* its fork was lost */
	end();
	EXPECT_ROLE(122, "sentry", 101);
	EXPECT_ROLE(120, "sentry", 101);
	EXPECT_ROLE(121, "sentry", 101);
	EXPECT_ROLE(5000, "", 0);
}

Test(watch, a_role_is_as_old_as_its_process)
{
	struct sg_thread t = {
		.h = { .uid = 99, .kind = SG_REC_THREAD }, .tid = 5000, .tgid = 5000, .creator = 9
	};
	uint64_t t0 = now_ns();

	sandbox();
	begin("");
	thread(9, 110, 110, 0, SG_TF_BEFORE);
	t.h.ts = now_ns();
	usleep(20000);
	watch.event(watch.ctx, &t.h);
	t.h.ts = 1; /* long ago: not behind what the recorder has promised to be past */
	t.h.uid = 100;
	t.tid = t.tgid = 5001;
	watch.event(watch.ctx, &t.h);
	t.h.ts = now_ns() + 1000000000000ull;
	t.h.uid = 101;
	t.tid = t.tgid = 5002;
	watch.event(watch.ctx, &t.h);
	end();
	for (size_t i = 0; i < got.n; i++) {
		const struct sg_role *r = &got.ev[i].role;

		cr_expect_leq(r->h.ts, got.at_ns[i]);
		cr_expect_geq(r->h.ts + 400000000, got.at_ns[i]);
		if (r->tgid == 5000)
			cr_expect_lt(r->h.ts + 15000000, got.at_ns[i], "its birth, not its discovery");
	}
	cr_expect_geq(now_ns(), t0);
	cr_expect_eq(got.n, 6);
}

/* ---- the queue ------------------------------------------------------------------------------------- */
Test(watch, a_full_queue_counts)
{
	struct sg_watch_opts o = { .engine = "", .proc = host.proc, .cgroup = host.cgroup };
	struct sg_watch_stats st;
	struct sg_hdr other = { .kind = SG_REC_MARK };

	cr_assert_eq(sg_watch_new(&watch, &o, NULL), 0);
	for (unsigned i = 0; i < 16384 + 10; i++)
		thread(i + 1, i + 1, i + 1, 0, 0);
	watch.event(watch.ctx, &other);
	sg_watch_stats(&watch, &st);
	cr_expect_eq(st.dropped, 10, "%lu", (unsigned long)st.dropped);
	end(); /* never started */
	sg_watch_free(&watch);
}

static void *pour(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 200000; i++) {
		thread(100000 + i, 100000 + i, 100000 + i, 9, 0);
		if (i % 4000 == 0)
			usleep(2000);
	}
	return NULL;
}

/* More stubs than are kept: the rest is counted, nothing breaks, the recorder never waits. */
Test(watch, a_flood_of_stubs)
{
	struct sg_watch_opts o = { .engine = "", .proc = host.proc, .cgroup = host.cgroup };
	struct sg_watch_stats st;

	sandbox();
	cr_assert_eq(sg_watch_new(&watch, &o, NULL), 0);
	got.n = 0;
	cr_assert_eq(watch.start(watch.ctx, on_put, &got, NULL), 0);
	thread(9, 110, 110, 0, SG_TF_BEFORE);
	for (unsigned i = 0; i < 3000; i++)
		thread(1000 + i, 10000 + i, 10000 + i, 9, 0);
	watch.finish(watch.ctx);
	sg_watch_stats(&watch, &st);
	cr_expect_eq(st.dropped, 0);
	cr_expect_eq(st.roles, 3003, "%lu", (unsigned long)st.roles);
	sg_watch_free(&watch);
}

static int count_put(void *ctx, const struct sg_hdr *h)
{
	(void)h;
	(*(uint64_t *)ctx)++;
	return 0;
}

Test(watch, dead_processes_make_room)
{
	struct sg_watch_opts o = { .engine = "", .proc = host.proc, .cgroup = host.cgroup };
	struct sg_watch_stats st;
	uint64_t put_cnt = 0;
	pthread_t p;

	sandbox();
	cr_assert_eq(sg_watch_new(&watch, &o, NULL), 0);
	cr_assert_eq(watch.start(watch.ctx, count_put, &put_cnt, NULL), 0);
	thread(9, 110, 110, 0, SG_TF_BEFORE);
	pthread_create(&p, NULL, pour, NULL);
	pthread_join(p, NULL);
	watch.finish(watch.ctx);
	sg_watch_stats(&watch, &st);
	cr_expect_eq(st.roles + st.dropped, 200003, "%lu + %lu", (unsigned long)st.roles,
		     (unsigned long)st.dropped);
	cr_expect_eq(st.crowded, 0, "all are gone: there is room");
	cr_expect_eq(st.roles, put_cnt);
	sg_watch_free(&watch);
}

/* ---- containers -------------------------------------------------------------------------------------- */
Test(watch, containers_by_the_name_of_their_cgroup)
{
	struct sg_watch_stats st;

	begin("");
	cgname(77, ID);
	cgname(78, "docker-" ID2 ".scope");
	cgname(79, "system.slice");
	cgname(80, "");
	cgname(81, "0c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f295\xff");
	cgname(82, ID ID); /* longer than a name may be: cut */
	cgname(77, ID);	   /* told again */
	watch.finish(watch.ctx);
	sg_watch_stats(&watch, &st);
	sg_watch_free(&watch);
	cr_expect_str_eq(container_of(77, 0), ID);
	cr_expect_str_eq(container_of(77, 1), "");
	cr_expect_str_eq(container_of(78, 0), ID2);
	for (uint64_t id = 79; id < 83; id++)
		cr_expect_str_eq(container_of(id, 0), "", "%lu", (unsigned long)id);
	cr_expect_eq(got.n, 2, "%zu", got.n);
	cr_expect_eq(st.nameless, 2);
}

/* A cgroup of its own below a container's. */
Test(watch, nested_cgroups)
{
	char path[512];
	struct stat st;
	struct sg_thread t = { .h = { .kind = SG_REC_THREAD, .uid = 5 }, .tid = 500, .tgid = 500 };

	snprintf(path, sizeof(path), "%s/docker", host.cgroup);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/docker/" ID, host.cgroup);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/docker/" ID "/init.scope", host.cgroup);
	cr_assert_eq(mkdir(path, 0700) || stat(path, &st), 0);
	make(500, 1, "systemd", "other");
	put(500, "cgroup", "0::/docker/" ID "/init.scope\n", strlen("0::/docker/" ID "/init.scope\n"));
	make(501, 1, "runc|init", "other");
	put(501, "cgroup", "0::/docker/" ID "\n", strlen("0::/docker/" ID "\n"));
	begin("");
	cgname(st.st_ino, "init.scope");
	cgname(424242, "docker.service");
	t.h.ts = now_ns();
	t.cgroup = st.st_ino;
	watch.event(watch.ctx, &t.h);
	t.tid = t.tgid = 501; /* was in the daemon's cgroup when it was recorded, has moved on since */
	t.h.uid = 6;
	t.cgroup = 424242;
	watch.event(watch.ctx, &t.h);
	end();
	cr_expect_str_eq(container_of(st.st_ino, 0), ID);
	cr_expect_str_eq(container_of(424242, 0), "", "the daemon's cgroup is not the container's");
}

Test(watch, a_sandbox_tells_its_platform)
{
	begin("");
	cgname(77, ID);
	sandbox();
	thread(80, 101, 101, 0, SG_TF_EXEC);
	cr_assert(role_comes(101, "sentry"));
	for (int i = 0; i < 300 && !*container_of(77, 4); i++)
		usleep(10000);
	end();
	cr_expect_str_eq(container_of(77, 0), ID);
	cr_expect_str_eq(container_of(77, 4), "ptrace");
	unmake(101);
}

Test(watch, a_daemon_that_was_named_must_answer)
{
	struct sg_watch_opts o = { .engine = "/tmp/no-such-socket",
				   .proc = host.proc,
				   .cgroup = host.cgroup };
	struct sg_err err = { 0 };

	cr_assert_eq(sg_watch_new(&watch, &o, &err), 0);
	cr_expect_lt(watch.start(watch.ctx, on_put, &got, &err), 0);
	cr_expect(strstr(err.msg, "/tmp/no-such-socket"), "%s", err.msg);
	sg_watch_free(&watch);
}

/* ---- a daemon that is stuck: it takes requests and answers the first @answers of them ------------------ */
struct stuck {
	char path[96];
	int fd, held[64];
	unsigned answers, nheld;
	pthread_t thread;
};

static void *stuck_main(void *arg)
{
	static const char version[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
				      "{\"ApiVersion\":\"1.43\",\"MinAPIVersion\":\"1.12\"}";
	struct stuck *s = arg;
	char buf[4096];
	int c;

	while (s->nheld < 64 && (c = accept(s->fd, NULL, NULL)) >= 0) {
		s->held[s->nheld++] = c;
		/* who only looks whether anybody is there says nothing */
		if (s->answers && read(c, buf, sizeof(buf)) > 0) {
			s->answers--;
			cr_expect_eq(send(c, version, sizeof(version) - 1, MSG_NOSIGNAL),
				     (ssize_t)sizeof(version) - 1);
			shutdown(c, SHUT_RDWR);
		}
	}
	return NULL;
}

static void stuck_start(struct stuck *s, unsigned answers)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*s = (struct stuck){ .answers = answers };
	snprintf(s->path, sizeof(s->path), "%s/stuck", host.top);
	strcpy(a.sun_path, s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->fd, (struct sockaddr *)&a, sizeof(a)) || listen(s->fd, 64), 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, stuck_main, s), 0);
}

static void stuck_stop(struct stuck *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->nheld; i++)
		close(s->held[i]);
	close(s->fd);
	unlink(s->path);
}

/* Begin and end of a recording with containers to be asked for wait about a second for it, together. */
static void with_stuck(const char *engine)
{
	struct sg_watch_stats st;
	uint64_t begin_ns = now_ns(), up_ns, slow = getenv("SG_TEST_SLOW") ? 3 : 1;

	begin(engine);
	up_ns = now_ns();
	cr_expect_lt(up_ns - begin_ns, 500000000 * slow, "%lu ns to begin",
		     (unsigned long)(up_ns - begin_ns));
	cgname(4711, ID);
	cgname(4712, ID2);
	usleep(50000);
	begin_ns = now_ns();
	watch.finish(watch.ctx);
	up_ns = now_ns();
	cr_expect_lt(up_ns - begin_ns, 1300000000 * slow, "%lu ns to end", (unsigned long)(up_ns - begin_ns));
	sg_watch_stats(&watch, &st);
	cr_expect(strstr(st.note, "too slow"), "'%s'", st.note);
	cr_expect_str_eq(container_of(4711, 0), ID);
	cr_expect_str_eq(container_of(4712, 0), ID2);
	sg_watch_free(&watch);
}

Test(watch, a_stuck_daemon_holds_up_nobody, .timeout = 60)
{
	struct stuck s;
	char url[128];

	stuck_start(&s, 1); /* tells its version and nothing else */
	with_stuck(s.path);
	stuck_stop(&s);
	stuck_start(&s, 0); /* the machine's own, and it does not even tell that */
	snprintf(url, sizeof(url), "unix://%s", s.path);
	setenv("DOCKER_HOST", url, 1);
	with_stuck(NULL);
	stuck_stop(&s);
}

/* ---- a real daemon -------------------------------------------------------------------------------------- */
static bool container_has(uint64_t cgroup, int field, const char *text)
{
	for (int i = 0; i < 2000; i++) {
		if (!strcmp(container_of(cgroup, field), text))
			return true;
		usleep(10000);
	}
	return false;
}

/* An image with one static program. */
static bool image(struct sg_engine *e, const char *ref)
{
	char cmd[512], tar[128];
	struct sg_err err = { 0 };

	snprintf(tar, sizeof(tar), "%s/image.tar", host.top);
	snprintf(cmd, sizeof(cmd), "tar -C / -cf %s bin/busybox 2>/dev/null", tar);
	return !access("/bin/busybox", X_OK) && !system(cmd) && !sg_engine_import(e, tar, ref, &err);
}

Test(watch, live, .timeout = 240)
{
	static const char *const quick[] = { "/bin/busybox", "true", NULL };
	static const char *const slow[] = { "/bin/busybox", "sleep", "60", NULL };
	struct sg_engine_run run = { .name = "sg-watch-quick", .image = "sg-watch-test:1", .argv = quick };
	struct sg_engine *e;
	struct sg_err err = { 0 };
	struct sg_watch_stats st;
	char id[65], id2[65];
	uint32_t pid;

	snprintf(host.proc, sizeof(host.proc), "/proc");
	snprintf(host.cgroup, sizeof(host.cgroup), "/sys/fs/cgroup");
	if (geteuid() || sg_engine_open(&e, NULL, &err)) {
		host_gone(); /* a skipped test has none */
		cr_skip_test("no container daemon: %s", err.msg);
	}
	if (!image(e, run.image)) {
		sg_engine_close(e);
		host_gone();
		cr_skip_test("no static busybox to make an image of");
	}
	begin(NULL);
	/* gone before anybody can ask for it; its cgroup's name comes later still */
	cr_expect_eq(sg_engine_start(e, &run, id, &pid, &err), 0, "%s", err.msg);
	cr_expect_eq(sg_engine_remove(e, id, &err), 0, "%s", err.msg);
	cgname(4711, id);
	cr_expect(container_has(4711, 1, "sg-watch-quick"), "'%s'", container_of(4711, 1));
	cr_expect_str_eq(container_of(4711, 2), run.image);
	/* one that stays */
	run.name = "sg-watch-slow";
	run.argv = slow;
	cr_expect_eq(sg_engine_start(e, &run, id2, &pid, &err), 0, "%s", err.msg);
	cgname(4712, id2);
	cr_expect(container_has(4712, 1, "sg-watch-slow"), "'%s'", container_of(4712, 1));
	cr_expect(container_has(4712, 4, "runc"), "'%s'", container_of(4712, 4));
	cr_expect(*container_of(4712, 3), "its runtime");
	watch.finish(watch.ctx);
	sg_watch_stats(&watch, &st);
	cr_expect_str_eq(st.note, "");
	sg_watch_free(&watch);
	sg_engine_remove(e, id2, &err);
	sg_engine_check(e, "DELETE", "/images/sg-watch-test:1?force=1", NULL, NULL, &err);
	sg_engine_close(e);
}
