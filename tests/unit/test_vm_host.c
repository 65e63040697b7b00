// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Virtual machines of a machine without libvirt's help: machines made of files, with liars on them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/vm_priv.h"
#include "fakehost.h"

#define UUID "11111111-2222-3333-4444-666666666667"

static char run_dir[96];
static struct sg_vm_opts from;

static void machine(void)
{
	host_make("vm");
	snprintf(run_dir, sizeof(run_dir), "%s/run", host.top);
	from = (struct sg_vm_opts){ .connect = "", .proc = host.proc, .cgroup = host.cgroup, .run = run_dir };
}

TestSuite(vm_host, .init = machine, .fini = host_gone);

/* A process; @words parted by '|'; NULL exe: it may not be looked at. */
static void process(unsigned pid, unsigned ppid, const char *exe, const char *words, const char *cgroup)
{
	char path[4096];

	host_process(pid, ppid, exe ? exe : "x", 9, cgroup);
	host_cmdline(pid, words, '|');
	if (exe)
		cr_assert_eq(symlink(exe, host_at(path, "proc/%u/exe", pid)), 0);
}

static void fd(unsigned pid, unsigned nr, const char *to)
{
	char path[4096];

	cr_assert_eq(symlink(to, host_at(path, "proc/%u/fd/%u", pid, nr)), 0);
}

static void thread(unsigned pid, unsigned tid, const char *comm)
{
	char path[4096], text[64];

	host_put(host_at(path, "proc/%u/task/%u/comm", pid, tid), text,
		 (size_t)snprintf(text, sizeof(text), "%s\n", comm));
}

static struct sg_vm_list list(void)
{
	struct sg_vm_list l;
	struct sg_err err = { 0 };

	cr_assert_eq(sg_vms(&l, &from, false, &err), 0, "%s", err.msg);
	return l;
}

static struct sg_vm_info *only(struct sg_vm_list *l)
{
	*l = list();
	cr_assert_eq(l->n, 1, "%zu", l->n);
	return l->v;
}

static uint64_t cgroup_folder(const char *below)
{
	char path[4096];
	struct stat st;

	mkdir(host_at(path, "cgroup/%s", below), 0755);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_ino;
}

/* ---- one at a time ---------------------------------------------------------------------------- */

Test(vm_host, a_qemu_with_kvm)
{
	uint64_t ino = cgroup_folder("memory/machine/qemu-1-web.libvirt-qemu");
	struct sg_vm_list l;
	struct sg_vm_info *v;

	process(100, 1, "/usr/bin/qemu-system-x86_64",
		"/usr/bin/qemu-system-x86_64|-name|guest=web,debug-threads=on|-m|size=524288k|-uuid|" UUID
		"|-accel|kvm|-qmp|unix:/run/q",
		"4:cpu,memory:/machine/qemu-1-web.libvirt-qemu\n0::/\n");
	fd(100, 3, "/dev/kvm");
	fd(100, 4, "anon_inode:kvm-vm");
	fd(100, 5, "anon_inode:kvm-vcpu:0");
	fd(100, 6, "anon_inode:kvm-vcpu:1");
	thread(100, 100, "qemu-system-x86");
	thread(100, 104, "CPU 1/KVM");
	thread(100, 103, "CPU 0/KVM");
	thread(100, 105, "worker");
	v = only(&l);
	cr_assert_str_eq(v->name, "web");
	cr_assert_str_eq(v->uuid, UUID);
	cr_assert_str_eq(v->vmm, "qemu");
	cr_assert_str_eq(v->source, "process");
	cr_assert_str_eq(v->accel, "kvm");
	cr_assert_str_eq(v->qmp, "/run/q");
	cr_assert_str_eq(v->cgroup, "/machine/qemu-1-web.libvirt-qemu");
	cr_assert_eq(v->cgroup_id, ino);
	cr_assert_eq(v->memory_bytes, 512ull << 20);
	cr_assert(v->pid == 100 && v->nvcpu == 2 && v->vcpu[0] == 103 && v->vcpu[1] == 104);
	sg_vms_free(&l);
}

