/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/marks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "kern/proc.h"

/* Files remembered; beyond it a file may be looked at again, which is harmless but slow. */
#define SEEN_MAX 1024
/* Binaries that get probes: each costs two links and a few file descriptors. */
#define MARKED_MAX 64
/* Processes that may wait to be looked at. */
#define QUEUE_MAX 4096
/* A Sentry older than this is up. */
#define SENTRY_UP_NS 5000000000ull

struct sg_marks {
	struct sg_live *live;
	struct {
		dev_t dev;
		ino_t ino;
	} seen[SEEN_MAX];
	size_t nseen, nmarked;
	/* one thread gives and one takes, without a lock */
	pthread_t thread;
	sem_t more; /* once for every process, and once at the end */
	uint32_t queue[QUEUE_MAX];
	atomic_size_t given, taken;
	atomic_bool ending;
	bool running;
};

int sg_marks_new(struct sg_marks **ret, struct sg_live *live)
{
	struct sg_marks *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	m->live = live;
	*ret = m;
	return 0;
}

void sg_marks_end(struct sg_marks *m)
{
	if (!m)
		return;
	atomic_store(&m->ending, true);
	if (!m->running)
		return;
	sem_post(&m->more);
	pthread_join(m->thread, NULL);
	sem_destroy(&m->more);
	m->running = false;
}

void sg_marks_free(struct sg_marks *m)
{
	sg_marks_end(m);
	free(m);
}

/* Does one note of .note.stapsdt name our provider? Layout: three addresses, provider, name, arguments. */
static bool note_is_ours(Elf_Data *d, size_t addr_bytes)
{
	size_t at = 0, name, desc, next;
	GElf_Nhdr n;

	while ((next = gelf_getnote(d, at, &n, &name, &desc)) > 0) {
		size_t provider = desc + 3 * addr_bytes;

		if (provider + 10 <= d->d_size && n.n_descsz >= 3 * addr_bytes + 10 &&
		    !memcmp((char *)d->d_buf + provider, "sandglass", 10))
			return true;
		at = next;
	}
	return false;
}

static bool file_has_marks(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *e = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	Elf_Scn *s = NULL;
	bool found = false;
	GElf_Ehdr eh;
	size_t names;

	if (e && elf_kind(e) == ELF_K_ELF && gelf_getehdr(e, &eh) && !elf_getshdrstrndx(e, &names)) {
		while (!found && (s = elf_nextscn(e, s))) {
			GElf_Shdr sh;
			const char *nm = gelf_getshdr(s, &sh) ? elf_strptr(e, names, sh.sh_name) : NULL;
			Elf_Data *d = nm && !strcmp(nm, ".note.stapsdt") ? elf_getdata(s, NULL) : NULL;

			found = d && note_is_ours(d, eh.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4);
		}
	}
	elf_end(e);
	if (fd >= 0)
		close(fd);
	return found;
}

static bool first_time(struct sg_marks *m, const struct stat *st)
{
	for (size_t i = 0; i < m->nseen; i++)
		if (m->seen[i].dev == st->st_dev && m->seen[i].ino == st->st_ino)
			return false;
	if (m->nseen == SEEN_MAX)
		m->nseen = 0;
	m->seen[m->nseen].dev = st->st_dev;
	m->seen[m->nseen++].ino = st->st_ino;
	return true;
}

static void look_at(struct sg_marks *m, const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || !first_time(m, &st))
		return;
	if (m->nmarked < MARKED_MAX && file_has_marks(path) && sg_live_usdt(m->live, path))
		m->nmarked++;
}

void sg_marks_program(struct sg_marks *m, const char *name)
{
	const char *path = getenv("PATH");
	char buf[PATH_MAX];

	if (strchr(name, '/')) {
		look_at(m, name);
		return;
	}
	for (const char *p = path ? path : "/usr/bin:/bin"; p && *p;) {
		size_t n = strcspn(p, ":");

		if (snprintf(buf, sizeof(buf), "%.*s/%s", (int)n, p, name) < (int)sizeof(buf) &&
		    !access(buf, X_OK)) {
			look_at(m, buf);
			return;
		}
		p += n + (p[n] == ':');
	}
}

/*
 * A Sentry of gVisor, by its executable, since its root is an empty folder; told from
 * its Gofer by its first argument. Only one that is up: see sg_live_gvisor().
 */
static void look_at_exe(struct sg_marks *m, uint32_t pid)
{
	struct sg_proc_stat st;
	struct timespec now;
	char path[32], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (strcmp(name, "runsc-sandbox") || sg_proc_stat((pid_t)pid, 0, &st) ||
	    (uint64_t)now.tv_sec * 1000000000ull < st.start_ns + SENTRY_UP_NS)
		return;
	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	sg_live_gvisor(m->live, path, NULL); /* kept and told at the end: sg_live_gvisor_probed() */
}

/* Executable mappings; through /proc/PID/root, so that other mount namespaces work. */
void sg_marks_exec(struct sg_marks *m, uint32_t pid)
{
	char line[PATH_MAX + 128], path[PATH_MAX + 64], last[PATH_MAX] = "";
	FILE *f;

	look_at_exe(m, pid);
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *p = strchr(line, '/'), *nl = strchr(line, '\n');

		if (!p || !nl || !strstr(line, "xp "))
			continue;
		*nl = 0;
		if (!strcmp(p, last))
			continue;
		snprintf(last, sizeof(last), "%s", p);
		snprintf(path, sizeof(path), "/proc/%u/root%s", pid, p);
		look_at(m, path);
	}
	fclose(f);
}

static void *marks_main(void *arg)
{
	struct sg_marks *m = arg;

	setpriority(PRIO_PROCESS, 0, 0); /* of this thread: the drain goes first */
	for (;;) {
		size_t at = atomic_load_explicit(&m->taken, memory_order_relaxed);

		while (sem_wait(&m->more))
			;
		if (atomic_load(&m->ending) || at == atomic_load_explicit(&m->given, memory_order_acquire))
			return NULL;
		sg_marks_exec(m, m->queue[at % QUEUE_MAX]);
		atomic_store_explicit(&m->taken, at + 1, memory_order_release);
	}
}

void sg_marks_exec_later(struct sg_marks *m, uint32_t pid)
{
	size_t at = atomic_load_explicit(&m->given, memory_order_relaxed);

	if (atomic_load(&m->ending))
		return;
	if (!m->running) {
		sem_init(&m->more, 0, 0);
		m->running = !pthread_create(&m->thread, NULL, marks_main, m);
	}
	if (!m->running || at - atomic_load_explicit(&m->taken, memory_order_acquire) == QUEUE_MAX)
		return;
	m->queue[at % QUEUE_MAX] = pid;
	atomic_store_explicit(&m->given, at + 1, memory_order_release);
	sem_post(&m->more);
}

void sg_marks_all(struct sg_marks *m)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		/* not ourselves: we are never recorded, and taking a probe away takes 0.1 s */
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && atoi(e->d_name) != getpid())
			sg_marks_exec(m, atoi(e->d_name));
	if (d)
		closedir(d);
}
