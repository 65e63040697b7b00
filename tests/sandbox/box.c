// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * box CACHE GUEST RUNTIME...: containers for the truth scenarios of sandboxes, told what to do on
 * standard input: "start NAME RUNTIME VOLUME" answers "NAME ID PID EXEC...", the words that start a
 * program in it; "remove NAME". The end of input, or of us, removes all. Answers "ready", "error WHY".
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load/sandbox.h"

#define BOXES 16

struct boxes {
	struct sg_sandbox *sandbox;
	struct sg_sandbox_container c[BOXES];
	char name[BOXES][64];
};

static void start(struct boxes *b, const char *name, const char *runtime, const char *volume)
{
	char bind[PATH_MAX + 8];
	const char *const binds[] = { bind, NULL };
	struct sg_sandbox_run run = { .name = name, .runtime = sg_sandbox_runtime(runtime), .binds = binds };
	struct sg_err err = { 0 };
	struct sg_args a = { 0 };
	int i = 0;

	snprintf(bind, sizeof(bind), "%s:/vol", volume);
	while (i < BOXES && b->name[i][0])
		i++;
	if (i == BOXES || !run.runtime || sg_sandbox_start(b->sandbox, &run, &b->c[i], &err)) {
		printf("error %s\n", err.msg[0] ? err.msg : "no such runtime, or too many containers");
		return;
	}
	snprintf(b->name[i], sizeof(b->name[i]), "%s", name);
	sg_sandbox_exec(b->sandbox, &b->c[i], "/", &a);
	printf("%s %s %u", name, b->c[i].id, b->c[i].pid);
	for (size_t k = 0; a.v && a.v[k]; k++)
		printf(" %s", a.v[k]);
	printf("\n");
	sg_args_free(&a);
}

static void drop(struct boxes *b, const char *name)
{
	struct sg_err err = { 0 };

	for (int i = 0; i < BOXES; i++) {
		if (strcmp(b->name[i], name))
			continue;
		b->name[i][0] = 0;
		printf(sg_sandbox_remove(b->sandbox, &b->c[i], &err) ? "error %s\n" : "removed\n", err.msg);
		return;
	}
	printf("error no such container\n");
}

static void serve(struct boxes *b)
{
	char line[PATH_MAX + 256], word[3][PATH_MAX];

	while (fgets(line, sizeof(line), stdin)) {
		int n = sscanf(line, "%*s %4095s %4095s %4095s", word[0], word[1], word[2]);

		if (n == 3 && !strncmp(line, "start ", 6) && strlen(word[0]) < sizeof(b->name[0]))
			start(b, word[0], word[1], word[2]);
		else if (n == 1 && !strncmp(line, "remove ", 7))
			drop(b, word[0]);
		else
			printf("error what?\n");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct sg_image_file files[] = { { argc > 2 ? argv[2] : NULL, "/guest" }, { NULL, NULL } };
	const struct sg_sandbox_runtime *rt[SG_SANDBOX_RUNTIMES_MAX];
	struct boxes b = { 0 };
	struct sg_sandbox_opts o = { .cache = argv[1], .runtime = rt, .files = files };
	struct sg_err err = { 0 };
	int r;

	for (int i = 3; i < argc && o.nruntime < SG_SANDBOX_RUNTIMES_MAX; i++) {
		rt[o.nruntime] = sg_sandbox_runtime(argv[i]);
		o.nruntime += rt[o.nruntime] != NULL;
	}
	if (argc < 4 || !o.nruntime)
		return 2;
	r = sg_guard_start(&o.guard, &err);
	if (!r)
		r = sg_sandbox_open(&b.sandbox, &o, &err);
	if (r)
		printf("error %s\n", err.msg);
	else
		printf("ready\n");
	fflush(stdout);
	if (!r)
		serve(&b);
	sg_sandbox_close(b.sandbox, NULL);
	sg_guard_end(o.guard, NULL);
	return r ? 1 : 0;
}
