/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's jobs, each in a virtual machine of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/cpu_vmjob.h"
#include "load/inside.h"

#define MIB	  ((uint64_t)1 << 20)
#define JOBS	  "/opt/jobs" /* the programs; where no busybox has its own of the same name */
#define DATA	  "/data"
#define SELF_DIR  "/usr/bin" /* of SG_VMIMAGE_SELF */
#define KINDS_MAX 8	     /* of programs */
/* Of each guest beside the input: kernel, page tables, a job at its largest. */
#define GUEST_BYTES (192 * MIB)
#define DISK_BYTES  (64 * MIB)
/* The recorder takes 64 roles; one is the client's. */
#define ROLES_MAX 63

struct place {
	struct sg_domain *d;
	unsigned agent_port; /* of 127.0.0.1, with --inside */
	int used;	     /* file in memory: the last job's struct sg_cpu_used */
};

struct kvm {
	struct sg_vms *vms;
	unsigned n;
	struct sg_vms_ask ask;
	struct place *place;
	char data[PATH_MAX]; /* folder that the machines' disks are copies of */
};

static void vm_name(unsigned i, char *ret)
{
	snprintf(ret, SG_DOMAIN_NAME_MAX, "cpu-%u", i);
}

static int kvm_close(void *env, struct sg_err *err)
{
	struct kvm *k = env;
	char name[SG_DOMAIN_NAME_MAX];
	int rc;

	for (unsigned i = 0; k->place && i < k->n; i++) {
		vm_name(i, name);
		if (k->vms && k->place[i].d)
			sg_vms_remove(k->vms, name, &k->place[i].d);
		if (k->place[i].used >= 0)
			close(k->place[i].used);
	}
	rc = sg_vms_close(k->vms, err);
	free(k->place);
	free(k);
	return rc;
}

