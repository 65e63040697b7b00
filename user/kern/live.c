/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The kernel side's life: plan, load (demoting what is refused), attach, start, stop. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "kern/cgroup.h"
#include "kern/facts.h"
#include "kern/kallsyms.h"
#include "kern/live_priv.h"
#include "kern/proc.h"

#define LOG_BYTES  16384
#define LOG_DEBUG  (1u << 24) /* the whole of it, untouched memory of programs that load */
#define LOG_TAIL   3000	      /* where the verifier says what it does not like */
#define LOAD_TRIES 8

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!getenv("SANDGLASS_DEBUG"))
		return 0;
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

static size_t log_bytes(void)
{
	return getenv("SANDGLASS_DEBUG") ? LOG_DEBUG : LOG_BYTES;
}

static void log_show(const char *log)
{
	size_t n = strlen(log);

	if (getenv("SANDGLASS_DEBUG"))
		fprintf(stderr, "%s\n", n > LOG_TAIL ? log + n - LOG_TAIL : log);
}

static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, word, n) && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

/* Is there anything to swap to? When it can't be told: yes. */
static bool swap_is_on(void)
{
	char *text, *line;
	bool on = true;

	if (sg_proc_read("/proc/swaps", 65536, &text) < 0)
		return true;
	line = strchr(text, '\n'); /* the first line is a heading */
	on = line && line[1];
	free(text);
	return on;
}

/* The balloon's work, and whether programs that read the kernel's count of its pages can be loaded here. */
static void balloon_find(struct sg_live *l)
{
	static const char *const names[] = { "update_balloon_size_func", "vm_event_states" };
	uint64_t at[2];

	if (access("/sys/bus/virtio/drivers/virtio_balloon", F_OK))
		return; /* no driver: the symbols need not be read */
	sg_kallsyms_addresses(names, at, 2);
	l->balloon_work = at[0];
	for (size_t i = 0; i < l->plan.n && !at[1]; i++) {
		struct sg_plan_row *row = &l->plan.row[i];
		const char *prog = row->chosen < 0 ? "" : row->probe->v[row->chosen].prog;

		if (!strcmp(prog, "balloon_start_btf") || !strcmp(prog, "balloon_counted_btf"))
			sg_plan_demote(row, &l->view, "no symbol vm_event_states (CONFIG_KALLSYMS_ALL)");
	}
}

/* Switch off what the user does not want; the reason is kept for the plan that the recording stores. */
static void plan_restrict(struct sg_live *l)
{
	const struct sg_live_opts *o = &l->opts;
	bool swapping = swap_is_on(), kvm = l->view.tracepoint(l->view.ctx, "kvm", "kvm_exit");

	for (size_t i = 0; i < l->plan.n; i++) {
		struct sg_plan_row *row = &l->plan.row[i];
		const char *g = row->probe->group;
		bool off = o->only_groups && strcmp(g, "sched") && !listed(o->only_groups, g), idle = false,
		     blind;

		if (!strcmp(g, "kvm") && !kvm)
			idle = true; /* its module is not loaded: there are no guests */
		else if (!strcmp(g, "balloon") && !l->balloon_work)
			idle = true;
		else if (row->chosen < 0 && strcmp(g, "kvm"))
			continue;
		/* a vCPU is known by its system call, KVM_RUN */
		blind = !off && !strcmp(g, "kvm") && o->only_groups && !listed(o->only_groups, "syscall");
		if (!off && !strcmp(g, "sample"))
			off = !o->sample_hz;
		/* every page fault of the machine passes there */
		if (!strcmp(row->probe->name, "kvm.refault"))
			idle |= !o->refaults && !(o->only_groups && listed(o->only_groups, g));
		/* nobody holds the CPU of a machine that is none's guest */
		if (!strcmp(row->probe->name, "irq.timer"))
			idle |= sg_fact_guest() <= 0;
		if (!strncmp(row->probe->name, "mark.uprobe", 11))
			idle = !o->uprobe;
		if (!strncmp(row->probe->name, "gvisor.call.", 12) ||
		    !strncmp(row->probe->name, "gvisor.rpc.", 11))
			idle = !o->gvisor_uprobes;
		if (!strcmp(row->probe->name, "sched.cgroup"))
			idle = !o->cgroup_id;
		/* 60 ns for every page fault, for nothing when nothing can be swapped */
		if (!strcmp(g, "swap"))
			idle = !swapping && !(o->only_groups && listed(o->only_groups, g));
		if (!off && !idle && !blind)
			continue;
		row->chosen = -1;
		snprintf(row->reason, sizeof(row->reason), "%s",
			 idle	 ? SG_PLAN_IDLE
			 : blind ? "it says nothing without the group syscall, which is not asked for"
				 : "switched off");
	}
}

