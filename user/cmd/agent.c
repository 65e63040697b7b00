/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass agent: waits in a guest for its host, and records when that asks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "env/agent.h"
#include "kern/live.h"
#include "out/text.h"

#define ARGV_MAX 64

enum { OPT_LISTEN = 256, OPT_TOKEN, OPT_SPOOL, OPT_HOLD, OPT_CONTAINER, OPT_RING, OPT_NO_STACKS };

struct args {
	struct sg_agent_opts o;
	struct sg_token token;
	const char *listen, *token_file;
	char *argv[ARGV_MAX];
	size_t n;
	bool what;
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "listen", OPT_LISTEN, "ADDR", 0, "where the host comes to: vsock:PORT, or tcp:ADDRESS:PORT (port 0: any free one)", 1 },
	{ "token-file", OPT_TOKEN, "FILE", 0, "the token that host and agent share: the file's first line, 16 bytes at least", 1 },
	{ "spool", OPT_SPOOL, "SIZE", 0, "memory for what the host has not got yet (default 64M); beyond it blocks of events are dropped, and told", 1 },
	{ "hold", OPT_HOLD, "TIME", 0, "how long to go on recording for a host that went away (default 60s)", 1 },
	{ NULL, 0, NULL, 0, "What to record, as for 'sandglass record' (default -a):", 2 },
	{ "all", 'a', NULL, 0, "every thread of the guest", 2 },
	{ "pid", 'p', "PID", 0, "a process, its threads and all its children; may be repeated", 2 },
	{ "cgroup", 'G', "CGROUP", 0, "all processes of a cgroup and below", 2 },
	{ "container", OPT_CONTAINER, "NAME|ID", 0, "all processes of a container", 2 },
	{ "freq", 'F', "HZ", 0, "on-CPU stack samples per second and CPU (default 99; 0 = none)", 2 },
	{ "ring", OPT_RING, "SIZE", 0, "ring per CPU (default 16M)", 2 },
	{ "no-stacks", OPT_NO_STACKS, NULL, 0, "take no stacks of waits", 2 },
	{ 0 },
};
/* clang-format on */

static void pass(struct argp_state *s, struct args *a, const char *word, const char *value)
{
	if (a->n + 3 > ARGV_MAX)
		argp_error(s, "too many options");
	a->argv[a->n++] = (char *)word;
	if (value)
		a->argv[a->n++] = (char *)value;
	a->argv[a->n] = NULL;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	struct sg_err err = { 0 };

	switch (key) {
	case OPT_LISTEN:
		if (sg_addr_parse(arg, true, &a->o.listen, &err))
			argp_error(s, "--listen: %s", err.msg);
		a->listen = arg;
		break;
	case OPT_TOKEN:
		a->token_file = arg;
		break;
	case OPT_SPOOL:
		if (sg_parse_size(arg, &a->o.spool_bytes) || a->o.spool_bytes < 1u << 20 ||
		    a->o.spool_bytes > 64ull << 30)
			argp_error(s, "--spool takes 1M to 64G, not '%s'", arg);
		break;
	case OPT_HOLD:
		if (sg_parse_duration(arg, 1000000000ull, &a->o.hold_ns))
			argp_error(s, "--hold takes a time like 60s or 10m, not '%s'", arg);
		break;
	case 'a':
	case 'p':
	case 'G':
	case OPT_CONTAINER:
		a->what = true;
		pass(s, a, key == 'a' ? "-a" : key == 'p' ? "-p" : key == 'G' ? "-G" : "--container", arg);
		break;
	case 'F':
		pass(s, a, "-F", arg);
		break;
	case OPT_RING:
		pass(s, a, "--ring", arg);
		break;
	case OPT_NO_STACKS:
		pass(s, a, "--no-stacks", NULL);
		break;
	case ARGP_KEY_ARG:
		argp_error(s, "an agent runs no program: '%s' is no option", arg);
		break;
	case ARGP_KEY_END:
		if (!a->listen || !a->token_file)
			argp_error(
				s,
				"say where to listen and what the token is: --listen ADDR --token-file FILE");
		if (!a->what)
			pass(s, a, "-a", NULL);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* clang-format off */
const struct argp sg_argp_agent = {
	options, parse, "--listen ADDR --token-file FILE",
	"Wait in a guest for 'sandglass record --guest' on its host: record when that asks, and send what is recorded as it comes.\v"
	"Both sides prove that they know the token; it never crosses the wire. What is sent is sealed, not secret: over a network "
	"that others can read, use a tunnel. A host that goes away finds its recording where it was when it comes back in time.\n\n"
	"Examples:\n"
	"  head -c 24 /dev/urandom | base64 >token     the same file on both sides\n"
	"  sandglass agent --listen vsock:7777 --token-file token\n"
	"  sandglass agent --listen tcp:10.0.0.5:7777 --token-file token --container web\n"
	"then on the host:\n"
	"  sandglass record -a --duration 10s --guest web=vsock:3:7777 --token-file token\n\n"
	"It serves one host after the other until it is interrupted. The exit code is 0 then, and 1 when it can't listen.",
	NULL, NULL, NULL
};
/* clang-format on */

static void say(void *ctx, const char *line)
{
	char clean[512];

	fprintf(stderr, "%s: %s\n", (const char *)ctx, sg_text_clean(clean, sizeof(clean), line));
}

int sg_cmd_agent(int argc, char **argv)
{
	static const char name[] = "sandglass agent";
	struct args *a = calloc(1, sizeof(*a));
	struct sg_err err = { 0 };
	int e;

	if (!a)
		return SG_EXIT_FAIL;
	a->o.spool_bytes = 64u << 20;
	a->o.hold_ns = 60000000000ull;
	a->o.token = &a->token;
	a->o.argv = a->argv;
	a->o.say = say;
	a->o.say_ctx = (void *)name;
	for (size_t i = 0; i < 5; i++)
		a->argv[a->n++] = (char *)(const char *const[]){ "sandglass", "record", "-q", "-o", "-" }[i];
	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_agent, argc, argv, 0, NULL, a);
	e = sg_token_read(a->token_file, &a->token, &err);
	if (!e)
		e = sg_live_possible(&err); /* told here, not to the first host that asks */
	if (!e)
		e = sg_agent_run(&a->o, &err);
	if (e)
		fprintf(stderr, "%s: %s\n", name, err.msg[0] ? err.msg : strerror(-e));
	explicit_bzero(&a->token, sizeof(a->token));
	free(a);
	return e ? SG_EXIT_FAIL : SG_EXIT_OK;
}
