// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Go's function table and code: tables made here, hostile ones, runsc as Debian ships it; code of a sandbox's guest is told from it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/elftab.h"
#include "kern/goelf.h"
#include "kern/maps.h"
#include "kern/symbols.h"

#define RUNSC	"/usr/bin/runsc" /* bookworm's: layout of Go 1.18 */
#define EXECUTE "gvisor.dev/gvisor/pkg/sentry/kernel.(*Task).executeSyscall"
#define INVOKE	"gvisor.dev/gvisor/pkg/sentry/kernel.(*Task).doSyscallInvoke"
#define SNDRCV	"gvisor.dev/gvisor/pkg/lisafs.(*Client).SndRcvMessage"

/* ---- a table of three functions ------------------------------------------------------ */
#define TEXT  0x401000ull
#define NAMES "main.main\0runtime.goexit\0main.(*T).f"
#define TAB   512 /* bytes, all of it */

static void put(unsigned char *t, size_t at, uint64_t v, size_t bytes)
{
	memcpy(t + at, &v, bytes);
}

/* main.main [0,0x20), runtime.goexit [0x20,0x30), main.(*T).f [0x30,0x100) behind TEXT */
static void table_make(unsigned char *t, uint32_t magic)
{
	static const uint64_t entry[] = { 0, 0x20, 0x30, 0x100 }, name[] = { 0, 10, 25 };
	size_t f = magic == 0xfffffffa ? 8 : 4, at = 8, funcs = 200, desc = 96;

	memset(t, 0, TAB);
	put(t, 0, magic, 4);
	t[6] = 1;
	t[7] = 8;
	put(t, at, 3, 8);
	at += 16;
	if (f == 4) {
		put(t, at, TEXT, 8);
		at += 8;
	}
	put(t, at, 80, 8);
	put(t, at + 32, funcs, 8);
	memcpy(t + 80, NAMES, sizeof(NAMES));
	for (size_t i = 0; i < 4; i++) {
		uint64_t e = entry[i] + (f == 8 ? TEXT : 0);

		put(t, funcs + i * 2 * f, e, f);
		if (i == 3)
			break;
		put(t, funcs + i * 2 * f + f, desc + i * 16, f);
		put(t, funcs + desc + i * 16, e, f);
		put(t, funcs + desc + i * 16 + f, name[i], 4);
	}
}

/* @size bytes that end where memory ends: reading behind them is a crash. */
static unsigned char *at_the_edge(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(mprotect(p + page, page, PROT_NONE), 0);
	return (unsigned char *)p + page - size;
}

static void expect_at(const struct sg_gopcln *g, uint64_t addr, const char *want)
{
	struct sg_gofunc f;
	int r = sg_gopcln_at(g, addr, &f);

	if (!want)
		cr_expect_eq(r, -ENOENT, "0x%lx: %d", (long)addr, r);
	else
		cr_expect(!r && !strcmp(f.name, want) && f.len == strlen(want), "0x%lx: %d %s, not %s",
			  (long)addr, r, r ? "" : f.name, want);
}