static const struct sg_plan_row *plan_find(const struct sg_plan *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->row[i].probe->name, name))
			return &p->row[i];
	return NULL;
}

/* Facts of this kernel's BTF that the kernel side needs as constants. */
static void knobs_from_btf(struct sandglass_bpf *s, const struct sg_kern_view *view)
{
	const struct btf *btf = sg_kern_view_btf(view);
	const struct btf_type *t;
	int id;

	if (!btf)
		return;
	id = btf__find_by_name_kind(btf, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
	t = id > 0 ? btf__type_by_id(btf, id) : NULL;
	t = t ? btf__type_by_id(btf, t->type) : NULL; /* pointer */
	t = t ? btf__type_by_id(btf, t->type) : NULL; /* function: void *, then the arguments */
	s->rodata->has_switch_state = t && btf_is_func_proto(t) && btf_vlen(t) >= 5;
	id = btf__find_by_name_kind(btf, "vm_event_item", BTF_KIND_ENUM);
	t = id > 0 ? btf__type_by_id(btf, id) : NULL;
	for (int i = 0; t && i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, btf_enum(t)[i].name_off);

		if (!strcmp(name, "PSWPIN"))
			s->rodata->ev_pswpin = btf_enum(t)[i].val;
		if (!strcmp(name, "BALLOON_INFLATE"))
			s->rodata->ev_balloon_inflate = btf_enum(t)[i].val;
	}
}

static void knobs_set(struct sg_live *l)
{
	struct sandglass_bpf *s = l->skel;
	const struct sg_plan_row *sys = plan_find(&l->plan, "syscall.enter"),
				 *page = plan_find(&l->plan, "balloon.page"),
				 *swapin = plan_find(&l->plan, "swap.in");

	s->rodata->self_tgid = getpid();
	s->rodata->scope_all = l->opts.all;
	s->rodata->scope_cgroup = l->opts.cgroup_id;
	s->rodata->scope_cgroup_subsys = l->opts.cgroup_subsys;
	s->rodata->scope_cgroup_level = l->opts.cgroup_level;
	s->rodata->ident_subsys = sg_cgroup_ident();
	s->rodata->stack_threshold_ns = l->opts.stack_threshold_ns;
	s->rodata->want_stacks = l->opts.stacks;
	s->rodata->has_syscalls = sys && sys->chosen >= 0;
	if (!l->opts.gvisor_uprobes)
		bpf_map__set_autocreate(s->maps.guest_begins, false);
	s->rodata->balloon_work = l->balloon_work;
	s->rodata->swapin_hooked =
		swapin->chosen >= 0 && swapin->probe->v[swapin->chosen].type != SG_AT_TP_BTF;
	s->rodata->balloon_counted = page->chosen >= 0 && page->probe->v[page->chosen].type == SG_AT_TP_BTF;
	s->rodata->balloon_hooked = page->chosen >= 0 && !s->rodata->balloon_counted;
	s->rodata->in_guest = sg_fact_guest() > 0;
	s->rodata->want_refault = plan_find(&l->plan, "kvm.refault")->chosen >= 0;
	sg_sysclass_fill(s->rodata->sysclass);
	knobs_from_btf(s, &l->view);
}

/* Only chosen programs load, each with a log of its own: a refused one can be told. */
static void plan_apply(struct sg_live *l, char *logs)
{
	struct bpf_program *p;
	size_t k = 0, each = log_bytes();

	bpf_object__for_each_program(p, l->skel->obj) bpf_program__set_autoload(p, false);
	for (size_t i = 0; i < l->plan.n; i++) {
		const struct sg_plan_row *row = &l->plan.row[i];

		if (row->chosen < 0)
			continue;
		p = bpf_object__find_program_by_name(l->skel->obj, row->probe->v[row->chosen].prog);
		if (!p)
			continue;
		bpf_program__set_autoload(p, true);
		logs[k * each] = 0;
		bpf_program__set_log_buf(p, logs + k * each, each);
		k++;
	}
}

