// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Containers of a machine without a daemon's help: machines made of files, with liars on them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/container_priv.h"
#include "env/container_usage.h"
#include "fakehost.h"

#define A	"0c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f2950" /* as in gvisor-20221219.state */
#define B	"2fb324791bd00b734d3814b5fa6c84e751e4d0e95e2c93b7dbc24e7c819f7652" /* runc-state.json */
#define C	"8991d53c92a1eaedf2f09785098c03a68265d8bfc01d39c90fbccab540a81c8a" /* config.v2.json */
#define P	"d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2" /* containers.json */
#define FIXTURE "tests/golden/containers/"
#define TASKS	"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/"

static struct sg_container_opts from;

static void machine(void)
{
	host_make("host");
	from = (struct sg_container_opts){ .engine = "", .proc = host.proc, .cgroup = host.cgroup };
}

/* A file with the text of a fixture, in which id @from_id reads @to. */
static void put_fixture(const char *path, const char *name, const char *from_id, const char *to)
{
	char src[256], *text, *s;

	snprintf(src, sizeof(src), FIXTURE "%s", name);
	text = sg_ct_read(src);
	cr_assert(text, "%s is missing", src);
	while (from_id && (s = strstr(text, from_id)))
		memcpy(s, to, strlen(from_id));
	host_put(path, text, strlen(text));
	free(text);
}

/* A process; @cmdline: words parted by blanks; @root, @cwd: folders below the machine's, NULL = none. */
static void process(unsigned pid, unsigned ppid, const char *cmdline, const char *cgroup, const char *root,
		    const char *cwd)
{
	char path[4096], target[4096];

	host_process(pid, ppid, "x", 1000 + pid, cgroup);
	host_cmdline(pid, cmdline, ' ');
	if (root)
		cr_assert_eq(symlink(host_at(target, "%s/.", root), host_at(path, "proc/%u/root", pid)), 0);
	if (cwd)
		cr_assert_eq(symlink(host_at(target, "%s/.", cwd), host_at(path, "proc/%u/cwd", pid)), 0);
}

static void shim(unsigned pid, const char *space, const char *id, const char *root, const char *bundle)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "/usr/bin/containerd-shim-runc-v2 -namespace %s -id %s -address /run/x.sock", space, id);
	process(pid, 1, line, "4:memory:/system.slice/docker.service\n0::/\n", root, bundle);
}

static struct sg_container_list list(void)
{
	struct sg_container_list l;
	struct sg_err err = { 0 };

	cr_assert_eq(sg_containers(&l, &from, false, &err), 0, "%s", err.msg);
	return l;
}

#define HYBRID(path) "4:memory:" path "\n1:cpu:" path "\n0::/\n"

/* Docker's container C: shim 200, first process 201 (gVisor: Gofer 201, Sentry 29185), a child, an exec. */
static void docker(bool daemon, bool gvisor)
{
	char path[4096];

	if (daemon)
		process(100, 1, "/usr/bin/dockerd --data-root /data --exec-root /run/docker", "0::/\n",
			"host", NULL);
	shim(200, "moby", C, "host", "host" TASKS C);
	process(201, 200, gvisor ? "gofer" : "sleep 1", HYBRID("/docker/" C), "host/empty", NULL);
	process(29185, 200, "sh", HYBRID("/docker/" C), "host/empty", NULL);
	process(202, 201, "sh", HYBRID("/docker/" C "/sub"), "host/empty", NULL);
	put_fixture(host_at(path, "host/data/containers/" C "/config.v2.json"), "config.v2.json", NULL, NULL);
	put_fixture(host_at(path, "host/data/containers/" C "/hostconfig.json"), "hostconfig.json", NULL,
		    NULL);
	host_put(host_at(path, "host" TASKS C "/runtime"), "/data/runtimes/runsc-x", 22);
	host_put(host_at(path, "host" TASKS C "/options.json"), "{\"root\":\"/run/docker/runtime-runc\"}",
		 35);
	cr_assert_eq(symlink("/data/containerd/daemon/io.containerd.runtime.v2.task/moby/" C,
			     host_at(path, "host" TASKS C "/work")),
		     0);
	if (gvisor)
		put_fixture(host_at(path, "host/run/docker/runtime-runc/moby/" C "_sandbox:" C ".state"),
			    "gvisor-20240729.state", NULL, NULL);
	host_at(path, "cgroup/memory/docker/" C "/x");
	host_at(path, "cgroup/unified/docker/x");
}

