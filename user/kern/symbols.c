// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Addresses to names. Maps are read while a process lives; the files behind them
 * are opened when first needed, except those that only the process itself can
 * reach (another mount namespace, deleted files): these are read at once, and
 * nothing is kept open that would hold a file system of the observed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/strtab.h"
#include "kern/elftab.h"
#include "kern/kallsyms.h"
#include "kern/maps.h"
#include "kern/perfmap.h"
#include "kern/proc.h"
#include "kern/procroot.h"
#include "kern/symbols.h"

#define PROC_MAX	  256
#define FILE_MAX	  128
#define MAPS_BYTES_MAX	  (8u << 20)
#define PERFMAP_BYTES_MAX (32 << 20)
#define REREAD_NS	  100000000ull	/* maps of a living process, after an address was in none */
#define VERIFY_NS	  1000000000ull /* is a known process still the same one? */
#define UNKNOWN		  "[unknown]"

struct file {
	bool used;
	uint64_t dev, ino, last;
	struct sg_elftab tab; /* empty when the file cannot be read */
};

struct process {
	uint32_t tgid; /* 0 = free */
	bool foreign;
	uint64_t start_ns, last;
	uint64_t read_at, verified_at, jit_at;
	struct sg_maps maps;
	struct sg_symtab jit;
	uint64_t jit_size;
};

struct sg_symbols {
	struct sg_kallsyms kernel;
	bool kernel_read;
	struct sg_elftab vdso;
	uint64_t vdso_size;
	bool vdso_read;
	struct process proc[PROC_MAX];
	struct file file[FILE_MAX];
	struct sg_strtab names; /* what was returned, kept until free */
	uint64_t clock;		/* counts uses, for the oldest */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int sg_symbols_new(struct sg_symbols **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void process_drop(struct process *p)
{
	sg_maps_free(&p->maps);
	sg_symtab_free(&p->jit);
	*p = (struct process){ 0 };
}

void sg_symbols_free(struct sg_symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < PROC_MAX; i++)
		process_drop(&s->proc[i]);
	for (size_t i = 0; i < FILE_MAX; i++)
		sg_elftab_free(&s->file[i].tab);
	sg_elftab_free(&s->vdso);
	sg_kallsyms_free(&s->kernel);
	sg_strtab_free(&s->names);
	free(s);
}

/* A copy that lives as long as @s; a name never fails, it becomes unknown. */
static const char *keep(struct sg_symbols *s, const char *name)
{
	int64_t id = name && *name ? sg_strtab_id(&s->names, name) : -1;

	return id < 0 ? UNKNOWN : sg_strtab_str(&s->names, (uint32_t)id);
}

/* ---- kernel --------------------------------------------------------------- */

int sg_symbols_kernel(struct sg_symbols *s, uint64_t addr, const char **ret_sym, const char **ret_mod)
{
	const char *name, *mod = NULL;

	*ret_sym = UNKNOWN;
	*ret_mod = "[kernel]";
	if (!s->kernel_read) {
		FILE *f = fopen("/proc/kallsyms", "re");

		s->kernel_read = true;
		if (f) {
			sg_kallsyms_read(&s->kernel, f);
			fclose(f);
		}
	}
	name = sg_kallsyms_find(&s->kernel, addr, &mod);
	if (!name)
		return -ENOENT;
	*ret_sym = keep(s, name);
	*ret_mod = keep(s, mod);
	return 0;
}

/* ---- files ---------------------------------------------------------------- */

static bool is_file(int fd, const struct sg_map *m)
{
	struct stat st;

	/* Not the device: btrfs and overlayfs show another one in maps. */
	return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_ino == m->ino;
}

/* The file of a mapping: through the mapping itself, through the process's root, by its path. */
static int map_open(const struct process *p, const struct sg_map *m)
{
	char link[96];
	int fd;

	snprintf(link, sizeof(link), "/proc/%u/map_files/%llx-%llx", p->tgid, (unsigned long long)m->start,
		 (unsigned long long)m->end);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && !m->deleted)
		fd = sg_procroot_open((pid_t)p->tgid, m->path);
	if (fd < 0 && !m->deleted && !p->foreign)
		fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && !is_file(fd, m)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static struct file *file_get(struct sg_symbols *s, const struct process *p, const struct sg_map *m)
{
	struct file *old = &s->file[0];
	int fd;

	for (size_t i = 0; i < FILE_MAX; i++) {
		struct file *f = &s->file[i];

		if (f->used && f->dev == m->dev && f->ino == m->ino) {
			f->last = ++s->clock;
			return f;
		}
		if (!f->used || (old->used && f->last < old->last))
			old = f;
	}
	sg_elftab_free(&old->tab);
	*old = (struct file){ .used = true, .dev = m->dev, .ino = m->ino, .last = ++s->clock };
	fd = map_open(p, m);
	if (fd >= 0) {
		sg_elftab_load(&old->tab, fd, m->path);
		close(fd);
	}
	return old;
}

/* ---- processes ------------------------------------------------------------ */

static struct process *process_find(struct sg_symbols *s, uint32_t tgid)
{
	for (size_t i = 0; tgid && i < PROC_MAX; i++)
		if (s->proc[i].tgid == tgid) {
			s->proc[i].last = ++s->clock;
			return &s->proc[i];
		}
	return NULL;
}

static uint64_t process_start(uint32_t tgid)
{
	struct sg_proc_stat st;

	return sg_proc_stat((pid_t)tgid, 0, &st) ? 0 : st.start_ns;
}

/* (Re)read the maps; what was known stays when the process is gone. */
static void process_read(struct sg_symbols *s, struct process *p)
{
	struct sg_maps maps;
	char path[64], *text;
	ssize_t n;
	int err;

	p->read_at = now_ns();
	snprintf(path, sizeof(path), "/proc/%u/maps", p->tgid);
	n = sg_proc_read(path, MAPS_BYTES_MAX, &text);
	if (n < 0)
		return;
	err = n ? sg_maps_parse(&maps, text) : -ESRCH; /* empty: it is on its way out */
	free(text);
	if (err)
		return;
	sg_maps_free(&p->maps);
	p->maps = maps;
	p->foreign = sg_procroot_foreign((pid_t)p->tgid);
	for (size_t i = 0; i < maps.n; i++)
		if (maps.map[i].kind == SG_MAP_FILE && (p->foreign || maps.map[i].deleted))
			file_get(s, p, &maps.map[i]);
}

static struct process *process_get(struct sg_symbols *s, uint32_t tgid)
{
	struct process *p = process_find(s, tgid), *old = &s->proc[0];
	uint64_t start;

