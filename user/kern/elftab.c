// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/elftab.h"
#include "kern/goelf.h"

static void read_loads(struct sg_elftab *t, Elf *elf)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return;
	for (size_t i = 0; i < n && i < 4096 && t->nload < SG_ELF_LOAD_MAX; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		t->load[t->nload].off = ph.p_offset;
		t->load[t->nload].vaddr = ph.p_vaddr;
		t->load[t->nload].size = ph.p_filesz;
		t->nload++;
	}
}

/* Add the functions of all sections of type @want. Return: how many, or -ENOMEM. */
static int read_symbols(struct sg_symtab *tab, Elf *elf, GElf_Word want)
{
	Elf_Scn *scn = NULL;
	int added = 0;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != want || !sh.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		if (!data)
			continue;
		for (size_t i = 0, n = data->d_size / sh.sh_entsize; i < n && i < INT_MAX; i++) {
			const char *name;
			GElf_Sym s;
			int err;

			if (!gelf_getsym(data, (int)i, &s))
				break;
			if ((GELF_ST_TYPE(s.st_info) != STT_FUNC &&
			     GELF_ST_TYPE(s.st_info) != STT_GNU_IFUNC) ||
			    s.st_shndx == SHN_UNDEF || !s.st_value)
				continue;
			name = elf_strptr(elf, sh.sh_link, s.st_name);
			if (!name || !*name)
				continue;
			err = sg_symtab_add(tab, s.st_value, s.st_size, name, strnlen(name, SG_SYM_NAME_MAX));
			if (err == -E2BIG)
				return added;
			if (err)
				return err;
			added++;
		}
	}
	return added;
}

/* Find a section's bytes by name. */
static Elf_Data *section(Elf *elf, const char *name)
{
	Elf_Scn *scn = NULL;
	size_t strs;

	if (elf_getshdrstrndx(elf, &strs))
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *have;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;
		have = elf_strptr(elf, strs, sh.sh_name);
		if (have && !strcmp(have, name))
			return elf_getdata(scn, NULL);
	}
	return NULL;
}

static int try_debug(struct sg_symtab *tab, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), n = 0;
	struct stat st;
	Elf *elf;

	if (fd < 0)
		return 0;
	elf = !fstat(fd, &st) && S_ISREG(st.st_mode) ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
	if (elf)
		n = read_symbols(tab, elf, SHT_SYMTAB);
	elf_end(elf);
	close(fd);
	return n;
}

/* An installed debug file: only those below /usr/lib/debug, which root put there. */
static int read_debug(struct sg_symtab *tab, Elf *elf, const char *path)
{
	Elf_Data *note = section(elf, ".note.gnu.build-id"), *link;
	char file[PATH_MAX];
	int n = 0;

	if (note && note->d_size > 17 && note->d_size <= 16 + 64) {
		const unsigned char *id = (unsigned char *)note->d_buf + 16;
		size_t len = note->d_size - 16, at;

		at = (size_t)snprintf(file, sizeof(file), "/usr/lib/debug/.build-id/%02x/", id[0]);
		for (size_t i = 1; i < len; i++)
			at += (size_t)snprintf(file + at, sizeof(file) - at, "%02x", id[i]);
		snprintf(file + at, sizeof(file) - at, ".debug");
		n = try_debug(tab, file);
	}
	link = n ? NULL : section(elf, ".gnu_debuglink");
	if (link && path && link->d_size && memchr(link->d_buf, 0, link->d_size) &&
	    !strchr(link->d_buf, '/')) {
		const char *slash = strrchr(path, '/');
		int dir = slash ? (int)(slash - path) : 0;

		if (dir < 2048 && (size_t)snprintf(file, sizeof(file), "/usr/lib/debug%.*s/%s", dir, path,
						   (const char *)link->d_buf) < sizeof(file))
			n = try_debug(tab, file);
	}
	return n;
}

/*
 * The functions of a Go program. The names of a table that lies could add up to far
 * more than the table: no more is kept than it is long. Return: how many, or -ENOMEM.
 */
static int read_go(struct sg_symtab *tab, Elf *elf)
{
	struct sg_gopcln g;
	size_t names = 0;
	int added = 0;

	if (sg_goelf_table(&g, elf, NULL))
		return 0;
	for (size_t i = 0; i < g.n && names < g.size; i++) {
		struct sg_gofunc f;
		int err;

		if (sg_gopcln_func(&g, i, &f) || !f.len || f.end == f.entry)
			continue;
		err = sg_symtab_add(tab, f.entry, f.end - f.entry, f.name, f.len);
		if (err == -E2BIG)
			break;
		if (err)
			return err;
		names += f.len + 1;
		added++;
	}
	return added;
}

static int load(struct sg_elftab *ret, Elf *elf, const char *path, bool debug)
{
	struct sg_elftab t = { 0 };
	int n;

	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return -ENOEXEC;
	read_loads(&t, elf);
	n = read_symbols(&t.tab, elf, SHT_SYMTAB);
	if (!n && debug)
		n = read_debug(&t.tab, elf, path);
	if (!n) {
		n = read_go(&t.tab, elf);
		if (n >= 0) /* beside Go's: C code that is linked to it */
			n = read_symbols(&t.tab, elf, SHT_DYNSYM);
	}
	if (n < 0) {
		sg_elftab_free(&t);
		return n;
	}
	sg_symtab_finish(&t.tab, false);
	*ret = t;
	return 0;
}

int sg_elftab_load(struct sg_elftab *ret, int fd, const char *path)
{
	Elf *elf;
	int err;

	elf_version(EV_CURRENT);
	/* Not mapped: a file that is truncated meanwhile would end us with SIGBUS. */
	elf = elf_begin(fd, ELF_C_READ, NULL);
	err = load(ret, elf, path, true);
	elf_end(elf);
	return err;
}

int sg_elftab_memory(struct sg_elftab *ret, const void *image, size_t size)
{
	char *copy = malloc(size ? size : 1);
	Elf *elf;
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, image, size);
	elf_version(EV_CURRENT);
	elf = elf_memory(copy, size);
	err = load(ret, elf, NULL, false);
	elf_end(elf);
	free(copy);
	return err;
}

const char *sg_elftab_find(const struct sg_elftab *t, uint64_t offset)
{
	for (size_t i = 0; i < t->nload; i++)
		if (offset >= t->load[i].off && offset - t->load[i].off < t->load[i].size)
			return sg_symtab_name(
				&t->tab, sg_symtab_find(&t->tab, offset - t->load[i].off + t->load[i].vaddr));
	return NULL;
}

void sg_elftab_free(struct sg_elftab *t)
{
	sg_symtab_free(&t->tab);
	t->nload = 0;
}
