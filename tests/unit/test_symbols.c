// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Names of addresses: literal texts, hostile files, and processes that this test makes. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kern/elftab.h"
#include "kern/kallsyms.h"
#include "kern/maps.h"
#include "kern/perfmap.h"
#include "kern/procroot.h"
#include "kern/symbols.h"

int sg_test_marker(int x);
int __attribute__((noinline, noclone)) sg_test_marker(int x)
{
	__asm__ volatile("" ::: "memory");
	return x * 3 + 1;
}

static FILE *text(const char *s)
{
	return fmemopen((void *)(uintptr_t)s, strlen(s), "r");
}

/* ---- texts ---------------------------------------------------------------- */

Test(symbols, table_prefers_functions_with_size_and_few_underscores)
{
	struct sg_symtab t = { 0 };

	sg_symtab_add(&t, 0x100, 0x20, "__libc_write", 12);
	sg_symtab_add(&t, 0x100, 0x20, "write", 5);
	sg_symtab_add(&t, 0x100, 0, "a_label", 7);
	sg_symtab_add(&t, 0x200, 0, "asm_entry", 9);
	sg_symtab_add(&t, 0x300, 0x10, "last", 4);
	sg_symtab_finish(&t, false);
	cr_expect_null(sg_symtab_find(&t, 0xff));
	cr_expect_str_eq(sg_symtab_name(&t, sg_symtab_find(&t, 0x100)), "write");
	cr_expect_str_eq(sg_symtab_name(&t, sg_symtab_find(&t, 0x11f)), "write");
	cr_expect_null(sg_symtab_find(&t, 0x120), "code behind a function belongs to nobody");
	cr_expect_str_eq(sg_symtab_name(&t, sg_symtab_find(&t, 0x2ff)), "asm_entry");
	cr_expect_null(sg_symtab_find(&t, 0x310));
	cr_expect_null(sg_symtab_find(&t, UINT64_MAX));
	sg_symtab_free(&t);
	cr_expect_null(sg_symtab_find(&t, 0x100));
}

Test(symbols, kallsyms_text)
{
	struct sg_kallsyms k;
	const char *mod = NULL;
	FILE *f = text("ffffffff81000000 T _stext\n"
		       "ffffffff81000000 T startup_64\n"
		       "ffffffff81000ff0 t __pfx_do_thing\n"
		       "ffffffff81001000 t do_thing\n"
		       "ffffffff81001800 d some_data\n"
		       "ffffffff81002000 W weak_one\n"
		       "garbage\n\nffffffff81002100\nffffffff81002100 T\n"
		       "ffffffffc0000000 t kvm_main\t[kvm]\n"
		       "ffffffffc0000100 t broken\t[no_end\n");

	cr_assert_eq(sg_kallsyms_read(&k, f), 0);
	fclose(f);
	cr_expect_not(k.hidden);
	cr_expect_str_eq(sg_kallsyms_find(&k, 0xffffffff81001400, &mod), "do_thing");
	cr_expect_str_eq(mod, "[kernel]");
	cr_expect_str_eq(sg_kallsyms_find(&k, 0xffffffff81001900, &mod), "do_thing", "data is no function");
	cr_expect_str_eq(sg_kallsyms_find(&k, 0xffffffff81000000, &mod), "startup_64");
	cr_expect_str_eq(sg_kallsyms_find(&k, 0xffffffffc0000080, &mod), "kvm_main");
	cr_expect_str_eq(mod, "kvm");
	cr_expect_str_eq(sg_kallsyms_find(&k, 0xffffffffc0000100, &mod), "broken");
	cr_expect_str_eq(mod, "no_end");
	cr_expect_null(sg_kallsyms_find(&k, 0xffffffffc1000000, &mod), "far behind the last function");
	cr_expect_null(sg_kallsyms_find(&k, 0x1000, &mod));
	sg_kallsyms_free(&k);

	f = text("0000000000000000 T _stext\n0000000000000000 t do_thing\n");
	cr_expect_eq(sg_kallsyms_read(&k, f), -ENOENT);
	cr_expect(k.hidden);
	fclose(f);
	sg_kallsyms_free(&k);
}

