// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Who is who in a gVisor sandbox, from folders made like /proc; and the real one if it has any. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/gvisor_proc.h"
#include "fakehost.h"

#define ID  "0c340c7af28928dff7110600306e5312c9c1f4d4bce4a3ef35283ee9025f2950"
#define ID2 "8991d53c92a1eaedf2f09785098c03a68265d8bfc01d39c90fbccab540a81c8a"

static void put(unsigned pid, const char *file, const void *data, size_t len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/%s", host.proc, pid, file);
	host_put(path, data, len);
}

static void put_text(unsigned pid, const char *file, const char *text)
{
	put(pid, file, text, strlen(text));
}

/* @cmdline: arguments separated by '|'; "" has none. @exe: "runsc", "other", NULL. */
static void make(unsigned pid, unsigned ppid, unsigned tracer, char state, const char *cmdline,
		 const char *exe)
{
	char path[256], to[256], status[256];

	snprintf(path, sizeof(path), "%s/%u", host.proc, pid);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(status, sizeof(status),
		 "Name:\texe\nUmask:\t0022\nState:\t%c "
		 "(x)\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t%u\n",
		 state, pid, pid, ppid, tracer);
	put_text(pid, "status", status);
	host_cmdline(pid, cmdline, '|');
	put_text(pid, "maps", "");
	if (!exe)
		return;
	snprintf(path, sizeof(path), "%s/%u/exe", host.proc, pid);
	snprintf(to, sizeof(to), "%s/%s", host.proc, exe);
	cr_assert_eq(symlink(to, path), 0);
}

/* A thread: /proc knows it by its id too, though it does not list it. */
static void make_thread(unsigned tid, unsigned tgid)
{
	char path[256], status[128];

	snprintf(path, sizeof(path), "%s/%u", host.proc, tid);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(status, sizeof(status), "Name:\texe\nState:\tS (x)\nTgid:\t%u\nPid:\t%u\nPPid:\t1\n", tgid,
		 tid);
	put_text(tid, "status", status);
}

static void binary(const char *name, const void *data, size_t len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", host.proc, name);
	host_put(path, data, len);
}

#define VERSION_OLD \
	"xx\0"      \
	"0.0~20221219.0\0yy"

static void setup(void)
{
	host_make("gvisor");
	binary("runsc", VERSION_OLD, sizeof(VERSION_OLD));
	binary("other", "#!", 2);
}

TestSuite(gvisor, .init = setup, .fini = host_gone);

#define SENTRY(id) "runsc-sandbox|--root=/run/r|--log-format=json|boot|--bundle=/b/" id "|--io-fds=4|" id
#define GOFER(id)  "runsc-gofer|--root=/run/r|gofer|--bundle|/b/" id "|--io-fds=6"

static struct sg_gv_proc who(unsigned pid)
{
	struct sg_gv_proc p;

	cr_assert_eq(sg_gv_identify(host.proc, pid, &p), 0, "%u", pid);
	return p;
}

static void expect(unsigned pid, enum sg_gv_role role, unsigned sentry, const char *id)
{
	struct sg_gv_proc p = who(pid);

	cr_expect_eq(p.role, role, "%u: role %d", pid, p.role);
	cr_expect_eq(p.sentry, sentry, "%u: sentry %u", pid, p.sentry);
	cr_expect_str_eq(p.id, id, "%u", pid);
	cr_expect_eq(p.pid, pid);
}

/* Two sandboxes below their shims, as runsc 20221219 and Docker make them. */
static void two_sandboxes(void)
{
	make(1, 0, 0, 'S', "init", "other");
	make(90, 1, 0, 'S', "containerd-shim-runc-v2|-id|" ID, "other");
	make(100, 90, 0, 'S', GOFER(ID), "runsc");
	make(101, 90, 0, 'S', SENTRY(ID), "runsc");
	make(110, 101, 101, 't', "", "runsc");
	make(111, 110, 150, 't', "", "runsc");
	make_thread(150, 101);
	make(91, 1, 0, 'S', "containerd-shim-runc-v2|-id|" ID2, "other");
	make(200, 91, 0, 'S', GOFER(ID2), "runsc");
	make(201, 91, 0, 'S', SENTRY(ID2), "runsc");
	make(210, 201, 0, 'S', "", "runsc");
}

