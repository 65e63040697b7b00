// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Whose a cgroup is, what state files and command lines tell, and which container a word names. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/container_priv.h"

#define A	"0c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f2950"
#define B	"2fb324791bd00b734d3814b5fa6c84e751e4d0e95e2c93b7dbc24e7c819f7652"
#define C	"8991d53c92a1eaedf2f09785098c03a68265d8bfc01d39c90fbccab540a81c8a"
#define POD	"6f1b6c1e-5a4e-4b8e-9d3a-0c5b1c7f2a11"
#define POD_	"6f1b6c1e_5a4e_4b8e_9d3a_0c5b1c7f2a11"
#define FIXTURE "tests/golden/containers/"

/* ---- paths of cgroups ------------------------------------------------------------- */

static const struct path_case {
	const char *path, *id, *manager; /* id NULL: of no container */
	const char *own;		 /* the container's own cgroup; NULL: all of the path */
} paths[] = {
	/* Docker: cgroupfs, systemd, below a parent of the user's choice */
	{ "/docker/" A, A, "docker", NULL },
	{ "docker/" A, A, "docker", NULL },
	{ "/system.slice/docker-" A ".scope", A, "docker", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope", A, "docker", NULL },
	{ "/docker/" A "/init.scope", A, "docker", "/docker/" A },
	{ "/system.slice/docker-" A ".scope/system.slice/sshd.service", A, "docker",
	  "/system.slice/docker-" A ".scope" },
	{ "/ci/jobs/" A, A, "", NULL },
	{ "/" A, A, "", NULL },
	{ "/ecs/3d5ee4d8/" A, A, "ecs", NULL },
	{ "/system.slice:docker:" A, A, "docker", NULL },
	/* podman */
	{ "/machine.slice/libpod-" A ".scope", A, "podman", NULL },
	{ "/machine.slice/libpod-" A ".scope/container", A, "podman", "/machine.slice/libpod-" A ".scope" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope/container", A,
	  "podman", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope" },
	{ "/libpod_parent/libpod-" A, A, "podman", NULL },
	{ "/system.slice/web.service/libpod-payload-" A, A, "podman", NULL },
	{ "/machine.slice/libpod-conmon-" A ".scope", NULL, NULL, NULL },
	{ "/libpod_parent/conmon", NULL, NULL, NULL },
	/* Kubernetes by Docker, containerd, CRI-O; with both drivers */
	{ "/kubepods/burstable/pod" POD "/" A, A, "kubernetes", NULL },
	{ "/kubepods/pod" POD "/" A, A, "kubernetes", NULL },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_ ".slice/docker-" A ".scope",
	  A, "docker", NULL },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/cri-containerd-" A
	  ".scope",
	  A, "containerd", NULL },
	{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD_ ".slice/cri-containerd-" A
	  ".scope",
	  A, "containerd", NULL },
	{ "/kubelet/kubepods/besteffort/pod" POD "/" A, A, "kubernetes", NULL },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" POD_ ".slice:cri-containerd:" A, A,
	  "containerd", NULL },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope", A, "cri-o", NULL },
	{ "/kubepods/burstable/pod" POD "/crio-" A, A, "cri-o", NULL },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope/container", A, "cri-o",
	  "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope" },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" A ".scope", NULL, NULL, NULL },
	{ "/kubepods/burstable/pod" POD, NULL, NULL, NULL },
	{ "/system.slice/nerdctl-" A ".scope", A, "containerd", NULL },
	{ "/kata_overhead/" A, A, "kata", NULL },
	/* the innermost counts */
	{ "/docker/" A "/docker/" B, B, "docker", NULL },
	{ "/docker/" A "/kubelet/kubepods/burstable/pod" POD "/" B, B, "kubernetes", NULL },
	{ "/system.slice/docker-" A ".scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" B
	  ".scope/x",
	  B, "containerd",
	  "/system.slice/docker-" A ".scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" B
	  ".scope" },
	{ "/docker/" A "/libpod_parent/conmon", A, "docker", "/docker/" A },
	{ "/docker/" A "/crio-conmon-" B ".scope", A, "docker", "/docker/" A },
	{ "/docker/" A "//docker///" B "/", B, "docker", "/docker/" A "//docker///" B },
	/* none */
	{ "", NULL, NULL, NULL },
	{ "/", NULL, NULL, NULL },
	{ "/docker", NULL, NULL, NULL },
	{ "/user.slice/user-0.slice/session-3.scope", NULL, NULL, NULL },
	{ "/system.slice/docker.service", NULL, NULL, NULL },
	{ "/process_api/332f48791f41dc8c7c119d06a5fb2129", NULL, NULL, NULL },
	{ "/docker/0c340c7af289", NULL, NULL, NULL },
	{ "/docker/" A "0", NULL, NULL, NULL },
	{ "/docker/0C340C7AF28928DFF7110600306E5312C9C1F4D4BCE4A3EF35283EE9025F2950", NULL, NULL, NULL },
	{ "/docker/g"
	  "c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f2950",
	  NULL, NULL, NULL },
	{ "/evil-" A ".scope", NULL, NULL, NULL },
	{ "/docker-" A ".scope.scope", NULL, NULL, NULL },
	{ "/docker-" A ".service", NULL, NULL, NULL },
	{ "/docker/\xff\x1b[31m" A, NULL, NULL, NULL },
	{ "/docker/.scope", NULL, NULL, NULL },
	{ ".scope", NULL, NULL, NULL },
};