/* The program that made the load fail, if its log says so. */
static struct sg_plan_row *refused(struct sg_live *l)
{
	for (size_t i = 0; i < l->plan.n; i++) {
		struct sg_plan_row *row = &l->plan.row[i];
		struct bpf_program *p;
		size_t n = 0;
		const char *log;

		if (row->chosen < 0)
			continue;
		p = bpf_object__find_program_by_name(l->skel->obj, row->probe->v[row->chosen].prog);
		log = p ? bpf_program__log_buf(p, &n) : NULL;
		if (log && n && log[0]) {
			log_show(log);
			return row;
		}
	}
	return NULL;
}

static int load_failed(struct sg_live *l, int r, struct sg_err *err)
{
	struct sg_plan_row *row = refused(l);

	if (!row)
		return sg_err_set(err, r, "the kernel refused the BPF programs: %s%s", strerror(-r),
				  r == -EPERM ? "; run as root" : "");
	sg_plan_demote(row, &l->view, "the kernel refused the program");
	if (row->chosen < 0 && row->probe->required)
		return sg_err_set(err, r,
				  "the kernel refused %s, which nothing can do without: %s; "
				  "SANDGLASS_DEBUG=1 shows its reason",
				  row->probe->name, strerror(-r));
	return 0;
}

static int live_load(struct sg_live *l, struct sg_err *err)
{
	char *logs = calloc(l->plan.n + 1, log_bytes());
	int r = -EINVAL;

	if (!logs)
		return -ENOMEM;
	for (int i = 0; i < LOAD_TRIES; i++) {
		l->skel = sandglass_bpf__open();
		if (!l->skel) {
			r = sg_err_set(err, -errno, "can't open the BPF object: %s", strerror(errno));
			break;
		}
		plan_apply(l, logs);
		knobs_set(l);
		r = sandglass_bpf__load(l->skel);
		if (!r)
			break;
		r = load_failed(l, r, err);
		sandglass_bpf__destroy(l->skel);
		l->skel = NULL;
		if (r)
			break;
		r = sg_err_set(
			err, -EINVAL,
			"too many probes were refused by the kernel; SANDGLASS_DEBUG=1 shows the reasons");
	}
	free(logs);
	return r;
}

static int kernel_check(const struct sg_plan *plan, const struct sg_kern_view *view, struct sg_err *err)
{
	if (geteuid())
		return sg_err_set(
			err, -EPERM,
			"recording needs root (CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE); run it with sudo");
	if (!view->has_btf(view->ctx))
		return sg_err_set(
			err, -ENOTSUP,
			"this kernel has no BTF (/sys/kernel/btf/vmlinux); it needs CONFIG_DEBUG_INFO_BTF=y");
	/* 4cf1bc1f1045, Linux 5.11 */
	if (!libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL))
		return sg_err_set(err, -ENOTSUP,
				  "this kernel has no BPF storage for tasks, where every recording keeps its "
				  "threads: use Linux 5.11 or newer");
	for (size_t i = 0; i < plan->n; i++)
		if (plan->row[i].chosen < 0 && plan->row[i].probe->required)
			return sg_err_set(err, -ENOTSUP,
					  "this kernel lacks %s, which nothing can do without; 'sandglass "
					  "doctor' tells more",
					  plan->row[i].probe->name);
	return 0;
}

int sg_live_possible(struct sg_err *err)
{
	struct sg_kern_view view = { 0 };
	struct sg_plan plan = { 0 };
	int r = sg_kern_view_live(&view);

	libbpf_set_print(quiet);
	if (!r)
		r = sg_plan_make(&plan, sg_catalogue, &view, NULL);
	if (!r)
		r = kernel_check(&plan, &view, err);
	sg_plan_free(&plan);
	sg_kern_view_free(&view);
	return r;
}

