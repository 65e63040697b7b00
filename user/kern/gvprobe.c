/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Probes in the Sentry of gVisor, binary by binary: found by its functions' names, which stripping leaves in. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/goelf.h"
#include "kern/live_priv.h"

/* The same name and leading arguments from the releases of 2022 on. Messages: none in binaries that speak 9P. */
#define CALL "gvisor.dev/gvisor/pkg/sentry/kernel.(*Task).executeSyscall"
#define RPC  "gvisor.dev/gvisor/pkg/lisafs.(*Client).SndRcvMessage"

struct points {
	struct sg_gopoints call, rpc; /* rpc.nret 0: it has none */
};

/* 1: a Sentry, @p filled; 0: it is none; negative errno with @err. */
static int points_find(struct points *p, int fd, struct sg_err *err)
{
	struct sg_gopcln g;
	Elf *elf;
	int e;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	e = elf ? sg_goelf_table(&g, elf, NULL) : -ENOENT;
	if (!e) {
		e = sg_gopcln_rets(elf, &g, CALL, &p->call, err);
		if (!e)
			e = sg_gopcln_rets(elf, &g, RPC, &p->rpc, err);
		if (e == -ENOENT && p->call.nret)
			e = 0;
	} else {
		e = -ENOENT;
	}
	elf_end(elf);
	return e == -ENOENT ? 0 : e ? e : 1;
}

/* The process of "/proc/PID/exe", -1 for any other path: all processes of that file. */
static pid_t process_of(const char *exe)
{
	char rest[8];
	int pid;

	return sscanf(exe, "/proc/%d/%7s", &pid, rest) == 2 && !strcmp(rest, "exe") ? pid : -1;
}

static int attach_at(struct sg_live *l, struct bpf_program *prog, const char *exe, uint64_t off)
{
	struct bpf_link *link;

	/* In this process only: a Sentry that starts with breakpoints in its code never comes up. */
	link = bpf_program__attach_uprobe(prog, false, process_of(exe), exe, off);
	return link ? sg_live_keep(l, link) : -errno;
}

/* Returns first: an end without a begin is nothing, a begin without an end stays. */
static int attach_points(struct sg_live *l, struct bpf_program *enter, struct bpf_program *leave,
			 const char *exe, const struct sg_gopoints *p)
{
	int e = 0;

	for (size_t i = 0; i < p->nret && !e; i++)
		e = attach_at(l, leave, exe, p->ret[i]);
	return e || !p->nret ? e : attach_at(l, enter, exe, p->entry);
}

static int attach_all(struct sg_live *l, const char *exe, const struct points *p, struct sg_err *err)
{
	struct sandglass_bpf *s = l->skel;
	size_t before = l->nlink;
	int e;

	if (bpf_program__fd(s->progs.gv_call_enter) < 0 || bpf_program__fd(s->progs.gv_call_exit) < 0 ||
	    bpf_program__fd(s->progs.gv_rpc_enter) < 0 || bpf_program__fd(s->progs.gv_rpc_exit) < 0)
		return sg_err_set(err, -ENOTSUP,
				  "this kernel has no uprobes, or the probes of gVisor are switched off");
	e = attach_points(l, s->progs.gv_call_enter, s->progs.gv_call_exit, exe, &p->call);
	if (!e)
		e = attach_points(l, s->progs.gv_rpc_enter, s->progs.gv_rpc_exit, exe, &p->rpc);
	if (!e)
		return 0;
	while (l->nlink > before)
		bpf_link__destroy(l->link[--l->nlink]);
	return sg_err_set(err, e, "can't attach to %s: %s", exe, strerror(-e));
}

/* Seen before? Remembers it. What is probed is never forgotten: twice would count twice. */
static bool seen(struct sg_live *l, const struct stat *st, pid_t pid)
{
	for (size_t i = 0; i < l->gv.nprobed; i++)
		if (l->gv.probed[i].dev == st->st_dev && l->gv.probed[i].ino == st->st_ino &&
		    l->gv.probed[i].pid == pid)
			return true;
	for (size_t i = 0; i < SG_GV_SEEN_MAX; i++)
		if (l->gv.seen[i].dev == st->st_dev && l->gv.seen[i].ino == st->st_ino &&
		    l->gv.seen[i].pid == pid)
			return true;
	l->gv.seen[l->gv.at].dev = st->st_dev;
	l->gv.seen[l->gv.at].ino = st->st_ino;
	l->gv.seen[l->gv.at].pid = pid;
	l->gv.at = (l->gv.at + 1) % SG_GV_SEEN_MAX;
	return false;
}

static int probe(struct sg_live *l, const char *exe, int fd, struct sg_err *err)
{
	struct points p = { 0 };
	struct stat st;
	int e;

	if (fstat(fd, &st))
		return sg_err_set(err, -errno, "can't look at %s: %s", exe, strerror(errno));
	if (!S_ISREG(st.st_mode) || seen(l, &st, process_of(exe)))
		return 0;
	e = points_find(&p, fd, err);
	if (e <= 0)
		return e;
	if (l->gv.nprobed == SG_GV_PROBED_MAX)
		return sg_err_set(err, -E2BIG, "more than %d sandboxes of gVisor: %s is not probed",
				  SG_GV_PROBED_MAX, exe);
	e = attach_all(l, exe, &p, err);
	if (e)
		return e;
	l->gv.probed[l->gv.nprobed].dev = st.st_dev;
	l->gv.probed[l->gv.nprobed].pid = process_of(exe);
	l->gv.probed[l->gv.nprobed++].ino = st.st_ino;
	return 1;
}

int sg_live_gvisor(struct sg_live *l, const char *exe, struct sg_err *err)
{
	struct sg_err own = { 0 };
	int fd, e;

	if (!l->opts.gvisor_uprobes)
		return 0;
	fd = open(exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return sg_err_set(err, -errno, "can't open %s: %s", exe, strerror(errno));
	e = probe(l, exe, fd, &own);
	close(fd);
	if (e >= 0)
		return e;
	l->gv.err = own;
	return sg_err_set(err, e, "%s", own.msg);
}

unsigned sg_live_gvisor_probed(const struct sg_live *l, struct sg_err *ret_last)
{
	*ret_last = l->gv.err;
	return (unsigned)l->gv.nprobed;
}