Test(container_host, docker_on_hybrid, .init = machine, .fini = host_gone)
{
	struct sg_container_list l;
	char path[4096];
	struct stat st;

	docker(true, false);
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_str_eq(l.c[0].id, C);
	cr_expect_str_eq(l.c[0].name, "n-runsc-systrap");
	cr_expect_str_eq(l.c[0].image, "sgnode:1");
	cr_expect_str_eq(l.c[0].runtime, "runsc-systrap");
	cr_expect_str_eq(l.c[0].platform, "", "a runsc whose Sentry is not there yet");
	cr_expect_str_eq(l.c[0].manager, "docker");
	cr_expect_str_eq(l.c[0].cgroup, "/docker/" C);
	cr_expect_eq(l.c[0].pid, 201, "the oldest whose parent is outside, not %u", l.c[0].pid);
	cr_expect(l.c[0].running);
	cr_assert_eq(stat(host_at(path, "cgroup/memory/docker/" C), &st), 0);
	cr_expect_eq(l.c[0].cgroup_id, st.st_ino);
	sg_containers_free(&l);
}

Test(container_host, gvisor_is_its_sentry, .init = machine, .fini = host_gone)
{
	struct sg_container_list l;

	docker(true, true);
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_eq(l.c[0].pid, 29185);
	cr_expect_str_eq(l.c[0].platform, "systrap");
	sg_containers_free(&l);
}

/* While "runsc create" works it stands between the shim and the Sentry. */
Test(container_host, gvisor_is_being_made, .init = machine, .fini = host_gone)
{
	struct sg_container_list l;

	docker(false, false);
	process(201, 200, "/usr/bin/runsc --root /r create --bundle /b " C, HYBRID("/docker/" C), NULL, NULL);
	process(210, 201, "runsc-sandbox --root=/r --platform=ptrace boot --bundle=/b " C,
		HYBRID("/docker/" C), NULL, NULL);
	process(29185, 210, "", HYBRID("/docker/" C), NULL, NULL);
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_eq(l.c[0].pid, 210, "not %u", l.c[0].pid);
	cr_expect_str_eq(l.c[0].name, "n-runsc-systrap");
	sg_containers_free(&l);
}

/* The state names a process that is another one's by now. */
Test(container_host, old_state, .init = machine, .fini = host_gone)
{
	struct sg_container_list l;

	docker(true, true);
	process(29185, 1, "cron", "0::/\n", NULL, NULL);
	l = list();
	cr_expect_eq(l.c[0].pid, 201);
	sg_containers_free(&l);
}

Test(container_host, daemon_is_dead, .init = machine, .fini = host_gone)
{
	struct sg_container_list l;

	docker(false, false);
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_str_eq(l.c[0].name, "n-runsc-systrap", "through the bundle's link to the data");
	cr_expect_str_eq(l.c[0].runtime, "runsc-systrap");
	sg_containers_free(&l);
}

Test(container_host, podman_on_version_2, .init = machine, .fini = host_gone)
{
	static const char conmon[] =
		"/usr/bin/conmon --api-version 1 -c " P " -u " P
		" -r /usr/bin/crun -b /storage/overlay-containers/" P "/userdata -p /run/p -n cache";
	static const char cg[] = "0::/machine.slice/libpod-" P ".scope/container\n";
	struct sg_container_list l;
	char path[4096];
	struct stat st;

	process(300, 1, conmon, "0::/machine.slice/libpod-conmon-" P ".scope\n", "host", NULL);
	process(301, 300, "redis-server", cg, NULL, NULL);
	put_fixture(host_at(path, "host/storage/overlay-containers/containers.json"), "containers.json", NULL,
		    NULL);
	host_put(host_at(path, "cgroup/cgroup.controllers"), "memory\n", 7);
	host_at(path, "cgroup/machine.slice/libpod-" P ".scope/x");
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_str_eq(l.c[0].name, "cache");
	cr_expect_str_eq(l.c[0].image, "docker.io/library/redis:7");
	cr_expect_str_eq(l.c[0].runtime, "crun");
	cr_expect_str_eq(l.c[0].platform, "runc");
	cr_expect_str_eq(l.c[0].manager, "podman");
	cr_expect_str_eq(l.c[0].cgroup, "/machine.slice/libpod-" P ".scope");
	cr_expect_eq(l.c[0].pid, 301);
	cr_assert_eq(stat(host_at(path, "cgroup/machine.slice/libpod-" P ".scope"), &st), 0);
	cr_expect_eq(l.c[0].cgroup_id, st.st_ino);
	sg_containers_free(&l);
}