Test(symbols, maps_text)
{
	char lines[] = "00400000-00452000 r--p 00000000 08:02 173521      /usr/bin/no code\n"
		       "00452000-00500000 r-xp 00052000 08:02 173521      /usr/bin/with blank\n"
		       "00600000-00601000 r-xp 00000000 fd:01 99 /lib/old.so (deleted)\n"
		       "00700000-00701000 rwxp 00000000 00:00 0 \n"
		       "00800000-00801000 r-xp 00000000 00:01 7 /memfd:doublemapper (deleted)\n"
		       "00900000-00902000 r-xp 00000000 00:00 0 [vdso]\n"
		       "00900800-00903000 r-xp 00000000 00:00 0 overlapping\n"
		       "00a00000-00a00000 r-xp 00000000 00:00 0 empty\n"
		       "zzz\n00b00000-00b01000 r\n00b00000-00b01000 r-xp 00000000 00:00\n"
		       "00c00000-00c01000 r-xp 00000000 00:00 0 [anon:js jit]\n"
		       "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";
	struct sg_maps m;
	const struct sg_map *p;

	cr_assert_eq(sg_maps_parse(&m, lines), 0);
	cr_expect_eq(m.n, 6, "%zu", m.n);
	cr_expect_null(sg_maps_find(&m, 0x400000), "not executable");
	p = sg_maps_find(&m, 0x452000);
	cr_assert_not_null(p);
	cr_expect_str_eq(p->path, "/usr/bin/with blank");
	cr_expect_eq(p->offset, 0x52000);
	cr_expect_eq(p->dev, 8ull << 32 | 2);
	cr_expect_eq(p->ino, 173521);
	cr_expect_eq(p->kind, SG_MAP_FILE);
	cr_expect_not(p->deleted);
	cr_expect_null(sg_maps_find(&m, 0x500000), "the end is not inside");
	p = sg_maps_find(&m, 0x600fff);
	cr_expect_str_eq(p->path, "/lib/old.so");
	cr_expect(p->deleted);
	cr_expect_eq(sg_maps_find(&m, 0x700000)->kind, SG_MAP_JIT);
	cr_expect_eq(sg_maps_find(&m, 0x800000)->kind, SG_MAP_JIT);
	cr_expect_eq(sg_maps_find(&m, 0x901000)->kind, SG_MAP_VDSO);
	cr_expect_eq(sg_maps_find(&m, 0xc00000)->kind, SG_MAP_JIT);
	cr_expect_null(sg_maps_find(&m, 0xffffffffff600000));
	cr_expect_null(sg_maps_find(&m, 0));
	sg_maps_free(&m);
}

Test(symbols, perf_map_text)
{
	struct sg_symtab t;
	FILE *f = text("7f0000001000 20 LazyCompile:~fn /app/x.js:12\n"
		       "7f0000001000 20 recompiled\n"
		       "nonsense\n7f00 0 empty\n7f01 zz bad\n7f02\n7f0000002000 10 \n"
		       "7f0000003000 10 no newline at the end");

	cr_assert_eq(sg_perfmap_read(&t, f), 0);
	fclose(f);
	cr_expect_eq(t.n, 2, "%zu", t.n);
	cr_expect_str_eq(sg_symtab_name(&t, sg_symtab_find(&t, 0x7f000000101f)), "recompiled",
			 "the later line replaced it");
	cr_expect_str_eq(sg_symtab_name(&t, sg_symtab_find(&t, 0x7f0000003000)), "no newline at the end");
	sg_symtab_free(&t);
}

/* ---- this process --------------------------------------------------------- */

static struct sg_symbols *fresh(void)
{
	struct sg_symbols *s;

	cr_assert_eq(sg_symbols_new(&s), 0);
	return s;
}

Test(symbols, own_functions)
{
	struct sg_symbols *s = fresh();
	const char *sym, *mod;

	cr_expect_eq(
		sg_symbols_user(s, (uint32_t)getpid(), (uint64_t)(uintptr_t)sg_test_marker + 3, &sym, &mod),
		0);
	cr_expect_str_eq(sym, "sg_test_marker");
	cr_expect_eq(strncmp(mod, "test_symbols", 12), 0, "%s", mod);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(),
				     (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "hcreate_r") + 1, &sym, &mod),
		     0);
	cr_expect_str_eq(sym, "hcreate_r");
	cr_expect_str_eq(mod, "libc.so.6");
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), 16, &sym, &mod), -ENOENT);
	cr_expect_str_eq(sym, "[unknown]");
	cr_expect_str_eq(mod, "[unknown]");
	cr_expect_eq(sg_symbols_user(s, 0, 16, &sym, &mod), -ENOENT);
	cr_expect_eq(sg_symbols_user(s, 0x7ffffff0, 16, &sym, &mod), -ENOENT);
	sg_symbols_free(s);
}

