/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Pieces of the search for containers. Private to user/env/container*.c and their test. */
#ifndef SG_CONTAINER_PRIV_H
#define SG_CONTAINER_PRIV_H

#include <json-c/json.h>
#include "env/container.h"

/* More than any machine runs; a hostile /proc or daemon must not make us eat its memory. */
#define SG_CT_MAX 16384

static inline const char *sg_ct_proc(const struct sg_container_opts *o)
{
	return o && o->proc ? o->proc : "/proc";
}
static inline const char *sg_ct_cgroot(const struct sg_container_opts *o)
{
	return o && o->cgroup ? o->cgroup : "/sys/fs/cgroup";
}

/* ---- container_cgroup.c: paths of cgroups. Pure but for sg_ct_cgroup_stat(). ------------------ */
/** sg_ct_cgroup_end() - bytes of @path up to the end of the innermost container's own cgroup, 0 = it is of none */
size_t sg_ct_cgroup_end(const char *path, char ret_id[SG_CONTAINER_ID], char ret_manager[32]);
/** sg_ct_proc_cgroup() - id, manager and cgroup from the text of /proc/PID/cgroup; the memory controller's line first */
bool sg_ct_proc_cgroup(const char *text, struct sg_container_info *ret);
/** sg_ct_cgroup_path() - the cgroup that THREAD records mean, from the text of /proc/PID/cgroup: the memory controller's, else the only hierarchy's; false: none, or too long */
bool sg_ct_cgroup_path(const char *text, char *ret, size_t cap);
/** sg_ct_cgroup_dir() - folder of cgroup @path in hierarchy @controller (v1, hybrid) or the only one (v2); false: too long, or leads out */
bool sg_ct_cgroup_dir(const char *root, const char *controller, const char *path, char *ret, size_t cap);
/** sg_ct_cgroup_stat() - fill cgroup_id from @c's cgroup; 0 when there is no such folder */
void sg_ct_cgroup_stat(const struct sg_container_opts *o, struct sg_container_info *c);
bool sg_ct_is_id(const char *s, size_t n);

/* ---- container_state.c: state files. Texts in, what they say out; members that are missing stay as they are. ---- */
/* All: 0, or -EBADMSG when the text is not that file. Nothing in it is trusted: wrong types are missing members. */
int sg_ct_runc_state(const char *text, struct sg_container_info *c);
int sg_ct_gvisor_state(const char *text, struct sg_container_info *c);
int sg_ct_docker_config(const char *text, struct sg_container_info *c); /* config.v2.json */
int sg_ct_docker_host(const char *text, struct sg_container_info *c);	/* hostconfig.json */
int sg_ct_bundle(const char *text, struct sg_container_info *c);	/* an OCI bundle's config.json */
int sg_ct_storage(const char *text, struct sg_container_info *c); /* podman's containers.json; finds c->id */
/** sg_ct_parse() - one JSON value of at most 64 levels; NULL: it is none. json_object_put() it. */
struct json_object *sg_ct_parse(const char *text);
/** sg_ct_member() - text of member @key of @o, "" when it is none */
const char *sg_ct_member(struct json_object *o, const char *key);
void sg_ct_copy(char *dst, size_t cap, const char *src);
/** sg_ct_base() - the file name in @path */
const char *sg_ct_base(const char *path);
/** sg_ct_read() - a regular file's text, at most 8 MiB; malloc'd, or NULL. Never blocks on what only looks like a file. */
char *sg_ct_read(const char *path);

/* ---- container_keeper.c: the processes that look after containers ------------------------------ */
struct sg_ct_keeper {
	uint32_t pid, uid;
	bool conmon; /* else a containerd shim */
	char id[SG_CONTAINER_ID];
	char space[64];	   /* containerd's namespace: "moby", "k8s.io" */
	char name[256];	   /* conmon: of the container */
	char runtime[64];  /* conmon: its OCI runtime; a shim: its own program */
	char bundle[1024]; /* conmon's */
};
struct sg_ct_daemon { /* a dockerd */
	uint32_t pid, uid;
	char data[1024], exec[1024];
	char cgroup[1024]; /* of the container that it runs in; empty: the host */
};
/** sg_ct_keeper_parse() - from a command line of @n bytes with NULs between arguments; false: neither shim nor conmon */
bool sg_ct_keeper_parse(const char *cmdline, size_t n, struct sg_ct_keeper *ret);
/** sg_ct_daemon_parse() - the same for dockerd; ret_config (1024 bytes): its configuration file */
bool sg_ct_daemon_parse(const char *cmdline, size_t n, struct sg_ct_daemon *ret, char *ret_config);
/** sg_ct_daemon_config() - what daemon.json says and the command line did not */
void sg_ct_daemon_config(const char *text, struct sg_ct_daemon *d);

/* ---- container_host.c: this machine without any daemon's help --------------------------------- */
int sg_ct_host_list(struct sg_container_list *l, const struct sg_container_opts *o, struct sg_err *err);
/** sg_ct_of_proc() - id, manager, cgroup and cgroup_id of process @pid's container; -ENOENT, -ESRCH */
int sg_ct_of_proc(const struct sg_container_opts *o, uint32_t pid, struct sg_container_info *c);
/** sg_ct_platform() - what runs the container's code, from its first process and its runtime's name */
void sg_ct_platform(const struct sg_container_opts *o, struct sg_container_info *c);

/* ---- container_engine.c ------------------------------------------------------------------------ */
struct sg_engine;
/** sg_ct_engine_list() - the Engine's containers; @detail: also what only inspecting each tells (runtime, pid) */
int sg_ct_engine_list(struct sg_container_list *l, struct sg_engine *e, bool all, bool detail,
		      struct sg_err *err);
int sg_ct_engine_detail(struct sg_engine *e, struct sg_container_info *c, struct sg_err *err);
/** sg_ct_engine_entry() - one element of /containers/json; false: not one */
bool sg_ct_engine_entry(struct json_object *o, struct sg_container_info *c);
/** sg_ct_engine_inspect() - the answer of /containers/ID/json */
bool sg_ct_engine_inspect(struct json_object *o, struct sg_container_info *c);

/* ---- container.c --------------------------------------------------------------------------------- */
/** sg_ct_add() - room for one more, zeroed; NULL: out of memory or SG_CT_MAX reached */
struct sg_container_info *sg_ct_add(struct sg_container_list *l);
struct sg_container_info *sg_ct_by_id(const struct sg_container_list *l, const char *id);
/** sg_ct_pick() - the one of @l that @what names. Pure. -ENOENT, -ENOTUNIQ with @err. */
int sg_ct_pick(const struct sg_container_list *l, const char *what, const struct sg_container_info **ret,
	       struct sg_err *err);

#endif
