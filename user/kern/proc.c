// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/proc.h"

ssize_t sg_proc_read(const char *path, size_t max, char **ret)
{
	size_t len = 0, cap = 0;
	char *buf = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno == ENOENT && !strncmp(path, "/proc/", 6) && isdigit(path[6]) ? -ESRCH : -errno;
	while (len < max) {
		ssize_t n;

		if (cap - len < 2) {
			char *big;

			cap = cap ? cap * 2 : 4096;
			big = realloc(buf, cap);
			if (!big) {
				err = ENOMEM;
				break;
			}
			buf = big;
		}
		n = read(fd, buf + len, cap - len - 1 < max - len ? cap - len - 1 : max - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (!err && !buf && !(buf = malloc(1)))
		err = ENOMEM;
	if (err) {
		free(buf);
		return -err;
	}
	buf[len] = 0;
	*ret = buf;
	return (ssize_t)len;
}

int sg_proc_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int sg_proc_u64(const char *path, uint64_t *ret)
{
	char *text, *end;
	ssize_t n = sg_proc_read(path, 128, &text);
	uint64_t v;

	if (n < 0)
		return (int)n;
	errno = 0;
	v = strtoull(text, &end, 10);
	n = end == text || !isdigit(end[-1]) ? -EINVAL : -errno;
	free(text);
	if (!n)
		*ret = v;
	return (int)n;
}

int sg_proc_comm(pid_t tid, char *ret, size_t cap)
{
	char path[64], *text;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	n = sg_proc_read(path, 128, &text);
	if (n < 0)
		return (int)n;
	if (n && text[n - 1] == '\n')
		text[n - 1] = 0;
	snprintf(ret, cap, "%s", text);
	free(text);
	return 0;
}

ssize_t sg_proc_cmdline(pid_t pid, char *ret, size_t cap)
{
	char path[64], *text;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = sg_proc_read(path, cap, &text);
	if (n < 0)
		return n;
	while (n && !text[n - 1])
		n--;
	if (!n) {
		char comm[64];

		free(text);
		n = sg_proc_comm(pid, comm, sizeof(comm));
		if (n < 0)
			return n;
		n = snprintf(ret, cap, "[%s]", comm);
		return (size_t)n < cap ? n : (ssize_t)cap - 1;
	}
	if ((size_t)n >= cap)
		n = (ssize_t)cap - 1;
	for (ssize_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		ret[i] = !c ? ' ' : c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	ret[n] = 0;
	free(text);
	return n;
}

/* Ticks to ns without overflow of the product. */
static uint64_t ticks_ns(uint64_t t, uint64_t hz)
{
	return t / hz * 1000000000ull + t % hz * 1000000000ull / hz;
}

int sg_proc_stat_parse(const char *text, uint64_t hz, struct sg_proc_stat *ret)
{
	struct sg_proc_stat s = { 0 };
	/* A comm may hold blanks and parentheses: the last ')' ends it. */
	const char *open = strchr(text, '('), *shut = strrchr(text, ')');
	uint64_t utime, stime, start, blkio = 0, guest = 0;
	int64_t rss;
	size_t len;
	int n;

	if (!hz || !open || !shut || shut < open || sscanf(text, "%d", &s.pid) != 1)
		return -EINVAL;
	len = (size_t)(shut - open - 1);
	if (len >= sizeof(s.comm))
		len = sizeof(s.comm) - 1;
	memcpy(s.comm, open + 1, len);
	n = sscanf(shut + 1,
		   " %c %d %d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %" SCNu64
		   " %*d %*d %*d %*d %" SCNu32 " %*d %" SCNu64 " %" SCNu64 " %" SCNd64
		   " %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %" SCNd32 " %*u %*u %" SCNu64
		   " %" SCNu64,
		   &s.state, &s.ppid, &s.pgrp, &s.minflt, &s.majflt, &utime, &stime, &s.threads, &start,
		   &s.vsize_bytes, &rss, &s.processor, &blkio, &guest);
	if (n < 12)
		return -EINVAL;
	s.utime_ns = ticks_ns(utime, hz);
	s.stime_ns = ticks_ns(stime, hz);
	s.start_ns = ticks_ns(start, hz);
	s.blkio_ns = ticks_ns(blkio, hz);
	s.guest_ns = ticks_ns(guest, hz);
	s.rss_pages = rss > 0 ? (uint64_t)rss : 0;
	*ret = s;
	return 0;
}

static int task_path(char *buf, size_t cap, pid_t pid, pid_t tid, const char *file)
{
	int n = tid ? snprintf(buf, cap, "/proc/%d/task/%d/%s", pid, tid, file)
		    : snprintf(buf, cap, "/proc/%d/%s", pid, file);

	return (size_t)n < cap ? 0 : -ENAMETOOLONG;
}

int sg_proc_stat(pid_t pid, pid_t tid, struct sg_proc_stat *ret)
{
	char path[96], *text;
	ssize_t n = task_path(path, sizeof(path), pid, tid, "stat");

	if (!n)
		n = sg_proc_read(path, 4096, &text);
	if (n < 0)
		return (int)n;
	n = sg_proc_stat_parse(text, (uint64_t)sysconf(_SC_CLK_TCK), ret);
	free(text);
	return (int)n;
}

int sg_proc_schedstat(pid_t pid, pid_t tid, struct sg_proc_schedstat *ret)
{
	struct sg_proc_schedstat s;
	char path[96], *text;
	ssize_t n = task_path(path, sizeof(path), pid, tid, "schedstat");

	if (!n)
		n = sg_proc_read(path, 256, &text);
	if (n < 0)
		return (int)n;
	n = sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &s.run_ns, &s.runq_ns, &s.slices);
	free(text);
	if (n != 3)
		return -EINVAL;
	*ret = s;
	return 0;
}

bool sg_proc_field(const char *text, const char *name, uint64_t *ret)
{
	size_t len = strlen(name);

	while (text && *text) {
		if (!strncmp(text, name, len) &&
		    (text[len] == ' ' || text[len] == ':' || text[len] == '\t')) {
			const char *v = text + len + strspn(text + len, ": \t");

			if (!isdigit((unsigned char)*v))
				return false;
			*ret = strtoull(v, NULL, 10);
			return true;
		}
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return false;
}

int sg_proc_vmstat(const char *name, uint64_t *ret)
{
	char *text;
	ssize_t n = sg_proc_read("/proc/vmstat", 1 << 20, &text);
	bool found;

	if (n < 0)
		return (int)n;
	found = sg_proc_field(text, name, ret);
	free(text);
	return found ? 0 : -ENOENT;
}

int sg_proc_cpu(struct sg_proc_cpu *ret)
{
	uint64_t v[9] = { 0 }, hz = (uint64_t)sysconf(_SC_CLK_TCK);
	char *text;
	ssize_t n = sg_proc_read("/proc/stat", 4096, &text);

	if (n < 0)
		return (int)n;
	n = sscanf(text,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8]);
	free(text);
	if (n < 4)
		return -EINVAL;
	for (size_t i = 0; i < 9; i++)
		v[i] = ticks_ns(v[i], hz);
	*ret = (struct sg_proc_cpu){ v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8] };
	return 0;
}

int sg_proc_psi_parse(const char *text, struct sg_proc_psi *ret)
{
	struct sg_proc_psi p = { 0 };
	bool any = false;

	for (const char *line = text; line && *line;) {
		const char *total = strstr(line, "total="), *end = strchr(line, '\n');

		if (total && (!end || total < end) && isdigit((unsigned char)total[6])) {
			uint64_t us = strtoull(total + 6, NULL, 10);

			if (!strncmp(line, "some ", 5)) {
				p.some_ns = us * 1000;
				any = true;
			} else if (!strncmp(line, "full ", 5)) {
				p.full_ns = us * 1000;
				any = true;
			}
		}
		line = end ? end + 1 : NULL;
	}
	if (!any)
		return -EINVAL;
	*ret = p;
	return 0;
}

int sg_proc_psi(const char *path, struct sg_proc_psi *ret)
{
	char *text;
	ssize_t n = sg_proc_read(path, 4096, &text);

	if (n < 0)
		return (int)n;
	n = sg_proc_psi_parse(text, ret);
	free(text);
	return (int)n;
}