Test(vm_host, a_qemu_that_emulates)
{
	struct sg_vm_list l;
	struct sg_vm_info *v;
	char path[4096];
	uint64_t ino;

	host_put(host_at(path, "cgroup/cgroup.controllers"), "memory\n", 7);
	ino = cgroup_folder("user.slice");
	process(7, 1, "/usr/bin/qemu-system-x86_64 (deleted)", "qemu-system-x86_64|-accel|kvm:tcg|-smp|2",
		"0::/user.slice\n");
	fd(7, 3, "/dev/kvm");
	thread(7, 7, "qemu-system-x86");
	thread(7, 8, "CPU 0/TCG");
	v = only(&l);
	cr_assert_str_eq(v->name, "qemu-system-x86_64-7");
	cr_assert_str_eq(v->accel, "tcg");
	cr_assert_str_eq(v->cgroup, "/user.slice");
	cr_assert_eq(v->cgroup_id, ino);
	cr_assert(v->nvcpu == 1 && v->vcpu[0] == 8);
	sg_vms_free(&l);
}

/* Not root: neither program nor descriptors are to be seen; the words must do. */
Test(vm_host, somebody_elses_qemu)
{
	struct sg_vm_list l;
	struct sg_vm_info *v;

	process(7, 1, NULL, "/usr/bin/qemu-system-aarch64|-name|arm|-accel|kvm:tcg|-smp|2", "0::/\n");
	v = only(&l);
	cr_assert_str_eq(v->accel, "kvm");
	cr_assert_str_eq(v->name, "arm");
	cr_assert(v->nvcpu == 2 && !v->vcpu[0] && !v->vcpu[1]);
	sg_vms_free(&l);
}

Test(vm_host, the_other_monitors)
{
	struct sg_vm_list l;

	process(10, 1, "/srv/jail/firecracker", "/firecracker|--id|vm-7|--api-sock|/x", "0::/\n");
	fd(10, 9, "anon_inode:kvm-vm");
	thread(10, 12, "fc_vcpu 0");
	process(20, 1, "/usr/bin/cloud-hypervisor",
		"cloud-hypervisor|--api-socket|/run/blue.sock|--memory|size=1G", "0::/\n");
	fd(20, 9, "anon_inode:kvm-vm");
	thread(20, 22, "vcpu0");
	process(30, 1, "/opt/a.out", "./a.out", "0::/\n");
	fd(30, 4, "anon_inode:kvm-vcpu:0");
	fd(30, 5, "anon_inode:kvm-vcpu:1");
	process(40, 1, "/usr/bin/runsc", "runsc-sandbox|boot", "0::/\n");
	fd(40, 4, "anon_inode:[kvm-vm]");
	l = list();
	cr_assert_eq(l.n, 4);
	for (size_t i = 0; i < l.n; i++) {
		struct sg_vm_info *v = &l.v[i];
		bool fc = v->pid == 10, ch = v->pid == 20, raw = v->pid == 30;

		cr_assert_str_eq(v->accel, "kvm");
		cr_assert_str_eq(v->name, fc ? "vm-7" : ch ? "blue" : raw ? "a.out-30" : "runsc-40");
		cr_assert_str_eq(v->vmm, fc    ? "firecracker"
					 : ch  ? "cloud-hypervisor"
					 : raw ? "a.out"
					       : "gvisor");
		cr_assert_eq(v->nvcpu, raw ? 2 : v->pid == 40 ? 0 : 1);
		cr_assert_eq(v->vcpu[0], fc ? 12 : ch ? 22 : 0);
	}
	sg_vms_free(&l);
}