Test(container, cgroup_paths)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct path_case *p = &paths[i];
		char id[SG_CONTAINER_ID] = "untouched", manager[32] = "untouched";
		const char *own = p->own ? p->own : p->path;
		bool is = sg_container_of_cgroup(p->path, id, manager);
		size_t end;

		cr_expect_eq(is, p->id != NULL, "%s", p->path);
		cr_expect_str_eq(id, p->id ? p->id : "untouched", "%s", p->path);
		cr_expect_str_eq(manager, p->id ? p->manager : "untouched", "%s", p->path);
		end = sg_ct_cgroup_end(p->path, id, manager);
		if (p->id && p->path[strlen(p->path) - 1] != '/')
			cr_expect_eq(end, strlen(own), "%s: its own is %.*s", p->path, (int)end, p->path);
	}
}

Test(container, cgroup_path_of_any_length)
{
	size_t n = 4 << 20;
	char *p = malloc(n + 100), id[SG_CONTAINER_ID], manager[32];

	for (size_t i = 0; i < n; i++)
		p[i] = i % 2 ? 'a' : '/';
	strcpy(p + n, "/docker-" A ".scope");
	cr_expect(sg_container_of_cgroup(p, id, manager));
	cr_expect_str_eq(id, A);
	memset(p, 'a', strlen(p));
	cr_expect(!sg_container_of_cgroup(p, id, manager));
	free(p);
}

