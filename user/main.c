/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include "cmd/cmd.h"

/* clang-format off */
const struct sg_command sg_commands[] = {
#define SG_X(name, fn, summary) { name, sg_cmd_##fn, &sg_argp_##fn, summary },
	SG_CMD_LIST(SG_X)
#undef SG_X
	{ 0 },
};
/* clang-format on */

static int usage(FILE *f, int code)
{
	fprintf(f, "Usage: sandglass COMMAND [OPTIONS] [-- PROGRAM...]\n\n"
		   "Where did this task's time go, and which layer took it?\n\nCommands:\n");
	for (const struct sg_command *c = sg_commands; c->name; c++)
		fprintf(f, "  %-10s %s\n", c->name, c->summary);
	fprintf(f, "\n'sandglass COMMAND --help' teaches one command. Start with: sandglass run -- make\n");
	return code;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, SG_EXIT_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout, 0);
	if (!strcmp(argv[1], "--version"))
		return puts("sandglass " SG_VERSION) < 0;
	if (!strncmp(argv[1], "__", 2))
		return sg_cmd_docs(argc - 1, argv + 1);
	for (const struct sg_command *c = sg_commands; c->name; c++)
		if (!strcmp(c->name, argv[1]))
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "sandglass: no command '%s'; 'sandglass --help' lists them\n", argv[1]);
	return SG_EXIT_USAGE;
}