Test(vm_host, what_is_none)
{
	struct sg_vm_info v;
	struct sg_vm_list l;

	process(1, 0, "/sbin/init", "init", "0::/\n");
	process(2, 0, NULL, "", "0::/\n");
	process(50, 1, "/usr/bin/tool", "tool", "0::/\n");
	fd(50, 3, "/dev/kvm"); /* only asks what there is */
	process(51, 1, "/usr/bin/qemu-system-x86_64", "qemu-system-x86_64|-S|-machine|none,accel=kvm:tcg",
		"0::/\n");
	fd(51, 3, "/dev/kvm");
	process(52, 1, "/usr/bin/qemu-system-x86_64", "", "0::/\n");		/* a zombie */
	process(53, 1, "/usr/bin/firecracker", "firecracker|--id|x", "0::/\n"); /* no machine yet */
	l = list();
	cr_assert_eq(l.n, 0);
	sg_vms_free(&l);
	cr_assert_eq(sg_vm_of_pid(53, &from, &v), -ENOENT);
	cr_assert(sg_vm_is_monitor(53, &from));
	cr_assert_not(sg_vm_is_monitor(50, &from));
	cr_assert_eq(sg_vm_of_pid(999, &from, &v), -ESRCH);
}

/* ---- who is believed ------------------------------------------------------------------------------ */

static void pid_file(const char *name, const char *text)
{
	char path[4096];

	host_put(host_at(path, "run/libvirt/qemu/%s.pid", name), text, strlen(text));
}

static void qemu(unsigned pid, const char *name, const char *uuid)
{
	char words[512];

	snprintf(words, sizeof(words), "qemu-system-x86_64|-name|guest=%s|%s%s", name,
		 *uuid ? "-uuid|" : "-S", uuid);
	process(pid, 1, "/usr/bin/qemu-system-x86_64", words, "0::/\n");
}

static int find(const char *what, struct sg_vm_info *v, char msg[384])
{
	struct sg_err err = { 0 };
	int r = sg_vm_find(what, &from, v, &err);

	snprintf(msg, 384, "%s", err.msg);
	return r;
}

Test(vm_host, libvirts_file_names_it)
{
	struct sg_vm_info v;
	char msg[384];

	qemu(100, "web", UUID);
	qemu(200, "web", UUID); /* a liar */
	pid_file("web", "100\n");
	pid_file("other", "999\n");
	pid_file("bad", "x");
	cr_assert_eq(find("web", &v, msg), 0, "%s", msg);
	cr_assert_eq(v.pid, 100);
	cr_assert_str_eq(v.source, "libvirt");
	cr_assert_eq(find(UUID, &v, msg), 0, "%s", msg);
	cr_assert_eq(v.pid, 100);
	cr_assert_eq(find("200", &v, msg), 0, "%s", msg);
	cr_assert_eq(v.pid, 200);
}

Test(vm_host, a_file_in_libvirts_folder_that_is_none)
{
	struct sg_vm_list l;
	char path[4096];

	qemu(100, "web", "");
	cr_assert_eq(mkfifo(host_at(path, "run/libvirt/qemu/web.pid"), 0600), 0);
	cr_assert_eq(symlink("/dev/zero", host_at(path, "run/libvirt/qemu/two.pid")), 0);
	cr_assert_str_eq(only(&l)->source, "process");
	sg_vms_free(&l);
}

Test(vm_host, words_that_fit_none_or_several)
{
	struct sg_vm_info v;
	char msg[384];

	cr_assert_eq(find("web", &v, msg), -ENOENT);
	cr_assert_str_eq(msg, "no virtual machine runs here, so none is called 'web'");
	qemu(100, "web", "");
	qemu(101, "web", "");
	qemu(102, "\033[31mred", "");
	cr_assert_eq(find("web", &v, msg), -ENOTUNIQ);
	cr_assert(strstr(msg, "'web' fits 2 virtual machines: ") && strstr(msg, "web (process 100)") &&
			  strstr(msg, "web (process 101)") && !strstr(msg, "red"),
		  "%s", msg);
	cr_assert_eq(find("nobody\n", &v, msg), -ENOENT);
	cr_assert(strstr(msg, "'nobody?'") && strstr(msg, "?[31mred (process 102)"), "%s", msg);
	cr_assert_eq(find("", &v, msg), -ENOENT);
	cr_assert_eq(find("101", &v, msg), 0);
	cr_assert_eq(v.pid, 101);
	for (unsigned i = 0; i < 20; i++)
		qemu(300 + i, "a-name-that-is-rather-long-and-fills-a-sentence-soon", "");
	cr_assert_eq(find("nobody", &v, msg), -ENOENT);
	cr_assert(strstr(msg, " ..."), "%s", msg);
}

