/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/recopts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include "base/parse.h"
#include "env/gvisor.h"
#include "env/gvsource.h"
#include "kern/pids.h"
#include "out/text.h"

enum {
	OPT_RING = 512,
	OPT_THRESHOLD,
	OPT_PROBES,
	OPT_SKIP,
	OPT_NO_STACKS,
	OPT_ROLE,
	OPT_UPROBE,
	OPT_LEVEL,
	OPT_CONTAINER,
	OPT_ENGINE,
	OPT_VM,
	OPT_CONNECT,
	OPT_GVISOR_TRACE,
	OPT_GVISOR_UPROBES
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "container", OPT_CONTAINER, "NAME|ID", 0, "all processes of a container: its name, its id or the beginning of that", 1 },
	{ "engine", OPT_ENGINE, "SOCKET", 0, "ask the Docker daemon behind this socket for the container; '' asks none", 1 },
	{ "vm", OPT_VM, "NAME|UUID|PID", 0, "a virtual machine: its monitor with all threads and the kernel's threads for it", 1 },
	{ "connect", OPT_CONNECT, "URI", 0, "ask this libvirt for virtual machines; '' asks none (default: the system's and one's own, if they listen)", 1 },
	{ NULL, 0, NULL, 0, "What the kernel side does:", 10 },
	{ "freq", 'F', "HZ", 0, "on-CPU stack samples per second and CPU (default 99; 0 = none)", 10 },
	{ "stack-threshold", OPT_THRESHOLD, "TIME", 0, "take stacks of waits longer than this (default 50us)", 10 },
	{ "no-stacks", OPT_NO_STACKS, NULL, 0, "take no stacks of waits", 10 },
	{ "probes", OPT_PROBES, "GROUPS", 0,
	  "only these groups of probes, comma-separated: sched (always on), syscall, fault, swap, reclaim, irq, block, trap, kvm (with syscall only), balloon, gvisor, mark, sample", 10 },
	{ "skip", OPT_SKIP, "GROUPS", 0, "all groups but these", 10 },
	{ "task-uprobe", OPT_UPROBE, "BIN:FUNC", 0, "every outermost call of FUNC in BIN is a task", 10 },
	{ "gvisor-trace", OPT_GVISOR_TRACE, NULL, 0,
	  "record every system call of gVisor's guests with process names and paths, by gVisor's own trace points; " SG_GVPRICE_TRACE, 10 },
	{ "gvisor-uprobes", OPT_GVISOR_UPROBES, NULL, 0,
	  "probe the Sentry of gVisor sandboxes that run already: each system call of its guest and each message to its Gofer; " SG_GVPRICE_UPROBES, 10 },
	{ "role", OPT_ROLE, "NAME=PID", 0, "call process PID ('self': the command) NAME in the report; may be repeated", 10 },
	{ "ring", OPT_RING, "SIZE", 0, "ring per CPU (default 16M)", 10 },
	{ "compress", OPT_LEVEL, "1-9", 0, "zlib level of the recording (default 1)", 10 },
	{ 0 },
};
/* clang-format on */