	if (p || !tgid)
		return p;
	start = process_start(tgid);
	if (!start)
		return NULL;
	for (size_t i = 0; i < PROC_MAX; i++)
		if (!s->proc[i].tgid || (old->tgid && s->proc[i].last < old->last))
			old = &s->proc[i];
	process_drop(old);
	*old = (struct process){
		.tgid = tgid, .start_ns = start, .last = ++s->clock, .verified_at = now_ns()
	};
	process_read(s, old);
	return old;
}

void sg_symbols_note_process(struct sg_symbols *s, uint32_t tgid)
{
	struct process *p = process_find(s, tgid);
	uint64_t now;

	if (!p) {
		process_get(s, tgid);
		return;
	}
	now = now_ns();
	if (now - p->verified_at < VERIFY_NS)
		return;
	p->verified_at = now;
	if (process_start(tgid) != p->start_ns && process_start(tgid)) {
		process_drop(p); /* the number was given to another process */
		process_get(s, tgid);
	}
}

void sg_symbols_forget(struct sg_symbols *s, uint32_t tgid)
{
	struct process *p = process_find(s, tgid);

	if (p)
		process_drop(p);
}

/* ---- user addresses ------------------------------------------------------- */

static void vdso_read(struct sg_symbols *s)
{
	uint64_t own = getauxval(AT_SYSINFO_EHDR);
	const struct sg_map *v;
	struct sg_maps maps;
	char *text;

	s->vdso_read = true;
	if (!own || sg_proc_read("/proc/self/maps", MAPS_BYTES_MAX, &text) < 0)
		return;
	if (!sg_maps_parse(&maps, text)) {
		v = sg_maps_find(&maps, own);
		if (v && v->start == own) {
			s->vdso_size = v->end - v->start;
			sg_elftab_memory(&s->vdso, (const void *)(uintptr_t)own, s->vdso_size);
		}
		sg_maps_free(&maps);
	}
	free(text);
}

static const char *vdso_find(struct sg_symbols *s, const struct sg_map *m, uint64_t addr)
{
	if (!s->vdso_read)
		vdso_read(s);
	/* Another size is another ABI's vdso. */
	return m->end - m->start == s->vdso_size ? sg_elftab_find(&s->vdso, addr - m->start) : NULL;
}

/* Programs write their map as they go: read it again when it grew, but not for every miss. */
static void jit_read(struct process *p)
{
	uint64_t now = now_ns();
	struct sg_symtab tab;
	struct stat st;
	char path[64];
	FILE *f;
	int fd;

	if (p->jit_at && now - p->jit_at < REREAD_NS)
		return;
	p->jit_at = now;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", sg_procroot_nspid((pid_t)p->tgid));
	fd = sg_procroot_open((pid_t)p->tgid, path);
	if (fd < 0)
		return;
	if (fstat(fd, &st) || st.st_size > PERFMAP_BYTES_MAX || (uint64_t)st.st_size == p->jit_size ||
	    !(f = fdopen(fd, "r"))) {
		close(fd);
		return;
	}
	if (!sg_perfmap_read(&tab, f)) {
		sg_symtab_free(&p->jit);
		p->jit = tab;
		p->jit_size = (uint64_t)st.st_size;
	}
	fclose(f);
}

static const char *jit_find(struct process *p, uint64_t addr)
{
	const struct sg_sym *sym = sg_symtab_find(&p->jit, addr);

	if (!sym) {
		jit_read(p);
		sym = sg_symtab_find(&p->jit, addr);
	}
	return sg_symtab_name(&p->jit, sym);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/*
 * In a stub of gVisor: never the names of its executable, which is the Sentry's.
 * The guest's files are mapped as they are and have names; the guest's memory has
 * none: a map for perf of the stub's number would be another process's.
 */
static int stub_find(struct sg_symbols *s, struct process *p, const struct sg_map *m, uint64_t addr,
		     const char **ret_sym, const char **ret_mod)
{
	const char *name = NULL;
	char text[SG_SYM_NAME_MAX];

	if (m->kind == SG_MAP_JIT) {
		*ret_mod = keep(s, "stub");
		*ret_sym = keep(s, "[stub]");
		return -ENOENT;
	}
	if (m->kind == SG_MAP_FILE) {
		name = sg_elftab_find(&file_get(s, p, m)->tab, addr - m->start + m->offset);
		snprintf(text, sizeof(text), "guest:%s", base_name(m->path));
		*ret_mod = keep(s, text);
	} else {
		*ret_mod = keep(s, "guest");
	}
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)addr);
	*ret_sym = keep(s, name ? name : text);
	return name ? 0 : -ENOENT;
}

