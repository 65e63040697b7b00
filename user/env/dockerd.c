/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/dockerd_priv.h"
#include "env/engine.h"
#include "env/tool.h"

#define STALL_MS     30000
#define GRACE_MS     15000
#define REMOVE_STALL 20 /* s */

const char *sg_dockerd_socket(const struct sg_dockerd *d)
{
	return d->socket;
}

const char *sg_dockerd_state(const struct sg_dockerd *d)
{
	return d->state;
}

/* ---- configuration ------------------------------------------------------------------ */

static const char containerd_toml[] =
	"version = 2\n"
	"root = \"%1$s/data/containerd/daemon\"\n"
	"state = \"%1$s/exec/containerd/daemon\"\n"
	/* cri wants networks; opt makes a folder of the machine's; the rest want disks */
	"disabled_plugins = [\"io.containerd.grpc.v1.cri\", "
	"\"io.containerd.internal.v1.opt\", "
	"\"io.containerd.snapshotter.v1.aufs\", "
	"\"io.containerd.snapshotter.v1.btrfs\", "
	"\"io.containerd.snapshotter.v1.devmapper\", "
	"\"io.containerd.snapshotter.v1.zfs\"]\n"
	"[grpc]\n"
	"  address = \"%1$s/" SG_DOCKERD_CONTAINERD "\"\n";

static int write_containerd(struct sg_dockerd *d, struct sg_err *err)
{
	return sg_owndaemon_file(d->top, "containerd.toml", err, containerd_toml, d->top);
}

/* {"path": ..., "runtimeArgs": [...]}; NULL = out of memory */
static struct json_object *runtime_json(const struct sg_runtime *rt)
{
	struct json_object *o = json_object_new_object(), *args = json_object_new_array();

	if (!o || !args || json_object_object_add(o, "runtimeArgs", args)) {
		json_object_put(args);
		json_object_put(o);
		return NULL;
	}
	if (json_object_object_add(o, "path", json_object_new_string(rt->path)))
		goto fail;
	for (const char *const *a = rt->args; a && *a; a++)
		if (json_object_array_add(args, json_object_new_string(*a)))
			goto fail;
	return o;
fail:
	json_object_put(o);
	return NULL;
}

static int write_daemon(struct sg_dockerd *d, const struct sg_runtime *rt, struct sg_err *err)
{
	struct json_object *o = json_object_new_object(), *all = json_object_new_object();
	const char *text = NULL;
	int rc = -ENOMEM;

	if (!o || !all || json_object_object_add(o, "runtimes", all)) {
		json_object_put(all);
		goto out;
	}
	for (; rt && rt->name; rt++) {
		struct json_object *r = runtime_json(rt);

		if (!r || json_object_object_add(all, rt->name, r)) {
			json_object_put(r);
			goto out;
		}
	}
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	if (text)
		rc = sg_owndaemon_file(d->top, "daemon.json", err, "%s", text);
out:
	json_object_put(o);
	return text ? rc : sg_err_set(err, -ENOMEM, "out of memory");
}

/* ---- the two processes --------------------------------------------------------------- */

/* A containerd of our own: dockerd would otherwise share the machine's where there is one. */
static int start_containerd(struct sg_dockerd *d, char *path, struct sg_err *err)
{
	char bin[PATH_MAX], config[PATH_MAX], socket[PATH_MAX];
	char *argv[] = { "env", "-u", "NOTIFY_SOCKET", path, bin, "--config", config, NULL };
	int rc = sg_tool_find("containerd", "containerd", bin, err);

	if (rc)
		return rc;
	snprintf(config, sizeof(config), "%.100s/containerd.toml", d->top);
	snprintf(socket, sizeof(socket), "%.100s/" SG_DOCKERD_CONTAINERD, d->top);
	rc = sg_owndaemon_spawn(&d->containerd, argv, err);
	return rc ? rc : sg_owndaemon_wait(&d->containerd, socket, STALL_MS, -1, err);
}

