/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The list of sub-commands. Help, man pages and completion are made from each command's argp table. */
#ifndef SG_CMD_H
#define SG_CMD_H

#include <argp.h>

/* X(name, function suffix, one-line summary) */
#define SG_CMD_LIST(X)                                                                   \
	X("run", run, "run a command as one task and print where its time went")         \
	X("record", record, "record a command, process, cgroup or the whole system")     \
	X("report", report, "explain a recording: blame, percentiles, slowest tasks")    \
	X("diff", diff, "explain the difference of two recordings cause by cause")       \
	X("export", export, "folded stacks, speedscope, Perfetto, JSON or CSV")          \
	X("agent", agent, "wait in a guest for its host, and record when that asks")     \
	X("merge", merge, "recordings of several machines into one, on one clock")       \
	X("containers", containers, "the containers of this machine and what runs them") \
	X("vms", vms, "the virtual machines of this machine and what runs them")         \
	X("bench", bench, "the published experiments, each as one command")              \
	X("doctor", doctor, "what this machine can attribute, and what it cannot and why")

#define SG_X(name, fn, summary)                 \
	int sg_cmd_##fn(int argc, char **argv); \
	extern const struct argp sg_argp_##fn;
SG_CMD_LIST(SG_X)
#undef SG_X

struct sg_command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is "sandglass NAME"; returns the exit code */
	const struct argp *argp;
	const char *summary;
};
extern const struct sg_command sg_commands[]; /* ends with a NULL name */

/** sg_cmd_docs() - hidden: words that begin with "__" ("__man COMMAND"), for the build */
int sg_cmd_docs(int argc, char **argv);

/* Exit codes of every command. run: the command's own, 128+signal when it was killed. */
#define SG_EXIT_OK     0
#define SG_EXIT_FAIL   1   /* the request was understood and could not be met */
#define SG_EXIT_USAGE  2   /* the words were off */
#define SG_EXIT_CANNOT 125 /* run: sandglass itself failed before the command could run */

#endif
