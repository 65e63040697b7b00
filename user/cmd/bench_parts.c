/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The processes of the workloads: this program again, by words that are no workloads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/bench.h"
#include "env/vmagent.h"
#include "load/cpu_vmjob.h"
#include "load/vmdocker.h"

/* bench task-server PORT FILE WRITES MODE [outside [marks]] */
static int run_server(int n, char **v, struct sg_err *err)
{
	uint64_t port, writes;
	int mode = sg_write_mode_find(v[3]);

	if (sg_parse_u64(v[0], 0, 65535, &port) || sg_parse_u64(v[2], 1, SG_BENCH_WRITES_MAX, &writes) ||
	    mode < 0 || (n > 4 && strcmp(v[4], "outside")) || (n > 5 && strcmp(v[5], "marks")))
		return sg_err_set(err, -EINVAL, "task-server: PORT FILE WRITES MODE [outside [marks]]");
	return sg_server_run((unsigned)port, v[1], writes, (enum sg_write_mode)mode, n > 4, n > 5, err);
}

/* bench vm-docker PORT COMMAND...: in a virtual machine, the command in a container */
static int run_docker(char **v, struct sg_err *err)
{
	uint64_t port;

	if (sg_parse_u64(v[0], 1, 65535, &port))
		return sg_err_set(err, -EINVAL, "vm-docker: PORT COMMAND...");
	return sg_vmdocker_run((const char *const *)(v + 1), (unsigned)port, err);
}

/* bench vm-agent DEVICE: in a virtual machine, runs what the host says */
static int run_agent(const char *device, struct sg_err *err)
{
	int fd = open(device, O_RDWR | O_CLOEXEC), rc;

	if (fd < 0)
		return sg_err_set(err, -errno, "cannot open %s: %s", device, strerror(errno));
	rc = sg_vmagent_serve(fd, true, err);
	close(fd);
	return rc;
}

/* bench task-client FILE ROUNDS TIMEOUT PORT... */
static int run_client(int n, char **v, struct sg_err *err)
{
	unsigned port[SG_CLIENT_MAX];
	uint64_t rounds, timeout, p;
	FILE *f;
	int rc;

	if (n > 3 + SG_CLIENT_MAX || sg_parse_u64(v[1], 1, SG_BENCH_ROUNDS_MAX, &rounds) ||
	    sg_parse_u64(v[2], 1, 86400, &timeout))
		return sg_err_set(err, -EINVAL, "task-client: FILE ROUNDS TIMEOUT PORT...");
	for (int i = 3; i < n; i++) {
		if (sg_parse_u64(v[i], 1, 65535, &p))
			return sg_err_set(err, -EINVAL, "task-client: no port: %s", v[i]);
		port[i - 3] = (unsigned)p;
	}
	f = fopen(v[0], "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	rc = sg_client_run(port, (unsigned)n - 3, (unsigned)rounds, (unsigned)timeout, f, err);
	if (fclose(f) && !rc)
		rc = sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	return rc;
}

/* bench modload-client FILE TASK MODULE BEGIN_NS TIMEOUT (IN OUT)... */
static int run_modclient(int n, char **v, struct sg_err *err)
{
	struct sg_modclient_pipe pipe[SG_MODCLIENT_MAX];
	uint64_t begin, timeout, in, out;
	unsigned pipes = (unsigned)(n - 5) / 2;
	FILE *f;
	int rc;

	if (n % 2 == 0 || pipes > SG_MODCLIENT_MAX || strlen(v[2]) >= SG_MODULE_MAX ||
	    sg_parse_u64(v[3], 0, UINT64_MAX / 2, &begin) || sg_parse_u64(v[4], 1, 86400, &timeout))
		return sg_err_set(err, -EINVAL,
				  "modload-client: FILE TASK MODULE BEGIN_NS TIMEOUT (IN OUT)...");
	for (unsigned i = 0; i < pipes; i++) {
		if (sg_parse_u64(v[5 + 2 * i], 3, INT32_MAX, &in) ||
		    sg_parse_u64(v[6 + 2 * i], 3, INT32_MAX, &out))
			return sg_err_set(err, -EINVAL, "modload-client: no descriptor: %s", v[5 + 2 * i]);
		pipe[i] = (struct sg_modclient_pipe){ .in = (int)in, .out = (int)out };
	}
	f = fopen(v[0], "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	rc = sg_modclient_run(pipe, pipes, v[1], v[2], begin, (unsigned)timeout, f, err);
	if (fclose(f) && !rc)
		rc = sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	return rc;
}

/* bench cpu-vmjob PID AGENT USED COMMAND: status of the command, or negative errno */
static int run_vmjob(char **v, int *ret_status, struct sg_err *err)
{
	uint64_t pid, agent, used;

	if (sg_parse_u64(v[0], 1, INT32_MAX, &pid) || sg_parse_u64(v[1], 0, INT32_MAX, &agent) ||
	    sg_parse_u64(v[2], 0, INT32_MAX, &used))
		return sg_err_set(err, -EINVAL, SG_CPU_VMJOB_WORD ": PID AGENT USED COMMAND");
	return sg_cpu_vmjob_main((int)pid, (int)agent, (int)used, v[3], ret_status, err);
}

/* bench cpu-marked ID TASK COMMAND...: status of the command, or negative errno */
static int run_marked(char **v, int *ret_status, struct sg_err *err)
{
	uint64_t id;

	if (sg_parse_u64(v[0], 1, UINT64_MAX, &id))
		return sg_err_set(err, -EINVAL, SG_CPU_MARKED_WORD ": ID TASK COMMAND...");
	return sg_cpu_marked_main(id, v[1], v + 2, ret_status, err);
}

bool sg_bench_part(int argc, char **argv, int *ret)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sg_err err = { 0 };
	uint64_t bytes;
	int rc, status = SG_EXIT_OK;

	if (!strcmp(what, "task-server") && argc >= 6 && argc <= 8)
		rc = run_server(argc - 2, argv + 2, &err);
	else if (!strcmp(what, "vm-docker") && argc >= 4)
		rc = run_docker(argv + 2, &err);
	else if (!strcmp(what, "vm-agent") && argc == 3)
		rc = run_agent(argv[2], &err);
	else if (!strcmp(what, "task-client") && argc >= 6)
		rc = run_client(argc - 2, argv + 2, &err);
	else if (!strcmp(what, "task-hog") && argc == 3 && !sg_parse_size(argv[2], &bytes))
		rc = sg_hog_run(bytes, &err);
	else if (!strcmp(what, "modload-client") && argc >= 9)
		rc = run_modclient(argc - 2, argv + 2, &err);
	else if (!strcmp(what, "cpu-runner") && argc == 2)
		rc = sg_cpu_runner_main(stdin, stdout, &err);
	else if (!strcmp(what, SG_CPU_VMJOB_WORD) && argc == 6)
		rc = run_vmjob(argv + 2, &status, &err);
	else if (!strcmp(what, SG_CPU_MARKED_WORD) && argc >= 5)
		rc = run_marked(argv + 2, &status, &err);
	else
		return false;
	if (rc)
		fprintf(stderr, "sandglass: %s\n", err.msg);
	*ret = rc ? SG_EXIT_FAIL : status;
	return true;
}