/* One shim keeps all of a pod; its folder is the first one's. */
Test(container_host, pod, .init = machine, .fini = host_gone)
{
	static const char dir[] = "host/run/containerd/io.containerd.runtime.v2.task/k8s.io/";
	const struct sg_container_info *c;
	struct sg_container_list l;
	struct sg_container_info found;
	struct sg_err err = { 0 };
	char path[4096], cwd[256];

	snprintf(cwd, sizeof(cwd), "%s%s", dir, A);
	shim(400, "k8s.io", A, "host", cwd);
	process(401, 400, "/pause", "0::/kubepods/burstable/podx/" A "\n", NULL, NULL);
	process(402, 400, "nginx", "0::/kubepods/burstable/podx/" B "\n", NULL, NULL);
	put_fixture(host_at(path, "%s%s/config.json", dir, B), "bundle-containerd.json", NULL, NULL);
	l = list();
	cr_assert_eq(l.n, 2);
	c = sg_ct_by_id(&l, B);
	cr_assert(c);
	cr_expect_str_eq(c->name, "web-7c5ddbdf54-x2x9p/nginx");
	cr_expect_str_eq(c->image, "docker.io/library/nginx:1.25");
	cr_expect_str_eq(c->runtime, "runc");
	cr_expect_str_eq(c->manager, "kubernetes");
	cr_expect_eq(c->cgroup_id, 0, "there is no such folder here");
	sg_containers_free(&l);
	cr_expect_eq(sg_container_find("web-7c5ddbdf54-x2x9p/nginx", &from, &found, &err), 0, "%s", err.msg);
	cr_expect_eq(found.pid, 402);
	cr_expect_eq(sg_container_of_pid(401, &from, &found, &err), 0, "%s", err.msg);
	cr_expect_str_eq(found.id, A);
	cr_expect_eq(sg_container_of_pid(400, &from, &found, &err), -ENOENT);
	cr_expect_eq(sg_container_of_pid(7, &from, &found, &err), -ESRCH);
	cr_expect_eq(sg_container_find("nginx", &from, &found, &err), -ENOENT);
}

/* runsc --ignore-cgroups: nothing but the shim tells. */
Test(container_host, without_cgroup, .init = machine, .fini = host_gone)
{
	struct sg_container_info found;
	struct sg_container_list l;
	struct sg_err err = { 0 };

	docker(true, true);
	process(201, 200, "gofer", "0::/\n", NULL, NULL);
	process(202, 201, "sh", "0::/\n", NULL, NULL);
	process(29185, 200, "sentry", "0::/\n", NULL, NULL);
	l = list();
	cr_assert_eq(l.n, 1);
	cr_expect_str_eq(l.c[0].name, "n-runsc-systrap");
	cr_expect_eq(l.c[0].pid, 29185);
	cr_expect_eq(l.c[0].cgroup_id, 0);
	cr_expect_str_empty(l.c[0].cgroup);
	sg_containers_free(&l);
	cr_expect_eq(sg_container_of_pid(29185, &from, &found, &err), 0, "%s", err.msg);
	cr_expect_str_eq(found.id, C);
	/* Its shim lives on, it does not. */
	process(29185, 1, "cron", "0::/\n", NULL, NULL);
	l = list();
	cr_expect_eq(l.n, 0);
	sg_containers_free(&l);
}

/* A process in container A says it is a dockerd, another a shim, whose files call C "admin". */
Test(container_host, liars, .init = machine, .fini = host_gone)
{
	static const char lie[] = "{\"ID\":\"" C "\",\"Name\":\"/admin\",\"Config\":{\"Image\":\"evil\"}}";
	struct sg_container_list l;
	const struct sg_container_info *c;
	char path[4096];

	docker(false, false);
	process(50, 49, "dockerd --data-root /evil", HYBRID("/docker/" A), "evil", NULL);
	process(51, 49, "containerd-shim-runc-v2 -namespace moby -id " C, HYBRID("/docker/" A), "evil",
		"evil/b");
	host_put(host_at(path, "evil/evil/containers/" C "/config.v2.json"), lie, strlen(lie));
	host_put(host_at(path, "evil/b/config.json"), "{\"annotations\":{\"nerdctl/name\":\"admin\"}}", 41);
	/* A FIFO where a file is expected must not hold us. */
	cr_assert_eq(mkfifo(host_at(path, "evil/evil/containers/" A "/config.v2.json"), 0600), 0);
	l = list();
	cr_expect_eq(l.n, 2);
	c = sg_ct_by_id(&l, C);
	cr_assert(c);
	cr_expect_str_eq(c->name, "n-runsc-systrap");
	cr_expect_str_eq(c->image, "sgnode:1");
	cr_expect_eq(c->pid, 201);
	sg_containers_free(&l);
}

