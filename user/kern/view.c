// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The running kernel, as the questions the plan asks. Where a kernel can refuse
 * what it seems to have (locked-down kernels do), the answer is found by trying:
 * a program of two instructions is loaded and attached, an event is opened, and
 * both are taken away again at once. Every answer is kept.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "kern/catalogue.h"
#include "kern/tracefs.h"

struct answer {
	struct answer *next;
	char kind; /* one letter per question */
	bool yes;
	char name[];
};

struct module {
	char *name;
	struct btf *btf; /* split BTF, read when first asked for */
	bool read;
};

struct live {
	struct btf *btf;
	struct module *module; /* those that are loaded, listed at the first name vmlinux lacks */
	size_t nmodule;
	bool modules_listed;
	char *events; /* "category:name" lines of all trace events, read with them; NULL: not known */
	int tracefs;  /* descriptor, or negative errno */
	struct answer *answers;
};

static bool *answer_find(struct live *l, char kind, const char *name)
{
	for (struct answer *a = l->answers; a; a = a->next)
		if (a->kind == kind && !strcmp(a->name, name))
			return &a->yes;
	return NULL;
}

static bool answer_keep(struct live *l, char kind, const char *name, bool yes)
{
	size_t len = strlen(name) + 1;
	struct answer *a = malloc(sizeof(*a) + len);

	if (a) { /* without memory the question is just asked again */
		a->kind = kind;
		a->yes = yes;
		memcpy(a->name, name, len);
		a->next = l->answers;
		l->answers = a;
	}
	return yes;
}

static bool v_has_btf(void *ctx)
{
	return ((struct live *)ctx)->btf != NULL;
}

static void modules_list(struct live *l)
{
	DIR *d = opendir("/sys/kernel/btf");
	struct dirent *e;

	l->modules_listed = true;
	l->events = sg_tracefs_events(l->tracefs);
	while (d && (e = readdir(d))) {
		struct module *grown;

		if (e->d_name[0] == '.' || !strcmp(e->d_name, "vmlinux"))
			continue;
		grown = realloc(l->module, (l->nmodule + 1) * sizeof(*grown));
		if (!grown)
			break;
		l->module = grown;
		grown[l->nmodule] = (struct module){ .name = strdup(e->d_name) };
		if (!grown[l->nmodule].name)
			break;
		l->nmodule++;
	}
	if (d)
		closedir(d);
}

static bool module_has(struct live *l, struct module *m, const char *type)
{
	if (!m->read)
		m->btf = btf__load_module_btf(m->name, l->btf);
	m->read = true;
	return m->btf && btf__find_by_name_kind(m->btf, type, BTF_KIND_TYPEDEF) > 0;
}

/*
 * Tracepoints of modules (kvm, 9p, fuse ...) have their types in the module's own BTF. Reading all of them took 1.5 s of
 * the 14 s of a start in the lab (6.1): none is read for what is no trace event here, and first the one whose name the event's category has.
 */
static bool modules_have(struct live *l, const char *name, const char *type)
{
	const char *cat = "";
	size_t len = 0;

	if (!l->modules_listed)
		modules_list(l);
	if (l->events && !sg_tracefs_category(l->events, name, &cat, &len))
		return false;
	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; i < l->nmodule; i++) {
			size_t n = strlen(l->module[i].name);

			if ((n <= len && !strncmp(cat, l->module[i].name, n)) == own &&
			    module_has(l, &l->module[i], type))
				return true;
		}
	return false;
}

static bool v_btf_tracepoint(void *ctx, const char *name)
{
	struct live *l = ctx;
	char type[128];
	bool *known = answer_find(l, 'b', name);

	if (known)
		return *known;
	if (!l->btf || (size_t)snprintf(type, sizeof(type), "btf_trace_%s", name) >= sizeof(type))
		return false;
	return answer_keep(l, 'b', name,
			   btf__find_by_name_kind(l->btf, type, BTF_KIND_TYPEDEF) > 0 ||
				   modules_have(l, name, type));
}

static bool v_tracepoint(void *ctx, const char *cat, const char *name)
{
	return sg_tracefs_has(((struct live *)ctx)->tracefs, cat, name);
}

/*
 * Loading alone does not tell: a function outside the tracer's list is refused
 * only at the attachment. The program does nothing and is gone right after.
 */
static bool fentry_works(struct live *l, const char *func)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int id = btf__find_by_name_kind(l->btf, func, BTF_KIND_FUNC), prog, link;

	if (id <= 0)
		return false;
	opts.attach_btf_id = id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sg_try", "GPL", insns, 2, &opts);
	if (prog < 0)
		return false;
	link = bpf_raw_tracepoint_open(NULL, prog);
	if (link >= 0)
		close(link);
	close(prog);
	return link >= 0;
}

static bool v_fentry(void *ctx, const char *func)
{
	struct live *l = ctx;
	bool *known = answer_find(l, 'f', func);

	if (known)
		return *known;
	return l->btf && answer_keep(l, 'f', func, fentry_works(l, func));
}

/* Type number of a dynamic perf device ("kprobe", "uprobe"), or negative errno. */
static int pmu_type(const char *dev)
{
	char path[96];
	int type = -EINVAL;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", dev);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%d", &type) != 1)
		type = -EINVAL;
	fclose(f);
	return type;
}

static int perf_open(struct perf_event_attr *attr)
{
	/* This thread's CPU is certainly online; the event is closed before it could count. */
	return (int)syscall(SYS_perf_event_open, attr, -1, sched_getcpu(), -1, PERF_FLAG_FD_CLOEXEC);
}