Test(symbols, vdso)
{
	struct sg_symbols *s = fresh();
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	struct sg_elftab t = { 0 };
	const char *sym, *mod;
	const Elf64_Ehdr *eh;
	uint64_t at = 0;

	if (!base)
		cr_skip_test("no vdso");
	eh = (void *)(uintptr_t)base;
	cr_assert_eq(sg_elftab_memory(&t, eh, eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize), 0);
	for (size_t i = 0; i < t.tab.n; i++)
		if (strstr(sg_symtab_name(&t.tab, &t.tab.sym[i]), "clock_gettime"))
			at = t.tab.sym[i].addr;
	cr_assert_neq(at, 0);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), base + at + 1, &sym, &mod), 0);
	cr_expect(strstr(sym, "clock_gettime"), "%s", sym);
	cr_expect_str_eq(mod, "[vdso]");
	sg_elftab_free(&t);
	sg_symbols_free(s);
}

Test(symbols, jit_code)
{
	struct sg_symbols *s = fresh();
	const char *sym, *mod;
	char path[64], *code;
	FILE *f;

	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(code, MAP_FAILED);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	f = fopen(path, "w");
	fprintf(f, "%lx 40 hot loop\n", (unsigned long)code);
	fclose(f);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), (uint64_t)(uintptr_t)code + 5, &sym, &mod), 0);
	cr_expect_str_eq(sym, "hot loop");
	cr_expect_str_eq(mod, "[jit]");
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), (uint64_t)(uintptr_t)code + 0x80, &sym, &mod),
		     -ENOENT);
	cr_expect_str_eq(mod, "[jit]");
	f = fopen(path, "a");
	fprintf(f, "%lx 40 made later\n", (unsigned long)code + 0x80);
	fclose(f);
	usleep(150000); /* a growing map is looked at again, but not at every miss */
	cr_expect_eq(sg_symbols_user(s, (uint32_t)getpid(), (uint64_t)(uintptr_t)code + 0x80, &sym, &mod), 0);
	cr_expect_str_eq(sym, "made later");
	unlink(path);
	sg_symbols_free(s);
}

/* A map that is a link to elsewhere, a pipe or a directory must not be opened. */
Test(symbols, hostile_perf_maps)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/sgtest-%d", getpid());
	cr_assert_eq(mkfifo(path, 0600), 0);
	alarm(5);
	cr_expect_eq(sg_procroot_open(getpid(), path), -EINVAL, "a FIFO");
	unlink(path);
	cr_expect_eq(sg_procroot_open(getpid(), "/tmp"), -EINVAL, "a directory");
	cr_expect_eq(sg_procroot_open(getpid(), "/dev/zero"), -EINVAL, "a device");
	cr_assert_eq(symlink("/proc/self/exe", path), 0);
	cr_expect_lt(sg_procroot_open(getpid(), path), 0, "a magic link");
	unlink(path);
	cr_expect_not(sg_procroot_foreign(getpid()));
	cr_expect_eq(sg_procroot_nspid(getpid()), getpid());
}

Test(symbols, kernel)
{
	struct sg_symbols *s = fresh();
	const char *sym, *mod;
	char line[512], name[128] = "";
	unsigned long addr = 0;
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %*c %127s", &addr, name) == 2 && !strcmp(name, "schedule_timeout"))
			break;
	fclose(f);
	if (strcmp(name, "schedule_timeout") || !addr)
		cr_skip_test("the kernel's addresses are hidden");
	cr_expect_eq(sg_symbols_kernel(s, addr + 4, &sym, &mod), 0);
	cr_expect_str_eq(sym, "schedule_timeout");
	cr_expect_str_eq(mod, "[kernel]");
	cr_expect_eq(sg_symbols_kernel(s, 0x1000, &sym, &mod), -ENOENT);
	cr_expect_str_eq(sym, "[unknown]");
	sg_symbols_free(s);
}

/* ---- other processes ------------------------------------------------------ */

static bool copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n = -1;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			break;
	close(in);
	close(out);
	return !n;
}

static const char *zlib_path(void)
{
	void *h = dlopen("libz.so.1", RTLD_NOW), *fn = h ? dlsym(h, "zlibVersion") : NULL;
	static Dl_info info;

	return fn && dladdr(fn, &info) ? info.dli_fname : NULL;
}