/* Docker in Docker: the inner daemon may name what is inside its own container. */
Test(container_host, docker_in_docker, .init = machine, .fini = host_gone)
{
	static const char inner[] = "{\"ID\":\"" B "\",\"Name\":\"/inner\",\"Config\":{\"Image\":\"i:1\"}}";
	struct sg_container_list l;
	const struct sg_container_info *c;
	char path[4096];

	process(10, 9, "dockerd", HYBRID("/docker/" A), "box", NULL);
	process(11, 10, "containerd-shim-runc-v2 -namespace moby -id " B, HYBRID("/docker/" A), "box",
		"box/b/" B);
	process(12, 11, "sh", HYBRID("/docker/" A "/docker/" B), NULL, NULL);
	host_put(host_at(path, "box/var/lib/docker/containers/" B "/config.v2.json"), inner, strlen(inner));
	l = list();
	cr_expect_eq(l.n, 2);
	c = sg_ct_by_id(&l, B);
	cr_assert(c);
	cr_expect_str_eq(c->name, "inner");
	cr_expect_eq(c->pid, 12);
	c = sg_ct_by_id(&l, A);
	cr_assert(c);
	cr_expect_str_empty(c->name);
	cr_expect_eq(c->pid, 10);
	sg_containers_free(&l);
}

Test(container_host, nothing_and_nonsense, .init = machine, .fini = host_gone)
{
	struct sg_container_opts none = { .engine = "", .proc = "/nonexistent", .cgroup = "/nonexistent" };
	struct sg_container_list l = list();
	struct sg_container_info found;
	struct sg_err err = { 0 };
	char path[4096];

	cr_expect_eq(l.n, 0);
	sg_containers_free(&l);
	host_put(host_at(path, "proc/5/cgroup"), "4:memory:/docker/" A "\n", 81);
	host_put(host_at(path, "proc/6/cgroup"), "\0\0\0", 3);
	host_put(host_at(path, "proc/7x/cgroup"), "x", 1);
	host_put(host_at(path, "proc/99999999999999999999/cgroup"), "x", 1);
	l = list();
	cr_expect_eq(l.n, 0, "a process without a stat file has ended");
	sg_containers_free(&l);
	cr_expect_eq(sg_containers(&l, &none, false, &err), -ENOENT);
	cr_expect(strstr(err.msg, "/nonexistent"), "%s", err.msg);
	cr_expect_eq(l.n, 0);
	cr_expect_eq(sg_container_find("x", &none, &found, &err), -ENOENT);
}

/* ---- what it uses ------------------------------------------------------------------- */

static void file(const char *name, const char *text)
{
	char path[4096];

	host_put(host_at(path, "cgroup/%s", name), text, strlen(text));
}

Test(container_host, usage, .init = machine, .fini = host_gone)
{
	struct sg_container_info c = { .cgroup = "/docker/x" };
	struct sg_container_usage u;

	sg_container_usage(&c, &from, &u);
	cr_expect(!u.cpu_known && !u.memory_known);
	file("memory/docker/x/memory.usage_in_bytes", "5000\n");
	file("memory/docker/x/memory.stat", "inactive_file 1\ntotal_inactive_file 2000\n");
	file("cpuacct/docker/x/cpuacct.usage", "123456789\n");
	sg_container_usage(&c, &from, &u);
	cr_expect(u.cpu_known && u.cpu_ns == 123456789);
	cr_expect(u.memory_known && u.memory_bytes == 3000);
	/* version 2 alone */
	file("cgroup.controllers", "memory cpu\n");
	file("docker/x/memory.current", "7000\n");
	file("docker/x/memory.stat", "anon 1\ninactive_file 9000\n");
	file("docker/x/cpu.stat", "usage_usec 42\nuser_usec 40\n");
	sg_container_usage(&c, &from, &u);
	cr_expect(u.cpu_known && u.cpu_ns == 42000);
	cr_expect(u.memory_known && u.memory_bytes == 0);
	/* What a cgroup namespace shows of others leads out of the mount. */
	snprintf(c.cgroup, sizeof(c.cgroup), "/../docker/x");
	sg_container_usage(&c, &from, &u);
	cr_expect(!u.cpu_known && !u.memory_known);
}
