/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload's servers, each in a virtual machine of its own. */
#include <errno.h>
#include <limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "load/common.h"
#include "load/task_priv.h"
#include "out/text.h"

#define MIB	   ((uint64_t)1024 * 1024)
#define GUEST_PORT 8080
#define FILE_LEN   (sizeof(SG_SERVER_LINE) - 1)
/* Of a guest's disk beside the file: ext4's own; what Docker Engine unpacks. */
#define DISK_BYTES   (64 * MIB)
#define ENGINE_BYTES (512 * MIB)
#define COMMAND_MS   60000
#define START_MS     900000 /* Docker Engine in an emulated guest beside three others: minutes */

unsigned sg_task_vms(const struct sg_task_opts *o)
{
	struct sg_task_opts one = *o;
	uint64_t hogs = 0;

	sg_task_defaults(&one);
	for (unsigned i = 0; i < o->nlevel; i++)
		hogs = o->level[i] * o->hog_bytes > hogs ? o->level[i] * o->hog_bytes : hogs;
	return sg_vms_fit(o->servers, one.vm_memory_bytes + SG_VMS_VMM_BYTES, hogs, sg_vms_available());
}

int sg_task_vm_open(struct bench *b, struct sg_err *err)
{
	struct sg_vms_opts o = { .guard = b->guard,
				 .cache = b->o.vm_cache,
				 .self = b->self,
				 .docker = b->o.env->vm == SG_TASK_VM_DOCKER,
				 .accel = b->o.accel,
				 .memory_bytes = b->o.vm_memory_bytes,
				 .vcpus = b->o.vcpus,
				 .sigfd = b->o.sigfd,
				 .progress = b->o.progress,
				 .ctx = b->o.ctx };

	return sg_vms_open(&b->vms, &o, err);
}

int sg_task_vm_close(struct bench *b, struct sg_err *err)
{
	int rc = sg_vms_close(b->vms, err);

	b->vms = NULL;
	return rc;
}

static void vm_name(unsigned i, char *ret)
{
	snprintf(ret, SG_DOMAIN_NAME_MAX, "task-%u", i);
}

/* Commands of all guests are under way at the same time: first this one everywhere, then await_server(). */
static int start_server(struct bench *b, unsigned i, struct sg_vmagent_result *r, struct sg_err *err)
{
	char server[256], docker[320], command[480];
	int rc;

	snprintf(server, sizeof(server),
		 SG_VMIMAGE_SELF " bench task-server %d /data/server %" PRIu64 " %s outside%s", GUEST_PORT,
		 b->o.writes, sg_write_mode_names[b->o.mode], sg_task_inside(b) ? " marks" : "");
	snprintf(docker, sizeof(docker), SG_VMIMAGE_SELF " bench vm-docker %d %s", GUEST_PORT, server);
	snprintf(command, sizeof(command), "%s >/run/server.out 2>&1 & echo $! >/run/server.pid",
		 b->o.env->vm == SG_TASK_VM_DOCKER ? docker : server);
	rc = sg_domain_run(b->domain[i], command, COMMAND_MS, r, err);
	if (!rc && r->status)
		rc = sg_err_set(err, -EIO, "server %u cannot be started in its virtual machine", i);
	b->port[i] = sg_domain_port(b->domain[i]);
	return rc;
}

static int await_server(struct bench *b, unsigned i, struct sg_vmagent_result *r, struct sg_err *err)
{
	static const char command[] = "p=$(cat /run/server.pid)\n"
				      "while [ -d /proc/$p ]; do\n"
				      "	grep -q ^port /run/server.out && exit 0\n"
				      "	sleep 0.1\n"
				      "done\n"
				      "cat /run/server.out; exit 1";
	char said[200];
	int rc = sg_domain_run(b->domain[i], command, START_MS, r, err);

	if (rc || !r->status)
		return rc;
	/* the first line, before a newline becomes a '?' */
	r->out[strcspn(r->out, "\n")] = 0;
	sg_text_clean(said, sizeof(said), r->out);
	return sg_err_set(err, -EIO, "server %u did not start in its virtual machine (%d): %s", i, r->status,
			  sg_child_sentence(said));
}