Test(container, proc_cgroup)
{
	static const struct {
		const char *text, *id, *cgroup;
	} t[] = {
		/* version 2 */
		{ "0::/system.slice/docker-" A ".scope\n", A, "/system.slice/docker-" A ".scope" },
		{ "0::/system.slice/docker-" A ".scope/a/b", A, "/system.slice/docker-" A ".scope" },
		/* hybrid: gVisor is in version 1's only; memory's line counts */
		{ "9:name=systemd:/docker/" A "\n4:memory:/docker/" A "\n1:cpu:/docker/" A "\n0::/\n", A,
		  "/docker/" A },
		{ "9:name=systemd:/docker/" B "\n4:memory:/docker/" A "\n0::/docker/" B "\n", A,
		  "/docker/" A },
		{ "4:cpu,memory,pids:/docker/" A "\n0::/x\n", A, "/docker/" A },
		/* a line of another controller tells, when memory's does not */
		{ "4:memory:/\n3:pids:/docker/" A "\n0::/\n", A, "/docker/" A },
		{ "4:memory:/x\n3:pids:/docker/" A "\n0::/docker/" B "\n", B, "/docker/" B },
		/* a name may hold anything but a newline */
		{ "4:memory:/a:b/docker/" A "\n", A, "/a:b/docker/" A },
		{ "4:name=memory:/docker/" A "\n4:memory:/docker/" B "\n", B, "/docker/" B },
		/* none */
		{ "0::/user.slice\n", NULL, NULL },
		{ "", NULL, NULL },
		{ "\n\n:::\n", NULL, NULL },
		{ "docker/" A "\n", NULL, NULL },
		{ "0:docker/" A "\n", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sg_container_info c = { 0 };

		cr_expect_eq(sg_ct_proc_cgroup(t[i].text, &c), t[i].id != NULL, "%s", t[i].text);
		cr_expect_str_eq(c.id, t[i].id ? t[i].id : "", "%s", t[i].text);
		cr_expect_str_eq(c.cgroup, t[i].cgroup ? t[i].cgroup : "", "%s", t[i].text);
	}
}

/* A path longer than the structure's room is no container of a cut name. */
Test(container, proc_cgroup_too_long)
{
	struct sg_container_info c = { 0 };
	char *text = malloc(20000);
	int n = sprintf(text, "0::");

	memset(text + n, '/', 1200);
	sprintf(text + n + 1200, "docker/%s\n4:memory:/docker/" B "\n", A);
	cr_expect(sg_ct_proc_cgroup(text, &c));
	cr_expect_str_eq(c.id, B);
	free(text);
}

/* ---- state files ------------------------------------------------------------------ */

typedef int (*reader_fn)(const char *text, struct sg_container_info *c);

static char *fixture(const char *name)
{
	char path[256], *text;

	snprintf(path, sizeof(path), FIXTURE "%s", name);
	text = sg_ct_read(path);
	cr_assert(text, "%s is missing", path);
	return text;
}

static struct sg_container_info read_one(const char *name, reader_fn fn, const char *id)
{
	struct sg_container_info c = { 0 };
	char *text = fixture(name);

	snprintf(c.id, sizeof(c.id), "%s", id);
	cr_expect_eq(fn(text, &c), 0, "%s", name);
	free(text);
	return c;
}

Test(container, state_of_runtimes)
{
	struct sg_container_info c = read_one("runc-state.json", sg_ct_runc_state, B);

	cr_expect_eq(c.pid, 28893);
	cr_expect_str_eq(c.platform, "runc");
	c = read_one("gvisor-20221219.state", sg_ct_gvisor_state, A);
	cr_expect_eq(c.pid, 29017);
	cr_expect_str_eq(c.platform, "", "that generation does not tell");
	c = read_one("gvisor-20240729.state", sg_ct_gvisor_state, "");
	cr_expect_eq(c.pid, 29185);
	cr_expect_str_eq(c.platform, "systrap");
	cr_expect_str_eq(c.id, C);
}

Test(container, state_of_managers)
{
	struct sg_container_info c = read_one("config.v2.json", sg_ct_docker_config, C);

	cr_expect_str_eq(c.name, "n-runsc-systrap");
	cr_expect_str_eq(c.image, "sgnode:1");
	c = read_one("hostconfig.json", sg_ct_docker_host, C);
	cr_expect_str_eq(c.runtime, "runsc-systrap");
	c = read_one("bundle-containerd.json", sg_ct_bundle, A);
	cr_expect_str_eq(c.name, "web-7c5ddbdf54-x2x9p/nginx");
	cr_expect_str_eq(c.image, "docker.io/library/nginx:1.25");
	c = read_one("bundle-crio.json", sg_ct_bundle, A);
	cr_expect_str_eq(c.name, "dns-0/dns");
	cr_expect_str_eq(c.image, "registry.example/dns:2");
	c = read_one("containers.json", sg_ct_storage,
		     "d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2d5a0b1c2");
	cr_expect_str_eq(c.name, "cache");
	cr_expect_str_eq(c.image, "docker.io/library/redis:7");
}

static const struct {
	const char *file;
	reader_fn fn;
} all[] = {
	{ "runc-state.json", sg_ct_runc_state },
	{ "gvisor-20221219.state", sg_ct_gvisor_state },
	{ "gvisor-20240729.state", sg_ct_gvisor_state },
	{ "config.v2.json", sg_ct_docker_config },
	{ "hostconfig.json", sg_ct_docker_host },
	{ "bundle-containerd.json", sg_ct_bundle },
	{ "containers.json", sg_ct_storage },
};

/* A file that is being written is read cut: it is then no file of that kind, never half a one. */
Test(container, state_cut_anywhere)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char *text = fixture(all[i].file);

		for (size_t n = strlen(text) - 2; n-- > 0;) {
			struct sg_container_info c = { 0 };

			text[n] = 0;
			cr_assert_eq(all[i].fn(text, &c), -EBADMSG, "%s cut at %zu", all[i].file, n);
			cr_assert_eq(c.pid, 0);
			cr_assert_str_empty(c.name);
		}
		free(text);
	}
}

