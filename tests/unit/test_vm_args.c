// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What command lines, cgroups and thread names say of virtual machines; QMP's lines. Those of liars, too. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/vm_priv.h"
#include "env/vmwatch_priv.h"

/* Words parted by '|'. */
static struct sg_vm_args args(const char *vmm, const char *words)
{
	struct sg_vm_args a;
	char line[4096];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s", words);

	for (size_t i = 0; i < n; i++)
		if (line[i] == '|')
			line[i] = 0;
	sg_vm_args(vmm, line, n + 1, &a);
	return a;
}

#define EQ(a, b) cr_assert_str_eq(a, b)

Test(vm_args, programs)
{
	EQ(sg_vm_vmm("qemu-system-x86_64"), "qemu");
	EQ(sg_vm_vmm("qemu-kvm"), "qemu");
	EQ(sg_vm_vmm("kvm"), "qemu");
	EQ(sg_vm_vmm("firecracker-v1.7.0-x86_64"), "firecracker");
	EQ(sg_vm_vmm("cloud-hypervisor-static"), "cloud-hypervisor");
	EQ(sg_vm_vmm("runsc"), "gvisor");
	cr_assert_null(sg_vm_vmm("qemu-img"));
	cr_assert_null(sg_vm_vmm("qemu-x86_64"));
	cr_assert_null(sg_vm_vmm("kvmd"));
	cr_assert_null(sg_vm_vmm(""));
}

Test(vm_args, qemu_as_people_start_it)
{
	struct sg_vm_args a =
		args("qemu", "qemu-system-x86_64|-name|web|-m|512|-smp|4|-accel|tcg,thread=multi|-qmp|"
			     "unix:/run/q,server=on,wait=off");

	EQ(a.name, "web");
	EQ(a.accel, "tcg");
	EQ(a.qmp, "/run/q");
	cr_assert(a.only_accel && !a.libvirts && !a.no_machine);
	cr_assert_eq(a.memory_bytes, 512ull << 20);
	cr_assert_eq(a.nvcpu, 4);
	a = args("qemu", "qemu|-name|a,,b,process=x|--m|1.5G|-smp|sockets=2,cores=3,threads=2|-enable-kvm");
	EQ(a.name, "a,b");
	EQ(a.accel, "kvm");
	cr_assert_eq(a.memory_bytes, 1536ull << 20);
	cr_assert_eq(a.nvcpu, 12);
	a = args("qemu", "qemu|-machine|q35,accel=kvm:tcg|-smp|2,maxcpus=8|-m|size=1G,slots=2|-mon|chardev=m,"
			 "mode=control|"
			 "-chardev|socket,path=/tmp/m.sock,id=m,server=on");
	EQ(a.accel, "kvm");
	cr_assert_not(a.only_accel);
	cr_assert_eq(a.nvcpu, 2);
	cr_assert_eq(a.memory_bytes, 1ull << 30);
	EQ(a.qmp, "/tmp/m.sock");
	cr_assert_not(args("qemu", "qemu|-accel|kvm|-accel|tcg").only_accel);
}

Test(vm_args, qemu_as_libvirt_starts_it)
{
	struct sg_vm_args a = args(
		"qemu", "/usr/bin/qemu-system-x86_64|-name|guest=web,debug-threads=on|-S|-object|"
			"{\"qom-type\":\"secret\",\"id\":\"masterKey0\"}|-machine|"
			"pc-i440fx-7.2,usb=off,dump-guest-core=off|-accel|kvm|-m|524288k|-smp|"
			"2,sockets=2,cores=1,threads=1|-uuid|11111111-2222-3333-4444-666666666667|-chardev|"
			"socket,id=charmonitor,path=/var/lib/libvirt/qemu/domain-1-web/monitor.sock|-mon|"
			"chardev=charmonitor,id=monitor,mode=control");

	EQ(a.name, "web");
	EQ(a.uuid, "11111111-2222-3333-4444-666666666667");
	EQ(a.qmp, "");
	cr_assert(a.libvirts && a.only_accel);
	cr_assert_eq(a.memory_bytes, 512ull << 20);
	cr_assert_eq(a.nvcpu, 2);
	cr_assert(args("qemu", "qemu-system-x86_64|-S|-no-user-config|-nodefaults|-nographic|-machine|"
			       "none,accel=kvm:tcg|-qmp|unix:/x")
			  .no_machine);
}