int sg_symbols_user(struct sg_symbols *s, uint32_t tgid, uint64_t addr, const char **ret_sym,
		    const char **ret_mod)
{
	struct process *p = process_get(s, tgid);
	const struct sg_map *m = p ? sg_maps_find(&p->maps, addr) : NULL;
	const char *name = NULL, *mod;

	*ret_sym = *ret_mod = UNKNOWN;
	/* A library loaded after the maps were read, or the process changed its program. */
	if (p && !m && now_ns() - p->read_at > REREAD_NS) {
		process_read(s, p);
		m = sg_maps_find(&p->maps, addr);
	}
	if (!m)
		return -ENOENT;
	if (p->maps.stub)
		return stub_find(s, p, m, addr, ret_sym, ret_mod);
	if (m->kind == SG_MAP_VDSO) {
		name = vdso_find(s, m, addr);
		mod = "[vdso]";
	} else if (m->kind == SG_MAP_JIT) {
		name = jit_find(p, addr);
		mod = "[jit]";
	} else {
		name = sg_elftab_find(&file_get(s, p, m)->tab, addr - m->start + m->offset);
		mod = base_name(m->path);
	}
	*ret_mod = keep(s, mod);
	if (!name)
		return -ENOENT;
	*ret_sym = keep(s, name);
	return 0;
}
