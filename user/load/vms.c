/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/tree.h"
#include "load/vms.h"

/* Where paths are short enough for sockets, and everybody may enter. */
#define PLACE	"/var/tmp/sandglass-bench-%d"
#define BOOT_MS 300000 /* several at once, emulated, on a busy machine */
/* By estimate: a stock kernel is up within 2 s on KVM, within 10 s on an emulated KVM host. */
#define TRIAL_MS    25000
#define TRIAL_BYTES ((uint64_t)256 << 20)

const char *const sg_accel_names[SG_ACCEL_MAX] = {
#define SG_X(sym, name) name,
	SG_ACCEL_LIST(SG_X)
#undef SG_X
};

struct sg_vms {
	struct sg_vms_opts o;
	struct sg_vmimage image;
	struct sg_libvirtd *daemon;
	enum sg_accel accel;
	char cache[PATH_MAX], place[64], top[96];
};

int sg_accel_find(const char *name)
{
	for (int i = 0; i < SG_ACCEL_MAX; i++)
		if (!strcmp(sg_accel_names[i], name))
			return i;
	return -EINVAL;
}

enum sg_accel sg_vms_accel(const struct sg_vms *v)
{
	return v->accel;
}

const char *sg_vms_folder(const struct sg_vms *v)
{
	return v->top;
}

unsigned sg_vms_fit(unsigned want, uint64_t each_bytes, uint64_t other_bytes, uint64_t available_bytes)
{
	uint64_t left = available_bytes > other_bytes ? available_bytes - other_bytes : 0;
	uint64_t n = each_bytes ? left / each_bytes : want;

	return n >= want ? want : n ? (unsigned)n : 1;
}

uint64_t sg_vms_available(void)
{
	uint64_t kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1)
		;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void say(const struct sg_vms *v, const char *text)
{
	if (v->o.progress)
		v->o.progress(v->o.ctx, text);
}

/* A VMM has no privilege but to be the files' owner: each folder must let it through. */
static int check_way(const char *path, struct sg_err *err)
{
	char part[PATH_MAX];
	struct stat st;

	snprintf(part, sizeof(part), "%s", path);
	for (char *end = part + strlen(part); end > part; end = strrchr(part, '/')) {
		*end = 0;
		if (*part && !stat(part, &st) && st.st_uid != geteuid() && !(st.st_mode & S_IXOTH))
			return sg_err_set(
				err, -EACCES,
				"virtual machines cannot enter the folder %s: choose another with --cache",
				part);
	}
	return 0;
}

/* ---- KVM or not ------------------------------------------------------------ */

static void boot_id(char *ret, size_t cap)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(ret, (int)cap, f))
		*ret = 0;
	ret[strcspn(ret, "\n")] = 0;
	if (f)
		fclose(f);
}

/* What an earlier trial found since the machine started; SG_ACCEL_AUTO: there was none. */
static enum sg_accel remembered(const struct sg_vms *v, const char *id)
{
	char path[PATH_MAX + 8], was[64] = "", release[128] = "", word[8] = "";
	int found;
	FILE *f;

	snprintf(path, sizeof(path), "%s/accel", v->cache);
	f = fopen(path, "re");
	if (!f)
		return SG_ACCEL_AUTO;
	if (fscanf(f, "%63s %127s %7s", was, release, word) != 3)
		word[0] = 0;
	fclose(f);
	found = sg_accel_find(word);
	return found > 0 && !strcmp(was, id) && !strcmp(release, v->image.release) ? (enum sg_accel)found
										   : SG_ACCEL_AUTO;
}

static void remember(const struct sg_vms *v, const char *id, enum sg_accel a)
{
	char path[PATH_MAX + 8];
	FILE *f;

	snprintf(path, sizeof(path), "%s/accel", v->cache);
	f = fopen(path, "we");
	if (!f)
		return; /* only costs the next start a trial */
	fprintf(f, "%s %s %s\n", id, v->image.release, sg_accel_names[a]);
	fclose(f);
}

/* -EINTR, or 0 with the answer */
static int try_kvm(struct sg_vms *v, bool *ret, struct sg_err *err)
{
	struct sg_domain_opts o = { .name = "trial",
				    .image = &v->image,
				    .memory_bytes = TRIAL_BYTES,
				    .vcpus = 1,
				    .kvm = true,
				    .sigfd = v->o.sigfd };
	struct sg_domain *d = NULL;
	int rc = sg_domain_make(&d, v->daemon, &o, err);

	if (!rc)
		rc = sg_domain_wait(d, TRIAL_MS, err);
	sg_domain_free(d);
	*ret = !rc;
	return rc == -EINTR ? rc : 0;
}

