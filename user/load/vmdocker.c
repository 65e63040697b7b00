/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/engine.h"
#include "env/vmimage.h"
#include "load/vmdocker.h"

#define DIR_ENGINE "/data/engine"
#define DIR_FILES  "/data/files"
#define IMAGE	   "sandglass-task:1"
#define POLL_MS	   200
#define SLOW_S	   300 /* emulated, nested, swapped: a container's start alone took more than 30 s */
#define LISTEN_MS  (SLOW_S * 1000)

static bool listens(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a));

	if (fd >= 0)
		close(fd);
	return yes;
}

static int wait_port(struct sg_engine *e, const char *id, unsigned port, struct sg_err *err)
{
	char said[200];

	for (int ms = 0; !listens(port); ms += POLL_MS) {
		/* it waits for us */
		int rc = sg_engine_wait(e, id, POLL_MS, NULL);

		if (rc != -ETIMEDOUT) {
			if (sg_engine_logs(e, id, said, sizeof(said), NULL) < 0)
				said[0] = 0;
			return sg_err_set(err, -ECHILD, "the container ended (%d): %s", rc, said);
		}
		if (ms > LISTEN_MS)
			return sg_err_set(err, -ETIMEDOUT, "the server in the container does not listen");
	}
	return 0;
}

int sg_vmdocker_run(const char *const *argv, unsigned port, struct sg_err *err)
{
	static const char *const binds[] = { DIR_FILES ":/data", NULL };
	struct sg_engine_run r = {
		.name = "task", .image = IMAGE, .argv = argv, .binds = binds, .network = "host"
	};
	struct sg_engine *e = NULL;
	struct sg_dockerd *d = NULL;
	char id[65] = "";
	uint32_t pid;
	int rc;

	mkdir(DIR_FILES, 0755);
	rc = sg_dockerd_start(&d, DIR_ENGINE, NULL, err);
	if (!rc)
		rc = sg_engine_open_until(&e, sg_dockerd_socket(d), SLOW_S, NULL, err);
	if (!rc)
		rc = sg_engine_import(e, SG_VMIMAGE_TAR, IMAGE, err);
	if (!rc)
		rc = sg_engine_start(e, &r, id, &pid, err);
	if (!rc)
		rc = wait_port(e, id, port, err);
	if (!rc && (printf("port %u\n", port) < 0 || fflush(stdout)))
		rc = sg_err_set(err, -EPIPE, "the starter is gone");
	while (!rc)
		rc = sg_engine_wait(e, id, 3600 * 1000, err) == -ETIMEDOUT
			     ? 0
			     : sg_err_set(err, -ECHILD, "the server's container ended");
	sg_engine_close(e);
	sg_dockerd_stop(d);
	return rc;
}
