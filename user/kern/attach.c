/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Attaching: each kind of variant, and the marks inside binaries. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kern/live_priv.h"
#include "kern/tracefs.h"

int sg_live_keep(struct sg_live *l, struct bpf_link *link)
{
	if (l->nlink == l->link_cap) {
		size_t cap = l->link_cap ? 2 * l->link_cap : 128;
		struct bpf_link **p = realloc(l->link, cap * sizeof(*p));

		if (!p) {
			bpf_link__destroy(link);
			return -ENOMEM;
		}
		l->link = p;
		l->link_cap = cap;
	}
	l->link[l->nlink++] = link;
	return 0;
}

static int perf_event_on(unsigned cpu, const char *target, unsigned hz)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a) };

	if (!strcmp(target, "cpu-clock")) {
		a.config = PERF_COUNT_SW_CPU_CLOCK;
		a.freq = 1;
		a.sample_freq = hz;
	} else {
		a.config = strcmp(target, "page-faults-maj") ? PERF_COUNT_SW_PAGE_FAULTS_MIN
							     : PERF_COUNT_SW_PAGE_FAULTS_MAJ;
		a.sample_period = 1;
	}
	return syscall(SYS_perf_event_open, &a, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int attach_perf(struct sg_live *l, struct bpf_program *prog, const char *target)
{
	for (unsigned cpu = 0; cpu < l->ncpu; cpu++) {
		struct bpf_link *link;
		int fd = perf_event_on(cpu, target, l->opts.sample_hz);

		if (fd < 0 && (errno == ENODEV || errno == EINVAL))
			continue; /* CPU is possible but not online */
		if (fd < 0)
			return -errno;
		link = bpf_program__attach_perf_event(prog, fd);
		if (!link) {
			int r = -errno;

			close(fd);
			return r;
		}
		if (sg_live_keep(l, link))
			return -ENOMEM;
	}
	return 0;
}

static int attach_iter(struct sg_live *l, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);

	if (!link)
		return -errno;
	if (!strcmp(bpf_program__name(prog), "seed_tasks"))
		l->seed = link;
	else
		l->close = link;
	return sg_live_keep(l, link);
}

/* "BIN:FUNC" of --task-uprobe; both ends of the function. */
static int attach_uprobe(struct sg_live *l, struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_uprobe_opts, o);
	const char *colon = strrchr(l->opts.uprobe, ':');
	struct bpf_link *link;
	char path[4096];

	if (!colon || (size_t)(colon - l->opts.uprobe) >= sizeof(path))
		return -EINVAL;
	memcpy(path, l->opts.uprobe, colon - l->opts.uprobe);
	path[colon - l->opts.uprobe] = 0;
	o.func_name = colon + 1;
	o.retprobe = strstr(bpf_program__name(prog), "return") != NULL;
	link = bpf_program__attach_uprobe_opts(prog, -1, path, 0, &o);
	if (!link)
		return -errno;
	return sg_live_keep(l, link);
}

/*
 * "CATEGORY/NAME". Not by libbpf, which finds the event's number only where tracefs is
 * mounted. The program runs on every CPU, whichever the event is opened for.
 */
static int attach_tp(struct sg_live *l, struct bpf_program *prog, const char *target)
{
	struct perf_event_attr a = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(a) };
	int dir = sg_tracefs_open(NULL), id = dir, fd;
	struct bpf_link *link;
	char cat[64];
	const char *slash = strchr(target, '/');

	if (dir >= 0) {
		snprintf(cat, sizeof(cat), "%.*s", (int)(slash - target), target);
		id = sg_tracefs_id(dir, cat, slash + 1);
		close(dir);
	}
	if (id < 0)
		return id;
	a.config = id;
	fd = syscall(SYS_perf_event_open, &a, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	link = bpf_program__attach_perf_event(prog, fd);
	if (!link) {
		int r = -errno;

		close(fd);
		return r;
	}
	return sg_live_keep(l, link);
}

static int attach_variant(struct sg_live *l, const struct sg_variant *v)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(l->skel->obj, v->prog);
	struct bpf_link *link;

	if (!prog)
		return -ENOENT;
	if (v->type == SG_AT_PERF_SW)
		return attach_perf(l, prog, v->target);
	if (v->type == SG_AT_TP)
		return attach_tp(l, prog, v->target);
	if (v->type == SG_AT_ITER)
		return attach_iter(l, prog);
	if (v->type == SG_AT_UPROBE && !strncmp(v->prog, "gv_", 3))
		return 0; /* attached binary by binary: sg_live_gvisor() */
	if (v->type == SG_AT_UPROBE)
		return l->opts.uprobe ? attach_uprobe(l, prog) : 0;
	if (v->type == SG_AT_USDT)
		return 0; /* attached binary by binary: sg_live_usdt() */
	link = bpf_program__attach(prog);
	return link ? sg_live_keep(l, link) : -errno;
}

int sg_live_attach(struct sg_live *l, struct sg_err *err)
{
	for (size_t i = 0; i < l->plan.n; i++) {
		struct sg_plan_row *row = &l->plan.row[i];
		int r = row->chosen < 0 ? 0 : attach_variant(l, &row->probe->v[row->chosen]);

		if (!r)
			continue;
		if (row->probe->v[row->chosen].type == SG_AT_UPROBE)
			return sg_err_set(err, r,
					  "can't attach to %s (--task-uprobe BIN:FUNC): %s; is FUNC in the "
					  "symbol table of BIN?",
					  l->opts.uprobe, strerror(-r));
		if (row->probe->required)
			return sg_err_set(err, r, "can't attach %s, which nothing can do without: %s",
					  row->probe->name, strerror(-r));
		/* Its next variant was not loaded: off, and said. */
		sg_plan_demote(row, &l->view, strerror(-r));
		row->chosen = -1;
	}
	return 0;
}

int sg_live_usdt(struct sg_live *l, const char *path)
{
	struct bpf_link *begin, *end;

	begin = bpf_program__attach_usdt(l->skel->progs.task_begin_usdt, -1, path, "sandglass", "task_begin",
					 NULL);
	if (!begin)
		return 0;
	end = bpf_program__attach_usdt(l->skel->progs.task_end_usdt, -1, path, "sandglass", "task_end", NULL);
	if (!end || sg_live_keep(l, begin) || sg_live_keep(l, end)) {
		bpf_link__destroy(begin);
		return 0;
	}
	return 1;
}