Test(gvisor, roles)
{
	two_sandboxes();
	expect(100, SG_GV_GOFER, 101, ID);
	expect(101, SG_GV_SENTRY, 101, ID);
	expect(110, SG_GV_STUB, 101, ID);
	expect(111, SG_GV_STUB, 101, ID);
	expect(200, SG_GV_GOFER, 201, ID2);
	expect(210, SG_GV_STUB, 201, ID2);
	expect(1, SG_GV_NONE, 0, "");
	expect(90, SG_GV_NONE, 0, "");
}

Test(gvisor, gone)
{
	struct sg_gv_proc p;

	cr_expect_eq(sg_gv_identify(host.proc, 7, &p), -ESRCH);
	cr_expect_eq(p.role, SG_GV_NONE);
	cr_expect_eq(sg_gv_identify(NULL, 0x7ffffff0, &p), -ESRCH);
}

/* An orphan has the shim or init as parent: the ptrace platform's is told by its tracer. */
Test(gvisor, orphan_by_tracer)
{
	two_sandboxes();
	make(120, 1, 150, 't', "", "runsc");
	expect(120, SG_GV_STUB, 101, ID);
	make(121, 1, 0, 'S', "", "runsc");
	expect(121, SG_GV_NONE, 0, "");
	make(122, 1, 150, 't', "", "other"); /* a debugger inside the sandbox's shadow: another program */
	expect(122, SG_GV_NONE, 0, "");
}

/* Between fork and the clearing of its memory a stub shows its Sentry's command line. */
Test(gvisor, fresh_fork_is_a_stub)
{
	two_sandboxes();
	make(130, 101, 0, 'R', SENTRY(ID), "runsc");
	make(131, 130, 0, 'R', SENTRY(ID), "runsc");
	expect(130, SG_GV_STUB, 101, ID);
	expect(131, SG_GV_STUB, 101, ID);
	expect(100, SG_GV_GOFER, 101, ID);
}

Test(gvisor, dead_stub)
{
	two_sandboxes();
	make(140, 101, 0, 'Z', "", NULL);
	expect(140, SG_GV_STUB, 101, ID);
}

Test(gvisor, not_stubs)
{
	two_sandboxes();
	make(2, 0, 0, 'S', "", NULL);		       /* kthreadd */
	make(3, 2, 0, 'I', "", NULL);		       /* a kernel thread */
	make(160, 101, 0, 'S', "", "other");	       /* the Sentry's child, another program */
	make(161, 101, 0, 'S', "exe|umount", "runsc"); /* its helper */
	make(162, 162, 162, 't', "", "runsc");	       /* its own parent and tracer */
	make(163, 164, 0, 'S', "", "runsc");	       /* a ring */
	make(164, 163, 0, 'S', "", "runsc");
	make(165, 999, 999, 'S', "", "runsc"); /* parents that are gone */
	for (unsigned pid = 160; pid <= 165; pid++)
		expect(pid, SG_GV_NONE, 0, "");
	expect(2, SG_GV_NONE, 0, "");
	expect(3, SG_GV_NONE, 0, "");
}

Test(gvisor, pod_has_one_sentry)
{
	make(90, 1, 0, 'S', "containerd-shim", "other");
	make(100, 90, 0, 'S', GOFER(ID), "runsc");
	make(101, 90, 0, 'S', SENTRY(ID), "runsc");
	make(102, 90, 0, 'S', GOFER(ID2), "runsc"); /* of the pod's second container */
	expect(102, SG_GV_GOFER, 101, ID2);
	make(103, 90, 0, 'S', SENTRY("b"), "runsc"); /* now nobody can tell */
	expect(102, SG_GV_GOFER, 0, ID2);
	expect(100, SG_GV_GOFER, 101, ID);
}

