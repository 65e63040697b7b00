/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * This machine's virtual machines by its processes. That a process runs one, the kernel says: it holds
 * a descriptor of KVM's, or its program is a QEMU, which emulates without. What the machine is called
 * its command line says, and libvirt's files if libvirt made it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/container_priv.h"
#include "env/vm_priv.h"
#include "kern/proc.h"

#define CMDLINE_MAX (128u << 10)
#define CGROUP_MAX  (64u << 10)
#define FDS_MAX	    65536 /* descriptors of one process that are looked at */
#define TASKS_MAX   65536

static char *proc_text(const struct sg_vm_opts *o, uint32_t pid, const char *file, size_t max, size_t *ret_n)
{
	char path[512], *text;
	ssize_t n;

	snprintf(path, sizeof(path), "%.400s/%u/%s", sg_vm_proc(o), pid, file);
	n = sg_proc_read(path, max, &text);
	if (n < 0)
		return NULL;
	*ret_n = (size_t)n;
	return text;
}

static DIR *proc_dir(const struct sg_vm_opts *o, uint32_t pid, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%.400s/%u/%s", sg_vm_proc(o), pid, name);
	return opendir(path);
}

/* ---- what it holds --------------------------------------------------------------------------- */

struct held {
	bool readable; /* its descriptors could be looked at */
	bool vm;       /* a virtual machine of KVM's */
	uint32_t vcpus;
};

/* Descriptors of a machine and its vCPUs. /dev/kvm alone is who only asks what KVM can do. */
static void held_by(const struct sg_vm_opts *o, uint32_t pid, struct held *ret)
{
	DIR *d = proc_dir(o, pid, "fd");
	struct dirent *e;
	char to[64];

	*ret = (struct held){ .readable = d != NULL };
	for (unsigned i = 0; d && i < FDS_MAX && (e = readdir(d)); i++) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		if (n < 0)
			continue;
		to[n] = 0;
		if (!strncmp(to, "anon_inode:kvm-vcpu", 19) || !strncmp(to, "anon_inode:[kvm-vcpu", 20))
			ret->vcpus++;
		else if (!strcmp(to, "anon_inode:kvm-vm") || !strcmp(to, "anon_inode:[kvm-vm]"))
			ret->vm = true;
	}
	if (d)
		closedir(d);
	ret->vm |= ret->vcpus > 0;
}

/* File name of the program: the kernel's word if we may know, else what it calls itself. */
static void program(const struct sg_vm_opts *o, uint32_t pid, const char *cmdline, char *ret, size_t cap)
{
	char path[512], exe[1024], *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%.400s/%u/exe", sg_vm_proc(o), pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		n = snprintf(exe, sizeof(exe), "%s", cmdline);
	exe[n < (ssize_t)sizeof(exe) ? n : (ssize_t)sizeof(exe) - 1] = 0;
	end = strstr(exe, " (deleted)");
	if (end && !end[10])
		*end = 0;
	snprintf(ret, cap, "%s", sg_ct_base(exe));
}

static void threads(const struct sg_vm_opts *o, struct sg_vm_info *v)
{
	DIR *d = proc_dir(o, v->pid, "task");
	struct dirent *e;

	for (unsigned i = 0; d && i < TASKS_MAX && (e = readdir(d)); i++) {
		char file[64], *comm;
		size_t n;
		int nr;

		if (*e->d_name < '1' || *e->d_name > '9')
			continue;
		snprintf(file, sizeof(file), "task/%.20s/comm", e->d_name);
		comm = proc_text(o, v->pid, file, 64, &n);
		if (comm)
			comm[strcspn(comm, "\n")] = 0;
		nr = comm ? sg_vm_vcpu_comm(comm) : -1;
		free(comm);
		if (nr < 0)
			continue;
		if (nr < SG_VM_VCPUS)
			v->vcpu[nr] = (uint32_t)strtoul(e->d_name, NULL, 10);
		if ((uint32_t)nr >= v->nvcpu)
			v->nvcpu = (uint32_t)nr + 1;
	}
	if (d)
		closedir(d);
}

static void cgroup_of(const struct sg_vm_opts *o, struct sg_vm_info *v)
{
	size_t n;
	char *text = proc_text(o, v->pid, "cgroup", CGROUP_MAX, &n), dir[4096];
	struct stat st;

	if (text && sg_ct_cgroup_path(text, v->cgroup, sizeof(v->cgroup)) &&
	    sg_ct_cgroup_dir(o && o->cgroup ? o->cgroup : "/sys/fs/cgroup", "memory", v->cgroup, dir,
			     sizeof(dir)) &&
	    !stat(dir, &st) && S_ISDIR(st.st_mode))
		v->cgroup_id = st.st_ino;
	free(text);
}

/* ---- libvirt's own word: RUN/libvirt/qemu/NAME.pid, which only it can write ---------------------- */

static bool pid_file(const char *dir, const char *file, uint32_t *ret)
{
	char path[1024], *text;
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path) || lstat(path, &st) ||
	    !S_ISREG(st.st_mode))
		return false;
	if (sg_proc_read(path, 32, &text) < 0)
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 10);
	free(text);
	return *ret > 0;
}

static void libvirts_name(const struct sg_vm_opts *o, struct sg_vm_info *v)
{
	char dir[512];
	struct dirent *e;
	uint32_t pid;
	DIR *d;

	snprintf(dir, sizeof(dir), "%.400s/libvirt/qemu", o && o->run ? o->run : "/run");
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n < 5 || n - 4 >= sizeof(v->name) || strcmp(e->d_name + n - 4, ".pid") ||
		    !pid_file(dir, e->d_name, &pid) || pid != v->pid)
			continue;
		snprintf(v->name, sizeof(v->name), "%.*s", (int)(n - 4), e->d_name);
		snprintf(v->source, sizeof(v->source), "libvirt");
		break;
	}
	if (d)
		closedir(d);
}

