/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/goelf.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>

#define SECTION_MAX 65536

/* The section's header, or false. Position-independent programs have it among the relocated data. */
static Elf_Scn *table_section(Elf *elf, GElf_Shdr *sh)
{
	Elf_Scn *scn = NULL;
	size_t strs, n = 0;

	if (elf_getshdrstrndx(elf, &strs))
		return NULL;
	while (n++ < SECTION_MAX && (scn = elf_nextscn(elf, scn))) {
		const char *name = gelf_getshdr(scn, sh) ? elf_strptr(elf, strs, sh->sh_name) : NULL;

		if (name && sh->sh_type != SHT_NOBITS &&
		    (!strcmp(name, ".gopclntab") || !strcmp(name, ".data.rel.ro.gopclntab")))
			return scn;
	}
	return NULL;
}

/* What the dynamic linker would write at @addr (R_X86_64_RELATIVE), 0 = nothing. */
static uint64_t relocated(Elf *elf, uint64_t addr)
{
	Elf_Scn *scn = NULL;
	size_t n = 0;

	while (n++ < SECTION_MAX && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		Elf_Data *d;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_RELA || !sh.sh_entsize ||
		    sh.sh_size > SG_GOELF_TABLE_MAX)
			continue;
		d = elf_getdata(scn, NULL);
		for (size_t i = 0; d && i < d->d_size / sh.sh_entsize && i < INT32_MAX; i++) {
			GElf_Rela r;

			if (!gelf_getrela(d, (int)i, &r))
				break;
			if (r.r_offset == addr && GELF_R_TYPE(r.r_info) == R_X86_64_RELATIVE)
				return (uint64_t)r.r_addend;
		}
	}
	return 0;
}

int sg_goelf_table(struct sg_gopcln *ret, Elf *elf, struct sg_err *err)
{
	struct sg_gopcln g;
	GElf_Shdr sh;
	Elf_Scn *scn = table_section(elf, &sh);
	Elf_Data *d;
	int e;

	if (!scn)
		return sg_err_set(err, -ENOENT, "it is no Go program: it has no .gopclntab");
	if (sh.sh_size > SG_GOELF_TABLE_MAX)
		return sg_err_set(err, -EBADMSG, "its .gopclntab is larger than 128 MiB");
	d = elf_rawdata(scn, NULL);
	if (!d || !d->d_buf)
		return sg_err_set(err, -EBADMSG, "its .gopclntab can't be read: the file is cut short");
	e = sg_gopcln_parse(&g, d->d_buf, d->d_size, 0, err);
	if (e)
		return e;
	if (!g.text && g.field == 4)
		g.text = relocated(elf, sh.sh_addr + SG_GOPCLN_TEXT);
	if (!g.text && g.field == 4)
		return sg_err_set(err, -ENOTSUP, "its .gopclntab does not tell where the code starts");
	*ret = g;
	return 0;
}

/* @size bytes of code at @addr, as linked; they belong to @elf. Return: their offset in the file, or -EBADMSG. */
static int64_t code_read(Elf *elf, uint64_t addr, uint64_t size, const void **ret)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return -EBADMSG;
	for (size_t i = 0; i < n && i < SECTION_MAX; i++) {
		Elf_Data *d;
		GElf_Phdr ph;
		int64_t off;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) ||
		    addr < ph.p_vaddr || addr - ph.p_vaddr > ph.p_filesz ||
		    size > ph.p_filesz - (addr - ph.p_vaddr))
			continue;
		off = (int64_t)(addr - ph.p_vaddr + ph.p_offset);
		d = off < 0 ? NULL : elf_getdata_rawchunk(elf, off, size, ELF_T_BYTE);
		if (!d || !d->d_buf || d->d_size != size)
			return -EBADMSG;
		*ret = d->d_buf;
		return off;
	}
	return -EBADMSG;
}

int sg_gopcln_rets(Elf *elf, const struct sg_gopcln *g, const char *name, struct sg_gopoints *ret,
		   struct sg_err *err)
{
	const void *code;
	struct sg_gofunc f;
	int64_t off;
	int e = sg_gopcln_named(g, name, &f);

	if (e)
		return sg_err_set(err, e, "it has no function %s", name);
	if (f.end - f.entry > SG_GOCODE_BYTES_MAX)
		return sg_err_set(err, -ENOTSUP, "its function %s is larger than 1 MiB", name);
	off = code_read(elf, f.entry, f.end - f.entry, &code);
	if (off < 0)
		return sg_err_set(err, (int)off, "the code of its function %s can't be read", name);
	return sg_gocode_points(ret, code, f.end - f.entry, (uint64_t)off, err);
}