Test(gvisor, gofer_before_its_sentry)
{
	make(100, 1, 0, 'S', GOFER(ID), "runsc");
	expect(100, SG_GV_GOFER, 0, ID);
}

Test(gvisor, hostile_command_lines)
{
	static const char *const none[] = {
		"runsc-sandbox",
		"runsc-sandbox|boot",
		"runsc-sandbox|--x|id",
		"runsc-sandbox|boot|../../etc/passwd",
		"runsc-sandbox|boot|id with blank",
		"runsc-sandbox|boot|\x1b[31m",
		"runsc-sandbox|boot|",
		"runsc-sandbox |boot|id",
		"/x/runsc-sandbox|boot|id",
		"exe|boot|id",
		"runsc-gofer|--bundle=/b/x",
		"runsc-gofer|gofer|--bundle",
		"runsc-gofer|gofer|-",
		"||||",
		"\xff\xfe|boot|id",
	};
	char big[4000];
	unsigned pid = 300;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++, pid++) {
		make(pid, 1, 0, 'S', none[i], "runsc");
		cr_expect_eq(who(pid).role, SG_GV_NONE, "'%s'", none[i]);
	}
	/* more arguments than are kept: the last one still is the id */
	snprintf(big, sizeof(big), "runsc-sandbox|boot");
	for (int i = 0; i < 900; i++)
		strcat(big, "|-x");
	strcat(big, "|" ID);
	make(pid, 1, 0, 'S', big, "runsc");
	expect(pid, SG_GV_SENTRY, pid, ID);
	/* an id longer than any: cut */
	snprintf(big, sizeof(big), "runsc-sandbox|boot|");
	memset(big + strlen(big), 'a', 200);
	make(++pid, 1, 0, 'S', big, "runsc");
	cr_expect_eq(strlen(who(pid).id), 64);
	/* a bundle of any name is a Gofer's still */
	make(++pid, 1, 0, 'S', "runsc-gofer|gofer|--bundle=/b/\x1b[31m", "runsc");
	expect(pid, SG_GV_GOFER, 0, "");
	/* a status that is none */
	make(++pid, 1, 0, 'S', "", "runsc");
	put_text(pid, "status", "PPid:\nTgid:\tx\nTracerPid:\t99999999999999999999\n");
	expect(pid, SG_GV_NONE, 0, "");
}

/* ---- releases ---------------------------------------------------------------------------- */
Test(gvisor, release_of_a_text)
{
	cr_expect_eq(sg_gv_release("runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n"), 20221219);
	cr_expect_eq(sg_gv_release("runsc version release-20240729.0\n"), 20240729);
	cr_expect_eq(sg_gv_release("release-20230102.0-12-gabcdef012345"), 20230102);
	cr_expect_eq(sg_gv_release("20190806.1"), 20190806);
	cr_expect_eq(sg_gv_release("VERSION_MISSING"), 0);
	cr_expect_eq(sg_gv_release(""), 0);
	cr_expect_eq(sg_gv_release("release-20221319.0"), 0, "no such month");
	cr_expect_eq(sg_gv_release("release-20221200.0"), 0, "no such day");
	cr_expect_eq(sg_gv_release("release-19991231.0"), 0, "before gVisor");
	cr_expect_eq(sg_gv_release("release-202212190.0"), 0, "nine digits");
	cr_expect_eq(sg_gv_release("a20221219"), 0);
	cr_expect_eq(sg_gv_release("2022121"), 0);
}

Test(gvisor, protocols)
{
	cr_expect_eq(sg_gv_proto_of(20221219, false), SG_GV_LISAFS, "the flag is dead");
	cr_expect_eq(sg_gv_proto_of(20221214, false), SG_GV_LISAFS);
	cr_expect_eq(sg_gv_proto_of(20221212, false), SG_GV_9P);
	cr_expect_eq(sg_gv_proto_of(20221212, true), SG_GV_LISAFS);
	cr_expect_eq(sg_gv_proto_of(0, true), SG_GV_PROTO_UNKNOWN);
}

