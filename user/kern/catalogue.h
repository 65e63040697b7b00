/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The catalogue: one row per probe, with variants in order of preference and the
 * sentence that says what is missing without it. sg_plan_make() is pure: it asks
 * a view of the kernel, which tests fake.
 */
#ifndef SG_CATALOGUE_H
#define SG_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

enum sg_attach {
	SG_AT_NONE = 0,
	SG_AT_TP_BTF, /* target: tracepoint name */
	SG_AT_TP,     /* target: "category/name", classic tracepoint */
	SG_AT_FENTRY, /* target: function */
	SG_AT_FEXIT,
	SG_AT_KPROBE,
	SG_AT_KRETPROBE,
	SG_AT_PERF_SW, /* target: software event: "page-faults-min", "page-faults-maj", "cpu-clock" */
	SG_AT_ITER,    /* target: "task" */
	SG_AT_UPROBE,  /* attached by user request, target chosen at run time */
	SG_AT_USDT,
	SG_AT_MAX,
};

enum sg_probe_ctx { SG_CTX_IRQS_OFF, SG_CTX_BH_OFF, SG_CTX_PREEMPTIBLE };

struct sg_variant {
	enum sg_attach type;
	const char *prog; /* name of the BPF program */
	const char *target;
};

#define SG_VARIANT_MAX 5
struct sg_probe {
	const char *name; /* "sched.switch", "fault.end.maj" ... unique */
	const char *
		group; /* "sched", "syscall", "fault", "reclaim", "swap", "irq", "block", "trap", "kvm", "balloon", "gvisor", "mark", "sample", "throttle" */
	enum sg_probe_ctx ctx;
	bool required;			     /* without it nothing can be recorded */
	const char *gives;		     /* causes or evidence it feeds, for people */
	const char *without;		     /* what is missing without it: one sentence */
	struct sg_variant v[SG_VARIANT_MAX]; /* in order of preference; SG_AT_NONE ends */
};

/* Questions about a kernel. ctx is passed to every function. */
struct sg_kern_view {
	void *ctx;
	bool (*has_btf)(void *ctx);
	bool (*btf_tracepoint)(void *ctx, const char *name); /* typedef btf_trace_NAME */
	bool (*tracepoint)(void *ctx, const char *cat, const char *name);
	bool (*fentry)(void *ctx, const char *func); /* can a program be loaded and attached there? */
	bool (*kprobe)(void *ctx, const char *func);
	bool (*perf_sw)(void *ctx, const char *event);
	bool (*preemptible_tracepoints)(void *ctx); /* syscall-like tracepoints run preemptibly (7.x) */
	bool (*uprobe)(void *ctx);
};

/* Reason of a probe that this request has no use for: nothing is missed without it. */
#define SG_PLAN_IDLE "not asked for"

struct sg_plan_row {
	const struct sg_probe *probe;
	int chosen;	  /* index into probe->v, -1 = off */
	char reason[256]; /* why not the variants before it / why off */
};
struct sg_plan {
	size_t n;
	struct sg_plan_row *row;
};

extern const struct sg_probe sg_catalogue[]; /* ends with name == NULL; rows in user/kern/probes.c */

/**
 * sg_plan_make() - choose a variant for every probe of @rows
 * @skip_groups: comma-separated groups the user switched off, or NULL
 *
 * On kernels with preemptible tracepoints (SG_CTX_PREEMPTIBLE rows) classic
 * tracepoints go before tp_btf. Pure. Return: 0, -ENOMEM.
 */
int sg_plan_make(struct sg_plan *ret, const struct sg_probe *rows, const struct sg_kern_view *view,
		 const char *skip_groups);
void sg_plan_free(struct sg_plan *p);
/** sg_plan_demote() - @row's chosen variant failed (@why): take the next the view allows, or off. */
void sg_plan_demote(struct sg_plan_row *row, const struct sg_kern_view *view, const char *why);
/** sg_plan_json() - malloc'd JSON array: name, group, variant ("tp_btf:sched_switch"), reason, without (when off). */
char *sg_plan_json(const struct sg_plan *p);
const char *sg_attach_name(enum sg_attach a);

/** sg_kern_view_live() - a view of the running kernel; answers are cached. free with sg_kern_view_free(). */
int sg_kern_view_live(struct sg_kern_view *ret);
void sg_kern_view_free(struct sg_kern_view *v);
struct btf;
/** sg_kern_view_btf() - the running kernel's types, @v's own; NULL: it has none. @v is from sg_kern_view_live(). */
const struct btf *sg_kern_view_btf(const struct sg_kern_view *v);

#endif