int sg_live_open(struct sg_live **ret, const struct sg_live_opts *opts, struct sg_err *err)
{
	struct rlimit inf = { RLIM_INFINITY, RLIM_INFINITY };
	struct sg_live *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->opts = *opts;
	l->ncpu = libbpf_num_possible_cpus();
	if (l->ncpu > MAX_CPU)
		l->ncpu = MAX_CPU;
	libbpf_set_print(quiet);
	setrlimit(RLIMIT_MEMLOCK, &inf); /* kernels before 5.11 (97306be45fbe) charge BPF memory to it */
	r = sg_kern_view_live(&l->view);
	if (!r)
		r = sg_plan_make(&l->plan, sg_catalogue, &l->view, opts->skip_groups);
	if (!r)
		r = kernel_check(&l->plan, &l->view, err);
	if (!r) {
		balloon_find(l);
		plan_restrict(l);
		r = live_load(l, err);
	}
	if (!r)
		r = sg_live_rings_make(l, err);
	if (!r)
		r = sg_live_rings_open(l, err);
	if (!r)
		r = sg_live_attach(l, err);
	if (r) {
		sg_live_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

int sg_live_scope(struct sg_live *l, uint32_t tgid, bool root, struct sg_err *err)
{
	uint32_t flags = SEED_INSCOPE | (root ? SEED_ROOT : 0);

	if (bpf_map_update_elem(bpf_map__fd(l->skel->maps.seed_scope), &tgid, &flags, BPF_ANY))
		return sg_err_set(err, -errno, "too many target processes (the limit is 4096); use -G or -a");
	return 0;
}

static void iter_run(struct bpf_link *link)
{
	char buf[256];
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;

	if (fd < 0)
		return;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

int sg_live_start(struct sg_live *l, uint64_t *ret_ns, struct sg_err *err)
{
	(void)err;
	iter_run(l->seed);
	*ret_ns = now_ns();
	__atomic_store_n(&l->skel->bss->enabled, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int sg_live_stop(struct sg_live *l, uint64_t *ret_ns, struct sg_err *err)
{
	const struct timespec grace = { 0, 2000000 }; /* programs that began before see the old value */

	(void)err;
	__atomic_store_n(&l->skel->bss->enabled, 0, __ATOMIC_SEQ_CST);
	*ret_ns = now_ns(); /* what closes below is stamped later: nothing of the window is left open */
	nanosleep(&grace, NULL);
	iter_run(l->close);
	l->stopped = true;
	return 0;
}

const struct sg_plan *sg_live_plan(const struct sg_live *l)
{
	return &l->plan;
}

const struct cpu_state *sg_live_cpu(const struct sg_live *l, unsigned cpu)
{
	return cpu < l->ncpu ? &l->skel->bss->cpus[cpu] : NULL;
}

void sg_live_stats(const struct sg_live *l, struct sg_live_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ncpu = l->ncpu;
	for (unsigned i = 0; i < l->ncpu; i++) {
		const struct cpu_state *c = &l->skel->bss->cpus[i];

		ret->lost += c->lost;
		ret->emitted += c->emitted;
		ret->repaired += c->repaired;
		ret->hidden += c->hidden;
		ret->holes += c->holes;
		ret->torn += c->torn;
		ret->missed += c->missed;
		ret->orphan_ends += c->orphan_ends;
		ret->snaps_skipped += c->snaps_skipped;
		ret->stack_races += c->stack_races;
	}
}

void sg_live_programs(struct sg_live *l, sg_live_prog_fn fn, void *ctx)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, l->skel->obj)
	{
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);
		int fd = bpf_program__fd(p);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			fn(ctx, bpf_program__name(p), info.run_time_ns, info.run_cnt, info.recursion_misses);
	}
}

void sg_live_swapouts(struct sg_live *l, sg_live_swapout_fn fn, void *ctx)
{
	int fd = bpf_map__fd(l->skel->maps.swapouts);
	uint32_t key, *prev = NULL, last;
	uint64_t pages;

	while (!bpf_map_get_next_key(fd, prev, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &pages))
			fn(ctx, key, pages);
		last = key;
		prev = &last;
	}
}

void sg_live_close(struct sg_live *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->nlink; i++)
		bpf_link__destroy(l->link[i]);
	free(l->link);
	sg_live_rings_free(l);
	sandglass_bpf__destroy(l->skel);
	sg_plan_free(&l->plan);
	sg_kern_view_free(&l->view);
	free(l);
}
