/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The companion that names virtual machines: made-up records and /proc; a libvirtd that is mute. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/vmwatch.h"
#include "fakehost.h"

static void put_file(unsigned pid, const char *name, const char *data, size_t len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/%s", host.proc, pid, name);
	host_put(path, data, len);
}

static void make(unsigned pid, const char *exe, const char *name)
{
	char path[256], line[512];

	snprintf(line, sizeof(line), "%s|-name|%s", exe, name);
	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	cr_assert_eq(mkdir(path, 0700), 0);
	host_cmdline(pid, line, '|');
	put_file(pid, "cgroup", "0::/\n", 5);
	snprintf(path, sizeof(path), "%s/%u/exe", host.proc, pid);
	cr_assert_eq(symlink(exe, path), 0);
	snprintf(path, sizeof(path), "%s/%u/fd", host.proc, pid);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void gets_a_machine(unsigned pid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/fd/3", host.proc, pid);
	cr_assert_eq(symlink("anon_inode:kvm-vm", path), 0);
}

static void setup(void)
{
	host_make("vmwatch");
}

TestSuite(vmwatch, .init = setup, .fini = host_gone, .timeout = 60);

/* ---- what it puts ------------------------------------------------------------------------------- */
#define PUT_MAX 2048
static struct {
	pthread_mutex_t lock;
	union {
		struct sg_hdr h;
		struct sg_vm vm;
		char bytes[1024];
	} ev[PUT_MAX];
	size_t n;
} got = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int on_put(void *ctx, const struct sg_hdr *h)
{
	size_t size = sg_event_size(h, SG_EVENT_MAX);

	pthread_mutex_lock(&got.lock);
	cr_assert_eq(ctx, &got);
	cr_assert(size > 0 && size <= sizeof(got.ev[0]), "a record of kind %u of %zu bytes", h->kind, size);
	cr_assert_lt(got.n, PUT_MAX);
	memcpy(&got.ev[got.n++], h, size);
	pthread_mutex_unlock(&got.lock);
	return 0;
}

/* The last VM of @tgid: its text number @field (0 name, 1 uuid, 2 vmm, 3 source, 4 accel); NULL: none. */
static const char *vm_of(unsigned tgid, int field)
{
	static char text[512];
	bool found = false;

	pthread_mutex_lock(&got.lock);
	for (size_t i = 0; i < got.n; i++) {
		const char *p = got.ev[i].bytes + offsetof(struct sg_vm, text);

		if (got.ev[i].h.kind != SG_REC_VM || got.ev[i].vm.tgid != tgid)
			continue;
		found = true;
		for (int k = 0; k < field; k++)
			p += strlen(p) + 1;
		snprintf(text, sizeof(text), "%s", p);
	}
	pthread_mutex_unlock(&got.lock);
	return found ? text : NULL;
}

static bool comes(unsigned tgid)
{
	for (int i = 0; i < 3000; i++) {
		if (vm_of(tgid, 0))
			return true;
		usleep(10000);
	}
	return false;
}

/* ---- what it is told ---------------------------------------------------------------------------- */
static struct sg_companion watch;
static struct sg_vmwatch_stats stats;

static void begin(const char *connect, const struct sg_vm_info *only)
{
	struct sg_vmwatch_opts o = { .from = { .connect = connect, .proc = host.proc, .run = host.top },
				     .only = only };
	struct sg_err err = { 0 };

	cr_assert_eq(sg_vmwatch_new(&watch, &o, &err), 0, "%s", err.msg);
	cr_assert_eq(watch.start(watch.ctx, on_put, &got, &err), 0, "%s", err.msg);
}

static void end(void)
{
	watch.finish(watch.ctx);
	sg_vmwatch_stats(&watch, &stats);
	sg_vmwatch_free(&watch);
}

static void thread(unsigned tid, unsigned tgid, unsigned flags)
{
	struct sg_thread t = {
		.h = { .ts = 1, .uid = tid, .kind = SG_REC_THREAD }, .tid = tid, .tgid = tgid, .flags = flags
	};

	memset(t.comm, 0xff, sizeof(t.comm));
	watch.event(watch.ctx, &t.h);
}

#define QEMU "/usr/bin/qemu-system-x86_64"

Test(vmwatch, those_that_run)
{
	make(10, QEMU, "web");
	make(11, "/bin/sh", "x");
	make(12, "/bin/raw", "a\033\xff");
	gets_a_machine(12);
	begin("", NULL);
	cr_assert(comes(10) && comes(12));
	end();
	cr_assert_str_eq(vm_of(10, 0), "web");
	cr_assert_str_eq(vm_of(10, 2), "qemu");
	cr_assert_str_eq(vm_of(10, 3), "process");
	cr_assert_str_eq(vm_of(10, 4), "tcg");
	cr_assert_str_eq(vm_of(12, 0), "raw-12");
	cr_assert_str_eq(vm_of(12, 4), "kvm");
	cr_assert_null(vm_of(11, 0));
	cr_assert(stats.vms == 2 && !stats.balloons && !stats.dropped && !stats.note[0] && !stats.fate[0]);
}

/* Its records tell of a process before its monitor has a machine; that is waited for. */
Test(vmwatch, those_that_begin)
{
	begin("", NULL);
	make(20, QEMU, "new");
	make(21, "/usr/bin/firecracker", "x");
	thread(20, 20, 0);
	thread(21, 21, SG_TF_EXEC);
	thread(21, 21, SG_TF_EXEC);
	thread(22, 22, 0); /* gone */
	thread(23, 20, 0); /* a thread of it */
	cr_assert(comes(20));
	gets_a_machine(21);
	cr_assert(comes(21));
	end();
	cr_assert_str_eq(vm_of(21, 2), "firecracker");
	cr_assert_eq(stats.vms, 2);
}

/* What has not been looked at when the recording ends is looked at then. */
Test(vmwatch, at_the_end)
{
	begin("", NULL);
	make(20, QEMU, "late");
	thread(20, 20, SG_TF_EXEC);
	end();
	cr_assert_str_eq(vm_of(20, 0), "late");
}

Test(vmwatch, the_one_that_is_recorded_is_told_at_once)
{
	struct sg_vm_info v = {
		.name = "named", .vmm = "qemu", .source = "libvirt", .accel = "kvm", .pid = 10, .nvcpu = 70000
	};

	make(10, QEMU, "liar");
	begin("", &v);
	cr_assert_str_eq(vm_of(10, 0), "named");
	end();
	cr_assert_str_eq(vm_of(10, 0), "named", "libvirt vouched for it");
	cr_assert_eq(got.ev[0].vm.vcpus, UINT16_MAX);
}

Test(vmwatch, too_many_at_once)
{
	begin("", NULL);
	for (unsigned i = 0; i < 40000; i++)
		thread(1000 + i, 1000 + i, 0);
	end();
	cr_assert_gt(stats.dropped, 0);
	cr_assert_leq(stats.dropped, 40000);
}

/* Somebody listens on libvirt's socket and says nothing: the recording ends all the same. */
Test(vmwatch, a_mute_libvirtd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timespec t0, t1;
	char uri[200];

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/mute", host.top);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8), 0);
	snprintf(uri, sizeof(uri), "qemu+unix:///session?socket=%s/mute", host.top);
	make(10, QEMU, "web");
	begin(uri, NULL);
	cr_assert(comes(10));
	usleep(200000);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	end();
	clock_gettime(CLOCK_MONOTONIC, &t1);
	cr_assert_lt(t1.tv_sec - t0.tv_sec, 20);
	close(fd); /* the thread that was left behind comes back, and finds the way out closed */
	usleep(200000);
	cr_assert_eq(stats.vms, 1);
}

Test(vmwatch, a_libvirtd_that_refuses)
{
	char uri[200];

	snprintf(uri, sizeof(uri), "qemu+unix:///session?socket=%s/absent", host.top);
	make(10, QEMU, "web");
	begin(uri, NULL);
	cr_assert(comes(10));
	for (int i = 0; i < 1000 && !stats.note[0]; i++) {
		usleep(10000);
		sg_vmwatch_stats(&watch, &stats);
	}
	end();
	cr_assert(strstr(stats.note, "refuses, so it tells no names and no balloons: "), "%s", stats.note);
}

/* A socket named on a command line that is none, and one that speaks something else. */
Test(vmwatch, qmp_that_is_none)
{
	struct sg_vm_info v = {
		.name = "web", .vmm = "qemu", .source = "process", .accel = "tcg", .pid = 10
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[256];
	int fd, c;

	make(10, QEMU, "web");
	snprintf(path, sizeof(path), "%s/10/cwd", host.proc);
	cr_assert_eq(symlink(host.top, path), 0);
	snprintf(v.qmp, sizeof(v.qmp), "absent");
	begin("", &v);
	end();
	cr_assert(strstr(stats.note, "the QMP socket of VM web cannot be reached"), "%s", stats.note);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/qmp", host.top);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8), 0);
	snprintf(v.qmp, sizeof(v.qmp), "qmp");
	begin("", &v);
	c = accept(fd, NULL, NULL);
	cr_assert_geq(c, 0);
	cr_assert_eq(write(c, "220 smtp\n", 9), 9);
	memset(&stats, 0, sizeof(stats));
	for (int i = 0; i < 1000 && !stats.note[0]; i++) {
		usleep(10000);
		sg_vmwatch_stats(&watch, &stats);
	}
	end();
	cr_assert(strstr(stats.note, "does not speak QMP"), "%s", stats.note);
	close(c);
	close(fd);
}