Test(container, state_of_another)
{
	struct sg_container_info c = { .id = B };
	char *text = fixture("gvisor-20240729.state");

	cr_expect_eq(sg_ct_gvisor_state(text, &c), -EBADMSG);
	cr_expect_eq(c.pid, 0);
	free(text);
	text = fixture("config.v2.json");
	cr_expect_eq(sg_ct_docker_config(text, &c), -EBADMSG);
	cr_expect_str_empty(c.name);
	free(text);
	text = fixture("containers.json");
	cr_expect_eq(sg_ct_storage(text, &c), -EBADMSG);
	free(text);
}

Test(container, state_hostile)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"7",
		"\"x\"",
		"{}",
		"{\"id\":7,\"init_process_pid\":\"1\",\"sandbox\":[],\"ID\":{},\"annotations\":7}",
		"{\"id\":\"" A "\",\"init_process_pid\":-1,\"sandbox\":{\"pid\":-1}}",
		"{\"id\":\"" A "\",\"init_process_pid\":4294967297,\"sandbox\":{\"pid\":1e300}}",
		"{\"id\":\"" A A "\",\"init_process_pid\":1,\"sandbox\":{\"pid\":1},\"ID\":\"" A A "\"}",
		"[{\"id\":\"\",\"names\":[]},{\"id\":null},null,7]",
	};
	char *deep = malloc(200001);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			struct sg_container_info c = { 0 };

			if (all[k].fn != sg_ct_docker_host)
				cr_expect_eq(all[k].fn(bad[i], &c), -EBADMSG, "%s: %s", all[k].file, bad[i]);
			cr_expect_eq(c.pid, 0, "%s: %s", all[k].file, bad[i]);
		}
	memset(deep, '[', 200000);
	deep[200000] = 0;
	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		struct sg_container_info c = { 0 };

		cr_expect_eq(all[k].fn(deep, &c), -EBADMSG);
	}
	free(deep);
}

Test(container, long_names_are_cut)
{
	struct sg_container_info c = { 0 };
	char *text = malloc(70000);
	int n = sprintf(text, "{\"ID\":\"" A "\",\"Name\":\"/");

	memset(text + n, 'x', 60000);
	strcpy(text + n + 60000, "\"}");
	cr_expect_eq(sg_ct_docker_config(text, &c), 0);
	cr_expect_eq(strlen(c.name), sizeof(c.name) - 1);
	cr_expect_str_empty(c.image);
	free(text);
}

/* ---- command lines ---------------------------------------------------------------- */

#define LINE(s) s, sizeof(s) /* the literal's own NUL is the last argument's */