int sg_vms_check(enum sg_accel accel, struct sg_err *err)
{
	int fd = accel == SG_ACCEL_KVM ? open("/dev/kvm", O_RDWR | O_CLOEXEC) : -1;

	if (accel == SG_ACCEL_KVM && fd < 0)
		return sg_err_set(err, -errno, "--accel kvm: cannot open /dev/kvm: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return 0;
}

static int choose(struct sg_vms *v, struct sg_err *err)
{
	char id[64], text[256];
	struct sg_err why = { 0 };
	bool works = false;
	int fd = -1, rc = 0;

	v->accel = v->o.accel;
	if (v->accel != SG_ACCEL_AUTO)
		return 0;
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	boot_id(id, sizeof(id));
	if (fd >= 0)
		v->accel = remembered(v, id);
	if (fd >= 0 && v->accel == SG_ACCEL_AUTO) {
		say(v, "finding out whether /dev/kvm boots a Linux guest, once");
		rc = try_kvm(v, &works, &why);
		if (rc)
			return sg_err_set(err, rc, "%s", why.msg);
		v->accel = works ? SG_ACCEL_KVM : SG_ACCEL_TCG;
		remember(v, id, v->accel);
	}
	if (fd < 0)
		v->accel = SG_ACCEL_TCG;
	if (v->accel == SG_ACCEL_KVM)
		return 0;
	snprintf(text, sizeof(text), "the virtual machines are emulated (TCG), ten times slower and more: %s",
		 fd < 0 ? "there is no /dev/kvm that can be opened"
			: "no Linux guest came up on this machine's /dev/kvm");
	say(v, text);
	return 0;
}

/* ---- all of them ------------------------------------------------------------ */

int sg_vms_open(struct sg_vms **ret, const struct sg_vms_opts *o, struct sg_err *err)
{
	struct sg_vms *v = calloc(1, sizeof(*v));
	struct sg_vmimage_opts io = { .self = o->self,
				      .docker = o->docker,
				      .files = o->files,
				      .progress = o->progress,
				      .ctx = o->ctx };
	int rc;

	*ret = v;
	if (!v)
		return sg_err_set(err, -ENOMEM, "out of memory");
	v->o = *o;
	v->image.lock = -1;
	rc = sg_vms_check(o->accel, err);
	if (rc)
		return rc;
	rc = o->cache ? sg_tree_make(o->cache) : sg_vmimage_cache(v->cache, sizeof(v->cache));
	if (!rc && o->cache && !realpath(o->cache, v->cache))
		rc = -errno;
	if (rc)
		sg_err_set(err, rc, "cannot use the folder %s: %s", o->cache ? o->cache : "of the cache",
			   strerror(-rc));
	io.cache = v->cache;
	if (!rc)
		rc = sg_vmimage_get(&v->image, &io, err);
	if (!rc)
		rc = check_way(v->image.root, err);
	if (rc)
		return rc;
	snprintf(v->place, sizeof(v->place), PLACE, (int)getpid());
	snprintf(v->top, sizeof(v->top), "%s/vm", v->place);
	rc = sg_guard_add(o->guard, SG_GUARD_DIR, v->place, err);
	if (!rc && mkdir(v->place, 0711))
		rc = sg_err_set(err, -errno, "cannot make the folder %s: %s", v->place, strerror(errno));
	if (!rc)
		rc = sg_guard_add(o->guard, SG_GUARD_LIBVIRTD, v->top, err);
	if (!rc) {
		say(v, "starting a libvirtd of our own");
		rc = sg_libvirtd_start(&v->daemon, v->top, v->cache, o->sigfd, err);
	}
	return rc ? rc : choose(v, err);
}

int sg_vms_close(struct sg_vms *v, struct sg_err *err)
{
	int rc = 0;

	if (!v)
		return 0;
	if (sg_libvirtd_stop(v->daemon))
		rc = sg_err_set(err, -EBUSY, "not all of the virtual machines in %s could be removed",
				v->top);
	if (v->top[0] && !rc)
		rc = sg_guard_clean(v->o.guard, SG_GUARD_LIBVIRTD, v->top, err);
	if (v->place[0] && !rc)
		rc = sg_guard_clean(v->o.guard, SG_GUARD_DIR, v->place, err);
	sg_vmimage_put(&v->image);
	free(v);
	return rc;
}

static void disk_path(const struct sg_vms *v, const char *name, char *ret)
{
	snprintf(ret, PATH_MAX, "%s/%s.disk", v->top, name);
}

int sg_vms_start(struct sg_vms *v, const struct sg_vms_run *run, struct sg_domain **ret, struct sg_err *err)
{
	char disk[PATH_MAX];
	struct sg_domain_opts o = { .name = run->name,
				    .image = &v->image,
				    .disk = disk,
				    .memory_bytes = v->o.memory_bytes,
				    .vcpus = v->o.vcpus,
				    .kvm = v->accel == SG_ACCEL_KVM,
				    .guest_port = run->guest_port,
				    .cgroup = run->cgroup,
				    .sigfd = v->o.sigfd };
	int rc;

	disk_path(v, run->name, disk);
	rc = sg_vmimage_disk(disk, run->disk_from, run->disk_bytes, err);
	return rc ? rc : sg_domain_make(ret, v->daemon, &o, err);
}

int sg_vms_wait(struct sg_vms *v, struct sg_domain *d, struct sg_err *err)
{
	(void)v;
	return sg_domain_wait(d, BOOT_MS, err);
}

void sg_vms_remove(struct sg_vms *v, const char *name, struct sg_domain **d)
{
	char disk[PATH_MAX];

	sg_domain_free(*d);
	*d = NULL;
	disk_path(v, name, disk);
	unlink(disk);
}
