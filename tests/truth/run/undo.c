/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The journal of what was changed on the machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>
#include "undo.h"

#define JOURNAL_MAX 64

int text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int text_read(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
	int rc = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = 0;
	while (n > 0 && buf[n - 1] == '\n')
		buf[--n] = 0;
	return rc;
}

int undo_note(const char *dir, const char *verb, const char *path, const char *value)
{
	char journal[400];
	FILE *f;

	snprintf(journal, sizeof(journal), "%s/journal", dir);
	f = fopen(journal, "ae");
	if (!f)
		return -errno;
	fprintf(f, "%s\t%s\t%s\n", verb, path, value);
	return fclose(f) ? -EIO : 0;
}

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){ 0, ms * 1000000 }, NULL);
}

/* Thaw, kill whoever is still inside, and remove it once they are gone. */
static void cgroup_remove(const char *dir)
{
	char path[512], line[32];
	FILE *f;

	for (int i = 0; i < 200 && rmdir(dir) && errno != ENOENT; i++) {
		snprintf(path, sizeof(path), "%s/freezer.state", dir);
		text_write(path, "THAWED");
		snprintf(path, sizeof(path), "%s/cgroup.freeze", dir);
		text_write(path, "0");
		snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (atoi(line) > 1)
				kill(atoi(line), SIGKILL);
		if (f)
			fclose(f);
		nap_ms(10);
	}
}

static void zram_remove(const char *id)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/zram%s/reset", id);
	for (int i = 0; i < 50 && text_write(path, "1") == -EBUSY; i++)
		nap_ms(20);
	text_write("/sys/class/zram-control/hot_remove", id);
}

static void undo_one(char *line)
{
	char *verb = strsep(&line, "\t"), *path = strsep(&line, "\t"), *value = strsep(&line, "\t");

	if (!path || !value)
		return;
	if (!strcmp(verb, "cgroup"))
		cgroup_remove(path);
	else if (!strcmp(verb, "write"))
		text_write(path, value);
	else if (!strcmp(verb, "swap"))
		swapoff(path);
	else if (!strcmp(verb, "zram"))
		zram_remove(value);
	else if (!strcmp(verb, "file"))
		unlink(path);
	else if (!strcmp(verb, "mount"))
		umount2(path, MNT_DETACH);
}

void undo_all(const char *dir)
{
	char journal[400], *line[JOURNAL_MAX];
	size_t n = 0, cap = 0;
	FILE *f;

	snprintf(journal, sizeof(journal), "%s/journal", dir);
	f = fopen(journal, "re");
	if (!f)
		return;
	for (line[0] = NULL; n < JOURNAL_MAX && getline(&line[n], &cap, f) > 0; cap = 0) {
		line[n][strcspn(line[n], "\n")] = 0;
		if (++n < JOURNAL_MAX)
			line[n] = NULL;
	}
	fclose(f);
	if (n < JOURNAL_MAX)
		free(line[n]);
	while (n--) {
		undo_one(line[n]);
		free(line[n]);
	}
	unlink(journal);
}

static int rm_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path), 0;
}

void undo_stale(const char *base, const char *prefix)
{
	DIR *d = opendir(base);
	struct dirent *e;
	char path[600];

	while (d && (e = readdir(d))) {
		int pid = strncmp(e->d_name, prefix, strlen(prefix)) ? 0 : atoi(e->d_name + strlen(prefix));

		if (pid <= 1 || (pid != getpid() && (!kill(pid, 0) || errno != ESRCH)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, e->d_name);
		undo_all(path);
		nftw(path, rm_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	}
	if (d)
		closedir(d);
}