/* A child that uses its own copy of a library, which is then only reachable through the child. */
static pid_t child_with_library(const char *dir, bool private_mount, uint64_t *ret_addr)
{
	const char *from = zlib_path();
	int addr[2];
	pid_t pid;

	cr_assert_not_null(from);
	cr_assert_eq(pipe(addr), 0);
	pid = fork();
	if (!pid) {
		char path[256];
		uint64_t at = 0;
		void *h;

		snprintf(path, sizeof(path), "%s/libcopy.so", dir);
		if (private_mount &&
		    (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		     mount("none", dir, "tmpfs", 0, NULL)))
			_exit(2);
		h = copy_file(from, path) ? dlopen(path, RTLD_NOW) : NULL;
		if (h)
			at = (uint64_t)(uintptr_t)dlsym(h, "zlibVersion");
		if (!private_mount)
			unlink(path);
		if (write(addr[1], &at, sizeof(at)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	close(addr[1]);
	*ret_addr = 0;
	if (read(addr[0], ret_addr, sizeof(*ret_addr)) != sizeof(*ret_addr))
		*ret_addr = 0;
	close(addr[0]);
	return pid;
}

static void gone_library(bool private_mount)
{
	struct sg_symbols *s = fresh();
	const char *sym, *mod;
	char dir[64];
	uint64_t at;
	pid_t pid;

	snprintf(dir, sizeof(dir), "/tmp/sgtest-lib-%d-%d", getpid(), private_mount);
	cr_assert_eq(mkdir(dir, 0700), 0);
	pid = child_with_library(dir, private_mount, &at);
	cr_assert_neq(at, 0);
	sg_symbols_note_process(s, (uint32_t)pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rmdir(dir);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)pid, at, &sym, &mod), 0);
	cr_expect_str_eq(sym, "zlibVersion");
	cr_expect_str_eq(mod, "libcopy.so");
	/* what is in the ordinary file system is found although the process is gone */
	cr_expect_eq(sg_symbols_user(s, (uint32_t)pid, (uint64_t)(uintptr_t)sg_test_marker, &sym, &mod), 0);
	cr_expect_str_eq(sym, "sg_test_marker");
	sg_symbols_forget(s, (uint32_t)pid);
	cr_expect_eq(sg_symbols_user(s, (uint32_t)pid, at, &sym, &mod), -ENOENT);
	sg_symbols_free(s);
}

Test(symbols, process_and_library_are_gone)
{
	if (geteuid())
		cr_skip_test("map_files needs root");
	gone_library(false);
}

Test(symbols, process_of_another_mount_namespace_is_gone)
{
	if (geteuid())
		cr_skip_test("needs root");
	gone_library(true);
}

/* More processes than are kept: the oldest make place, memory does not grow with them. */
Test(symbols, many_processes, .timeout = 60)
{
	struct sg_symbols *s = fresh();
	const char *sym, *mod;
	static pid_t pid[300];
	int hold[2], ok = 0;

	cr_assert_eq(pipe(hold), 0);
	for (int i = 0; i < 300; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			char c;

			close(hold[1]);
			_exit(read(hold[0], &c, 1) < 0);
		}
		sg_symbols_note_process(s, (uint32_t)pid[i]);
	}
	close(hold[1]);
	for (int i = 0; i < 300; i++)
		waitpid(pid[i], NULL, 0);
	for (int i = 0; i < 300; i++)
		ok += !sg_symbols_user(s, (uint32_t)pid[i], (uint64_t)(uintptr_t)sg_test_marker, &sym, &mod);
	cr_expect_eq(ok, 256, "%d", ok);
	sg_symbols_free(s);
}

/* ---- hostile files -------------------------------------------------------- */

Test(symbols, broken_elf_files, .timeout = 60)
{
	const char *from = zlib_path();
	static unsigned char buf[1 << 20];
	uint64_t x = 0x9e3779b97f4a7c15ull;
	char path[64];
	ssize_t len;
	int fd, named = 0;

	cr_assert_not_null(from);
	fd = open(from, O_RDONLY);
	len = read(fd, buf, sizeof(buf));
	close(fd);
	cr_assert_gt(len, 4096);
	snprintf(path, sizeof(path), "/tmp/sgtest-elf-%d", getpid());
	for (int round = 0; round < 400; round++) {
		static unsigned char bad[sizeof(buf)];
		size_t n = (size_t)len;
		struct sg_elftab t = { 0 };

		memcpy(bad, buf, n);
		for (int k = 0; round && k < 1 + round % 30; k++) {
			size_t at;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* headers and section headers are where it hurts */
			at = k % 3 == 0 ? x % 1024 : k % 3 == 1 ? n - 1 - x % 4096 : x % n;
			bad[at] = (unsigned char)(x >> 32);
		}
		if (round % 7 == 3)
			n = x % n;
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
		cr_assert_eq(write(fd, bad, n), (ssize_t)n);
		if (!sg_elftab_load(&t, fd, path)) {
			named += t.tab.n > 0;
			for (uint64_t o = 0; o < n; o += 997)
				sg_elftab_find(&t, o);
			sg_elftab_find(&t, UINT64_MAX);
			sg_elftab_free(&t);
		}
		close(fd);
	}
	unlink(path);
	cr_expect_gt(named, 20, "only %d files had functions: the test tests nothing", named);
}