static int start_dockerd(struct sg_dockerd *d, char *path, struct sg_err *err)
{
	char bin[PATH_MAX], opt[7][PATH_MAX], parent[64];
	struct sg_engine *e;
	/* clang-format off */
	char *argv[] = { "env", "-u", "NOTIFY_SOCKET", "-u", "DOCKER_TMPDIR", path, bin,
			 opt[0], opt[1], opt[2], opt[3], opt[4], opt[5], opt[6],
			 "--exec-opt=native.cgroupdriver=cgroupfs", "--group=root", "--shutdown-timeout=5",
			 "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", NULL };
	/* clang-format on */
	int rc = sg_tool_find("dockerd", "docker.io", bin, err);

	if (!rc && (rc = sg_dockerd_cgroup(d->top, parent, sizeof(parent))))
		sg_err_set(err, rc, "%s: %s", d->top, strerror(-rc));
	if (rc)
		return rc;
	snprintf(opt[0], PATH_MAX, "--config-file=%.100s/daemon.json", d->top);
	snprintf(opt[1], PATH_MAX, "--data-root=%.100s/data", d->top);
	snprintf(opt[2], PATH_MAX, "--exec-root=%.100s/exec", d->top);
	snprintf(opt[3], PATH_MAX, "--pidfile=%.100s/pid", d->top);
	snprintf(opt[4], PATH_MAX, "--host=unix://%.100s", d->socket);
	snprintf(opt[5], PATH_MAX, "--containerd=%.100s/" SG_DOCKERD_CONTAINERD, d->top);
	snprintf(opt[6], PATH_MAX, "--cgroup-parent=/%s", parent);
	rc = sg_owndaemon_spawn(&d->dockerd, argv, err);
	if (!rc)
		rc = sg_owndaemon_wait(&d->dockerd, d->socket, STALL_MS, -1, err);
	/* it listens before it is done with its start, and then answers */
	if (!rc && !(rc = sg_engine_open(&e, d->socket, err)))
		sg_engine_close(e);
	return rc;
}

static struct sg_owndaemon own(const char *name, const char *top)
{
	return (struct sg_owndaemon){
		.name = name, .top = top, .message = " msg=", .logs_work = true, .child = SG_CHILD_NONE
	};
}

int sg_dockerd_start(struct sg_dockerd **ret, const char *dir, const struct sg_runtime *rt,
		     struct sg_err *err)
{
	struct sg_dockerd *d = calloc(1, sizeof(*d));
	const char *path = getenv("PATH");
	char bin[PATH_MAX], *env = NULL;
	int rc;

	*ret = NULL;
	if (!d)
		return sg_err_set(err, -ENOMEM, "out of memory");
	d->lock = -1;
	d->containerd = own("containerd", d->top);
	d->dockerd = own("dockerd", d->top);
	/* before anything is made */
	rc = sg_tool_find("dockerd", "docker.io", bin, err);
	if (!rc)
		rc = sg_tool_find("containerd", "containerd", bin, err);
	if (!rc)
		rc = sg_tool_find("runc", "runc", bin, err);
	if (!rc)
		rc = sg_dockerd_place(d, dir, err);
	if (!rc)
		rc = sg_dockerd_prepare(d, err);
	if (rc) {
		if (d->lock >= 0)
			close(d->lock);
		if (d->dir_is_ours)
			rmdir(dir);
		free(d);
		return rc;
	}
	/* they look for runc, the shim and their tools in PATH */
	if (asprintf(&env, "PATH=%s%s" SG_TOOL_PATH, path ? path : "", path ? ":" : "") < 0)
		env = NULL;
	rc = env ? write_containerd(d, err) : sg_err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = write_daemon(d, rt, err);
	if (!rc)
		rc = start_containerd(d, env, err);
	if (!rc)
		rc = start_dockerd(d, env, err);
	free(env);
	if (rc)
		sg_dockerd_stop(d);
	else
		*ret = d;
	return rc;
}

/* In good order, while the daemon lives: runtimes then clean up after themselves. */
static void remove_containers(const struct sg_dockerd *d)
{
	struct json_object *list = NULL;
	struct sg_engine *e;
	size_t n = 0;

	if (sg_engine_open(&e, d->socket, NULL))
		return;
	sg_engine_set_stall(e, REMOVE_STALL);
	if (sg_engine_check(e, "GET", "/containers/json?all=1", NULL, &list, NULL) > 0 &&
	    json_object_is_type(list, json_type_array))
		n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *id;

		if (json_object_object_get_ex(json_object_array_get_idx(list, i), "Id", &id) &&
		    sg_engine_remove(e, json_object_get_string(id), NULL) == -ETIMEDOUT)
			break; /* one that does not die: the sweep kills the rest */
	}
	json_object_put(list);
	sg_engine_close(e);
}

int sg_dockerd_stop(struct sg_dockerd *d)
{
	int rc;

	if (!d)
		return 0;
	if (d->dockerd.child.pid > 0 && !sg_child_reap(&d->dockerd.child))
		remove_containers(d);
	sg_child_term(&d->dockerd.child, GRACE_MS);
	sg_child_term(&d->containerd.child, GRACE_MS);
	rc = sg_dockerd_sweep(d->top);
	if (!rc && d->dir_is_ours) {
		*strrchr(d->top, '/') = 0;
		rmdir(d->top); /* what else is in it is not ours */
	}
	if (d->lock >= 0)
		close(d->lock);
	free(d);
	return rc;
}
