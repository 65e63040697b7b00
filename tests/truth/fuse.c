/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The smallest FUSE server there is: a root directory with the file "f", whose reads are slow. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "truth.h"

#define FILE_SIZE 4096

static void reply(int fd, uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = sizeof(h) + len, .error = error, .unique = unique };
	struct iovec v[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)data, len } };

	(void)!writev(fd, v, len ? 2 : 1);
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .size = FILE_SIZE, .blocks = 8, .blksize = 4096, .nlink = 1 };

	a.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0700 : S_IFREG | 0600;
	return a;
}

static void lookup(int fd, const struct fuse_in_header *in)
{
	struct fuse_entry_out e = { .nodeid = 2, .attr_valid = 60, .entry_valid = 60 };

	if (strcmp((const char *)(in + 1), "f")) {
		reply(fd, in->unique, -ENOENT, NULL, 0);
		return;
	}
	e.attr = attr_of(2);
	reply(fd, in->unique, 0, &e, sizeof(e));
}

static void slow_read(int fd, const struct fuse_in_header *in, uint64_t delay_ns, _Atomic uint64_t *slept)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	static const char data[FILE_SIZE] = { 's', 'a', 'n', 'd' };
	size_t len = r->size < sizeof(data) ? r->size : sizeof(data);

	*slept += truth_sleep(delay_ns);
	reply(fd, in->unique, 0, data, len);
}

void truth_fuse_serve(int fd, uint64_t delay_ns, _Atomic uint64_t *slept)
{
	static char buf[FUSE_MIN_READ_BUFFER + 131072];
	const struct fuse_in_header *in = (const void *)buf;
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = FUSE_KERNEL_MINOR_VERSION,
				      .max_write = 65536,
				      .max_background = 4,
				      .congestion_threshold = 3 };
	struct fuse_attr_out ao = { .attr_valid = 60 };
	struct fuse_open_out oo = { .fh = 1, .open_flags = FOPEN_DIRECT_IO };

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf) - 1);

		if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (n < (ssize_t)sizeof(*in))
			return;
		buf[n] = 0;
		switch (in->opcode) {
		case FUSE_INIT:
			reply(fd, in->unique, 0, &init, sizeof(init));
			break;
		case FUSE_LOOKUP:
			lookup(fd, in);
			break;
		case FUSE_GETATTR:
			ao.attr = attr_of(in->nodeid);
			reply(fd, in->unique, 0, &ao, sizeof(ao));
			break;
		case FUSE_OPEN:
			reply(fd, in->unique, 0, &oo, sizeof(oo));
			break;
		case FUSE_READ:
			slow_read(fd, in, delay_ns, slept);
			break;
		case FUSE_FLUSH:
		case FUSE_RELEASE:
			reply(fd, in->unique, 0, NULL, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(fd, in->unique, -ENOSYS, NULL, 0);
		}
	}
}
