// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The Engine API's client without a daemon: addresses, statuses, and servers that mean harm. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/dockerd_priv.h"
#include "env/engine_priv.h"
#include "env/image.h"
#include "env/tar.h"
#include "env/tool.h"

Test(engine, docker_host)
{
	char path[PATH_MAX], tall[300] = "unix:///";
	struct sg_err err = { 0 };

	cr_expect_eq(sg_engine_socket_of(NULL, path, sizeof(path), &err), 0);
	cr_expect_str_eq(path, SG_ENGINE_SOCKET);
	cr_expect_eq(sg_engine_socket_of("", path, sizeof(path), &err), 0);
	cr_expect_str_eq(path, SG_ENGINE_SOCKET);
	cr_expect_eq(sg_engine_socket_of("unix://", path, sizeof(path), &err), 0);
	cr_expect_str_eq(path, SG_ENGINE_SOCKET);
	cr_expect_eq(sg_engine_socket_of("unix:///run/x y.sock", path, sizeof(path), &err), 0);
	cr_expect_str_eq(path, "/run/x y.sock");
	cr_expect_eq(sg_engine_socket_of("tcp://10.0.0.1:2375", path, sizeof(path), &err), -EPROTONOSUPPORT);
	cr_expect(strstr(err.msg, "unix://"));
	cr_expect_eq(sg_engine_socket_of("unix://run/x", path, sizeof(path), &err), -EPROTONOSUPPORT);
	cr_expect_eq(sg_engine_socket_of("/run/x", path, sizeof(path), &err), -EPROTONOSUPPORT);
	memset(tall + 8, 'a', 107);
	cr_expect_eq(sg_engine_socket_of(tall, path, sizeof(path), &err), -ENAMETOOLONG);
	tall[8 + 106] = 0; /* 107 bytes with the slash: a socket's most */
	cr_expect_eq(sg_engine_socket_of(tall, path, sizeof(path), &err), 0);
	cr_expect_eq(sg_engine_socket_of("unix:///run/abc", path, 8, &err), -ENAMETOOLONG);
}

Test(engine, statuses)
{
	cr_expect_eq(sg_engine_errno(200), 0);
	cr_expect_eq(sg_engine_errno(204), 0);
	cr_expect_eq(sg_engine_errno(304), 0);
	cr_expect_eq(sg_engine_errno(400), -EPROTO);
	cr_expect_eq(sg_engine_errno(404), -ENOENT);
	cr_expect_eq(sg_engine_errno(409), -EEXIST);
	cr_expect_eq(sg_engine_errno(500), -EPROTO);
	cr_expect_eq(sg_engine_errno(0), -EPROTO);
	cr_expect_eq(sg_engine_errno(-1), -EPROTO);
}

static int parse(const char *text)
{
	struct json_object *o;
	int rc = sg_engine_parse(text, strlen(text), &o);

	cr_expect(!rc || !o);
	json_object_put(o);
	return rc;
}

Test(engine, hostile_json)
{
	char deep[2 * SG_ENGINE_DEPTH + 3] = "";

	cr_expect_eq(parse("{\"a\":[1,2,{}]}"), 0);
	cr_expect_eq(parse(" [] \n"), 0);
	cr_expect_eq(parse("12"), 0);
	cr_expect_eq(parse(""), -EPROTO);
	cr_expect_eq(parse("{"), -EPROTO);
	cr_expect_eq(parse("{\"a\":1"), -EPROTO);
	cr_expect_eq(parse("{} {}"), -EPROTO);
	cr_expect_eq(parse("{}x"), -EPROTO);
	cr_expect_eq(parse("<html>"), -EPROTO);
	cr_expect_eq(parse("{\"a\":}"), -EPROTO);
	memset(deep, '[', 2 * SG_ENGINE_DEPTH);
	cr_expect_eq(parse(deep), -EPROTO);
	for (size_t i = 0; i <= SG_ENGINE_DEPTH; i++)
		deep[i] = i < SG_ENGINE_DEPTH / 2 ? '[' : ']';
	deep[SG_ENGINE_DEPTH] = 0;
	cr_expect_eq(parse(deep), 0);
}