static bool v_kprobe(void *ctx, const char *func)
{
	bool *known = answer_find(ctx, 'k', func);
	struct perf_event_attr attr = { .size = sizeof(attr), .disabled = 1 };
	int type, fd;

	if (known)
		return *known;
	type = pmu_type("kprobe");
	if (type < 0)
		return answer_keep(ctx, 'k', func, false);
	attr.type = (unsigned)type;
	attr.config1 = (uint64_t)(uintptr_t)func;
	fd = perf_open(&attr);
	if (fd >= 0)
		close(fd);
	return answer_keep(ctx, 'k', func, fd >= 0);
}

static bool v_perf_sw(void *ctx, const char *event)
{
	static const struct {
		const char *name;
		uint64_t config;
	} known_events[] = {
		{ "page-faults-min", PERF_COUNT_SW_PAGE_FAULTS_MIN },
		{ "page-faults-maj", PERF_COUNT_SW_PAGE_FAULTS_MAJ },
		{ "page-faults", PERF_COUNT_SW_PAGE_FAULTS },
		{ "cpu-clock", PERF_COUNT_SW_CPU_CLOCK },
		{ "task-clock", PERF_COUNT_SW_TASK_CLOCK },
		{ "context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES },
		{ "cpu-migrations", PERF_COUNT_SW_CPU_MIGRATIONS },
	};
	bool *known = answer_find(ctx, 'p', event);

	if (known)
		return *known;
	for (size_t i = 0; i < sizeof(known_events) / sizeof(known_events[0]); i++) {
		struct perf_event_attr attr = { .size = sizeof(attr),
						.type = PERF_TYPE_SOFTWARE,
						.config = known_events[i].config,
						.sample_period = 1000000,
						.disabled = 1 };
		int fd;

		if (strcmp(event, known_events[i].name))
			continue;
		fd = perf_open(&attr);
		if (fd >= 0)
			close(fd);
		return answer_keep(ctx, 'p', event, fd >= 0);
	}
	return false;
}

static bool btf_struct_has(const struct btf *btf, const char *type, const char *member)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (int i = 0; t && i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(t)[i].name_off);

		if (name && !strcmp(name, member))
			return true;
	}
	return false;
}

/*
 * Can a BPF program on a tracepoint be preempted? While it is, every other
 * thread of that CPU misses the probe. Told by what the kernel has, not by its
 * version, since distributions carry these changes to other versions:
 *  - trace_call_bpf_faultable(): system call tracepoints call their programs
 *    with preemption on (7.x; the guard that 6.13's 4aadde89d81f added is gone);
 *  - tp_transition_snapshot.srcu_gp: tracepoints are guarded by SRCU-fast
 *    instead of disabled preemption. The symbol tracepoint_srcu would not do: up
 *    to 6.12 it existed too, for tracepoints outside RCU (member `srcu`);
 *  - PREEMPT_RT, where the same is to be feared.
 * Seen in the types of 6.12.117 (none), 6.18 (none) and 7.2.13 (both).
 */
static bool v_preemptible(void *ctx)
{
	struct live *l = ctx;
	bool *known = answer_find(l, 't', "");
	struct utsname u;
	bool yes = false;

	if (known)
		return *known;
	if (l->btf)
		yes = btf__find_by_name_kind(l->btf, "trace_call_bpf_faultable", BTF_KIND_FUNC) > 0 ||
		      btf_struct_has(l->btf, "tp_transition_snapshot", "srcu_gp");
	if (!yes && !uname(&u))
		yes = strstr(u.version, "PREEMPT_RT") != NULL;
	return answer_keep(l, 't', "", yes);
}

static bool v_uprobe(void *ctx)
{
	bool *known = answer_find(ctx, 'u', "");

	return known ? *known : answer_keep(ctx, 'u', "", pmu_type("uprobe") >= 0);
}

const struct btf *sg_kern_view_btf(const struct sg_kern_view *v)
{
	return ((struct live *)v->ctx)->btf;
}

int sg_kern_view_live(struct sg_kern_view *ret)
{
	struct live *l = calloc(1, sizeof(*l));
	libbpf_print_fn_t old;

	if (!l)
		return -ENOMEM;
	/* A kernel without BTF is an answer here, not something to complain of on stderr. */
	old = libbpf_set_print(NULL);
	l->btf = btf__load_vmlinux_btf();
	libbpf_set_print(old);
	l->tracefs = sg_tracefs_open(NULL);
	*ret = (struct sg_kern_view){
		.ctx = l,
		.has_btf = v_has_btf,
		.btf_tracepoint = v_btf_tracepoint,
		.tracepoint = v_tracepoint,
		.fentry = v_fentry,
		.kprobe = v_kprobe,
		.perf_sw = v_perf_sw,
		.preemptible_tracepoints = v_preemptible,
		.uprobe = v_uprobe,
	};
	return 0;
}

void sg_kern_view_free(struct sg_kern_view *v)
{
	struct live *l = v ? v->ctx : NULL;

	if (!l)
		return;
	for (struct answer *a = l->answers, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	for (size_t i = 0; i < l->nmodule; i++) {
		btf__free(l->module[i].btf);
		free(l->module[i].name);
	}
	free(l->module);
	free(l->events);
	btf__free(l->btf);
	if (l->tracefs >= 0)
		close(l->tracefs);
	free(l);
	v->ctx = NULL;
}
