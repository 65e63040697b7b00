/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The parts of a virtual machine's image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/domain_xml.h"
#include "env/tool.h"
#include "env/tree.h"
#include "env/vmimage_priv.h"

#define STEP_MS 300000
#define MIB	((uint64_t)1 << 20)

/* From the initrd: drivers, the root, and on to its init. */
static const char initrd_init[] = "#!/bin/busybox sh\n"
				  "B=/bin/busybox\n"
				  "$B mount -t proc proc /proc\n"
				  "$B mount -t sysfs sysfs /sys\n"
				  "$B mount -t devtmpfs dev /dev\n"
				  "for m in $($B cat /modules/order); do $B insmod /modules/$m; done\n"
				  "$B mount -o ro -t ext4 /dev/vda /root || exec $B reboot -f\n"
				  "for d in proc sys dev; do $B mount --move /$d /root/$d; done\n"
				  "exec $B switch_root /root /init\n";

/*
 * The root's: what programs expect, the network of QEMU's user mode, then commands from the host. The shell stays
 * as process 1 and reaps what the commands leave.
 */
static const char root_init[] =
	"#!/bin/sh\n"
	"export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n"
	"mount -t tmpfs run /run\n"
	"mount -t tmpfs tmp /tmp\n"
	/* Docker Engine keeps a key there */
	"cp -a /etc /run/etc && mount --bind /run/etc /etc\n"
	"mkdir -p /dev/shm /dev/pts\n"
	"mount -t devpts pts /dev/pts\n"
	"mount -t cgroup2 cgroup2 /sys/fs/cgroup\n"
	"for c in cpuset cpu io memory pids; do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done\n"
	"ip link set lo up\n"
	"ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up && ip route add default via 10.0.2.2\n"
	"if [ -b /dev/vdb ]; then mount -t ext4 /dev/vdb /data; else mount -t tmpfs data /data; fi\n"
	"mkdir -p /data/tmp && mount --bind /data/tmp /var/tmp\n"
	"for p in /sys/class/virtio-ports/*; do\n"
	"	read -r name <$p/name\n"
	"	[ \"$name\" != " SG_DOMAIN_CHANNEL " ] || " SG_VMIMAGE_SELF
	" bench vm-agent \"/dev/${p##*/}\"\n"
	"done\n"
	"sync\n"
	"poweroff -f\n";

static int run(const char *what, char *const argv[], struct sg_err *err)
{
	int rc = sg_tool_run(what, argv, STEP_MS, NULL, err);

	return rc > 0 ? -EIO : rc;
}

static int write_script(const char *path, const char *text, struct sg_err *err)
{
	FILE *f = fopen(path, "we");
	int bad = !f || fputs(text, f) < 0;

	if ((f && fclose(f)) || bad || chmod(path, 0755))
		return sg_err_set(err, errno ? -errno : -EIO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

int sg_vmimage_initrd(const char *dir, const struct vmimage_files *f, const struct sg_vmkernel *k,
		      struct sg_err *err)
{
	char top[PATH_MAX], init[PATH_MAX], out[PATH_MAX];
	char *fill[] = { "sh",
			 "-c",
			 "set -e; cd \"$1\"; mkdir bin proc sys dev root modules; cp -- \"$2\" bin/busybox; "
			 "cp -- \"$3\"/order \"$3\"/*.ko modules",
			 "sh",
			 top,
			 (char *)(uintptr_t)f->busybox,
			 (char *)(uintptr_t)k->dir,
			 NULL };
	char *pack[] = { "sh", "-c", "cd \"$1\" && find . | \"$2\" cpio -o -H newc >\"$3\"",
			 "sh", top,  (char *)(uintptr_t)f->busybox,
			 out,  NULL };
	int rc;

	snprintf(top, sizeof(top), "%.4000s/initrd.d", dir);
	snprintf(init, sizeof(init), "%.4000s/initrd.d/init", dir);
	snprintf(out, sizeof(out), "%.4000s/initrd", dir);
	if (mkdir(top, 0755))
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", top, strerror(errno));
	rc = run("cp", fill, err);
	if (!rc)
		rc = write_script(init, initrd_init, err);
	if (!rc)
		rc = run("busybox cpio", pack, err);
	sg_tree_remove(top);
	return rc;
}

static int make_ext4(const char *path, const char *from, uint64_t bytes, const char *features,
		     struct sg_err *err)
{
	char mke2fs[PATH_MAX];
	char *argv[] = { mke2fs, "-q", "-F", "-t", "ext4", "-m", "0", "-O", (char *)(uintptr_t)features,
			 /* else the guest's kernel writes tables in the background while we measure */
			 "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
			 (char *)(uintptr_t)(from ? "-d" : path), (char *)(uintptr_t)from, NULL, NULL };
	int fd, rc = sg_tool_find("mke2fs", "e2fsprogs", mke2fs, err);

	if (rc)
		return rc;
	if (from)
		argv[13] = (char *)(uintptr_t)path;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		rc = sg_err_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc ? rc : run("mke2fs", argv, err);
}

int sg_vmimage_disk(const char *path, const char *from, uint64_t bytes, struct sg_err *err)
{
	return make_ext4(path, from, bytes, "^metadata_csum", err);
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

int sg_vmimage_root(const char *dir, const struct vmimage_files *f, bool docker, struct sg_err *err)
{
	const struct sg_image_file self[] = { f->file[0], { 0 } };
	char top[PATH_MAX], tar[PATH_MAX], init[PATH_MAX], image[PATH_MAX], out[PATH_MAX];
	char *unpack[] = { "sh",
			   "-c",
			   "set -e; tar -x -f \"$1\" -C \"$2\"; cd \"$2\"; "
			   "mkdir -p run data usr/sbin sbin usr/bin var/tmp var/lib; "
			   "echo 127.0.0.1 localhost >etc/hosts; echo nameserver 10.0.2.3 >etc/resolv.conf",
			   "sh",
			   tar,
			   top,
			   NULL };
	uint64_t bytes;
	int rc;

	snprintf(top, sizeof(top), "%.4000s/root.d", dir);
	snprintf(tar, sizeof(tar), "%.4000s/root.tar", dir);
	snprintf(init, sizeof(init), "%.4000s/root.d/init", dir);
	snprintf(image, sizeof(image), "%.4000s/root.d" SG_VMIMAGE_TAR, dir);
	snprintf(out, sizeof(out), "%.4000s/root.ext4", dir);
	if (mkdir(top, 0755))
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", top, strerror(errno));
	rc = sg_image_write(tar, false, f->file, err);
	bytes = file_size(tar);
	if (!rc)
		rc = run("tar", unpack, err);
	if (!rc)
		rc = write_script(init, root_init, err);
	if (!rc && docker)
		rc = sg_image_write(image, false, self, err);
	bytes += docker ? file_size(image) : 0;
	unlink(tar);
	/* read-only: neither journal nor room to grow */
	if (!rc)
		rc = make_ext4(out, top, (bytes + bytes / 8 + 16 * MIB) / MIB * MIB, "^has_journal", err);
	sg_tree_remove(top);
	return rc;
}
