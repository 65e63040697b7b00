/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Virtual machines: their XML, the image's key, the agent's two sides, what belongs to a libvirtd of ours, sizes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/domain_xml.h"
#include "env/libvirtd.h"
#include "env/tool.h"
#include "env/tree.h"
#include "env/vmagent.h"
#include "env/vmimage.h"
#include "env/vmkernel.h"
#include "load/task.h"

#define MIB	((uint64_t)1 << 20)
#define HOSTILE "a'b\"c<d>&e]]>\xc3\xa9 -->%s"

static struct sg_domain_xml some(const char *text)
{
	return (struct sg_domain_xml){ .name = text,
				       .emulator = "/usr/bin/qemu-system-x86_64",
				       .memory_bytes = 256 * MIB,
				       .vcpus = 2,
				       .kernel = "/k",
				       .initrd = text,
				       .cmdline = "console=ttyS0",
				       .root = text,
				       .disk = "/d",
				       .console = "/c",
				       .channel = text };
}

/* Another program's parser reads it, and gets back what went in. */
Test(vm, xml_is_well_formed_whatever_the_names)
{
	static const char script[] =
		"import sys, xml.dom.minidom as m\n"
		"d = m.parseString(open(sys.argv[1], 'rb').read())\n"
		"t = lambda n: d.getElementsByTagName(n)\n"
		"got = [t('name')[0].firstChild.data, t('initrd')[0].firstChild.data]\n"
		"src = [s.getAttribute('file') or s.getAttribute('path') for s in t('source')]\n"
		"assert got[0] == got[1] == src[0] == src[3] == sys.argv[2], (got, src)\n"
		"assert src[1] == '/d' and len(t('disk')) == 2 and len(t('readonly')) == 1\n"
		"assert t('stats')[0].getAttribute('period') == '1'\n"
		"print(d.documentElement.getAttribute('type'))\n";
	char path[] = "/tmp/sandglass-xml.XXXXXX", *xml, *out;
	char *argv[] = { "python3", "-c", (char *)(uintptr_t)script, path, (char *)(uintptr_t)HOSTILE, NULL };
	struct sg_domain_xml d = some(HOSTILE);
	struct sg_err err = { 0 };
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	for (int kvm = 0; kvm < 2; kvm++) {
		d.kvm = kvm;
		cr_assert_eq(sg_domain_xml(&d, &xml, &err), 0, "%s", err.msg);
		cr_assert_eq(ftruncate(fd, 0), 0);
		cr_assert_eq(pwrite(fd, xml, strlen(xml), 0), (ssize_t)strlen(xml));
		cr_assert_eq(sg_tool_run("python3", argv, 60000, &out, &err), 0, "%s\n%s", err.msg, xml);
		cr_expect_str_eq(out, kvm ? "kvm\n" : "qemu\n");
		free(out);
		free(xml);
	}
	close(fd);
	unlink(path);
}

Test(vm, xml_refuses_what_xml_cannot_hold)
{
	static const char *const bad[] = {
		"a\nb",		"\x1b[2J",	    "\xff",	   "\xc3", "\xc0\x80",
		"\xed\xa0\x80", "\xf5\x80\x80\x80", "\xef\xbf\xbf"
	};
	struct sg_err err;
	char *xml;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sg_domain_xml d = some("x");

		d.disk = bad[i];
		cr_expect_eq(sg_domain_xml(&d, &xml, &err), -EINVAL, "%zu", i);
		d.disk = "/d";
		d.console = bad[i];
		cr_expect_eq(sg_domain_xml(&d, &xml, &err), -EINVAL, "%zu", i);
		cr_expect_null(xml);
	}
}

