/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/gvisor_proc.h"
#include "kern/proc.h"

/* Days of changes of defaults, from the commits' dates. */
#define LISAFS_DEFAULT	 20220823 /* 006ba8495 */
#define DIRECTFS_DEFAULT 20230518 /* 6b317756e */
#define SYSTRAP_DEFAULT	 20230613 /* e5f2478be */

#define DEFAULT_ROOT "/var/run/runsc"

/* ---- release, from the binary --------------------------------------------------------- */
#define SCAN_CHUNK  (1u << 20)
#define SCAN_KEEP   128u /* carried over, so that no string is cut */
#define SCAN_MAX    (512ull << 20)
#define VERSION_MAX 48

static bool version_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr(".~+-", c));
}

/*
 * A version at @p of [buf, end)? Go keeps the one the linker was told as a string of its
 * own, ended by NUL (@sure); the same date also occurs in names of folders.
 */
static uint32_t version_at(const char *buf, const char *p, const char *end, bool *sure)
{
	char text[VERSION_MAX];
	const char *from = p;
	size_t n = 0;

	while (from > buf && p - from < 16 && version_char(from[-1]))
		from--;
	while (p + n < end && n < sizeof(text) - 1 && version_char(p[n])) {
		text[n] = p[n];
		n++;
	}
	text[n] = 0;
	if (n < 10 || text[8] != '.' || !isdigit((unsigned char)text[9]))
		return 0;
	*sure = p + n < end && !p[n] && (from == buf || !strchr("/_", from[-1]) || !from[-1]);
	return sg_gv_release(text);
}

/* Both ways of naming: Debian's "0.0~20221219.0", gVisor's own "release-20240729.0". */
static uint32_t scan_chunk(const char *buf, size_t len, uint32_t *maybe)
{
	static const char *const before[] = { "~20", "release-20" };

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		size_t skip = strlen(before[i]);
		const char *p = buf;

		while ((p = memmem(p, (size_t)(buf + len - p), before[i], skip))) {
			bool sure = false;
			uint32_t v;

			p += skip;
			v = version_at(buf, p - 2, buf + len, &sure);
			if (v && sure)
				return v;
			if (v && !*maybe)
				*maybe = v;
		}
	}
	return 0;
}

uint32_t sg_gv_scan_release(int fd)
{
	char *buf = malloc(SCAN_CHUNK + SCAN_KEEP);
	uint32_t v = 0, maybe = 0;
	size_t kept = 0;
	off_t at = 0;
	struct stat st;
	ssize_t n = 1;

	while (buf && !fstat(fd, &st) && S_ISREG(st.st_mode) && !v && n > 0 && at < (off_t)SCAN_MAX) {
		size_t len;

		n = pread(fd, buf + kept, SCAN_CHUNK, at);
		if (n <= 0)
			break;
		at += n;
		len = kept + (size_t)n;
		v = scan_chunk(buf, len, &maybe);
		kept = len < SCAN_KEEP ? len : SCAN_KEEP;
		memmove(buf, buf + len - kept, kept);
	}
	free(buf);
	return v ? v : maybe;
}

/* ---- evidence ------------------------------------------------------------------------ */
struct around {
	const char *proc, *id;
	uint32_t sentry, gofer;
	bool look_at_stubs, traced;
};

static bool is_traced_stub(const struct around *a, uint32_t pid)
{
	struct sg_gv_status st, tracer;

	return !sg_gv_status(a->proc, pid, &st) && st.tracer && !sg_gv_status(a->proc, st.tracer, &tracer) &&
	       tracer.tgid == a->sentry;
}

static bool look_around(void *ctx, uint32_t pid)
{
	struct around *a = ctx;
	struct sg_gv_args args;
	char id[65];

	if (sg_gv_args_read(a->proc, pid, &args))
		goto out;
	if (!args.n)
		a->traced = a->traced || (a->look_at_stubs && is_traced_stub(a, pid));
	else if (!a->gofer && sg_gv_args_role(&args, id) == SG_GV_GOFER && !strcmp(id, a->id))
		a->gofer = pid;
out:
	sg_gv_args_free(&args);
	return !a->gofer || (a->look_at_stubs && !a->traced);
}

static bool maps_have(const char *proc, uint32_t pid, const char *what)
{
	char path[PATH_MAX], *text;
	bool have;

	snprintf(path, sizeof(path), "%s/%u/maps", proc, pid);
	if (sg_proc_read(path, 8u << 20, &text) < 0)
		return false;
	have = strstr(text, what) != NULL;
	free(text);
	return have;
}

static bool has_kvm_fd(const char *proc, uint32_t pid)
{
	char path[PATH_MAX], link[PATH_MAX + 300], to[64];
	bool found = false;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%u/fd", proc, pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n;

		snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
		n = readlink(link, to, sizeof(to) - 1);
		to[n < 0 ? 0 : n] = 0;
		found = strstr(to, "kvm-vm") != NULL;
	}
	if (d)
		closedir(d);
	return found;
}