static uint32_t scan(const void *data, size_t len)
{
	char path[256];
	uint32_t v;
	int fd;

	binary("scanned", data, len);
	snprintf(path, sizeof(path), "%s/scanned", host.proc);
	fd = open(path, O_RDONLY);
	v = sg_gv_scan_release(fd);
	close(fd);
	return v;
}

Test(gvisor, release_of_a_binary)
{
	static const char path_first[] = "/src/gvisor-0.0~20230101.0/_build/x\0\0"
					 "0.0~20240729.0\0";
	static const char packed[] = "abcrelease-20230605.0\0def";
	static const char only_path[] = "/src/gvisor-0.0~20230101.0/_build/x\0";
	static const char none[] = "~20\0~2022121\0release-20\0release-2022\0~20221219\0~20221219x0\0";
	size_t len = (3u << 20) + 100;
	char *big = malloc(len);

	cr_expect_eq(scan(path_first, sizeof(path_first)), 20240729, "not the first, the one of its own");
	cr_expect_eq(scan(packed, sizeof(packed)), 20230605);
	cr_expect_eq(scan(only_path, sizeof(only_path)), 20230101, "better than nothing");
	cr_expect_eq(scan(none, sizeof(none)), 0);
	cr_expect_eq(scan("", 0), 0);
	/* wherever it stands to the edge of what is read at once */
	for (size_t at = (1u << 20) - 40; big && at < (1u << 20) + 4; at++) {
		memset(big, '~', len);
		big[at - 1] = 0;
		memcpy(big + at, "0.0~20221219.0", 15);
		cr_expect_eq(scan(big, len), 20221219, "at %zu", at);
	}
	free(big);
	cr_expect_eq(sg_gv_scan_release(-1), 0);
}

/* ---- a sandbox's facts -------------------------------------------------------------------- */
static struct sg_gv_sandbox facts(unsigned pid)
{
	struct sg_gv_sandbox s;
	struct sg_err err = { 0 };

	cr_assert_eq(sg_gv_sandbox(host.proc, pid, &s, &err), 0, "%s", err.msg);
	return s;
}

Test(gvisor, sandbox_by_default)
{
	struct sg_gv_sandbox s;
	char exe[256];

	two_sandboxes();
	s = facts(101);
	snprintf(exe, sizeof(exe), "%s/runsc", host.proc);
	cr_expect_eq(s.sentry, 101);
	cr_expect_eq(s.gofer, 100);
	cr_expect_eq(s.release, 20221219);
	cr_expect_eq(s.platform, SG_GV_PTRACE, "its stubs are traced");
	cr_expect_eq(s.proto, SG_GV_LISAFS);
	cr_expect_not(s.directfs);
	cr_expect_str_eq(s.root, "/run/r");
	cr_expect_str_eq(s.id, ID);
	cr_expect_str_eq(s.exe, exe);
	s = facts(201);
	cr_expect_eq(s.gofer, 200);
	cr_expect_eq(s.platform, SG_GV_PTRACE, "no evidence: what this release does");
}

Test(gvisor, sandbox_by_flag)
{
	struct sg_gv_sandbox s;

	make(101, 1, 0, 'S', "runsc-sandbox|-platform|kvm|--directfs|--lisafs=false|boot|" ID, "runsc");
	s = facts(101);
	cr_expect_eq(s.platform, SG_GV_KVM);
	cr_expect(s.directfs);
	cr_expect_eq(s.proto, SG_GV_LISAFS, "a dead flag");
	cr_expect_str_eq(s.root, "/var/run/runsc");
	cr_expect_eq(s.gofer, 0);
	make(102, 1, 0, 'S', "runsc-sandbox|--platform=slimvm|--directfs=0|boot|" ID, "runsc");
	s = facts(102);
	cr_expect_eq(s.platform, SG_GV_PLATFORM_UNKNOWN, "one we do not know");
	cr_expect_not(s.directfs);
}