Test(container, keepers)
{
	struct sg_ct_keeper k;

	cr_assert(sg_ct_keeper_parse(LINE("/usr/bin/containerd-shim-runc-v2\0-namespace\0moby\0-id\0" A
					  "\0-address\0/run/docker/containerd/containerd.sock"),
				     &k));
	cr_expect(!k.conmon);
	cr_expect_str_eq(k.id, A);
	cr_expect_str_eq(k.space, "moby");
	cr_expect_str_eq(k.runtime, "containerd-shim-runc-v2");
	cr_assert(sg_ct_keeper_parse(
		LINE("/usr/bin/conmon\0--api-version\0"
		     "1\0-c\0" A "\0-u\0" A
		     "\0-r\0/usr/bin/crun\0-b\0/var/lib/containers/storage/overlay-containers/" A
		     "/userdata\0-p\0/run/containers/storage/overlay-containers/" A
		     "/userdata/pidfile\0-n\0cache\0--exit-dir\0/run/libpod/"
		     "exits\0--full-attach\0--exit-command\0/usr/bin/"
		     "podman\0--exit-command-arg\0--runtime\0--exit-command-arg\0runc\0--exit-command-arg\0-"
		     "n"),
		&k));
	cr_expect(k.conmon);
	cr_expect_str_eq(k.id, A);
	cr_expect_str_eq(k.name, "cache");
	cr_expect_str_eq(k.runtime, "crun");
	cr_expect_str_eq(k.bundle, "/var/lib/containers/storage/overlay-containers/" A "/userdata");
	cr_expect(!sg_ct_keeper_parse(LINE("containerd-shim-runc-v2\0-namespace\0moby"), &k));
	cr_expect(!sg_ct_keeper_parse(LINE("containerd-shim-runc-v2\0-id"), &k));
	cr_expect(!sg_ct_keeper_parse(LINE("sh\0-c\0containerd-shim-runc-v2 -id " A), &k));
	cr_expect(!sg_ct_keeper_parse(LINE("conmonitor\0-c\0" A), &k));
	cr_expect(!sg_ct_keeper_parse("", 0, &k));
	cr_expect(!sg_ct_keeper_parse("containerd-shim", 15, &k), "no NUL at its end");
}

Test(container, daemons)
{
	struct sg_ct_daemon d;
	char config[1024];

	cr_assert(sg_ct_daemon_parse(LINE("/usr/bin/dockerd\0-H\0fd://"), &d, config));
	cr_expect_str_eq(config, "/etc/docker/daemon.json");
	sg_ct_daemon_config(NULL, &d);
	cr_expect_str_eq(d.data, "/var/lib/docker");
	cr_expect_str_eq(d.exec, "/var/run/docker");
	cr_assert(sg_ct_daemon_parse(
		LINE("dockerd\0--config-file=/x/d.json\0--data-root\0/x/data\0--exec-root=/x/exec"), &d,
		config));
	sg_ct_daemon_config("{\"data-root\":\"/other\"}", &d);
	cr_expect_str_eq(config, "/x/d.json");
	cr_expect_str_eq(d.data, "/x/data");
	cr_expect_str_eq(d.exec, "/x/exec");
	cr_assert(sg_ct_daemon_parse(LINE("dockerd"), &d, config));
	sg_ct_daemon_config("{\"data-root\":\"/srv/docker\",\"exec-root\":7}", &d);
	cr_expect_str_eq(d.data, "/srv/docker");
	cr_expect_str_eq(d.exec, "/var/run/docker");
	cr_expect(!sg_ct_daemon_parse(LINE("docker\0--data-root\0/x"), &d, config));
}

/* ---- the Engine's answers ----------------------------------------------------------- */

Test(container, engine_answers)
{
	char *text = fixture("engine-list.json");
	struct json_object *o = sg_ct_parse(text);
	struct sg_container_info c;

	free(text);
	cr_assert_eq(json_object_array_length(o), 2);
	cr_assert(sg_ct_engine_entry(json_object_array_get_idx(o, 0), &c));
	cr_expect_str_eq(c.id, C);
	cr_expect_str_eq(c.name, "n-runsc-systrap");
	cr_expect_str_eq(c.image, "sgnode:1");
	cr_expect(c.running);
	cr_assert(sg_ct_engine_entry(json_object_array_get_idx(o, 1), &c));
	cr_expect_str_eq(c.name, "n-runc", "not the name that a link gives it");
	json_object_put(o);
	text = fixture("engine-inspect.json");
	o = sg_ct_parse(text);
	free(text);
	memset(&c, 0, sizeof(c));
	cr_assert(sg_ct_engine_inspect(o, &c));
	cr_expect_str_eq(c.name, "n-runsc-systrap");
	cr_expect_str_eq(c.runtime, "runsc-systrap");
	cr_expect_eq(c.pid, 29185);
	cr_expect(c.running);
	snprintf(c.id, sizeof(c.id), "%s", B);
	cr_expect(!sg_ct_engine_inspect(o, &c), "an answer about another container");
	json_object_put(o);
}

