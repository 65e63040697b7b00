/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * An agent inside each of the task workload's virtual machines: it records beside the host, and
 * the server marks there what it does for the client's task. Token: a file of the guest's disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/task_priv.h"
#include "out/text.h"

#define AGENT_PORT  7777
#define COMMAND_MS  60000
#define TOKEN_BYTES 24

static void folder(const struct bench *b, char *ret)
{
	snprintf(ret, PATH_MAX, "%s/inside", sg_vms_folder(b->vms));
}

int sg_task_inside_token(struct bench *b, char *ret_dir, struct sg_err *err)
{
	unsigned char raw[TOKEN_BYTES];
	char path[PATH_MAX + 8], hex[2 * TOKEN_BYTES + 2];
	int fd, rc = 0;

	folder(b, ret_dir);
	snprintf(path, sizeof(path), "%s/token", ret_dir);
	if (mkdir(ret_dir, 0700) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", ret_dir, strerror(errno));
	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return sg_err_set(err, -EIO, "no random bytes for a token");
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	strcat(hex, "\n");
	/* each level's machines have one of their own */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, hex, strlen(hex)) != (ssize_t)strlen(hex))
		rc = sg_err_set(err, errno ? -errno : -EIO, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int start_agent(struct bench *b, unsigned i, struct sg_vmagent_result *r, struct sg_err *err)
{
	static const char command[] =
		"[ -e /sys/kernel/btf/vmlinux ] || { echo its kernel has no BTF; exit 1; }\n" SG_VMIMAGE_SELF
		" agent --listen tcp:0.0.0.0:%d --token-file /data/token --spool %dM --ring %dM "
		">/run/inside.out 2>&1 &\n"
		"p=$!\n"
		"while [ -d /proc/$p ]; do grep -q 'listening on' /run/inside.out && exit 0; sleep 0.1; "
		"done\n"
		"cat /run/inside.out; exit 1";
	char text[sizeof(command) + 64], said[200];
	int rc;

	snprintf(text, sizeof(text), command, AGENT_PORT, SG_TASK_INSIDE_SPOOL_MIB, SG_TASK_INSIDE_RING_MIB);
	rc = sg_domain_run(b->domain[i], text, COMMAND_MS, r, err);
	if (!rc && r->status) {
		r->out[strcspn(r->out, "\n")] = 0;
		sg_text_clean(said, sizeof(said), r->out);
		rc = sg_err_set(err, -EIO, "--inside: no agent in the virtual machine of server %u (%d): %s",
				i, r->status, sg_child_sentence(said));
	}
	return rc ? rc : sg_domain_forward(b->domain[i], AGENT_PORT, &b->agent_port[i], err);
}

int sg_task_inside_start(struct bench *b, struct sg_err *err)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	int rc = r ? 0 : sg_err_set(err, -ENOMEM, "out of memory");

	for (unsigned i = 0; i < b->o.servers && !rc; i++)
		rc = start_agent(b, i, r, err);
	free(r);
	return rc;
}

void sg_task_inside_args(const struct bench *b, struct sg_args *a)
{
	char dir[PATH_MAX];

	folder(b, dir);
	for (unsigned i = 0; i < b->o.servers; i++) {
		sg_arg(a, "--guest");
		sg_arg(a, "vm%u=tcp:127.0.0.1:%u,pid=%d", i, b->agent_port[i],
		       (int)sg_domain_pid(b->domain[i]));
	}
	sg_arg(a, "--token-file");
	sg_arg(a, "%s/token", dir);
}