/* Few bytes that mean much memory are refused before they are objects. */
Test(engine, json_bombs)
{
	size_t n = 4u << 20;
	char *p = calloc(1, n);
	struct json_object *o;

	for (size_t i = 0; i + 2 < n; i += 3)
		memcpy(p + i, "{},", 3);
	p[0] = '[';
	cr_expect_eq(sg_engine_parse(p, n, &o), -EMSGSIZE);
	cr_expect_null(o);
	memset(p, ',', n);
	cr_expect_eq(sg_engine_parse(p, n, &o), -EMSGSIZE);
	/* a long text is cheap */
	memset(p, 'a', n);
	p[0] = p[n - 1] = '"';
	cr_expect_eq(sg_engine_parse(p, n, &o), 0);
	cr_expect_eq((size_t)json_object_get_string_len(o), n - 2);
	json_object_put(o);
	free(p);
}

Test(engine, plain_text)
{
	char buf[16];

	cr_expect_str_eq(sg_engine_plain("a\x1b[31mb\n\tc  d", buf, sizeof(buf)), "a [31mb c d");
	cr_expect_str_eq(sg_engine_plain("\xc3\xa9\x9b", buf, sizeof(buf)), "???");
	cr_expect_str_eq(sg_engine_plain("\n\n", buf, sizeof(buf)), "");
	cr_expect_str_eq(sg_engine_plain("0123456789abcdefgh", buf, sizeof(buf)), "0123456789abcde");
}

Test(engine, sentences)
{
	struct sg_engine_body b = { .p = (char *)"{\"message\":\"no such \\u001bthing\"}" };
	struct sg_err err;

	b.len = strlen(b.p);
	cr_expect_eq(sg_engine_fail(404, "/x", &b, &err), -ENOENT);
	cr_expect(strstr(err.msg, "404: no such thing"), "%s", err.msg);
	b = (struct sg_engine_body){ .p = (char *)"<h1>proxy</h1>", .len = 14 };
	cr_expect_eq(sg_engine_fail(502, "/x", &b, &err), -EPROTO);
	cr_expect(strstr(err.msg, "<h1>proxy</h1>"));
	b = (struct sg_engine_body){ 0 };
	cr_expect_eq(sg_engine_fail(409, "/x", &b, &err), -EEXIST);
	cr_expect(strstr(err.msg, "no reason"));
	cr_expect_eq(sg_engine_fail(204, "/x", &b, &err), 0);
}

