/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/guests.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/joining.h"
#include "out/text.h"

enum { OPT_GUEST = 640, OPT_TOKEN, OPT_KEEP, OPT_REST };

/* clang-format off */
static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Guests that run 'sandglass agent', recorded beside this machine:", 5 },
	{ "guest", OPT_GUEST, "NAME=ADDR", 0,
	  "record the guest NAME too; ADDR is vsock:CID:PORT or tcp:HOST:PORT, with ',pid=PID' of its VMM where that can't be told from the CID; at most 7 times", 5 },
	{ "token-file", OPT_TOKEN, "FILE", 0, "the token that this machine and the agents share: the file's first line", 5 },
	{ "guest-rest", OPT_REST, "SIZE", 0,
	  "what a guest may still send after the end of the recording (default 1G): more than its agent's --spool; beyond it, and after ten minutes, it is cut off", 5 },
	{ "keep-parts", OPT_KEEP, NULL, 0, "keep each machine's own recording (FILE.NAME.sgt) beside the merged one", 5 },
	{ 0 },
};
/* clang-format on */

static void parse_guest(struct argp_state *s, struct sg_guests *gs, const char *arg)
{
	const char *eq = strchr(arg, '='), *comma;
	struct sg_guest_arg *g = &gs->g[gs->n];
	struct sg_err err = { 0 };
	char addr[300];
	uint64_t pid = 0;

	if (gs->n == SG_GUESTS_MAX)
		argp_error(s, "--guest takes %d guests at most", SG_GUESTS_MAX);
	if (!eq || !sg_joining_name_ok(arg, (size_t)(eq - arg)) || !strncmp(arg, "host=", 5))
		argp_error(s,
			   "--guest takes NAME=vsock:CID:PORT or NAME=tcp:HOST:PORT, not '%s'; a name is 1 "
			   "to %d of "
			   "letters, digits and ._-, and 'host' is this machine",
			   arg, SG_MACHINE_NAME - 1);
	memcpy(g->name, arg, (size_t)(eq - arg));
	for (size_t i = 0; i < gs->n; i++)
		if (!strcmp(gs->g[i].name, g->name))
			argp_error(s, "--guest %s was given twice: each guest has a name of its own",
				   g->name);
	comma = strstr(eq, ",pid=");
	if (comma && sg_parse_u64(comma + 5, 1, 1u << 22, &pid))
		argp_error(s, "--guest %s: ',pid=' takes the process id of its VMM, not '%s'", g->name,
			   comma + 5);
	snprintf(addr, sizeof(addr), "%.*s", comma ? (int)(comma - eq - 1) : (int)sizeof(addr) - 1, eq + 1);
	if (sg_addr_parse(addr, false, &g->addr, &err))
		argp_error(s, "--guest %s: %s", g->name, err.msg);
	g->vmm = (uint32_t)pid;
	sg_addr_text(&g->addr, false, g->from, sizeof(g->from));
	gs->n++;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_guests *gs = s->input;

	switch (key) {
	case ARGP_KEY_INIT:
		gs->host.fd = -1;
		for (size_t i = 0; i < SG_GUESTS_MAX; i++)
			gs->g[i].part.fd = -1;
		break;
	case OPT_GUEST:
		parse_guest(s, gs, arg);
		break;
	case OPT_TOKEN:
		gs->token_file = arg;
		break;
	case OPT_REST:
		if (sg_parse_size(arg, &gs->rest_bytes) || gs->rest_bytes < 1u << 20 ||
		    gs->rest_bytes > 1ull << 40)
			argp_error(s, "--guest-rest takes 1M to 1024G, not '%s'", arg);
		break;
	case OPT_KEEP:
		gs->keep = true;
		break;
	case ARGP_KEY_END:
		if (gs->n && !gs->token_file)
			argp_error(s, "--guest needs --token-file FILE: the token that the agent was given");
		if (!gs->n && gs->token_file)
			argp_error(s, "--token-file is for --guest");
		if (!gs->n && gs->rest_bytes)
			argp_error(s, "--guest-rest is for --guest");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp sg_guests_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

/* "web.sgt" and "db": "web.db.sgt". */
static int part_open(struct sg_outfile *part, const char *out, const char *name, struct sg_err *err)
{
	size_t len = strlen(out);
	char path[PATH_MAX];

	if (len > 4 && !strcmp(out + len - 4, ".sgt"))
		len -= 4;
	if (snprintf(path, PATH_MAX, "%.*s.%s.sgt", (int)len, out, name) >= PATH_MAX)
		return sg_err_set(err, -ENAMETOOLONG, "the name of the recording is too long");
	return sg_outfile_begin_lasting(part, path, err);
}

int sg_guests_open(struct sg_guests *gs, const char *out, struct sg_err *err)
{
	int e;

	if (!strcmp(out, "-"))
		return sg_err_set(err, -EINVAL,
				  "a recording with guests is merged at its end: give it a file, -o FILE");
	e = sg_token_read(gs->token_file, &gs->token, err);
	if (e)
		return e;
	e = part_open(&gs->host, out, "host", err);
	if (e)
		return e;
	for (size_t i = 0; i < gs->n; i++) {
		struct sg_guest_arg *g = &gs->g[i];
		struct sg_agent_link_opts o = { .name = g->name,
						.addr = g->addr,
						.token = &gs->token,
						.number = (uint32_t)i + 1,
						.vmm = g->vmm,
						.rest_bytes = gs->rest_bytes };

		e = part_open(&g->part, out, g->name, err);
		if (e)
			return e;
		o.out_fd = g->part.fd;
		e = sg_agent_link_new(&g->link, &o);
		if (e)
			return sg_err_set(err, e, "guest %s: %s", g->name, strerror(-e));
		sg_agent_link_companion(g->link, &gs->companion[i]);
	}
	return gs->host.fd;
}

int sg_guests_begin(void *ctx, struct sg_err *err)
{
	struct sg_guests *gs = ctx;
	int e = sg_outfile_place(&gs->host, err);

	for (size_t i = 0; i < gs->n && !e; i++)
		e = sg_outfile_place(&gs->g[i].part, err);
	return e;
}

/* What became of one guest; true: all that was asked for. */
static bool tell(const struct sg_guest_arg *g, const char *name)
{
	const struct sg_agent_link_result *r = sg_agent_link_result(g->link);
	char text[512];

	if (r->err.code)
		fprintf(stderr, "%s: %s\n", name, sg_text_clean(text, sizeof(text), r->err.msg));
	if (r->dropped.blocks)
		fprintf(stderr,
			"%s: guest %s: %" PRIu64 " blocks of %" PRIu64
			" events (%.1f MiB) found no room in the agent's spool while the host was away and "
			"are LOST; a larger --spool may help\n",
			name, g->name, r->dropped.blocks, r->dropped.events, r->dropped.bytes / 1048576.0);
	if (r->breaks)
		fprintf(stderr,
			"%s: guest %s: the connection was made anew %u time%s; the recording went on\n", name,
			g->name, r->breaks, r->breaks == 1 ? "" : "s");
	if (r->doubted)
		fprintf(stderr,
			"%s: guest %s: KVM's offset of its TSC does not agree with the two-way exchange (a "
			"guest in a "
			"guest, or scaled), which was used instead\n",
			name, g->name);
	return r->complete;
}

static int add_all(struct sg_guests *gs, struct sg_joining *j, const char *name, bool *ret_all,
		   struct sg_err *err)
{
	int e = sg_joining_add(j, gs->host.fd, 0, "host", NULL, err);

	for (size_t i = 0; i < gs->n && !e; i++) {
		const struct sg_guest_arg *g = &gs->g[i];
		const struct sg_agent_link_result *r = sg_agent_link_result(g->link);
		struct sg_err why = { 0 };

		*ret_all &= tell(g, name);
		if (!r->bytes || !sg_agent_link_clocks(g->link)->n ||
		    sg_joining_add(j, g->part.fd, (uint32_t)i + 1, g->name, g->from, &why)) {
			fprintf(stderr, "%s: guest %s: nothing of it can be merged%s%s\n", name, g->name,
				why.msg[0] ? ": " : "", why.msg);
			*ret_all = false;
			continue;
		}
		j->part[j->n - 1].clocks = sg_agent_link_clocks(g->link);
		j->part[j->n - 1].vmm = r->vmm;
		j->part[j->n - 1].cid = g->addr.vsock ? g->addr.cid : 0;
	}
	return e;
}

/* What found no room in the spool is missing from the part: that was told, and how much it was. */
static void count_dropped(const struct sg_guests *gs, struct sg_joining *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct sg_join_part *p = &j->part[i];
		const struct sg_link_dropped *d;

		if (!p->number)
			continue;
		d = &sg_agent_link_result(gs->g[p->number - 1].link)->dropped;
		p->lost += d->events;
		if (d->blocks && strtoull(p->damage, NULL, 10) == d->blocks && !strchr(p->damage, ';'))
			p->damage[0] = 0;
	}
}

static void parts_remove(struct sg_guests *gs)
{
	unlink(gs->host.path);
	for (size_t i = 0; i < gs->n; i++)
		unlink(gs->g[i].part.path);
}

bool sg_guests_end(struct sg_guests *gs, const char *out, int level, const char *name, bool quiet)
{
	struct sg_joining j = { 0 };
	struct sg_writer_stats st;
	struct sg_err err = { 0 };
	bool all = true;
	int e = add_all(gs, &j, name, &all, &err);

	if (!e)
		e = sg_joining_run(&j, out, level, &st, &err);
	count_dropped(gs, &j);
	if (e)
		fprintf(stderr,
			"%s: the parts could not be merged: %s; they are kept: %s and its guests' beside "
			"it\n",
			name, err.msg, gs->host.path);
	else
		all &= sg_joining_tell(&j, name, quiet, stderr);
	if (!e && !gs->keep && j.n == gs->n + 1)
		parts_remove(gs);
	else if (!e && !gs->keep)
		fprintf(stderr, "%s: the parts are kept: %s and its guests' beside it\n", name,
			gs->host.path);
	sg_joining_free(&j);
	return all && !e;
}

/* To what is in its place that is all the same: only its descriptor is left. */
static void part_close(struct sg_outfile *part)
{
	struct sg_err err = { 0 };

	if (part->fd >= 0)
		sg_outfile_end(part, -ECANCELED, &err);
}

void sg_guests_close(struct sg_guests *gs)
{
	if (!gs->n)
		return;
	part_close(&gs->host);
	for (size_t i = 0; i < gs->n; i++) {
		part_close(&gs->g[i].part);
		sg_agent_link_free(gs->g[i].link);
	}
}