Test(vm, image_key_changes_with_each_input)
{
	char dir[] = "/tmp/sandglass-key.XXXXXX", a[64], b[64], first[17], key[17];
	struct sg_vmimage_input v[2] = { { "/bin/a", a }, { "/bin/b", b } };
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	for (int i = 0; i < 2; i++) {
		f = fopen(v[i].path, "w");
		cr_assert_not_null(f);
		fputs("x", f);
		fclose(f);
	}
	cr_assert_eq(sg_vmimage_key(v, 2, 1, first), 0);
	cr_assert_eq(sg_vmimage_key(v, 2, 1, key), 0);
	cr_expect_str_eq(key, first, "the same inputs have one key");
	cr_assert_eq(sg_vmimage_key(v, 2, 2, key), 0);
	cr_expect_str_neq(key, first, "another kind of image");
	cr_assert_eq(sg_vmimage_key(v, 1, 1, key), 0);
	cr_expect_str_neq(key, first, "one input less");
	v[0].name = "/bin/c";
	cr_assert_eq(sg_vmimage_key(v, 2, 1, key), 0);
	cr_expect_str_neq(key, first, "another place in the image");
	v[0].name = "/bin/a";
	f = fopen(b, "a");
	cr_assert_not_null(f);
	fputs("y", f);
	fclose(f);
	cr_assert_eq(sg_vmimage_key(v, 2, 1, key), 0);
	cr_expect_str_neq(key, first, "a file has changed");
	unlink(b);
	cr_expect_eq(sg_vmimage_key(v, 2, 1, key), -ENOENT);
	sg_tree_remove(dir);
	cr_expect_neq(access(dir, F_OK), 0);
}