Test(vm_args, the_others)
{
	struct sg_vm_args a = args("firecracker", "/firecracker|--id|vm-7|--api-sock|/run/fc.sock");

	EQ(a.name, "vm-7");
	EQ(args("firecracker", "/firecracker|--id=vm-8").name, "vm-8");
	EQ(args("firecracker", "/firecracker|--api-sock|/x|--|--id|no").name, "");
	a = args("cloud-hypervisor", "cloud-hypervisor|--api-socket|/run/ch/"
				     "blue.sock|--memory|size=2G,shared=on|--cpus|boot=4,max=8");
	EQ(a.name, "blue");
	cr_assert_eq(a.memory_bytes, 2ull << 30);
	cr_assert_eq(a.nvcpu, 4);
	EQ(args("cloud-hypervisor", "ch|--api-socket|path=/run/vc/vm/0123abcd/clh-api.sock").name,
	   "0123abcd");
	EQ(args("kvmtool", "lkvm|run|--name|tool").name, "tool");
	EQ(args("gvisor", "runsc-sandbox|--id|x").name, "");
}

Test(vm_args, hostile_lines)
{
	struct sg_vm_args a;
	char line[70000];

	sg_vm_args("qemu", "x", 0, &a);
	EQ(a.name, "");
	sg_vm_args("qemu", "no end", 6, &a); /* cut by the reader: not used */
	EQ(a.name, "");
	EQ(args("qemu", "").name, "");
	EQ(args("qemu", "q|-name").name, "");
	EQ(args("qemu", "q|-|--|-name|\033[31m\xff,").name, "\033[31m\xff");
	a = args("qemu", "q|-m|-5|-smp|0|-uuid|zzz|-accel||-machine|,,,|-qmp|tcp:1:2|-mon|mode=control");
	cr_assert(!a.memory_bytes && !a.nvcpu && !a.accel[0] && !a.qmp[0]);
	cr_assert_eq(args("qemu", "q|-m|99999999999999999999").memory_bytes, 0);
	cr_assert_eq(args("qemu", "q|-smp|sockets=60000,cores=60000,threads=60000").nvcpu, 0);
	/* values longer than any room; a socket's cut path would be another socket's */
	memset(line, 'a', sizeof(line));
	memcpy(line, "q\0-name", 8);
	line[60000] = 0;
	memcpy(line + 60001, "-qmp\0unix:", 10);
	line[sizeof(line) - 1] = 0;
	sg_vm_args("qemu", line, sizeof(line), &a);
	cr_assert_eq(strlen(a.name), sizeof(a.name) - 1);
	EQ(a.qmp, "");
	/* any bytes at all */
	srand(7);
	for (int round = 0; round < 2000; round++) {
		static const char *const words[] = { "-name", "-m",	 "-smp",   "-accel", "-chardev",
						     "-mon",  "socket,", "guest=", "," };
		size_t n = 0;

		while (n < 300) {
			const char *w = words[(size_t)rand() % 9];

			if (rand() % 3) {
				line[n++] = (char)(rand() % 4 ? rand() : 0);
			} else {
				memcpy(line + n, w, strlen(w) + 1);
				n += strlen(w) + (size_t)(rand() % 2);
			}
		}
		line[n] = 0;
		for (int k = 0; k < 3; k++)
			sg_vm_args(k == 0   ? "qemu"
				   : k == 1 ? "cloud-hypervisor"
					    : "firecracker",
				   line, n + 1, &a);
		cr_assert_lt(strlen(a.name), sizeof(a.name));
	}
}