static void parse_role(struct argp_state *s, struct sg_recopts *r, const char *arg)
{
	const char *eq = strchr(arg, '=');
	size_t i = r->o.nrole;
	uint64_t pid = 0;

	if (!eq || eq == arg || eq - arg >= SG_ROLE_NAME || i == SG_ROLE_MAX ||
	    (strcmp(eq + 1, "self") && sg_parse_u64(eq + 1, 1, 1u << 22, &pid))) {
		argp_error(s, "--role takes NAME=PID or NAME=self, at most %d times, not '%s'", SG_ROLE_MAX,
			   arg);
		return;
	}
	memcpy(r->role_name[i], arg, eq - arg);
	r->role[i].name = r->role_name[i];
	r->role[i].tgid = pid;
	r->o.nrole++;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_recopts *r = s->input;
	uint64_t v = 0;

	switch (key) {
	case OPT_CONTAINER:
		if (r->container)
			argp_error(s, "--container was given twice: the kernel side follows one; record the "
				      "whole system (-a) to see several");
		r->container = arg;
		break;
	case OPT_ENGINE:
		r->engine = arg;
		break;
	case OPT_VM:
		if (r->vm)
			argp_error(s, "--vm was given twice: record the whole system (-a) to see several");
		r->vm = arg;
		break;
	case OPT_CONNECT:
		r->connect = arg;
		break;
	case 'F':
		if (sg_parse_u64(arg, 0, 10000, &v))
			argp_error(s, "-F takes 0 to 10000 samples per second, not '%s'", arg);
		r->o.live.sample_hz = v;
		break;
	case OPT_THRESHOLD:
		if (sg_parse_duration(arg, 1000, &r->o.live.stack_threshold_ns))
			argp_error(s, "--stack-threshold takes a time like 50us or 1ms, not '%s'", arg);
		break;
	case OPT_NO_STACKS:
		r->o.live.stacks = false;
		break;
	case OPT_PROBES:
		r->o.live.only_groups = arg;
		break;
	case OPT_SKIP:
		r->o.live.skip_groups = arg;
		break;
	case OPT_UPROBE:
		if (!strchr(arg, ':'))
			argp_error(s,
				   "--task-uprobe takes BIN:FUNC, like /usr/bin/app:handle_request, not '%s'",
				   arg);
		r->o.live.uprobe = arg;
		break;
	case OPT_GVISOR_TRACE:
		r->gvisor_trace = true;
		break;
	case OPT_GVISOR_UPROBES:
		r->o.live.gvisor_uprobes = true;
		break;
	case OPT_ROLE:
		parse_role(s, r, arg);
		break;
	case OPT_RING:
		if (sg_parse_size(arg, &v) || v < 65536 || v > 1ull << 30)
			argp_error(s, "--ring takes 64K to 1G, not '%s'", arg);
		for (r->o.live.ring_bytes = 65536; r->o.live.ring_bytes < v;)
			r->o.live.ring_bytes *= 2;
		break;
	case OPT_LEVEL:
		if (sg_parse_u64(arg, 1, 9, &v))
			argp_error(s, "--compress takes 1 to 9, not '%s'", arg);
		r->o.level = v;
		break;
	case ARGP_KEY_END:
		if (r->vm && r->container)
			argp_error(s, "--vm and --container together: record one of them, or the whole "
				      "system (-a)");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp sg_recopts_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

void sg_recopts_init(struct sg_recopts *r)
{
	memset(r, 0, sizeof(*r));
	sg_record_defaults(&r->o);
	r->o.pids = r->pid;
	r->o.roles = r->role;
}

int sg_recopts_pids(struct sg_recopts *r, struct sg_err *err)
{
	size_t given = r->o.npid;

	for (size_t i = 0; i < given; i++) {
		struct sg_pids tree = { 0 };
		int e = sg_proc_tree(r->pid[i], false, &tree);

		if (e == -ESRCH)
			return sg_err_set(err, e, "no process %u", r->pid[i]);
		if (e)
			return sg_err_set(err, e, "can't read the children of process %u: %s", r->pid[i],
					  strerror(-e));
		for (size_t k = 0; k < tree.n && r->o.npid < SG_PID_MAX; k++)
			if ((uint32_t)tree.pid[k] != r->pid[i])
				r->pid[r->o.npid++] = tree.pid[k];
		sg_pids_free(&tree);
	}
	r->others = r->o.npid;
	return 0;
}

int sg_recopts_cgroup(struct sg_recopts *r, const char *arg, struct sg_err *err)
{
	struct sg_cgroup cg;
	int e = sg_cgroup_find(arg, &cg, err);

	if (e)
		return e;
	r->o.live.cgroup_id = cg.id;
	r->o.live.cgroup_subsys = cg.v2 ? -1 : cg.subsys;
	r->o.live.cgroup_level = cg.level;
	return 0;
}

/* A container lives as long as its first process. */
static bool container_gone(void *ctx)
{
	struct sg_recopts *r = ctx;
	struct pollfd p = { .fd = r->first_fd, .events = POLLIN };

	for (size_t i = 0; i < r->o.npid; i++)
		if (!kill(r->o.pids[i], 0) || errno == EPERM)
			return false;
	return p.fd < 0 || poll(&p, 1, 0) > 0;
}

int sg_recopts_container(struct sg_recopts *r, struct sg_err *err)
{
	struct sg_container_opts from = { .engine = r->engine };
	struct sg_container_info *c = &r->found;
	char name[128], image[96], dir[PATH_MAX];
	int e = sg_container_find(r->container, &from, c, err);

	if (e)
		return e;
	sg_text_clean(name, sizeof(name), c->name[0] ? c->name : c->id);
	if (!c->cgroup_id || !sg_container_cgroup_dir(c, &from, dir, sizeof(dir)))
		return sg_err_set(
			err, -ENOENT,
			"container %s has no cgroup of its own here (its runtime may be told to leave "
			"cgroups alone): record its processes, -p %u",
			name, c->pid);
	e = sg_recopts_cgroup(r, dir, err);
	if (e)
		return e;
	r->first_fd = pidfd_open((pid_t)c->pid, 0);
	if (r->first_fd < 0 && errno != ESRCH)
		return sg_err_set(err, -errno, "container %s cannot be watched: %s", name, strerror(errno));
	r->o.gone = container_gone;
	r->o.gone_ctx = r;
	snprintf(r->container_text, sizeof(r->container_text), "container %s%s%s%s", name,
		 c->image[0] ? " (" : "", sg_text_clean(image, sizeof(image), c->image),
		 c->image[0] ? ")" : "");
	return 0;
}

/* Is the found container a sandbox of gVisor? Then its first process is the Sentry. */
static uint32_t container_sentry(const struct sg_recopts *r)
{
	struct sg_gv_proc p;

	if (!r->container || sg_gv_identify(NULL, r->found.pid, &p) || p.role != SG_GV_SENTRY)
		return 0;
	return r->found.pid;
}

static void tell_probes(const struct sg_record_opts *o, const struct sg_record_result *res, const char *name)
{
	if (o->live.gvisor_uprobes && !res->gv_probed)
		fprintf(stderr, "%s: no probes in gVisor's Sentry: %s\n", name,
			res->gv_err.msg[0] ? res->gv_err.msg : "no sandbox was running");
}

int sg_recopts_record(struct sg_recopts *r, const char *name, struct sg_record_result *ret,
		      struct sg_err *err)
{
	struct sg_company co = { 0 };
	struct sg_company_opts o = { .engine = r->engine,
				     .connect = r->connect,
				     .vm = r->vm ? &r->vm_found : NULL,
				     .gvisor_trace = r->gvisor_trace,
				     .more = r->more,
				     .nmore = r->nmore,
				     .one = r->container != NULL,
				     .sentry = container_sentry(r) };
	int e = sg_company_make(&co, &o, &r->o, err);

	memset(ret, 0, sizeof(*ret));
	if (!e)
		e = sg_record(&r->o, ret, err);
	if (!e) {
		tell_probes(&r->o, ret, name);
		sg_company_tell(&co, name, stderr);
	}
	sg_company_free(&co);
	return e;
}

int sg_recopts_exit(const struct sg_record_result *res)
{
	if (WIFSIGNALED(res->wait_status))
		return 128 + WTERMSIG(res->wait_status);
	return WEXITSTATUS(res->wait_status);
}