Test(gopcln, three_layouts)
{
	static const uint32_t magic[] = { 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	unsigned char t[TAB];
	struct sg_gofunc f;
	struct sg_gopcln g;

	for (size_t i = 0; i < 3; i++) {
		table_make(t, magic[i]);
		cr_assert_eq(sg_gopcln_parse(&g, t, sizeof(t), 0, NULL), 0);
		cr_expect_eq(g.n, 3);
		expect_at(&g, TEXT - 1, NULL);
		expect_at(&g, TEXT, "main.main");
		expect_at(&g, TEXT + 0x1f, "main.main");
		expect_at(&g, TEXT + 0x20, "runtime.goexit");
		expect_at(&g, TEXT + 0xff, "main.(*T).f");
		expect_at(&g, TEXT + 0x100, NULL);
		expect_at(&g, UINT64_MAX, NULL);
		cr_assert_eq(sg_gopcln_named(&g, "main.(*T).f", &f), 0);
		cr_expect_eq(f.entry, TEXT + 0x30);
		cr_expect_eq(f.end, TEXT + 0x100);
		cr_expect_eq(sg_gopcln_named(&g, "main.(*T)", &f), -ENOENT, "a part is not the name");
		cr_expect_eq(sg_gopcln_named(&g, "", &f), -ENOENT);
		cr_expect_eq(sg_gopcln_func(&g, 3, &f), -EBADMSG);
	}
}

Test(gopcln, code_start_by_relocation)
{
	unsigned char t[TAB];
	struct sg_gopcln g;

	table_make(t, 0xfffffff1);
	put(t, SG_GOPCLN_TEXT, 0, 8);
	cr_assert_eq(sg_gopcln_parse(&g, t, sizeof(t), 0x7000, NULL), 0);
	expect_at(&g, 0x7025, "runtime.goexit");
}

Test(gopcln, refused_with_a_sentence)
{
	unsigned char t[TAB];
	struct sg_gopcln g;
	struct {
		size_t at, bytes;
		uint64_t v;
		int want;
	} bad[] = {
		{ 0, 4, 0xfffffffb, -ENOTSUP },		/* Go 1.2: before 2021 */
		{ 0, 4, 0xfffffff2, -ENOTSUP },		/* one to come */
		{ 7, 1, 4, -ENOTSUP },			/* 32 bit */
		{ 4, 1, 1, -ENOTSUP },			/* not a table */
		{ 8, 8, 1u << 20, -EBADMSG },		/* more functions than bytes */
		{ 8, 8, UINT64_MAX / 8 + 2, -EBADMSG }, /* n * 8 wraps around */
		{ 32, 8, TAB, -EBADMSG },		/* names behind the end */
		{ 64, 8, TAB - 8, -EBADMSG },		/* functions beyond the end */
		{ 64, 8, UINT64_MAX - 3, -EBADMSG },	/* wraps around */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sg_err err = { 0 };

		table_make(t, 0xfffffff0);
		put(t, bad[i].at, bad[i].v, bad[i].bytes);
		cr_expect_eq(sg_gopcln_parse(&g, t, sizeof(t), 0, &err), bad[i].want, "case %zu", i);
		cr_expect_neq(err.msg[0], 0, "case %zu says nothing", i);
	}
	for (size_t n = 0; n < SG_GOPCLN_HEAD; n++)
		cr_expect_eq(sg_gopcln_parse(&g, at_the_edge(n), n, 0, NULL), -EBADMSG, "%zu bytes", n);
}

/* All that can be asked of a table; whatever it answers lies inside it. */
static void ask_all(const unsigned char *t, size_t size)
{
	struct sg_gofunc f;
	struct sg_gopcln g;

	if (sg_gopcln_parse(&g, t, size, 0, NULL))
		return;
	for (size_t i = 0; i < g.n; i++)
		if (!sg_gopcln_func(&g, i, &f)) {
			cr_assert((const unsigned char *)f.name >= t &&
				  (const unsigned char *)f.name + f.len < t + size);
			cr_assert_eq(f.name[f.len], 0);
			cr_assert_geq(f.end, f.entry);
		}
	for (uint64_t a = TEXT - 1; a < TEXT + 0x110; a += 0x1f)
		if (!sg_gopcln_at(&g, a, &f))
			cr_assert_leq(f.entry, a);
	sg_gopcln_named(&g, "runtime.goexit", &f);
}

Test(gopcln, cut_and_mutated_tables_answer_from_within_or_not_at_all)
{
	static const uint32_t magic[] = { 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	static const uint64_t odd[] = { 0, 1, 7, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX };
	unsigned char *edge = at_the_edge(TAB), whole[TAB];
	uint32_t r = 20221219;

	for (size_t m = 0; m < 3; m++) {
		table_make(whole, magic[m]);
		for (size_t n = 0; n <= TAB; n++) {
			memcpy(edge + TAB - n, whole, n);
			ask_all(edge + TAB - n, n);
		}
		for (int turn = 0; turn < 100000; turn++) {
			memcpy(edge, whole, TAB);
			for (int k = 0; k <= turn % 4; k++) {
				size_t at, bytes = (size_t)1 << (r >> 28 & 3);

				r = r * 1664525u + 1013904223u;
				at = (r >> 8) % (TAB - 8);
				put(edge, at, r & 128 ? odd[(r >> 20) % 9] : r >> 4, bytes);
			}
			put(edge, 0, magic[m], 4); /* or all would end there */
			ask_all(edge, TAB);
		}
	}
}

Test(gopcln, endless_name_is_no_name)
{
	size_t size = 1 << 20;
	unsigned char *t = malloc(size);
	struct sg_gofunc f;
	struct sg_gopcln g;

	table_make(t, 0xfffffff1);
	memset(t + TAB, 'x', size - TAB);
	put(t, 200 + 96 + 4, TAB - 80, 4); /* main.main's */
	cr_assert_eq(sg_gopcln_parse(&g, t, size, 0, NULL), 0);
	cr_expect_eq(sg_gopcln_func(&g, 0, &f), -EBADMSG);
	cr_expect_eq(sg_gopcln_func(&g, 1, &f), 0);
	free(t);
}

/* ---- code ------------------------------------------------------------------------------ */
Test(gopcln, points_of_code)
{
	/* cmp rsp,[r14+16]; jbe; sub rsp,8; test eax,eax; jne; ret; mov al,0xc3; add rsp,8; ret; call; jmp start; int3 */
	static const unsigned char checked[] = { 0x49, 0x3b, 0x66, 0x10, 0x76, 0x11, 0x48, 0x83,
						 0xec, 0x08, 0x85, 0xc0, 0x75, 0x01, 0xc3, 0xb0,
						 0xc3, 0x48, 0x83, 0xc4, 0x08, 0xc3, 0x90, 0xe8,
						 0,    0,    0,	   0,	 0xeb, 0xe2, 0xcc };
	/* lea r12,[rsp-0x368]; cmp r12,[r14+16]; jbe near; push rbp; ret */
	static const unsigned char large[] = { 0x4c, 0x8d, 0xa4, 0x24, 0x98, 0xfc, 0xff,
					       0xff, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86,
					       0x02, 0,	   0,	 0,    0x55, 0xc3, 0x90 };
	/* another comparison and jump: no stack check; xor eax,eax; cmp rax,[rdi+16]; jbe; ret */
	static const unsigned char plain[] = { 0x31, 0xc0, 0x48, 0x3b, 0x47, 0x10, 0x76, 0x00, 0xc3 };
	struct sg_gopoints p;

	cr_assert_eq(sg_gocode_points(&p, checked, sizeof(checked), 0x1000, NULL), 0);
	cr_expect_eq(p.entry, 0x1004);
	cr_assert_eq(p.nret, 2, "%zu: a byte 0xc3 inside an instruction is no return", p.nret);
	cr_expect_eq(p.ret[0], 0x100e);
	cr_expect_eq(p.ret[1], 0x1015);
	cr_assert_eq(sg_gocode_points(&p, large, sizeof(large), 0, NULL), 0);
	cr_expect_eq(p.entry, 12);
	cr_assert_eq(sg_gocode_points(&p, plain, sizeof(plain), 16, NULL), 0);
	cr_expect_eq(p.entry, 16);
}

Test(gopcln, code_that_cannot_be_probed)
{
	static const unsigned char none[] = { 0x90, 0xcc }, away[] = { 0xe9, 0, 1, 0, 0, 0xc3 },
				   broken[] = { 0xc3, 0x06, 0xc3 };
	unsigned char many[SG_GOCODE_RET_MAX + 1];
	struct sg_gopoints p = { .nret = 77 };
	struct sg_err err = { 0 };

	memset(many, 0xc3, sizeof(many));
	cr_expect_eq(sg_gocode_points(&p, none, sizeof(none), 0, &err), -ENOTSUP);
	cr_expect_eq(sg_gocode_points(&p, away, sizeof(away), 0, &err), -ENOTSUP);
	cr_expect_eq(sg_gocode_points(&p, broken, sizeof(broken), 0, &err), -EBADMSG);
	cr_expect_eq(sg_gocode_points(&p, many, sizeof(many), 0, &err), -ENOTSUP);
	cr_expect_eq(sg_gocode_points(&p, many, 0, 0, &err), -ENOTSUP);
	cr_expect_eq(p.nret, 77, "nothing is returned with an error");
	cr_expect_neq(err.msg[0], 0);
	cr_expect_eq(sg_gocode_points(&p, many, sizeof(many) - 1, 0, &err), 0);
	cr_expect_eq(p.nret, SG_GOCODE_RET_MAX);
}

/* ---- runsc as it is --------------------------------------------------------------------- */
static void expect_sentry(const char *path)
{
	static const char *const names[] = { EXECUTE, INVOKE, SNDRCV };
	static const size_t rets[] = { 1, 2, 10 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct sg_err err = { 0 };
	struct sg_elftab tab;
	struct sg_gofunc f;
	struct sg_gopcln g;
	Elf *elf;

	cr_assert_geq(fd, 0, "%s", path);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	cr_assert_eq(sg_goelf_table(&g, elf, &err), 0, "%s: %s", path, err.msg);
	cr_expect_gt(g.n, 30000);
	for (size_t i = 0; i < g.n; i++)
		cr_assert_eq(sg_gopcln_func(&g, i, &f), 0, "%s: function %zu", path, i);
	cr_assert_eq(sg_elftab_load(&tab, fd, path), 0);
	cr_expect_eq(tab.tab.n, g.n);
	for (size_t i = 0; i < 3; i++) {
		struct sg_gopoints p;
		unsigned char b = 0;

		cr_assert_eq(sg_gopcln_rets(elf, &g, names[i], &p, &err), 0, "%s: %s", names[i], err.msg);
		cr_expect_eq(p.nret, rets[i], "%s: %zu", names[i], p.nret);
		for (size_t k = 0; k < p.nret; k++) {
			cr_expect(pread(fd, &b, 1, (off_t)p.ret[k]) == 1 && b == 0xc3);
			cr_expect_str_eq(sg_elftab_find(&tab, p.ret[k]), names[i]);
		}
		/* jbe, near */
		cr_expect(pread(fd, &b, 1, (off_t)p.entry) == 1 && b == 0x0f, "%s: 0x%x", names[i], b);
		cr_expect(pread(fd, &b, 1, (off_t)p.entry + 1) == 1 && b == 0x86, "%s: 0x%x", names[i], b);
	}
	cr_expect_eq(sg_gopcln_rets(elf, &g, "no.such", &(struct sg_gopoints){ 0 }, &err), -ENOENT);
	sg_elftab_free(&tab);
	elf_end(elf);
	close(fd);
}

Test(gopcln, sentry_of_bookworm)
{
	expect_sentry(RUNSC);
}

Test(gopcln, sentry_of_trixie)
{
	const char *path = getenv("SANDGLASS_TEST_RUNSC_TRIXIE");

	if (!path)
		cr_skip_test("SANDGLASS_TEST_RUNSC_TRIXIE names no runsc of trixie");
	expect_sentry(path);
}

/* The file itself cut short or changed: names may be gone, nothing else. */
Test(gopcln, hostile_files, .timeout = 60)
{
	int from = open(RUNSC, O_RDONLY | O_CLOEXEC), to = memfd_create("mutant", MFD_CLOEXEC);
	struct sg_elftab tab;
	uint32_t r = 1;
	GElf_Ehdr eh;
	struct stat st;
	off_t off = 0;
	Elf *elf;

	cr_assert(from >= 0 && to >= 0 && !fstat(from, &st));
	for (ssize_t n = 1; n > 0 && off < st.st_size;) {
		static char buf[1 << 20];

		n = pread(from, buf, sizeof(buf), off);
		cr_assert(n > 0 && pwrite(to, buf, (size_t)n, off) == n);
		off += n;
	}
	elf_version(EV_CURRENT);
	elf = elf_begin(from, ELF_C_READ, NULL);
	cr_assert(elf && gelf_getehdr(elf, &eh));
	elf_end(elf);
	for (int i = 0; i < 60; i++) {
		uint64_t old, v;
		off_t at;

		r = r * 1664525u + 1013904223u;
		v = r & 64 ? UINT64_MAX >> (r >> 27) : r >> 8;
		at = i & 1 ? (off_t)eh.e_shoff + (r >> 10) % (unsigned)(eh.e_shnum * eh.e_shentsize)
			   : (off_t)((r >> 10) % 512);
		cr_assert_eq(pread(to, &old, 8, at), 8);
		cr_assert_eq(pwrite(to, &v, 8, at), 8);
		if (!sg_elftab_load(&tab, to, NULL))
			sg_elftab_free(&tab);
		cr_assert_eq(pwrite(to, &old, 8, at), 8);
	}
	cr_assert_eq(sg_elftab_load(&tab, to, NULL), 0);
	cr_expect_gt(tab.tab.n, 30000, "it is whole again");
	sg_elftab_free(&tab);
	for (off_t size = st.st_size; size > 0; size -= st.st_size / 12) {
		cr_assert_eq(ftruncate(to, size), 0);
		if (!sg_elftab_load(&tab, to, NULL))
			sg_elftab_free(&tab);
	}
	close(from);
	close(to);
}

/* ---- a sandbox's guest ------------------------------------------------------------------- */
Test(gopcln, maps_of_stubs)
{
	char busy[] = "00401000-00584000 r-xs 00001000 00:32 10954091    /root/bin/busybox\n"
		      "7f880aec0000-7f880aec2000 r-xs 00000000 00:01 409725 /memfd:runsc-memory (deleted)\n"
		      "7fffffff0000-7fffffff1000 r-xp 00000000 00:00 0 \n";
	char idle[] = "7fffffff0000-7fffffff1000 r-xp 00000000 00:00 0 \n"
		      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
	char sentry[] = "00400000-00de5000 r-xp 00000000 fe:00 10977319 /usr/bin/runsc\n"
			"7f63166a6000-7f63166a8000 r-xp 00000000 00:00 0 [vdso]\n"
			"7fffffff0000-7fffffff1000 r-xp 00000000 00:00 0 \n";
	char jit[] = "00400000-00de5000 r-xp 00000000 fe:00 1 /usr/bin/node\n"
		     "00e00000-00e01000 r-xs 00000000 00:01 7 /memfd:runsc-memory2 (deleted)\n"
		     "00f00000-00f01000 r-xp 00000000 00:00 0 \n";
	char none[] = "";
	struct sg_maps m;

	cr_assert_eq(sg_maps_parse(&m, busy), 0);
	cr_expect(m.stub);
	cr_expect_eq(sg_maps_find(&m, 0x7f880aec0000)->kind, SG_MAP_GUEST);
	cr_expect_eq(sg_maps_find(&m, 0x401000)->kind, SG_MAP_FILE);
	sg_maps_free(&m);
	cr_assert_eq(sg_maps_parse(&m, idle), 0);
	cr_expect(m.stub);
	sg_maps_free(&m);
	cr_assert_eq(sg_maps_parse(&m, sentry), 0);
	cr_expect_not(m.stub);
	sg_maps_free(&m);
	cr_assert_eq(sg_maps_parse(&m, jit), 0);
	cr_expect_not(m.stub);
	cr_expect_eq(sg_maps_find(&m, 0xe00000)->kind, SG_MAP_JIT);
	sg_maps_free(&m);
	cr_assert_eq(sg_maps_parse(&m, none), 0);
	cr_expect_not(m.stub);
	sg_maps_free(&m);
}

/* A process that maps what a stub maps: its guest's code has addresses, its files their names, nothing is the Sentry's. */
Test(gopcln, names_in_a_stub)
{
	int fd = memfd_create("runsc-memory", MFD_CLOEXEC);
	const char *sym, *mod;
	struct sg_symbols *s;
	char want[32], *code;

	cr_assert(fd >= 0 && !ftruncate(fd, 4096));
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	cr_assert_neq(code, MAP_FAILED);
	cr_assert_eq(sg_symbols_new(&s), 0);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), (uintptr_t)code + 16, &sym, &mod), -ENOENT);
	snprintf(want, sizeof(want), "0x%lx", (unsigned long)code + 16);
	cr_expect_str_eq(sym, want);
	cr_expect_str_eq(mod, "guest");
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), (uintptr_t)expect_at, &sym, &mod), 0);
	cr_expect_str_eq(sym, "expect_at");
	cr_expect_str_eq(mod, "guest:test_gopcln");
	sg_symbols_free(s);
	close(fd);
}
