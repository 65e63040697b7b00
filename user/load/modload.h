/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload: Node containers that load a module from a shared volume. See docs/bench-modload.md. */
#ifndef SG_MODLOAD_H
#define SG_MODLOAD_H

#include <stdbool.h>
#include <stdio.h>
#include "load/modclient.h"
#include "load/sandbox.h"
#include "model/blame.h"

#define SG_MODLOAD_RUNTIMES 8
#define SG_MODLOAD_COUNTS   16
#define SG_MODLOAD_MODULES  16
#define SG_MODLOAD_ROUNDS   1000

struct sg_modload_module {
	char name[SG_MODULE_MAX];     /* what is required: "express", "@scope/name" */
	char spec[2 * SG_MODULE_MAX]; /* what npm installs: "express@4" */
};

/* Where a round is run a second time, unrecorded: what recording costs. */
#define SG_PAIRS_LIST(X) X(FIRST, "first") X(ALL, "all") X(NONE, "none")
enum sg_modload_pairs {
#define SG_X(sym, name) SG_PAIRS_##sym,
	SG_PAIRS_LIST(SG_X)
#undef SG_X
		SG_PAIRS_MAX,
};
extern const char *const sg_modload_pairs_names[SG_PAIRS_MAX];
/** sg_modload_pairs_find() - value called @name, or -EINVAL */
int sg_modload_pairs_find(const char *name);

/* X(symbol, name, option of record, enum sg_guest_src): by what a round is recorded. All but the first include the default. */
#define SG_SOURCES_LIST(X)                                 \
	X(NONE, "none", NULL, 0)                           \
	X(DEFAULT, "default", NULL, 0)                     \
	X(TRACE, "trace", "--gvisor-trace", SG_GSRC_TRACE) \
	X(UPROBES, "uprobes", "--gvisor-uprobes", SG_GSRC_UPROBE)
enum sg_modload_source {
#define SG_X(sym, name, option, src) SG_SOURCE_##sym,
	SG_SOURCES_LIST(SG_X)
#undef SG_X
		SG_SOURCES_MAX,
};
extern const char *const sg_modload_sources_names[SG_SOURCES_MAX];

struct sg_modload_opts {
	unsigned nruntime, ncount, nmodule;
	const struct sg_sandbox_runtime *runtime[SG_MODLOAD_RUNTIMES];
	unsigned count[SG_MODLOAD_COUNTS]; /* containers that load at the same time */
	struct sg_modload_module module[SG_MODLOAD_MODULES];
	unsigned rounds; /* fresh sets of containers per combination */
	bool cold;	 /* drop the modules from the page cache before every load */
	bool record;
	enum sg_modload_pairs pairs;
	unsigned
		sources; /* bits 1 << enum sg_modload_source: where there are pairs, by which the round is recorded once more */
	const char *dir;
	int sigfd; /* signals that mean "stop" */
	void (*progress)(void *ctx, const char *text);
	void *ctx;
};

/* One load. */
struct sg_modload_time {
	uint32_t round, container;
	enum sg_modload_source source;
	struct sg_modclient_time t;
};

/* One combination, measured. The blame is NULL without a recording. */
struct sg_modload_combo {
	unsigned runtime, count, module; /* indices into the options */
	struct sg_modload_time *time;
	size_t ntime, cap;
	uint64_t lost;		       /* records */
	uint64_t missing;	       /* loads that the recordings have no whole task of */
	uint64_t whole;		       /* loads in the blame */
	uint64_t seen[SG_SOURCES_MAX]; /* calls of guests that the source told, in all its rounds */
	struct sg_blame *blame;
};

struct sg_modload_result {
	struct sg_modload_opts opts;
	unsigned base; /* index of the runtime the others are compared with */
	size_t ncombo;
	struct sg_modload_combo *combo; /* by count, module, runtime; those measured so far have times */
};

/**
 * sg_modload_parse() - the options' lists: runtimes, numbers, modules, comma-separated
 *
 * Return: 0 or negative errno with @err, one sentence without the option's name.
 */
int sg_modload_parse_runtimes(struct sg_modload_opts *o, const char *text, struct sg_err *err);
int sg_modload_parse_modules(struct sg_modload_opts *o, const char *text, struct sg_err *err);
int sg_modload_parse_sources(struct sg_modload_opts *o, const char *text, struct sg_err *err);

/**
 * sg_modload_run() - run all of it; everything it made but the results and caches in the folder is gone when it returns
 * @ret: filled as far as it got, also on failure; free with sg_modload_free()
 */
int sg_modload_run(struct sg_modload_result *ret, const struct sg_modload_opts *opts, struct sg_err *err);
void sg_modload_free(struct sg_modload_result *r);

/** sg_modload_task() - name of a combination's tasks, and beginning of its files' names ('/' becomes '.') */
const char *sg_modload_task(char *buf, size_t cap, const struct sg_modload_opts *o,
			    const struct sg_modload_combo *c, char sep);

/** sg_modload_explain() - add the tasks of one round's recording @path to the combination's blame */
int sg_modload_explain(struct sg_modload_combo *c, const struct sg_modload_opts *o, const char *path,
		       struct sg_err *err);

/** sg_modload_seen() - calls of guests in the recording @path that @source told, on top of *@ret */
int sg_modload_seen(uint64_t *ret, enum sg_modload_source source, const char *path, struct sg_err *err);

/* For people (the table and a sentence per ratio; all rows of all differences), for programs, charts into the folder. */
int sg_modload_text(FILE *out, const struct sg_modload_result *r);
int sg_modload_differences(FILE *out, const struct sg_modload_result *r);
int sg_modload_json(FILE *out, const struct sg_modload_result *r);
int sg_modload_times(FILE *out, const struct sg_modload_result *r);
int sg_modload_plot(const struct sg_modload_result *r, struct sg_err *err);

#endif
