// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* From a container's keeper to its files. All are opened through /proc/PID/root or cwd: they may be in another mount namespace. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/container_host.h"

#define PATH_CAP 6000

typedef int (*reader_fn)(const char *text, struct sg_container_info *c);

static bool read_into(const char *dir, const char *file, reader_fn fn, struct sg_container_info *c)
{
	char path[PATH_CAP + 300], *text;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	text = sg_ct_read(path);
	ok = text && !fn(text, c);
	free(text);
	return ok;
}

/* The bundle: a shim works in it (in that of its pod's first container), conmon names it. */
static bool bundle_dir(const struct sg_ct_host *h, const struct sg_container_info *c,
		       const struct sg_ct_keeper *k, char ret[PATH_CAP])
{
	if (!k || (k->conmon && !k->bundle[0]))
		return false;
	if (k->conmon)
		snprintf(ret, PATH_CAP, "%s/%u/root%s", sg_ct_proc(h->o), k->pid, k->bundle);
	else
		snprintf(ret, PATH_CAP, "%s/%u/cwd/../%s", sg_ct_proc(h->o), k->pid, c->id);
	return true;
}

/* ---- the runtime ------------------------------------------------------------------- */

/* "containerd-shim-runc-v2" -> "runc" */
static void shim_runtime(const char *prog, struct sg_container_info *c)
{
	size_t skip = strlen("containerd-shim"), n;

	if (strlen(prog) <= skip + 1)
		return;
	prog += skip + 1;
	n = strlen(prog);
	if (n > 3 && prog[n - 3] == '-' && prog[n - 2] == 'v')
		n -= 3;
	snprintf(c->runtime, sizeof(c->runtime), "%.*s", (int)n, prog);
}

static int runtime_file(const char *text, struct sg_container_info *c)
{
	char line[1024];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	sg_ct_copy(c->runtime, sizeof(c->runtime), sg_ct_base(line));
	return 0;
}

static void runtime_of(const char *bundle, const struct sg_ct_keeper *k, struct sg_container_info *c)
{
	if (k->conmon) {
		sg_ct_copy(c->runtime, sizeof(c->runtime), k->runtime);
		return;
	}
	shim_runtime(k->runtime, c);
	read_into(bundle, "runtime", runtime_file, c);
}

/* gVisor's state carries the sandbox's id in its name, which in a pod is another container's. */
static bool gvisor_state(const char *dir, struct sg_container_info *c)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool ok = false;
	char start[SG_CONTAINER_ID + 16];
	size_t len = (size_t)snprintf(start, sizeof(start), "%s_sandbox:", c->id);

	while (d && !ok && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n > len + 6 && !strncmp(e->d_name, start, len) && !strcmp(e->d_name + n - 6, ".state"))
			ok = read_into(dir, e->d_name, sg_ct_gvisor_state, c);
	}
	if (d)
		closedir(d);
	return ok;
}

static bool state_in(const char *dir, struct sg_container_info *c)
{
	char file[SG_CONTAINER_ID + 16];

	snprintf(file, sizeof(file), "%s/state.json", c->id);
	return read_into(dir, file, sg_ct_runc_state, c) || gvisor_state(dir, c);
}

/* Where the runtime was told to keep its state, else where it does by itself. */
void sg_ct_files_state(struct sg_ct_host *h, struct sg_container_info *c, const struct sg_ct_keeper *k)
{
	char bundle[PATH_CAP], dir[PATH_CAP], path[PATH_CAP + 16], *text;
	struct json_object *o = NULL;
	const char *root;

	if (!bundle_dir(h, c, k, bundle))
		return;
	if (k->conmon) {
		snprintf(dir, sizeof(dir), "%s/%u/root/run/runc", sg_ct_proc(h->o), k->pid);
		state_in(dir, c);
		return;
	}
	snprintf(path, sizeof(path), "%s/options.json", bundle);
	text = sg_ct_read(path);
	o = text ? sg_ct_parse(text) : NULL;
	root = sg_ct_member(o, "root");
	snprintf(dir, sizeof(dir), "%s/%u/root%s/%s", sg_ct_proc(h->o), k->pid,
		 *root ? root : "/run/containerd/runc", k->space);
	json_object_put(o);
	free(text);
	if (state_in(dir, c))
		return;
	for (size_t i = 0; i < h->nd; i++) {
		if (!sg_ct_host_trusts(&h->d[i], c, k))
			continue;
		snprintf(dir, sizeof(dir), "%s/%u/root%s/runtime-runc/%s", sg_ct_proc(h->o), h->d[i].pid,
			 h->d[i].exec, k->space);
		if (state_in(dir, c))
			return;
	}
}