static int start_servers(struct bench *b, struct sg_err *err)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	int rc = r ? 0 : sg_err_set(err, -ENOMEM, "out of memory");

	if (!rc && b->o.env->vm == SG_TASK_VM_DOCKER)
		sg_task_say(&b->o, "starting Docker Engine in %u virtual machine%s%s", b->o.servers,
			    b->o.servers == 1 ? "" : "s",
			    sg_vms_accel(b->vms) == SG_ACCEL_TCG ? ": minutes, emulated" : "");
	for (unsigned i = 0; i < b->o.servers && !rc; i++)
		rc = start_server(b, i, r, err);
	for (unsigned i = 0; i < b->o.servers && !rc; i++)
		rc = await_server(b, i, r, err);
	free(r);
	return rc;
}

static int watch(struct bench *b, struct sg_err *err)
{
	b->vm_end = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < b->o.servers; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		if (b->vm_end < 0 || epoll_ctl(b->vm_end, EPOLL_CTL_ADD, sg_domain_pidfd(b->domain[i]), &e))
			return sg_err_set(err, -errno, "cannot watch a virtual machine: %s", strerror(errno));
	}
	return 0;
}

/* All of them at the same time. */
static int boot(struct bench *b, const struct sg_vms_run *run, char *name, struct sg_err *err)
{
	uint64_t begin = sg_now_ns();
	const char *more = b->o.servers == 1 ? "" : "s";
	int rc = 0;

	sg_task_say(&b->o, "booting %u virtual machine%s of %" PRIu64 " MiB and %u vCPU%s, by %s",
		    b->o.servers, more, b->o.vm_memory_bytes / MIB, b->o.vcpus, b->o.vcpus == 1 ? "" : "s",
		    sg_accel_names[sg_vms_accel(b->vms)]);
	for (unsigned i = 0; i < b->o.servers && !rc; i++) {
		vm_name(i, name);
		rc = sg_vms_start(b->vms, run, &b->domain[i], err);
	}
	for (unsigned i = 0; i < b->o.servers && !rc; i++)
		rc = sg_vms_wait(b->vms, b->domain[i], err);
	if (!rc)
		sg_task_say(&b->o, "the virtual machine%s %s up after %.0f s", more,
			    b->o.servers == 1 ? "is" : "are", (double)(sg_now_ns() - begin) / 1e9);
	return rc;
}

int sg_task_vm_level(struct bench *b, struct sg_err *err)
{
	char name[SG_DOMAIN_NAME_MAX], files[PATH_MAX];
	struct sg_vms_run run = { .name = name, .guest_port = GUEST_PORT, .cgroup = b->limit.path };
	int rc = 0;

	if (sg_task_inside(b)) {
		run.disk_from = files;
		rc = sg_task_inside_token(b, files, err);
	}
	run.disk_bytes = DISK_BYTES + 2 * b->o.writes * FILE_LEN;
	if (b->o.env->vm == SG_TASK_VM_DOCKER)
		run.disk_bytes += ENGINE_BYTES;
	b->vm_end = -1;
	if (!rc)
		rc = boot(b, &run, name, err);
	if (!rc)
		rc = start_servers(b, err);
	if (!rc && sg_task_inside(b))
		rc = sg_task_inside_start(b, err);
	return rc ? rc : watch(b, err);
}

void sg_task_vm_end_level(struct bench *b)
{
	char name[SG_DOMAIN_NAME_MAX];

	if (!b->vms)
		return;
	for (unsigned i = 0; i < b->o.servers; i++) {
		vm_name(i, name);
		sg_vms_remove(b->vms, name, &b->domain[i]);
	}
	if (b->vm_end >= 0)
		close(b->vm_end);
	b->vm_end = -1;
}

int sg_task_vm_dead(struct bench *b, struct sg_err *err)
{
	struct sg_memlimit_stat st;
	struct epoll_event e = { 0 };

	if (epoll_wait(b->vm_end, &e, 1, 0) != 1)
		e.data.u32 = 0;
	sg_memlimit_stat(&b->limit, &st);
	if (st.oom_kill)
		return sg_err_set(err, -ENOMEM,
				  "the kernel killed the virtual machine of server %u: memory (%" PRIu64
				  " MiB, --memory) and swap (%" PRIu64
				  " MiB, --swap-size) are too small for this load",
				  e.data.u32, b->o.memory_bytes / MIB, b->o.swap_bytes / MIB);
	return sg_err_set(err, -ECHILD, "the virtual machine of server %u ended", e.data.u32);
}