Test(container, engine_hostile)
{
	static const char *const bad[] = { "null",
					   "[]",
					   "{}",
					   "{\"Id\":7}",
					   "{\"Id\":\"../../etc/passwd\"}",
					   "{\"Id\":\"" A "/../x\"}",
					   "{\"Id\":\"\"}" };
	struct json_object *o;
	struct sg_container_info c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o = sg_ct_parse(bad[i]);
		memset(&c, 0, sizeof(c));
		cr_expect(!sg_ct_engine_entry(o, &c), "%s", bad[i]);
		cr_expect(!sg_ct_engine_inspect(o, &c), "%s", bad[i]);
		json_object_put(o);
	}
	o = sg_ct_parse("{\"Id\":\"" A
			"\",\"Names\":[7,null,\"\",\"/a\\u001b[31m\\u0000b\"],\"Image\":{},\"State\":3}");
	cr_expect(sg_ct_engine_entry(o, &c));
	cr_expect_str_eq(c.name, "a\033[31m");
	cr_expect_str_empty(c.image);
	cr_expect(!c.running);
	json_object_put(o);
}

/* ---- which one a word names --------------------------------------------------------- */

static void add(struct sg_container_list *l, const char *id, const char *name)
{
	struct sg_container_info *c = sg_ct_add(l);

	cr_assert(c);
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->running = true;
}

Test(container, pick)
{
	static const struct {
		const char *what, *id;
		int code;
	} t[] = {
		{ "web", A, 0 },
		{ "/web", A, 0 },
		{ A, A, 0 },
		{ "0", A, 0 },
		{ "0c340c7af289", A, 0 },
		{ "2fb", B, 0 }, /* a name wins over the beginning of an id */
		{ "2fb3", "2fb3" /* first */, -ENOTUNIQ },
		{ "8", NULL, -ENOTUNIQ },
		{ "8991", C, 0 },
		{ "twin", NULL, -ENOTUNIQ },
		{ "we", NULL, -ENOENT },
		{ "Web", NULL, -ENOENT },
		{ "0C34", NULL, -ENOENT },
		{ "", NULL, -ENOENT },
		{ "/", NULL, -ENOENT },
		{ "a\033[2J\xff", NULL, -ENOENT },
		{ A "0", NULL, -ENOENT },
	};
	struct sg_container_list l = { 0 };

	add(&l, A, "web");
	add(&l, B, "2fb");
	add(&l, "2fb3000000000000000000000000000000000000000000000000000000000000", "x\033[31m");
	add(&l, C, "twin");
	add(&l, "8000000000000000000000000000000000000000000000000000000000000000", "twin");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct sg_container_info *c = NULL;
		struct sg_err err = { 0 };

		cr_expect_eq(sg_ct_pick(&l, t[i].what, &c, &err), t[i].code, "'%s'", t[i].what);
		if (!t[i].code)
			cr_expect_str_eq(c->id, t[i].id, "'%s'", t[i].what);
		else
			cr_expect(strlen(err.msg) > 20 && !strchr(err.msg, '\033') &&
					  !strchr(err.msg, '\xff'),
				  "'%s': %s", t[i].what, err.msg);
	}
	sg_containers_free(&l);
}

Test(container, ambiguous_sentence)
{
	struct sg_container_list l = { 0 };
	const struct sg_container_info *c;
	struct sg_err err = { 0 };
	char id[SG_CONTAINER_ID];

	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "ab%062d", i);
		add(&l, id, "a name of some forty bytes which is too long for a list");
	}
	cr_expect_eq(sg_ct_pick(&l, "ab", &c, &err), -ENOTUNIQ);
	cr_expect(strstr(err.msg, "'ab' fits 200 containers: ab0000000000 (a name"), "%s", err.msg);
	cr_expect(strstr(err.msg, "...; give more of the id"), "%s", err.msg);
	cr_expect(!strchr(err.msg, '\n'));
	sg_containers_free(&l);
}