/* ---- the manager ------------------------------------------------------------------- */

static bool docker_in(const struct sg_ct_host *h, uint32_t pid, const char *data, struct sg_container_info *c)
{
	char dir[PATH_CAP];

	snprintf(dir, sizeof(dir), "%s/%u/root%s/containers/%s", sg_ct_proc(h->o), pid, data, c->id);
	if (!read_into(dir, "config.v2.json", sg_ct_docker_config, c))
		return false;
	read_into(dir, "hostconfig.json", sg_ct_docker_host, c);
	if (!c->manager[0])
		sg_ct_copy(c->manager, sizeof(c->manager), "docker");
	return true;
}

/* By the daemons that run, by what the bundle of one that does not tells, and by the default. */
static void docker_files(const struct sg_ct_host *h, struct sg_container_info *c,
			 const struct sg_ct_keeper *k, const char *bundle)
{
	char link[PATH_CAP + 16], data[1024], *cut;
	ssize_t n;

	for (size_t i = 0; i < h->nd; i++)
		if (sg_ct_host_trusts(&h->d[i], c, k) && docker_in(h, h->d[i].pid, h->d[i].data, c))
			return;
	if (k && !k->conmon) {
		snprintf(link, sizeof(link), "%s/work", bundle);
		n = readlink(link, data, sizeof(data) - 1);
		data[n > 0 ? n : 0] = 0;
		cut = strstr(data, "/containerd/daemon/");
		if (cut) {
			*cut = 0;
			if (docker_in(h, k->pid, data, c))
				return;
		}
	}
	docker_in(h, 1, "/var/lib/docker", c);
}

/* Podman: .../overlay-containers/ID/userdata, beside the list of all of them. */
static void podman_files(const struct sg_ct_host *h, struct sg_container_info *c,
			 const struct sg_ct_keeper *k)
{
	char dir[PATH_CAP];
	int n;

	snprintf(dir, sizeof(dir), "%s/%u/root%s", sg_ct_proc(h->o), k->pid, k->bundle);
	for (n = 0; n < 2 && strrchr(dir, '/'); n++)
		*strrchr(dir, '/') = 0;
	if (!c->name[0])
		sg_ct_copy(c->name, sizeof(c->name), k->name);
	if (n == 2 && k->bundle[0])
		read_into(dir, "containers.json", sg_ct_storage, c);
	if (!c->manager[0])
		sg_ct_copy(c->manager, sizeof(c->manager), "podman");
}

void sg_ct_files(struct sg_ct_host *h, struct sg_container_info *c, const struct sg_ct_keeper *k)
{
	struct sg_container_info state = { 0 };
	char bundle[PATH_CAP] = "";
	bool bundled = bundle_dir(h, c, k, bundle);

	if (bundled) {
		runtime_of(bundle, k, c);
		read_into(bundle, "config.json", sg_ct_bundle, c);
		sg_ct_copy(state.id, sizeof(state.id), c->id);
		sg_ct_files_state(h, &state, k);
		/* An old state names a process that is another one's now. */
		if (state.pid && sg_ct_host_member(h, c, state.pid)) {
			c->pid = state.pid;
			sg_ct_copy(c->platform, sizeof(c->platform), state.platform);
		}
	}
	if (k && k->conmon)
		podman_files(h, c, k);
	else
		docker_files(h, c, k, bundle);
	if (!c->manager[0] && k)
		sg_ct_copy(c->manager, sizeof(c->manager),
			   strcmp(k->space, "moby") ? "containerd" : "docker");
}
