/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/fncalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kern/elftab.h"
#include "kern/proc.h"

/* Where the first argument is: arch/x86/include/uapi/asm/perf_regs.h (PERF_REG_X86_DI), arch/arm64's (PERF_REG_ARM64_X0) */
#if defined(__x86_64__)
#define ARG_REG 5
#elif defined(__aarch64__)
#define ARG_REG 0
#else
#define ARG_REG -1
#endif

struct sg_fncalls {
	int fd;
	size_t page;
	struct perf_event_mmap_page *map; /* and a page of data behind it */
};

/* Where function @name begins in the file, 0: nowhere. */
static uint64_t offset_of(const struct sg_elftab *t, const char *name)
{
	for (size_t i = 0; i < t->tab.n; i++) {
		uint64_t at = t->tab.sym[i].addr;

		if (strcmp(sg_symtab_name(&t->tab, &t->tab.sym[i]), name))
			continue;
		for (size_t k = 0; k < t->nload; k++)
			if (at >= t->load[k].vaddr && at - t->load[k].vaddr < t->load[k].size)
				return at - t->load[k].vaddr + t->load[k].off;
	}
	return 0;
}

static int find(const char *exe, const char *name, uint64_t *ret)
{
	int fd = open(exe, O_RDONLY | O_CLOEXEC), rc;
	struct sg_elftab t;

	if (fd < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	rc = sg_elftab_load(&t, fd, NULL);
	close(fd);
	if (rc)
		return rc;
	*ret = offset_of(&t, name);
	sg_elftab_free(&t);
	return *ret ? 0 : -ENOENT;
}

static int attach(struct sg_fncalls *c, pid_t pid, const char *exe, uint64_t offset)
{
	struct perf_event_attr a = { .size = sizeof(a),
				     .sample_period = 1,
				     .sample_type = PERF_SAMPLE_REGS_USER,
				     .wakeup_events = 1,
				     .uprobe_path = (uintptr_t)exe,
				     .probe_offset = offset };
	uint64_t type;

	if (ARG_REG < 0 || sg_proc_u64("/sys/bus/event_source/devices/uprobe/type", &type))
		return -EOPNOTSUPP;
	a.type = (uint32_t)type;
	a.sample_regs_user = 1ull << (ARG_REG & 63);
	c->fd = (int)syscall(SYS_perf_event_open, &a, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (c->fd < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	c->map = mmap(NULL, 2 * c->page, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->map != MAP_FAILED)
		return 0;
	c->map = NULL;
	return -errno;
}

int sg_fncalls_open(struct sg_fncalls **ret, pid_t pid, const char *name)
{
	struct sg_fncalls *c = calloc(1, sizeof(*c));
	uint64_t offset = 0;
	char exe[32];
	int rc;

	*ret = NULL;
	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->page = (size_t)sysconf(_SC_PAGESIZE);
	/* Followed by the kernel, too: whatever root or namespace the process is in. */
	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
	rc = find(exe, name, &offset);
	if (!rc)
		rc = attach(c, pid, exe, offset);
	if (rc)
		sg_fncalls_close(c);
	else
		*ret = c;
	return rc;
}

int sg_fncalls_fd(const struct sg_fncalls *c)
{
	return c->fd;
}

/* @n bytes from @at on, which may begin again at the ring's begin. */
static void copy(const struct sg_fncalls *c, uint64_t at, void *to, size_t n)
{
	const unsigned char *data = (const unsigned char *)c->map + c->page;

	for (size_t i = 0; i < n; i++)
		((unsigned char *)to)[i] = data[(at + i) % c->page];
}

int sg_fncalls_next(struct sg_fncalls *c, uint64_t *ret_arg)
{
	uint64_t head = __atomic_load_n(&c->map->data_head, __ATOMIC_ACQUIRE), tail = c->map->data_tail;
	int got = 0;

	while (!got && tail != head) {
		struct {
			struct perf_event_header h;
			uint64_t abi, arg; /* abi 0: no registers follow */
		} s;

		copy(c, tail, &s, sizeof(s));
		tail = s.h.size >= sizeof(s.h) ? tail + s.h.size : head;
		got = s.h.type == PERF_RECORD_SAMPLE && s.h.size >= sizeof(s) && s.abi;
		if (got)
			*ret_arg = s.arg;
	}
	__atomic_store_n(&c->map->data_tail, tail, __ATOMIC_RELEASE);
	return got;
}

void sg_fncalls_close(struct sg_fncalls *c)
{
	if (!c)
		return;
	if (c->map)
		munmap(c->map, 2 * c->page);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