/* A name that is a number, and a process that has that number. */
Test(vm_host, numbers)
{
	struct sg_vm_info v;
	char msg[384];

	qemu(100, "200", "");
	qemu(200, "web", "");
	cr_assert_eq(find("200", &v, msg), 0, "%s", msg);
	cr_assert_eq(v.pid, 200);
	pid_file("200", "100");
	cr_assert_eq(find("200", &v, msg), 0, "%s", msg);
	cr_assert_eq(v.pid, 100);
}

Test(vm_host, a_domain_is_one_process_or_none)
{
	struct sg_vm_list l;
	struct sg_vm_info *v;

	qemu(100, "web", UUID);
	qemu(101, "plain", "");
	l = list();
	v = sg_vm_domain(&l, "web", UUID);
	cr_assert(v && v->pid == 100);
	v = sg_vm_domain(&l, "renamed", UUID);
	cr_assert(v && v->pid == 100);
	v = sg_vm_domain(&l, "plain", "22222222-2222-3333-4444-666666666667");
	cr_assert(v && v->pid == 101);
	cr_assert_null(sg_vm_domain(&l, "web", "22222222-2222-3333-4444-666666666667"),
		       "another one of that name");
	sg_vms_free(&l);
	qemu(102, "x", UUID);
	l = list();
	cr_assert_null(sg_vm_domain(&l, "web", UUID), "two claim it, and nobody vouches");
	sg_vms_free(&l);
}

Test(vm_host, kernel_threads_for_it)
{
	uint32_t pid[8];

	process(300, 2, "vhost-100", "", "0::/\n");
	process(301, 2, "kvm-pit/100", "", "0::/\n");
	process(302, 2, "vhost-1000", "", "0::/\n");
	process(303, 1, "vhost-100", "sh", "0::/\n"); /* a liar: the kernel's own are children of kthreadd */
	cr_assert_eq(sg_vm_helpers(100, &from, pid, 8), 2);
	cr_assert_eq(pid[0] + pid[1], 601);
	cr_assert_eq(sg_vm_helpers(100, &from, pid, 1), 1);
	cr_assert_eq(sg_vm_helpers(7, &from, pid, 8), 0);
}

Test(vm_host, hostile_files)
{
	struct sg_vm_list l;
	struct sg_vm_info *v;
	char path[4096], text[9000];

	process(9, 1, "/usr/bin/qemu-system-x86_64", "q|-name|\xff\xfe\"\x1b",
		"junk\n::\n:memory:\n7:memory:/../..\n");
	thread(9, 10, "CPU 70000/KVM");
	thread(9, 11, "CPU 500/KVM"); /* above what is kept */
	memset(text, 'x', sizeof(text));
	host_put(host_at(path, "proc/9/task/12/comm"), text, sizeof(text));
	host_put(host_at(path, "proc/notanumber"), "x", 1);
	host_put(host_at(path, "proc/77"), "a file", 6);
	v = only(&l);
	cr_assert_str_eq(v->name, "\xff\xfe\"\x1b");
	cr_assert_eq(v->nvcpu, 501);
	cr_assert_eq(v->cgroup_id, 0);
	sg_vms_free(&l);
	from.proc = "/nowhere";
	cr_assert_eq(sg_vms(&l, &from, false, NULL), -ENOENT);
}
