/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Ids and names that recordings carry never change: they equal tests/golden/abi.lock.
 * A new one is added to the lock by SG_UPDATE_GOLDEN=1 and seen in its diff.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/model.h"
#include "trace/event.h"
#include "trace/field.h"

#define LOCK "tests/golden/abi.lock"

struct id_name {
	const char *list;
	unsigned id;
	const char *sym, *name;
};

/* clang-format off */
static const struct id_name ids[] = {
#define SG_X(id, sym, name, ...) { "cause", id, #sym, name },
	SG_CAUSE_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "rec", id, #sym, #name },
	SG_REC_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "rec", id, #sym, #name },
	SG_UREC_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "kind", id, #sym, name },
	SG_KIND_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "stop", id, #sym, name },
	SG_STOP_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "wctx", id, #sym, name },
	SG_WCTX_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name) { "why", id, #sym, name },
	SG_WHY_LIST(SG_X)
#undef SG_X
#define SG_X(id, sym, name, bytes) { "balloon", id, #sym, #name },
	SG_BALLOON_LIST(SG_X)
#undef SG_X
#define E(list, sym) { list, sym, #sym, "" }
	E("wsrc", SG_WSRC_NONE), E("wsrc", SG_WSRC_BLOCK), E("wsrc", SG_WSRC_NET),
	E("wsrc", SG_WSRC_TIMER), E("wsrc", SG_WSRC_SIGNAL), E("wsrc", SG_WSRC_EXIT),
	E("wsrc", SG_WSRC_PAGE), E("fetch", SG_FETCH_BROUGHT), E("fetch", SG_FETCH_TOLD),
	E("fault", SG_FLT_OPEN), E("fault", SG_FLT_MINOR), E("fault", SG_FLT_MAJOR),
	E("fault", SG_FLT_SWAPIN), E("fault", SG_FLT_FAILED),
	E("fd", SG_FD_NONE), E("fd", SG_FD_REG), E("fd", SG_FD_DIR), E("fd", SG_FD_CHR),
	E("fd", SG_FD_BLK), E("fd", SG_FD_FIFO), E("fd", SG_FD_SOCK_UNIX), E("fd", SG_FD_SOCK_INET),
	E("fd", SG_FD_SOCK_OTHER), E("fd", SG_FD_ANON), E("fd", SG_FD_FUSE), E("fd", SG_FD_9P),
	E("fd", SG_FD_FUSEDEV),
	E("guest", SG_GUEST_CALL), E("guest", SG_GUEST_RPC),
	E("guestsrc", SG_GSRC_TRAP), E("guestsrc", SG_GSRC_TRACE), E("guestsrc", SG_GSRC_UPROBE),
	E("key", SG_KEY_GUEST), E("key", SG_KEY_FLIPCALL), E("key", SG_KEY_EMULATED),
	E("note", SG_NOTE_FLIPCALL), E("note", SG_NOTE_TRAPPED), E("note", SG_NOTE_KVM),
	E("note", SG_NOTE_WOKE_SHIFT),
	E("key", SG_KEY_KVM), E("kvm", SG_KVM_USER), E("kvm", SG_KVM_PVM), E("kvm", SG_KVM_INTEL),
	E("kvm", SG_KVM_PVM_INTERRUPT), E("kvm", SG_KVM_PVM_FAILED), E("kvm", SG_KVM_PVM_SYSCALL),
	E("kvm", SG_KVM_PVM_ERETU), E("kvm", SG_KVM_PVM_ERETS), E("kvm", SG_KVM_PVM_INT80),
	E("kvm", SG_KVM_PVM_HYPERCALL),
	E("kvm", SG_KVM_RUN), E("kvm", SG_KVM_BALLOON), E("kvm", SG_KVM_INFLATE),
	E("kvm", SG_KVM_DEFLATE), E("kvm", SG_KVM_REFAULT), E("kvm", SG_KVM_MMIO),
	E("kvm", SG_KVM_HALT_POLL), E("kvm", SG_KVM_DIRTY), E("kvm", SG_KVM_ASYNC),
	E("kvm", SG_KVM_OTHER),
	E("mark", SG_MARK_BEGIN), E("mark", SG_MARK_END), E("mark", SG_MARK_EXEC), E("mark", SG_MARK_EXIT),
	E("marksrc", SG_MSRC_PROC), E("marksrc", SG_MSRC_USDT), E("marksrc", SG_MSRC_UPROBE),
	E("marksrc", SG_MSRC_ACCESS),
	E("stack", SG_STK_WAIT_KERN), E("stack", SG_STK_WAIT_USER), E("stack", SG_STK_CPU_KERN),
	E("stack", SG_STK_CPU_USER),
	E("name", SG_NAME_DEV), E("name", SG_NAME_CGROUP),
	E("window", SG_WINDOW_BEGIN), E("window", SG_WINDOW_END),
	E("sliceflag", SG_SF_IOWAIT), E("sliceflag", SG_SF_MEMSTALL), E("sliceflag", SG_SF_TORN),
	E("sliceflag", SG_SF_OPEN), E("sliceflag", SG_SF_TIMEOUT), E("sliceflag", SG_SF_STACK),
	E("sliceflag", SG_SF_COMPAT), E("sliceflag", SG_SF_DELAYED), E("sliceflag", SG_SF_FIRST),
	E("sliceflag", SG_SF_MIXED), E("sliceflag", SG_SF_INSCOPE), E("sliceflag", SG_SF_WAKETORN),
	E("sliceflag", SG_SF_WORK), E("sliceflag", SG_SF_NOUSERTIME), E("sliceflag", SG_SF_SWAPOUT),
	E("sliceflag", SG_SF_TIMEDOUT), E("sliceflag", SG_SF_UNCOUNTED),
	E("threadflag", SG_TF_KTHREAD), E("threadflag", SG_TF_INSCOPE), E("threadflag", SG_TF_BEFORE),
	E("threadflag", SG_TF_EXEC), E("threadflag", SG_TF_ROOT), E("threadflag", SG_TF_IDLE),
#undef E
};
/* clang-format on */
#define NIDS (sizeof(ids) / sizeof(ids[0]))