Test(vm_args, cgroups_of_libvirt)
{
	char name[64];

	cr_assert(sg_vm_cgroup_name("/machine.slice/machine-qemu\\x2d1\\x2dmy\\x2dweb.scope/libvirt/emulator",
				    name, sizeof(name)));
	EQ(name, "my-web");
	cr_assert(sg_vm_cgroup_name("/machine/qemu-12-db.libvirt-qemu/vcpu0", name, sizeof(name)));
	EQ(name, "db");
	cr_assert_not(sg_vm_cgroup_name("/machine.slice/machine-lxc\\x2d1\\x2dx.scope", name, sizeof(name)));
	cr_assert_not(sg_vm_cgroup_name("/user.slice", name, sizeof(name)));
	cr_assert_not(sg_vm_cgroup_name("/machine-qemu\\x2d1\\x2d.scope", name, sizeof(name)));
	cr_assert_not(sg_vm_cgroup_name("/qemu-x-y.scope", name, sizeof(name)));
	cr_assert_not(sg_vm_cgroup_name("/\\x\\x2\\xzz\\x00", name, sizeof(name)));
	cr_assert_not(sg_vm_cgroup_name("", name, sizeof(name)));
}

Test(vm_args, vcpus_by_their_threads)
{
	cr_assert_eq(sg_vm_vcpu_comm("CPU 0/KVM"), 0);
	cr_assert_eq(sg_vm_vcpu_comm("CPU 12/TCG"), 12);
	cr_assert_eq(sg_vm_vcpu_comm("fc_vcpu 3"), 3);
	cr_assert_eq(sg_vm_vcpu_comm("vcpu1"), 1);
	cr_assert_eq(sg_vm_vcpu_comm("crosvm_vcpu2"), 2);
	cr_assert_eq(sg_vm_vcpu_comm("CPU 0/XXX"), -1);
	cr_assert_eq(sg_vm_vcpu_comm("CPU -1/KVM"), -1);
	cr_assert_eq(sg_vm_vcpu_comm("vcpu99999999"), -1);
	cr_assert_eq(sg_vm_vcpu_comm("worker"), -1);
	cr_assert_eq(sg_vm_vcpu_comm(""), -1);
}

Test(vm_args, lines_of_qmp)
{
	uint64_t v = 1;
	char deep[200];

	cr_assert_eq(sg_qmp_parse("{\"QMP\": {\"version\": {}, \"capabilities\": []}}", &v), SG_QMP_GREETING);
	cr_assert_eq(sg_qmp_parse("{\"return\": {}}", &v), SG_QMP_RETURN);
	cr_assert_eq(sg_qmp_parse("{\"return\": {\"actual\": 314572800}}", &v), SG_QMP_ACTUAL);
	cr_assert_eq(v, 314572800);
	cr_assert_eq(sg_qmp_parse("{\"timestamp\": {\"seconds\": 1}, \"event\": \"BALLOON_CHANGE\", "
				  "\"data\": {\"actual\": 4096}}",
				  &v),
		     SG_QMP_ACTUAL);
	cr_assert_eq(v, 4096);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"STOP\"}", &v), SG_QMP_STOP);
	cr_assert_eq(sg_qmp_parse("{\"return\": {\"status\": \"paused\", \"running\": false}}", &v),
		     SG_QMP_RETURN);
	cr_assert_eq(sg_qmp_parse("{\"return\": {\"status\": \"postmigrate\"}}", &v), SG_QMP_MIGRATED);
	cr_assert_eq(sg_qmp_parse("{\"return\": {\"status\": {}}}", &v), SG_QMP_RETURN);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"RESUME\"}", &v), SG_QMP_RESUME);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}", &v),
		     SG_QMP_SHUTDOWN);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"RTC_CHANGE\"}", &v), SG_QMP_OTHER);
	cr_assert_eq(sg_qmp_parse("{\"error\": {\"class\": \"DeviceNotActive\"}}", &v), SG_QMP_ERROR);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": -1}}", &v),
		     SG_QMP_BAD);
	cr_assert_eq(sg_qmp_parse("{\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": \"9\"}}", &v),
		     SG_QMP_BAD);
	cr_assert_eq(sg_qmp_parse("{\"event\": null}", &v), SG_QMP_OTHER);
	cr_assert_eq(sg_qmp_parse("[1]", &v), SG_QMP_BAD);
	cr_assert_eq(sg_qmp_parse("SSH-2.0", &v), SG_QMP_BAD);
	cr_assert_eq(sg_qmp_parse("", &v), SG_QMP_BAD);
	cr_assert_eq(sg_qmp_parse("{\"QMP\"", &v), SG_QMP_BAD);
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	cr_assert_eq(sg_qmp_parse(deep, &v), SG_QMP_BAD);
	cr_assert_eq(v, 4096, "touched by what is none");
}