/* Bytes of the files in the folder. */
static uint64_t size_of(const char *dir)
{
	DIR *d = opendir(dir);
	uint64_t sum = 0;
	struct dirent *de;
	struct stat st;

	while (d && (de = readdir(d)))
		if (!fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	if (d)
		closedir(d);
	return sum;
}

/* All or nothing: a machine that swaps says nothing of CPUs. */
static int check_memory(const struct kvm *k, struct sg_err *err)
{
	uint64_t each = k->ask.memory_bytes + SG_VMS_VMM_BYTES, have = sg_vms_available();
	unsigned fit = have ? sg_vms_fit(k->n, each, 0, have) : k->n;

	if (fit == k->n && (!have || each <= have))
		return 0;
	return sg_err_set(
		err, -ENOMEM,
		"%u virtual machines of %" PRIu64 " MiB need %" PRIu64 " MiB of memory, and %" PRIu64
		" MiB are available: run fewer jobs at once (--jobs), or give each less (--vm-memory)",
		k->n, k->ask.memory_bytes / MIB, k->n * each / MIB, have / MIB);
}

static int open_vms(struct kvm *k, const struct sg_cpu_env_opts *o, struct sg_err *err)
{
	char(*path)[PATH_MAX] = calloc(KINDS_MAX, sizeof(*path)), image[KINDS_MAX][64];
	struct sg_image_file file[KINDS_MAX + 1] = { 0 };
	struct sg_vms_opts vo = { .guard = o->guard,
				  .cache = k->ask.cache,
				  .self = o->self,
				  .files = file,
				  .accel = k->ask.accel,
				  .memory_bytes = k->ask.memory_bytes,
				  .vcpus = k->ask.vcpus,
				  .sigfd = o->sigfd,
				  .progress = o->progress,
				  .ctx = o->ctx };
	int rc = path ? 0 : sg_err_set(err, -ENOMEM, "out of memory");

	for (unsigned i = 0; !rc && o->program[i].name; i++) {
		if (i == KINDS_MAX) {
			rc = sg_err_set(err, -E2BIG, "too many programs for a virtual machine");
			break;
		}
		rc = sg_cpu_program_path(&o->program[i], path[i], sizeof(path[i]), err);
		snprintf(image[i], sizeof(image[i]), JOBS "/%s", o->program[i].name);
		file[i] = (struct sg_image_file){ path[i], image[i] };
	}
	if (!rc)
		rc = sg_vms_open(&k->vms, &vo, err);
	free(path);
	return rc;
}

/* All boot at the same time. */
static int boot(struct kvm *k, const struct sg_cpu_env_opts *o, uint64_t input, struct sg_err *err)
{
	char name[SG_DOMAIN_NAME_MAX];
	struct sg_vms_run run = { .name = name,
				  .disk_from = o->data,
				  .disk_bytes = (DISK_BYTES + input + input / 8) / MIB * MIB };
	int rc = 0;

	sg_say(o->progress, o->ctx, "booting %u virtual machine%s of %" PRIu64 " MiB and %u vCPU%s, by %s",
	       k->n, k->n == 1 ? "" : "s", k->ask.memory_bytes / MIB, k->ask.vcpus,
	       k->ask.vcpus == 1 ? "" : "s", sg_accel_names[sg_vms_accel(k->vms)]);
	for (unsigned i = 0; i < k->n && !rc; i++) {
		vm_name(i, name);
		k->place[i].used = memfd_create("used", MFD_CLOEXEC);
		if (k->place[i].used < 0)
			rc = sg_err_set(err, -errno, "cannot make a file in memory: %s", strerror(errno));
		if (!rc)
			rc = sg_vms_start(k->vms, &run, &k->place[i].d, err);
		if (!rc)
			rc = sg_stopped(o->sigfd, err);
	}
	for (unsigned i = 0; i < k->n && !rc; i++)
		rc = sg_vms_wait(k->vms, k->place[i].d, err);
	for (unsigned i = 0; i < k->n && k->ask.inside && !rc; i++) {
		snprintf(name, sizeof(name), "place %u", i);
		rc = sg_inside_start(k->place[i].d, name, &k->place[i].agent_port, err);
	}
	return rc;
}

/* The agents' token is in the folder for as long as that is there. */
static int make_token(const struct kvm *k, const struct sg_cpu_env_opts *o, struct sg_err *err)
{
	char path[PATH_MAX + 8];
	int rc;

	if (k->n > SG_INSIDE_MAX)
		return sg_err_set(
			err, -E2BIG,
			"--inside: a recording has the host and %d guests at most, not %u: run fewer jobs at "
			"once (--jobs)",
			SG_INSIDE_MAX, k->n);
	snprintf(path, sizeof(path), "%s/token", k->data);
	rc = sg_guard_add(o->guard, SG_GUARD_FILE, path, err);
	return rc ? rc : sg_inside_token(k->data, err);
}

static int kvm_open(void **ret, const struct sg_cpu_env_opts *o, struct sg_err *err)
{
	struct kvm *k = calloc(1, sizeof(*k));
	uint64_t input = size_of(o->data);
	struct sg_err ignored;
	int rc;

	if (!k)
		return sg_err_set(err, -ENOMEM, "out of memory");
	k->ask = *o->vm;
	k->n = o->places;
	k->place = calloc(k->n, sizeof(*k->place));
	for (unsigned i = 0; k->place && i < k->n; i++)
		k->place[i].used = -1;
	snprintf(k->data, sizeof(k->data), "%s", o->data);
	if (!k->ask.memory_bytes)
		k->ask.memory_bytes = (GUEST_BYTES + 2 * input +
				       (k->ask.inside ? sg_inside_bytes(k->ask.vcpus) : 0) + 64 * MIB - 1) /
				      (64 * MIB) * (64 * MIB);
	rc = k->place ? check_memory(k, err) : sg_err_set(err, -ENOMEM, "out of memory");
	if (!rc && k->ask.inside)
		rc = make_token(k, o, err);
	if (!rc)
		rc = open_vms(k, o, err);
	if (!rc)
		rc = boot(k, o, input, err);
	if (rc) {
		kvm_close(k, &ignored);
		return rc;
	}
	k->ask.accel = sg_vms_accel(k->vms);
	*o->vm = k->ask;
	*ret = k;
	return 0;
}

/* vcpupin and emulatorpin: the whole of the monitor is on the place's CPUs. */
static int pin(const struct kvm *k, struct sg_domain *d, const cpu_set_t *cpus, struct sg_err *err)
{
	int rc = sg_domain_pin(d, SG_DOMAIN_EMULATOR, cpus, err);

	for (unsigned v = 0; v < k->ask.vcpus && !rc; v++)
		rc = sg_domain_pin(d, (int)v, cpus, err);
	return rc;
}

/* The job's shell command; where it is marked in the guest, too, by a process around it. */
static int command_of(const struct kvm *k, const struct sg_cpu_order *order, char *ret, struct sg_err *err)
{
	bool marked = k->ask.inside && order->task;
	struct sg_args a = { 0 };
	int rc = 0;

	if (marked) {
		sg_arg(&a, "%s", strrchr(SG_VMIMAGE_SELF, '/') + 1);
		sg_arg(&a, "bench");
		sg_arg(&a, SG_CPU_MARKED_WORD);
		sg_arg(&a, "%" PRIu64, order->id);
		sg_arg(&a, "%s", order->task);
		sg_arg(&a, JOBS "/%s", order->argv[0]);
		for (const char *const *w = order->argv + 1; *w; w++)
			sg_arg(&a, "%s", *w);
	}
	if (a.failed)
		rc = sg_err_set(err, -ENOMEM, "out of memory");
	else if (sg_cpu_vmjob_command(ret, SG_VMAGENT_COMMAND_MAX, marked ? SELF_DIR : JOBS,
				      marked ? (const char *const *)(uintptr_t)a.v : order->argv,
				      order->quiet))
		rc = sg_err_set(err, -E2BIG, "a job's command line is too long for a virtual machine");
	sg_args_free(&a);
	return rc;
}

static int kvm_start(void *env, unsigned place, const struct sg_cpu_order *order, struct sg_cpu_start *ret,
		     struct sg_err *err)
{
	struct kvm *k = env;
	struct place *p = &k->place[place];
	char self[PATH_MAX], command[SG_VMAGENT_COMMAND_MAX];
	int rc = sg_self_path(self, sizeof(self), err);

	if (!rc)
		rc = pin(k, p->d, order->cpus, err);
	if (!rc)
		rc = command_of(k, order, command, err);
	if (!rc && ftruncate(p->used, 0))
		rc = sg_err_set(err, -errno, "cannot empty a file in memory: %s", strerror(errno));
	if (rc)
		return rc;
	sg_arg(&ret->args, "%s", self);
	sg_arg(&ret->args, "bench");
	sg_arg(&ret->args, SG_CPU_VMJOB_WORD);
	sg_arg(&ret->args, "%d", (int)getpid());
	sg_arg(&ret->args, "%d", sg_domain_agent(p->d));
	sg_arg(&ret->args, "%d", p->used);
	sg_arg(&ret->args, "%s", command);
	return ret->args.failed ? sg_err_set(err, -ENOMEM, "out of memory") : 0;
}

/* On KVM the recorder tells the parts of a monitor apart itself; of one that emulates it knows nothing. */
static int kvm_follow(void *env, struct sg_args *record, struct sg_err *err)
{
	const struct kvm *k = env;

	for (unsigned i = 0; i < k->n && k->ask.inside; i++)
		sg_inside_guest(record, i, sg_domain_pid(k->place[i].d), k->place[i].agent_port);
	if (k->ask.inside)
		sg_inside_key(record, k->data);
	if (k->ask.accel == SG_ACCEL_KVM)
		return 0;
	if (k->n > ROLES_MAX)
		return sg_err_set(err, -E2BIG,
				  "at most %d emulated virtual machines can be recorded at once (--jobs)",
				  ROLES_MAX);
	for (unsigned i = 0; i < k->n; i++) {
		sg_arg(record, "--role");
		sg_arg(record, "vmm=%d", (int)sg_domain_pid(k->place[i].d));
	}
	return 0;
}

static int kvm_used(void *env, unsigned place, struct sg_cpu_used *ret, struct sg_err *err)
{
	const struct kvm *k = env;

	if (pread(k->place[place].used, ret, sizeof(*ret), 0) == sizeof(*ret))
		return 0;
	return sg_err_set(err, -ENODATA, "the virtual machine of place %u did not say what its job used",
			  place);
}

static const char *const parts[] = { "vcpu", "vmm", "iothread", "vhost", NULL };

const struct sg_cpu_env sg_cpu_env_kvm = { .data = DATA,
					   .parts = parts,
					   .open = kvm_open,
					   .close = kvm_close,
					   .start = kvm_start,
					   .follow = kvm_follow,
					   .used = kvm_used };