Test(engine, frames)
{
	const char two[] = "\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\2de", huge[] = "\1\0\0\0\xff\xff\xff\xffxy";
	char buf[16];

	cr_expect_eq(sg_engine_demux(two, sizeof(two) - 1, buf, sizeof(buf)), 5);
	cr_expect_str_eq(buf, "abcde");
	cr_expect_eq(sg_engine_demux(two, sizeof(two) - 1, buf, 4), 3);
	cr_expect_str_eq(buf, "cde");
	cr_expect_eq(sg_engine_demux(two, sizeof(two) - 1, buf, 2), 1);
	cr_expect_str_eq(buf, "e");
	cr_expect_eq(sg_engine_demux(huge, sizeof(huge) - 1, buf, sizeof(buf)), 2);
	cr_expect_str_eq(buf, "xy");
	cr_expect_eq(sg_engine_demux(two, 7, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "");
	cr_expect_eq(sg_engine_demux(two, 0, buf, 1), 0);
}

/* ---- a server that says what it is told to, whatever it is asked --------------------- */

struct server {
	char dir[64], path[96];
	int fd;
	const char *version; /* answer to the first request; NULL: a good one */
	const char *answer;  /* to all others; NULL: none, the connection stays open */
	size_t fill;	     /* bytes of '{' to send behind it */
	pthread_t thread;
	int held[8];
	size_t nheld;
};

static const char good_version[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
				   "{\"ApiVersion\":\"1.43\",\"MinAPIVersion\":\"1.12\"}";

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void *serve(void *ctx)
{
	struct server *s = ctx;
	bool first = true;
	char buf[65536];
	int c;

	while ((c = accept(s->fd, NULL, NULL)) >= 0) {
		/* sg_engine_open() looks first whether anybody is there, and says nothing */
		if (read(c, buf, sizeof(buf)) <= 0) {
			close(c);
			continue;
		}
		if (first && !s->version) {
			say(c, good_version, sizeof(good_version) - 1);
		} else {
			const char *a = first ? s->version : s->answer;

			if (!a && s->nheld < 8) {
				s->held[s->nheld++] = c;
				continue;
			}
			if (a)
				say(c, a, strlen(a));
			memset(buf, '{', sizeof(buf));
			for (size_t n = first ? 0 : s->fill; n > sizeof(buf); n -= sizeof(buf))
				say(c, buf, sizeof(buf));
		}
		first = false;
		close(c);
	}
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(s->dir, "/tmp/sg-engine.XXXXXX");
	cr_assert(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	strcpy(a.sun_path, s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(s->fd, 8), 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	for (size_t i = 0; i < s->nheld; i++)
		close(s->held[i]);
	unlink(s->path);
	rmdir(s->dir);
}

static int open_with(const char *version, struct sg_err *err)
{
	struct server s = { .version = version };
	struct sg_engine *e;
	int rc;

	server_start(&s);
	rc = sg_engine_open(&e, s.path, err);
	cr_expect(rc ? !e : !!e);
	if (!rc)
		sg_engine_close(e);
	server_stop(&s);
	return rc;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

Test(engine, open_others, .timeout = 60)
{
	struct sg_err err = { 0 };

	cr_expect_eq(open_with(NULL, &err), 0, "%s", err.msg);
	cr_expect_eq(open_with(OK_HEAD "{}", &err), -EPROTO);
	cr_expect_eq(open_with(OK_HEAD "[]", &err), -EPROTO);
	cr_expect_eq(open_with(OK_HEAD, &err), -EPROTO);
	cr_expect_eq(open_with(OK_HEAD "{\"ApiVersion\":[1]}", &err), -EPROTO);
	cr_expect_eq(open_with(OK_HEAD "{\"ApiVersion\":\"x/../../y\"}", &err), -EPROTO);
	cr_expect_eq(open_with("220 mail ready\r\n", &err), -EPROTO, "%s", err.msg);
	cr_expect_eq(open_with("HTTP/1.1 404 no\r\nConnection: close\r\n\r\n", &err), -ENOENT);
	cr_expect_eq(open_with("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", &err), -ECONNRESET, "%s",
		     err.msg);
	cr_expect_eq(
		open_with("HTTP/1.1 301 x\r\nLocation: http://127.0.0.1/\r\nConnection: close\r\n\r\n", &err),
		-EPROTO);
	cr_expect(strlen(err.msg) > 10);
}

Test(engine, nobody_there)
{
	struct sg_err err = { 0 };
	struct server s = { 0 };
	struct sg_engine *e;

	server_start(&s);
	shutdown(s.fd, SHUT_RDWR);
	pthread_join(s.thread, NULL);
	close(s.fd);
	cr_expect_eq(sg_engine_open(&e, s.path, &err), -ECONNREFUSED, "%s", err.msg);
	unlink(s.path);
	cr_expect_eq(sg_engine_open(&e, s.path, &err), -ENOENT);
	rmdir(s.dir);
	cr_expect_eq(sg_engine_open(&e, s.path, &err), -ENOENT);
	cr_expect_eq(sg_engine_open(&e, "relative", &err), -EPROTONOSUPPORT);
}

static int call_with(const char *answer, size_t fill, struct sg_err *err)
{
	struct server s = { .answer = answer, .fill = fill };
	struct json_object *o = NULL;
	struct sg_engine *e;
	int rc;

	server_start(&s);
	cr_assert_eq(sg_engine_open(&e, s.path, err), 0, "%s", err->msg);
	sg_engine_set_stall(e, 2);
	rc = sg_engine_call(e, "GET", "/containers/json", NULL, &o, err);
	cr_expect(rc > 0 || !o);
	json_object_put(o);
	sg_engine_close(e);
	server_stop(&s);
	return rc;
}

Test(engine, hostile_answers, .timeout = 60)
{
	struct sg_err err = { 0 };

	cr_expect_eq(call_with(OK_HEAD "[1]", 0, &err), 200);
	cr_expect_eq(call_with(OK_HEAD "[1", 0, &err), -EPROTO);
	cr_expect_eq(call_with("HTTP/1.1 500 x\r\nConnection: close\r\n\r\nnot json", 0, &err), 500);
	/* curl has no other word for it than "failure in receiving" */
	cr_expect_eq(call_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, &err),
		     -ECONNRESET, "%s", err.msg);
	cr_expect_eq(call_with("HTTP/1.1 999 OK\r\nConnection: close\r\n\r\n{}", 0, &err), -EPROTO);
	cr_expect_eq(call_with(OK_HEAD, 80u << 20, &err), -EMSGSIZE, "%s", err.msg);
	cr_expect_eq(call_with(NULL, 0, &err), -ETIMEDOUT, "%s", err.msg);
}

static bool count(void *ctx, struct json_object *ev)
{
	cr_expect(ev);
	return ++*(int *)ctx < 3;
}

static int events_with(const char *answer, size_t fill, int *n, struct sg_err *err)
{
	struct server s = { .answer = answer, .fill = fill };
	struct sg_engine *e;
	int rc;

	*n = 0;
	server_start(&s);
	cr_assert_eq(sg_engine_open(&e, s.path, err), 0);
	rc = sg_engine_events(e, count, n, err);
	sg_engine_close(e);
	server_stop(&s);
	return rc;
}

Test(engine, hostile_events, .timeout = 60)
{
	struct sg_err err = { 0 };
	int n;

	cr_expect_eq(events_with(OK_HEAD "{}\n\r\n[]\n", 0, &n, &err), -ECONNRESET);
	cr_expect_eq(n, 2);
	cr_expect_eq(events_with(OK_HEAD "{}\n{}\n{}\n{}\n", 0, &n, &err), 0);
	cr_expect_eq(n, 3);
	cr_expect_eq(events_with(OK_HEAD "{}\nnonsense\n{}\n", 0, &n, &err), -EPROTO);
	cr_expect_eq(n, 1);
	cr_expect_eq(events_with(OK_HEAD, 8u << 20, &n, &err), -EMSGSIZE);
	cr_expect_eq(events_with("HTTP/1.1 500 x\r\nConnection: close\r\n\r\n{\"message\":\"bad since\"}", 0,
				 &n, &err),
		     -EPROTO);
	cr_expect(strstr(err.msg, "bad since"), "%s", err.msg);
	cr_expect_eq(n, 0);
}

static void *quit_soon(void *quit)
{
	usleep(300000);
	atomic_store((atomic_bool *)quit, true);
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* No answer: given up when the caller says so, not when its patience ends. */
static void give_up(void)
{
	struct server s = { 0 };
	struct json_object *o = NULL;
	atomic_bool quit = false;
	struct sg_err err = { 0 };
	struct sg_engine *e;
	uint64_t begin_ms;
	pthread_t t;

	server_start(&s);
	cr_assert_eq(sg_engine_open_until(&e, s.path, 30, &quit, &err), 0, "%s", err.msg);
	begin_ms = now_ms();
	pthread_create(&t, NULL, quit_soon, &quit);
	cr_expect_eq(sg_engine_call(e, "GET", "/containers/json", NULL, &o, &err), -ECANCELED, "%s", err.msg);
	cr_expect(strstr(err.msg, "too slow") && strstr(err.msg, "/containers/json"), "%s", err.msg);
	cr_expect_geq(now_ms() - begin_ms, 250);
	pthread_join(t, NULL);
	/* and for good */
	cr_expect_eq(sg_engine_call(e, "GET", "/x", NULL, &o, &err), -ECANCELED, "%s", err.msg);
	cr_expect_lt(now_ms() - begin_ms, 2000);
	sg_engine_close(e);
	server_stop(&s);
}

Test(engine, given_up, .timeout = 60)
{
	atomic_bool quit = true;
	struct server s = { 0 };
	struct sg_err err = { 0 };
	struct sg_engine *e;

	give_up();
	server_start(&s);
	cr_expect_eq(sg_engine_open_until(&e, s.path, 30, &quit, &err), -ECANCELED, "%s", err.msg);
	cr_expect(!e);
	server_stop(&s);
}

static void *stop_soon(void *e)
{
	usleep(200000);
	sg_engine_events_stop(e);
	return NULL;
}

Test(engine, events_stop, .timeout = 20)
{
	struct server s = { 0 };
	struct sg_err err = { 0 };
	struct sg_engine *e;
	pthread_t t;
	int n = 0;

	server_start(&s);
	cr_assert_eq(sg_engine_open(&e, s.path, &err), 0);
	pthread_create(&t, NULL, stop_soon, e);
	cr_expect_eq(sg_engine_events(e, count, &n, &err), 0, "%s", err.msg);
	pthread_join(t, NULL);
	/* for good: also for who comes too late */
	cr_expect_eq(sg_engine_events(e, count, &n, &err), 0);
	cr_expect_eq(n, 0);
	sg_engine_close(e);
	server_stop(&s);
}

/* ---- whose process is it -------------------------------------------------------------- */

#define IS_OURS(args, len) sg_owndaemon_is_kin(&sg_dockerd_kin, args, len, "/x/dockerd")
#define OURS(args)	   IS_OURS(args, sizeof(args))

Test(dockerd, ours)
{
	cr_expect(OURS("/usr/sbin/dockerd\0--data-root=/x/dockerd/data"));
	cr_expect(OURS("containerd\0--config\0/x/dockerd/containerd.toml"));
	cr_expect(OURS("/usr/bin/containerd-shim-runc-v2\0-id\0a\0-address\0/x/dockerd/exec/c.sock"));
	cr_expect(OURS("runsc-sandbox\0--root=/x/dockerd/exec/runtime-runc/moby\0boot"));
	cr_expect(OURS("dockerd\0--host=unix:///x/dockerd/docker.sock"));
	cr_expect(OURS("dockerd\0-H\0unix:///x/dockerd/docker.sock"));
	/* the neighbours' */
	cr_expect_not(OURS("dockerd\0--data-root=/x/dockerd2/data"));
	cr_expect_not(OURS("dockerd\0--data-root=/y/x/dockerd/data"));
	cr_expect_not(OURS("dockerd\0--data-root=/x/dockerd"));
	cr_expect_not(OURS("dockerd"));
	cr_expect_not(OURS("tail\0-f\0/x/dockerd/dockerd.log"));
	cr_expect_not(OURS("/x/dockerd/made-by"));
	cr_expect_not(IS_OURS("", 0));
	/* not ended by a NUL: nothing is read behind it */
	cr_expect_not(IS_OURS("dockerd\0/x/dockerd/y", 10));
}

/* Programs are waited for by pidfd, which valgrind 3.19 does not know. */
static void need_pidfd(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		cr_skip_test("valgrind knows no pidfd");
}

/* ---- archives --------------------------------------------------------------------------- */

static int tar_lists(const char *tar, const char *want)
{
	char *argv[] = { "tar", "tf", (char *)tar, NULL }, *out = NULL;
	int rc = sg_tool_run("tar", argv, 10000, &out, NULL);

	cr_expect_str_eq(out, want);
	free(out);
	return rc;
}

Test(image, archive)
{
	char path[] = "/tmp/sg-tar.XXXXXX", deep[600] = "", name[300];
	int fd = mkstemp(path);
	struct sg_tar t = { .out = fdopen(fd, "w") };

	cr_expect_eq(sg_tar_dir(&t, "/a/b", 0755), 0);
	cr_expect_eq(sg_tar_dir(&t, "/a", 0755), 1);
	cr_expect_eq(sg_tar_link(&t, "/a/l", "b"), 0);
	cr_expect_eq(sg_tar_text(&t, "/a/b/t", "hello"), 0);
	cr_expect_eq(sg_tar_text(&t, "/a/b/t", "other"), 1);
	cr_expect_eq(sg_tar_file(&t, "/z", "/nowhere/x"), -ENOENT);
	cr_expect_eq(sg_tar_file(&t, "/z", "/tmp"), -EISDIR);
	cr_expect_eq(sg_tar_file(&t, "/null", "/dev/null"), -EISDIR);
	/* a name of 100 bytes fits, of 101 only when there is a slash to cut at */
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[101] = 0;
	cr_expect_eq(sg_tar_text(&t, name, ""), 0);
	name[101] = 'n';
	name[102] = 0;
	cr_expect_eq(sg_tar_text(&t, name, ""), -ENAMETOOLONG);
	cr_expect_eq(sg_tar_text(&t, "relative", ""), -EINVAL);
	cr_expect_eq(sg_tar_text(&t, "/a/../../etc/x", ""), -EINVAL);
	cr_expect_eq(sg_tar_text(&t, "/a/..", ""), -EINVAL);
	cr_expect_eq(sg_tar_text(&t, "/", ""), -EINVAL);
	for (int i = 0; i < 50; i++)
		strcat(deep, "/directory");
	cr_expect_eq(sg_tar_text(&t, deep, ""), -ENAMETOOLONG);
	cr_expect_eq(sg_tar_end(&t), 0);
	fclose(t.out);
	unlink(path);
}

Test(image, archive_is_read_by_tar, .init = need_pidfd)
{
	char path[] = "/tmp/sg-tar.XXXXXX", name[230] = "/p", want[600];
	int fd = mkstemp(path);
	struct sg_tar t = { .out = fdopen(fd, "w") };

	memset(name + 2, 'q', 90);
	strcat(name, "/");
	memset(name + strlen(name), 'r', 95);
	cr_expect_eq(sg_tar_text(&t, "/a/t", "hello"), 0);
	cr_expect_eq(sg_tar_text(&t, name, "x"), 0);
	cr_expect_eq(sg_tar_end(&t), 0);
	fclose(t.out);
	snprintf(want, sizeof(want), "a/\na/t\n%.92s\n%s\n", name + 1, name + 1);
	cr_expect_eq(tar_lists(path, want), 0);
	unlink(path);
}

/* ---- other programs ---------------------------------------------------------------------- */

Test(tool, runs, .init = need_pidfd, .timeout = 30)
{
	struct sg_err err = { 0 };
	char path[PATH_MAX], *out = NULL;
	sigset_t stop;

	cr_expect_eq(sg_tool_run("sh", (char *[]){ "sh", "-c", "echo a; echo b", NULL }, 5000, &out, &err),
		     0);
	cr_expect_str_eq(out, "a\nb\n");
	free(out);
	cr_expect_eq(sg_tool_run("sh", (char *[]){ "sh", "-c", "echo no way >&2; exit 3", NULL }, 5000, NULL,
				 &err),
		     3);
	cr_expect(strstr(err.msg, "no way"), "%s", err.msg);
	cr_expect_eq(sg_tool_run("sh", (char *[]){ "sh", "-c", "kill -9 $$", NULL }, 5000, NULL, &err), 137);
	cr_expect_eq(
		sg_tool_run("sh", (char *[]){ "sh", "-c", "sleep 60 & sleep 60", NULL }, 300, NULL, &err),
		-ETIMEDOUT);
	/* it closes its output and lives on */
	cr_expect_eq(
		sg_tool_run("sh", (char *[]){ "sh", "-c", "exec >&- 2>&-; sleep 60", NULL }, 300, NULL, &err),
		-ETIMEDOUT);
	/* whoever blocks the signals that mean "stop" reads them from a descriptor: they are left there */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	raise(SIGTERM);
	cr_expect_eq(sg_tool_run("sh", (char *[]){ "sh", "-c", "sleep 60", NULL }, 30000, NULL, &err),
		     -EINTR);
	cr_expect_str_eq(err.msg, "interrupted");
	cr_expect_eq(sigtimedwait(&stop, NULL, &(struct timespec){ 0 }), SIGTERM);
	cr_expect_eq(sg_tool_run("true", (char *[]){ "true", NULL }, 30000, NULL, &err), 0);
	cr_expect_eq(sg_tool_run("x", (char *[]){ "/nowhere/x", NULL }, 300, NULL, &err), -ENOENT);
	cr_expect_eq(sg_tool_find("sh", "dash", path, &err), 0);
	cr_expect_eq(sg_tool_find("no-such-program", "some-package", path, &err), -ENOENT);
	cr_expect(strstr(err.msg, "some-package"));
}
