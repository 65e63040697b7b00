/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "env/vmimage.h"
#include "load/child.h"
#include "load/inside.h"
#include "out/text.h"

#define MIB	    ((uint64_t)1 << 20)
#define AGENT_PORT  7777
#define COMMAND_MS  60000
#define TOKEN_BYTES 24
#define SPOOL_MIB   16
#define RING_MIB    4 /* for each vCPU */
/* An agent and its recorder, measured (docs/bench-task.md), and for each vCPU its ring and room beside it. */
#define AGENT_BYTES	((72 + SPOOL_MIB) * MIB)
#define AGENT_CPU_BYTES (2 * RING_MIB * MIB)

uint64_t sg_inside_bytes(unsigned vcpus)
{
	return AGENT_BYTES + vcpus * AGENT_CPU_BYTES;
}

int sg_inside_token(const char *dir, struct sg_err *err)
{
	unsigned char raw[TOKEN_BYTES];
	char path[PATH_MAX + 8], hex[2 * TOKEN_BYTES + 2];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s/token", dir);
	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return sg_err_set(err, -EIO, "no random bytes for a token");
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	strcat(hex, "\n");
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, hex, strlen(hex)) != (ssize_t)strlen(hex))
		rc = sg_err_set(err, errno ? -errno : -EIO, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

int sg_inside_start(struct sg_domain *d, const char *what, unsigned *ret_port, struct sg_err *err)
{
	static const char command[] =
		"[ -e /sys/kernel/btf/vmlinux ] || { echo its kernel has no BTF; exit 1; }\n" SG_VMIMAGE_SELF
		" agent --listen tcp:0.0.0.0:%d --token-file /data/token --spool %dM --ring %dM "
		">/run/inside.out 2>&1 &\n"
		"p=$!\n"
		"while [ -d /proc/$p ]; do grep -q 'listening on' /run/inside.out && exit 0; sleep 0.1; "
		"done\n"
		"cat /run/inside.out; exit 1";
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	char text[sizeof(command) + 64], said[200];
	int rc;

	if (!r)
		return sg_err_set(err, -ENOMEM, "out of memory");
	snprintf(text, sizeof(text), command, AGENT_PORT, SPOOL_MIB, RING_MIB);
	rc = sg_domain_run(d, text, COMMAND_MS, r, err);
	if (!rc && r->status) {
		r->out[strcspn(r->out, "\n")] = 0;
		sg_text_clean(said, sizeof(said), r->out);
		rc = sg_err_set(err, -EIO, "--inside: no agent in the virtual machine of %s (%d): %s", what,
				r->status, sg_child_sentence(said));
	}
	free(r);
	return rc ? rc : sg_domain_forward(d, AGENT_PORT, ret_port, err);
}

void sg_inside_guest(struct sg_args *a, unsigned i, pid_t pid, unsigned port)
{
	sg_arg(a, "--guest");
	sg_arg(a, "vm%u=tcp:127.0.0.1:%u,pid=%d", i, port, (int)pid);
}

void sg_inside_key(struct sg_args *a, const char *dir)
{
	sg_arg(a, "--token-file");
	sg_arg(a, "%s/token", dir);
}
