// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * domain CACHE SANDGLASS [ACCEL]: one virtual machine of ours, from the image to its removal: commands and what they
 * give back, pinning seen in /proc, statistics of the balloon, a guest that is gone in the middle of a command.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/vms.h"

#define MEMORY ((uint64_t)192 << 20)
#define DISK   ((uint64_t)32 << 20)
#define RUN_MS 60000

static int failures;

static void check(const char *name, int good, const char *why)
{
	if (good)
		printf("ok %s\n", name);
	else
		printf("not ok %s %s\n", name, why);
	fflush(stdout);
	failures += !good;
}

static void progress(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

static int commands(struct sg_domain *d)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	struct sg_err err = { 0 };
	int rc = r ? sg_domain_run(d, "echo out; echo err >&2; exit 3", RUN_MS, r, &err) : -ENOMEM;

	check("run-status", !rc && r->status == 3, rc ? err.msg : r->out);
	check("run-output", !rc && !strcmp(r->out, "out\nerr\n"), rc ? err.msg : r->out);
	if (!rc)
		rc = sg_domain_run(d, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", RUN_MS, r, &err);
	check("run-times",
	      !rc && !r->status && r->user_ns && r->user_ns + r->system_ns <= r->wall_ns + 50000000,
	      rc ? err.msg : "CPU time is 0 or above the time");
	if (!rc)
		rc = sg_domain_run(d, "sleep 100000", 300, r, &err);
	check("run-timeout", !rc && r->status == 124, rc ? err.msg : "the command was not killed");
	if (!rc)
		rc = sg_domain_run(d, "yes abcdefghijklm | head -n 5000; echo end", RUN_MS, r, &err);
	check("run-long-output", !rc && r->len == SG_VMAGENT_OUT_MAX && strstr(r->out, "\nend\n"),
	      rc ? err.msg : "not the last of it");
	if (!rc)
		rc = sg_domain_run(
			d,
			"mount | grep '/data type ext4' && nproc && ls /proc/[0-9]*/exe >/dev/null 2>&1; "
			"ps | grep -c '[s]leep 100000'",
			RUN_MS, r, &err);
	check("run-machine", !rc && strstr(r->out, " /data type ext4 ") && strstr(r->out, "\n2\n0\n"),
	      rc ? err.msg : r->out);
	free(r);
	return rc;
}

/* CPUs that threads of the process may run on: those called "CPU n/...", and the others */
static void allowed(pid_t pid, const char *only, int *ret_same, int *ret_vcpus)
{
	char path[300], line[256];
	struct dirent *de;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	*ret_same = *ret_vcpus = 0;
	while (dir && (de = readdir(dir))) {
		char comm[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, de->d_name);
		f = de->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (!strncmp(line, "Name:", 5))
				snprintf(comm, sizeof(comm), "%.15s", line + 6);
			if (!strncmp(line, "Cpus_allowed_list:", 18) && !strncmp(comm, "CPU ", 4)) {
				line[strcspn(line, "\n")] = 0;
				*ret_vcpus += 1;
				*ret_same += !strcmp(line + 19, only);
			}
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
}

static void pinning(struct sg_domain *d)
{
	struct sg_err err = { 0 };
	int same, vcpus, rc;
	char text[140];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	rc = sg_domain_pin(d, 0, &set, &err);
	if (!rc)
		rc = sg_domain_pin(d, 1, &set, &err);
	if (!rc)
		rc = sg_domain_pin(d, SG_DOMAIN_EMULATOR, &set, &err);
	allowed(sg_domain_pid(d), "0", &same, &vcpus);
	snprintf(text, sizeof(text), "%d of %d vCPUs are bound; %.60s", same, vcpus, err.msg);
	check("pin", !rc && vcpus == 2 && same == 2, text);
	check("pin-refuses", sg_domain_pin(d, 2, &set, &err) == -EINVAL, "a vCPU that is not there");
	CPU_ZERO(&set);
	check("pin-refuses-none", sg_domain_pin(d, 0, &set, &err) == -EINVAL, "no CPU");
}

static void gone(struct sg_domain *d)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	struct sg_err err = { 0 };
	int rc;

	kill(sg_domain_pid(d), SIGKILL);
	rc = r ? sg_domain_run(d, "true", RUN_MS, r, &err) : -ENOMEM;
	check("gone", rc == -EPIPE && strstr(err.msg, "is gone"), err.msg);
	free(r);
}

static int machine(struct sg_vms *v)
{
	struct sg_vms_run run = { .name = "one", .disk_bytes = DISK, .guest_port = 8080 };
	struct sg_domain *d = NULL;
	struct sg_err err = { 0 };
	int rc = sg_vms_start(v, &run, &d, &err);

	if (!rc)
		rc = sg_vms_wait(v, d, &err);
	check("boots", !rc, err.msg);
	if (!rc) {
		check("port", sg_domain_port(d) > 0, "no port");
		rc = commands(d);
		pinning(d);
		gone(d);
	}
	sg_vms_remove(v, run.name, &d);
	return rc;
}

int main(int argc, char **argv)
{
	struct sg_vms_opts o = { .memory_bytes = MEMORY, .vcpus = 2, .sigfd = -1, .progress = progress };
	struct sg_err err = { 0 };
	struct sg_vms *v = NULL;
	int rc;

	if (argc < 3)
		return 2;
	o.cache = argv[1];
	o.self = argv[2];
	o.accel = argc > 3 ? (enum sg_accel)sg_accel_find(argv[3]) : SG_ACCEL_TCG;
	rc = sg_guard_start(&o.guard, &err);
	if (!rc)
		rc = sg_vms_open(&v, &o, &err);
	check("opens", !rc, err.msg);
	if (!rc)
		machine(v);
	rc = sg_vms_close(v, &err);
	check("closes", !rc, err.msg);
	rc = sg_guard_end(o.guard, &err);
	check("guard", !rc, err.msg);
	return failures != 0;
}