Test(gvisor, sandbox_by_evidence)
{
	char path[256];

	binary("runsc", "none", 4); /* a build without a date */
	make(101, 1, 0, 'S', SENTRY(ID), "runsc");
	cr_expect_eq(facts(101).platform, SG_GV_PLATFORM_UNKNOWN);
	cr_expect_eq(facts(101).proto, SG_GV_PROTO_UNKNOWN);
	cr_expect(facts(101).directfs);
	put_text(101, "maps", "7f00-7f01 rw-s 00000000 00:01 5 /memfd:flipcall_packet_windows (deleted)\n");
	cr_expect_not(facts(101).directfs);
	put_text(101, "maps", "7f00-7f01 rw-s 00000000 00:01 5 /memfd:systrap-memory (deleted)\n");
	cr_expect_eq(facts(101).platform, SG_GV_SYSTRAP);
	put_text(101, "maps", "");
	snprintf(path, sizeof(path), "%s/101/fd", host.proc);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/101/fd/9", host.proc);
	cr_assert_eq(symlink("anon_inode:kvm-vm", path), 0);
	cr_expect_eq(facts(101).platform, SG_GV_KVM);
}

Test(gvisor, sandbox_by_release)
{
	static const struct {
		const char *version;
		enum sg_gv_platform platform;
		enum sg_gv_proto proto;
		bool directfs;
	} era[] = {
		{ "\0release-20220801.0", SG_GV_PTRACE, SG_GV_9P, false },
		{ "\0release-20220905.0", SG_GV_PTRACE, SG_GV_LISAFS, false },
		{ "\0release-20230102.0", SG_GV_PTRACE, SG_GV_LISAFS, false },
		{ "\0release-20230605.0", SG_GV_PTRACE, SG_GV_LISAFS, true },
		{ "\0release-20230717.0", SG_GV_SYSTRAP, SG_GV_LISAFS, true },
	};

	make(101, 1, 0, 'S', SENTRY(ID), "runsc");
	for (size_t i = 0; i < sizeof(era) / sizeof(era[0]); i++) {
		struct sg_gv_sandbox s;

		binary("runsc", era[i].version, 20);
		s = facts(101);
		cr_expect_eq(s.platform, era[i].platform, "%s", era[i].version + 1);
		cr_expect_eq(s.proto, era[i].proto, "%s", era[i].version + 1);
		cr_expect_eq(s.directfs, era[i].directfs, "%s", era[i].version + 1);
	}
}

Test(gvisor, sandbox_that_is_none)
{
	struct sg_gv_sandbox s;
	struct sg_err err = { 0 };

	two_sandboxes();
	cr_expect_eq(sg_gv_sandbox(host.proc, 100, &s, &err), -ENOENT);
	cr_expect(strstr(err.msg, "process 100"), "%s", err.msg);
	cr_expect_eq(sg_gv_sandbox(host.proc, 110, &s, &err), -ENOENT);
	cr_expect_eq(sg_gv_sandbox(host.proc, 4711, &s, &err), -ESRCH);
	cr_expect_eq(sg_gv_sandbox(host.proc, 4711, &s, NULL), -ESRCH);
}

Test(gvisor, names)
{
	cr_expect_str_eq(sg_gv_role_name(SG_GV_STUB), "stub");
	cr_expect_null(sg_gv_role_name(SG_GV_NONE));
	cr_expect_str_eq(sg_gv_platform_name(SG_GV_SYSTRAP), "systrap");
	cr_expect_str_eq(sg_gv_platform_name(SG_GV_PLATFORM_UNKNOWN), "");
}

/* ---- what is installed ---------------------------------------------------------------------- */
Test(gvisor, installed_runsc_says_the_same)
{
	char said[256] = "";
	uint32_t found;
	FILE *f;
	int fd = open("/usr/bin/runsc", O_RDONLY);

	if (fd < 0)
		cr_skip_test("runsc is not installed");
	found = sg_gv_scan_release(fd);
	close(fd);
	f = popen("timeout 10 /usr/bin/runsc --version", "r");
	if (f) {
		said[fread(said, 1, sizeof(said) - 1, f)] = 0;
		pclose(f);
	}
	cr_expect_eq(found, sg_gv_release(said), "binary %u, '%s'", found, said);
	cr_expect_gt(found, 20180101);
}