/* The lock's text of what is compiled in. */
static char *lock_make(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert(f);
	fprintf(f, "abi %d\nsyscall-key %#x\n", SG_ABI_VERSION, SG_KEY_SYSCALL);
	for (size_t i = 0; i < NIDS; i++)
		fprintf(f, "%s %u %s %s\n", ids[i].list, ids[i].id, ids[i].sym, ids[i].name);
	for (unsigned kind = 0; kind < 256; kind++) {
		size_t n = 0;
		const struct sg_field *fields = sg_fields(kind, &n);

		for (size_t i = 0; fields && i < n; i++)
			fprintf(f, "field %s %zu %s %u\n", sg_rec_name(kind), i, fields[i].key,
				fields[i].size);
	}
	fclose(f);
	return text;
}

static char *file_read(const char *path)
{
	static const size_t cap = 1 << 20;
	FILE *f = fopen(path, "r");
	char *text = calloc(1, cap);

	cr_assert(text);
	if (f) {
		text[fread(text, 1, cap - 1, f)] = '\0';
		fclose(f);
	}
	return text;
}

Test(abi, equals_the_lock)
{
	char *now = lock_make(), *was = file_read(LOCK), *a = now, *b = was, *sa, *sb;
	const char *la, *lb;
	FILE *f;

	if (getenv("SG_UPDATE_GOLDEN")) {
		f = fopen(LOCK, "w");
		cr_assert(f && fputs(now, f) >= 0 && !fclose(f), "cannot write " LOCK);
	} else {
		la = strtok_r(a, "\n", &sa);
		lb = strtok_r(b, "\n", &sb);
		for (; la || lb; la = strtok_r(NULL, "\n", &sa), lb = strtok_r(NULL, "\n", &sb))
			cr_assert(la && lb && !strcmp(la, lb),
				  "recordings carry these; compiled in: '%s', " LOCK ": '%s'",
				  la ? la : "(end)", lb ? lb : "(end)");
	}
	free(now);
	free(was);
}

Test(abi, ids_and_names_are_unique_in_their_list)
{
	for (size_t i = 0; i < NIDS; i++)
		for (size_t j = i + 1; j < NIDS; j++) {
			if (strcmp(ids[i].list, ids[j].list))
				continue;
			cr_expect(ids[i].id != ids[j].id, "%s: %s and %s share id %u", ids[i].list,
				  ids[i].sym, ids[j].sym, ids[i].id);
			cr_expect(!*ids[i].name || strcmp(ids[i].name, ids[j].name),
				  "%s: the name '%s' is there twice", ids[i].list, ids[i].name);
		}
}

Test(abi, ids_fit_their_tables)
{
	static const struct {
		const char *list;
		unsigned max;
	} limits[] = { { "cause", SG_C_MAX },	     { "kind", SG_K_MAX },  { "stop", SG_STOP_MAX },
		       { "wctx", SG_WCTX_MAX },	     { "why", SG_WHY_MAX }, { "rec", 256 },
		       { "balloon", SG_BALLOON_MAX } };

	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
		for (size_t i = 0; i < NIDS; i++)
			cr_expect(strcmp(ids[i].list, limits[l].list) || ids[i].id < limits[l].max,
				  "%s %s: id %u, but the list ends at %u", ids[i].list, ids[i].sym, ids[i].id,
				  limits[l].max);
#define SG_X(id, sym, name) \
	cr_expect(id < SG_REC_MAX, "kernel-side record " #name " is not below SG_REC_MAX");
	SG_REC_LIST(SG_X)
#undef SG_X
}