static enum sg_gv_platform platform_named(const char *name)
{
	for (enum sg_gv_platform p = SG_GV_PTRACE; name && p <= SG_GV_KVM; p++)
		if (!strcmp(name, sg_gv_platform_name(p)))
			return p;
	return SG_GV_PLATFORM_UNKNOWN;
}

enum sg_gv_platform sg_gv_platform_told(const char *proc, uint32_t pid)
{
	enum sg_gv_platform p = SG_GV_PLATFORM_UNKNOWN;
	struct sg_gv_args a;

	if (!sg_gv_args_read(proc ? proc : "/proc", pid, &a))
		p = platform_named(sg_gv_args_flag(&a, "platform", NULL));
	sg_gv_args_free(&a);
	return p;
}

/* By flag; else by what it does; else by what its release does when not told. */
static enum sg_gv_platform platform_of(const char *proc, const struct sg_gv_args *args,
				       const struct around *a, uint32_t release)
{
	const char *flag = sg_gv_args_flag(args, "platform", NULL);

	if (flag && *flag)
		return platform_named(flag); /* one we do not know is not one of ours */
	if (a->traced)
		return SG_GV_PTRACE;
	if (maps_have(proc, a->sentry, "memfd:systrap-memory"))
		return SG_GV_SYSTRAP;
	if (has_kvm_fd(proc, a->sentry))
		return SG_GV_KVM;
	if (!release)
		return SG_GV_PLATFORM_UNKNOWN;
	return release < SYSTRAP_DEFAULT ? SG_GV_PTRACE : SG_GV_SYSTRAP;
}

/* Go's strconv.ParseBool, of a flag that "--x" alone sets. */
static bool flag_bool(const struct sg_gv_args *a, const char *name, bool dflt)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	const char *v = sg_gv_args_flag(a, name, "true");

	if (!v)
		return dflt;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!strcmp(v, yes[i]))
			return true;
	return false;
}

/* ---- a sandbox ------------------------------------------------------------------------ */
/* The binary's path if it leads to the same file from here, else the way through /proc. */
static void fill_exe(const char *proc, struct sg_gv_sandbox *s)
{
	char via[PATH_MAX];
	struct stat x, y;
	ssize_t n;
	int fd;

	snprintf(via, sizeof(via), "%s/%u/exe", proc, s->sentry);
	n = readlink(via, s->exe, sizeof(s->exe) - 1);
	s->exe[n < 0 ? 0 : n] = 0;
	if (s->exe[0] != '/' || stat(s->exe, &x) || stat(via, &y) || x.st_dev != y.st_dev ||
	    x.st_ino != y.st_ino)
		snprintf(s->exe, sizeof(s->exe), "%s", via);
	fd = open(via, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0) {
		s->release = sg_gv_scan_release(fd);
		close(fd);
	}
}

static void fill(const char *proc, const struct sg_gv_args *args, struct sg_gv_sandbox *s)
{
	struct around a = { .proc = proc, .id = s->id, .sentry = s->sentry };
	const char *root = sg_gv_args_flag(args, "root", NULL);
	bool lisafs, directfs;

	a.look_at_stubs = !sg_gv_args_flag(args, "platform", NULL);
	sg_gv_each(proc, look_around, &a);
	s->gofer = a.gofer;
	fill_exe(proc, s);
	s->platform = platform_of(proc, args, &a, s->release);
	lisafs = flag_bool(args, "lisafs", s->release >= LISAFS_DEFAULT);
	s->proto = sg_gv_proto_of(s->release, lisafs);
	/* a build without a date: windows to a Gofer are there when it is asked for files */
	directfs = s->release ? s->release >= DIRECTFS_DEFAULT
			      : !maps_have(proc, s->sentry, "memfd:flipcall_packet_windows");
	s->directfs = flag_bool(args, "directfs", directfs);
	snprintf(s->root, sizeof(s->root), "%s", root && *root ? root : DEFAULT_ROOT);
}

int sg_gv_sandbox(const char *proc, uint32_t sentry, struct sg_gv_sandbox *ret, struct sg_err *err)
{
	struct sg_gv_args args;
	struct sg_gv_proc p;
	int e;

	proc = proc ? proc : "/proc";
	memset(ret, 0, sizeof(*ret));
	e = sg_gv_identify(proc, sentry, &p);
	if (e)
		return sg_err_set(err, e, "process %u cannot be looked at: %s", sentry, strerror(-e));
	if (p.role != SG_GV_SENTRY)
		return sg_err_set(err, -ENOENT,
				  "process %u is not a gVisor Sentry: its command line does not begin with "
				  "runsc-sandbox",
				  sentry);
	e = sg_gv_args_read(proc, sentry, &args);
	if (!e) {
		ret->sentry = sentry;
		snprintf(ret->id, sizeof(ret->id), "%s", p.id);
		fill(proc, &args, ret);
	}
	sg_gv_args_free(&args);
	return e ? sg_err_set(err, e, "the gVisor sandbox of process %u has just ended", sentry) : 0;
}