/* ---- one process ------------------------------------------------------------------------------- */

static bool is_uuid(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-'
							    : !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	return n == 36;
}

/* KVM when it holds some of it. A QEMU that does not: what it was told, if its descriptors are not for us to see or it is only starting. */
static const char *accel_of(const struct held *h, const struct sg_vm_args *a)
{
	if (h->vm)
		return "kvm";
	if (a->accel[0] && (a->only_accel || !h->readable))
		return a->accel;
	return "tcg";
}

static void describe(const struct sg_vm_opts *o, struct sg_vm_info *v, const struct sg_vm_args *a,
		     const struct held *h, const char *base)
{
	snprintf(v->source, sizeof(v->source), "process");
	snprintf(v->accel, sizeof(v->accel), "%.7s", accel_of(h, a));
	snprintf(v->name, sizeof(v->name), "%s", a->name);
	if (is_uuid(a->uuid))
		snprintf(v->uuid, sizeof(v->uuid), "%s", a->uuid);
	if (!a->libvirts)
		snprintf(v->qmp, sizeof(v->qmp), "%s", a->qmp);
	v->memory_bytes = a->memory_bytes;
	threads(o, v);
	if (v->nvcpu < h->vcpus)
		v->nvcpu = h->vcpus;
	if (!v->nvcpu)
		v->nvcpu = a->nvcpu ? a->nvcpu : !strcmp(v->vmm, "qemu");
	cgroup_of(o, v);
	if (!strcmp(v->vmm, "qemu"))
		libvirts_name(o, v);
	if (!v->name[0] && !sg_vm_cgroup_name(v->cgroup, v->name, sizeof(v->name)))
		snprintf(v->name, sizeof(v->name), "%.200s-%u", base, v->pid);
}

int sg_vm_of_pid(uint32_t pid, const struct sg_vm_opts *o, struct sg_vm_info *ret)
{
	struct sg_vm_args *a;
	char base[256], *cmdline;
	const char *vmm;
	struct held h;
	size_t n;

	cmdline = proc_text(o, pid, "cmdline", CMDLINE_MAX, &n);
	if (!cmdline)
		return -ESRCH;
	program(o, pid, n ? cmdline : "", base, sizeof(base));
	vmm = sg_vm_vmm(base);
	held_by(o, pid, &h);
	a = h.vm || (vmm && !strcmp(vmm, "qemu")) ? calloc(1, sizeof(*a)) : NULL;
	if (a && n)
		sg_vm_args(vmm ? vmm : "", cmdline, n, a);
	free(cmdline);
	/* A child between fork and exec, or a zombie, has no command line; a QEMU without a machine was only asked something. */
	if (!a || !n || (!h.vm && a->no_machine)) {
		free(a);
		return -ENOENT;
	}
	memset(ret, 0, sizeof(*ret));
	ret->pid = pid;
	snprintf(ret->vmm, sizeof(ret->vmm), "%.31s", vmm ? vmm : base);
	describe(o, ret, a, &h, base);
	free(a);
	return 0;
}

bool sg_vm_is_monitor(uint32_t pid, const struct sg_vm_opts *o)
{
	char base[256];

	program(o, pid, "", base, sizeof(base));
	return sg_vm_vmm(base) != NULL;
}

/* ---- all of them -------------------------------------------------------------------------------- */

int sg_vm_host_list(struct sg_vm_list *l, const struct sg_vm_opts *o, struct sg_err *err)
{
	DIR *d = opendir(sg_vm_proc(o));
	struct sg_vm_info *one = calloc(1, sizeof(*one)), *v;
	struct dirent *e;
	int r = one ? 0 : -ENOMEM;

	if (!d) {
		free(one);
		return sg_err_set(err, -errno, "%s cannot be read: %s", sg_vm_proc(o), strerror(errno));
	}
	while (!r && (e = readdir(d))) {
		if (*e->d_name < '1' || *e->d_name > '9' ||
		    sg_vm_of_pid((uint32_t)strtoul(e->d_name, NULL, 10), o, one))
			continue;
		v = sg_vm_add(l);
		if (v)
			*v = *one;
		else
			r = -ENOMEM;
	}
	closedir(d);
	free(one);
	return r ? sg_err_set(err, r, "out of memory, or more than %d virtual machines", SG_VM_MAX) : 0;
}

/* ---- kernel threads ------------------------------------------------------------------------------ */

size_t sg_vm_helpers(uint32_t pid, const struct sg_vm_opts *o, uint32_t *ret, size_t cap)
{
	static const char *const begins[] = { "vhost-", "kvm-pit/" };
	DIR *d = opendir(sg_vm_proc(o));
	size_t n = 0, len;
	struct dirent *e;

	while (d && n < cap && (e = readdir(d))) {
		uint32_t id = (uint32_t)strtoul(e->d_name, NULL, 10);
		struct sg_proc_stat st;
		char *text, want[32];

		text = id ? proc_text(o, id, "stat", 4096, &len) : NULL;
		/* The kernel's own are the children of kthreadd: nobody else's can call itself so. */
		if (text && !sg_proc_stat_parse(text, (uint64_t)sysconf(_SC_CLK_TCK), &st) && st.ppid == 2)
			for (size_t i = 0; i < 2 && n < cap; i++) {
				snprintf(want, sizeof(want), "%s%u", begins[i], pid);
				if (!strcmp(st.comm, want)) {
					ret[n++] = id;
					break;
				}
			}
		free(text);
	}
	if (d)
		closedir(d);
	return n;
}