Test(vm, cache_is_where_the_user_has_it)
{
	char path[128], small[8];

	setenv("XDG_CACHE_HOME", "/x/cache", 1);
	cr_expect_eq(sg_vmimage_cache(path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/x/cache/sandglass");
	cr_expect_eq(sg_vmimage_cache(small, sizeof(small)), -ENAMETOOLONG);
	setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, by the standard */
	setenv("HOME", "/home/u", 1);
	cr_expect_eq(sg_vmimage_cache(path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/home/u/.cache/sandglass");
	unsetenv("HOME");
	cr_expect_eq(sg_vmimage_cache(path, sizeof(path)), 0);
	cr_expect_str_eq(path, "/var/cache/sandglass");
}

Test(vm, newest_kernel_is_by_number)
{
	cr_expect(sg_vmkernel_newer("6.12.9-amd64", "6.1.99-amd64"));
	cr_expect(sg_vmkernel_newer("6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64"));
	cr_expect_not(sg_vmkernel_newer("6.1.0-9-amd64", "6.1.0-9-amd64"));
}

/* ---- the agent, both sides over a socket --------------------------------------------- */

static int agent(pid_t *ret)
{
	int s[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	*ret = fork();
	if (!*ret) {
		close(s[0]);
		_exit(sg_vmagent_serve(s[1], false, NULL) ? 1 : 0);
	}
	close(s[1]);
	return s[0];
}

Test(vm, agent_runs_commands)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	struct sg_err err = { 0 };
	int status;
	pid_t pid;
	int fd = agent(&pid);

	cr_assert_eq(sg_vmagent_ready(fd, -1, 10000, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_vmagent_run(fd, "echo a; echo b >&2; exit 7", 30000, -1, r, &err), 0, "%s", err.msg);
	cr_expect_eq(r->status, 7);
	cr_expect_str_eq(r->out, "a\nb\n");
	cr_assert_eq(sg_vmagent_run(fd, "kill -9 $$", 30000, -1, r, &err), 0, "%s", err.msg);
	cr_expect_eq(r->status, 128 + 9);
	cr_expect_eq(r->len, 0);
	/* what stays in the background does not hold it up */
	cr_assert_eq(sg_vmagent_run(fd, "sleep 3 & echo $!", 30000, -1, r, &err), 0, "%s", err.msg);
	cr_expect_lt(r->wall_ns, 3000000000ull);
	cr_assert_eq(sg_vmagent_run(fd, "sleep 1000", 100, -1, r, &err), 0, "%s", err.msg);
	cr_expect_eq(r->status, 124);
	cr_assert_eq(sg_vmagent_run(fd, "printf '\\000x'; head -c 100000 /dev/zero; printf end", 30000, -1, r,
				    &err),
		     0, "%s", err.msg);
	cr_expect_eq(r->len, SG_VMAGENT_OUT_MAX);
	cr_expect_eq(memcmp(r->out + r->len - 3, "end", 4), 0);
	close(fd);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "the agent ends with its channel");
	free(r);
}

Test(vm, agent_refuses_what_is_too_long)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	char *command = malloc(SG_VMAGENT_COMMAND_MAX + 2);
	struct sg_err err;

	memset(command, 'x', SG_VMAGENT_COMMAND_MAX + 1);
	command[SG_VMAGENT_COMMAND_MAX + 1] = 0;
	cr_expect_eq(sg_vmagent_run(-1, command, 1000, -1, r, &err), -E2BIG);
	free(command);
	free(r);
}

/* A guest is not trusted: each of these is an error, not a crash or a wait for ever. */
Test(vm, hostile_guest)
{
	static const char *const says[] = { "done\n",
					    "done 0 0 0 0 99999999\n",
					    "done 0 0 0 0 -1\n",
					    "done 0 1 1 1 4\nab",
					    "done 0 1 1 1 0 more\n",
					    "\n",
					    "ready\n" };
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	struct sg_err err;

	for (size_t i = 0; i < sizeof(says) / sizeof(*says); i++) {
		int s[2], rc;

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		cr_assert_eq(write(s[1], says[i], strlen(says[i])), (ssize_t)strlen(says[i]));
		shutdown(s[1], SHUT_WR);
		rc = sg_vmagent_run(s[0], "true", 1000, -1, r, &err);
		cr_expect(rc == -EPROTO || rc == -EPIPE, "%zu: %d", i, rc);
		close(s[0]);
		close(s[1]);
	}
	free(r);
}

Test(vm, agent_of_another_kind)
{
	char line[400];
	struct sg_err err;
	int s[2];

	memset(line, 'a', sizeof(line));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	cr_expect_eq(sg_vmagent_ready(s[0], -1, 50, &err), -ETIMEDOUT);
	cr_assert_eq(write(s[1], line, sizeof(line)), (ssize_t)sizeof(line));
	cr_expect_eq(sg_vmagent_ready(s[0], -1, 1000, &err), -EPROTO);
	close(s[0]);
	close(s[1]);
}

/* ---- what belongs to a daemon of ours -------------------------------------------------- */

#define IS_OURS(args, len) sg_owndaemon_is_kin(&sg_libvirtd_kin, args, len, "/var/tmp/x/vm")
#define OURS(args)	   IS_OURS(args, sizeof(args))

Test(vm, sweep_knows_its_own)
{
	cr_expect(OURS("libvirtd\0--config=/var/tmp/x/vm/libvirtd.conf"));
	cr_expect(OURS("/usr/bin/qemu-system-x86_64\0-object\0{\"file\":\"/var/tmp/x/vm/cfg/key\"}"));
	cr_expect(OURS("/usr/bin/unshare\0--user\0libvirtd\0--config=/var/tmp/x/vm/a"));
	cr_expect_not(OURS("libvirtd\0--config=/var/tmp/x/vm2/libvirtd.conf"));
	cr_expect_not(OURS("libvirtd\0--config=/else/var/tmp/x/vm/libvirtd.conf"));
	cr_expect_not(OURS("libvirtd\0--daemon"));
	cr_expect_not(OURS("vi\0/var/tmp/x/vm/libvirtd.conf"));
	cr_expect_not(OURS("qemu-system-x86_64"));
	cr_expect_not(IS_OURS("", 0));
}

Test(vm, sweep_of_nothing)
{
	cr_expect_eq(sg_libvirtd_sweep("/var/tmp/sandglass-test-no-such-folder"), 0);
}

/* ---- the workload's sizes ---------------------------------------------------------------- */

Test(vm, environments)
{
	cr_assert_not_null(sg_task_env("kvm"));
	cr_expect_eq(sg_task_env("kvm")->vm, SG_TASK_VM_PLAIN);
	cr_expect_null(sg_task_env("kvm")->runtime);
	cr_expect_eq(sg_task_env("docker-in-kvm")->vm, SG_TASK_VM_DOCKER);
	cr_expect_eq(sg_task_env("docker")->vm, SG_TASK_VM_NONE);
	cr_expect_eq(sg_accel_find("tcg"), SG_ACCEL_TCG);
	cr_expect_eq(sg_accel_find("xen"), -EINVAL);
}

Test(vm, memory_by_default)
{
	struct sg_task_opts o = {
		.servers = 2, .writes = 100000, .nlevel = 2, .level = { 0, 1 }, .hog_bytes = 64 * MIB
	};
	uint64_t host, plain;

	sg_task_defaults(&o);
	host = o.memory_bytes;
	cr_expect_eq(o.vm_memory_bytes, 0);
	o.memory_bytes = 0;
	o.vm = SG_TASK_VM_PLAIN;
	sg_task_defaults(&o);
	plain = o.vm_memory_bytes;
	cr_expect_eq(plain % (64 * MIB), 0);
	cr_expect_geq(plain, 96 * MIB);
	/* all guests fit with their VMMs, and one small hog does not */
	cr_expect_geq(o.memory_bytes, 2 * (plain + SG_VMS_VMM_HELD_BYTES));
	cr_expect_lt(o.memory_bytes, 2 * (plain + SG_VMS_VMM_HELD_BYTES) + o.hog_bytes);
	cr_expect_gt(o.memory_bytes, host);
	o.memory_bytes = o.vm_memory_bytes = 0;
	o.vm = SG_TASK_VM_DOCKER;
	sg_task_defaults(&o);
	cr_expect_gt(o.vm_memory_bytes, plain);
	o.vm_memory_bytes = 1024 * MIB; /* as asked for */
	sg_task_defaults(&o);
	cr_expect_eq(o.vm_memory_bytes, 1024 * MIB);
}

/* The experiment as it is by default: four machines, each emulated one of 192 MiB held 264 MiB (measured). */
Test(vm, one_hog_is_too_much_by_default)
{
	struct sg_task_opts o = { .servers = 4,
				  .writes = 2000000,
				  .nlevel = 3,
				  .level = { 0, 1, 2 },
				  .hog_bytes = 256 * MIB,
				  .vm = SG_TASK_VM_PLAIN };

	sg_task_defaults(&o);
	cr_expect_eq(o.vm_memory_bytes, 192 * MIB);
	cr_expect_geq(o.memory_bytes, 4 * 264 * MIB);
	/* a tenth of the hog at least has to go to swap */
	cr_expect_leq(o.memory_bytes, 4 * 264 * MIB + 230 * MIB);
}

/* How it ran is told where there are virtual machines, and only there. */
Test(vm, json_tells_how_it_ran)
{
	struct sg_task_result *r = calloc(1, sizeof(*r));
	struct sg_client_time t = { .latency_ns = 10, .write_ns = 5 };
	struct json_object *o, *v;
	int rc;

	r->opts = (struct sg_task_opts){ .env = sg_task_env("kvm"),
					 .servers = 1,
					 .rounds = 1,
					 .nlevel = 1,
					 .vcpus = 2,
					 .vm_memory_bytes = 128 * MIB,
					 .accel = SG_ACCEL_TCG };
	r->nlevel = 1;
	r->level[0].time = &t;
	r->level[0].ntime = 1;
	o = sg_task_json_object(r, &rc);
	cr_assert_not_null(o);
	cr_assert(json_object_object_get_ex(o, "accel", &v));
	cr_expect_str_eq(json_object_get_string(v), "tcg");
	cr_assert(json_object_object_get_ex(o, "vcpus", &v));
	cr_expect_eq(json_object_get_int(v), 2);
	cr_assert(json_object_object_get_ex(o, "vm_memory_bytes", &v));
	cr_expect_eq(json_object_get_int64(v), (int64_t)(128 * MIB));
	json_object_put(o);
	r->opts.env = sg_task_env("host");
	o = sg_task_json_object(r, &rc);
	cr_assert_not_null(o);
	cr_expect_not(json_object_object_get_ex(o, "accel", &v));
	json_object_put(o);
	free(r);
}

Test(vm, as_many_as_fit)
{
	cr_expect_eq(sg_vms_fit(4, 300 * MIB, 512 * MIB, 8192 * MIB), 4);
	cr_expect_eq(sg_vms_fit(4, 300 * MIB, 512 * MIB, 1200 * MIB), 2);
	cr_expect_eq(sg_vms_fit(4, 300 * MIB, 512 * MIB, 100 * MIB), 1, "one is tried in any case");
	cr_expect_eq(sg_vms_fit(4, 0, 0, 0), 4);
}
