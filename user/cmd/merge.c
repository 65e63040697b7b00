/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass merge: recordings of a host and its guests, made apart, into one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/joining.h"
#include "env/kvmtsc.h"
#include "trace/joinclocks.h"

enum { OPT_NAME = 256, OPT_OFFSET, OPT_TSC, OPT_REALTIME };

struct input {
	const char *path;
	int fd;
	char name[SG_MACHINE_NAME];
	bool has_offset, has_tsc;
	uint64_t offset;
	struct sg_kvmtsc tsc;
};

struct args {
	const char *out;
	struct input in[SG_MACHINE_MAX];
	size_t n;
	const char *offset[SG_MACHINE_MAX], *tsc[SG_MACHINE_MAX];
	size_t noffset, ntsc;
	uint64_t realtime;
	uint64_t level;
	bool has_realtime, quiet;
	/* what the host's recording knows of guests */
	struct sg_machines known;
	struct sg_clocks clocks[SG_MACHINE_MAX];
	struct sg_stamps host;
	struct sg_joining j;
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "the merged recording", 1 },
	{ "quiet", 'q', NULL, 0, "no closing lines", 1 },
	{ "compress", 'z', "1-9", 0, "zlib level (default 1)", 1 },
	{ NULL, 0, NULL, 0, "Clocks, where the recordings themselves do not tell; each for the guest NAME, or for all:", 2 },
	{ "tsc-offset", OPT_TSC, "[NAME=]OFFSET[,RATIO,BITS]", 0,
	  "what KVM's debugfs says of the guest (tsc-offset, tsc-scaling-ratio and -frac-bits); 0 where both ran on one machine", 2 },
	{ "offset", OPT_OFFSET, "[NAME=]NS", 0, "nanoseconds to add to the guest's CLOCK_MONOTONIC", 2 },
	{ "realtime", OPT_REALTIME, "BOUND", 0, "by CLOCK_REALTIME, which agreed within BOUND (1ms): both ran NTP", 2 },
	{ 0 },
};
/* clang-format on */

static void list_add(struct argp_state *s, const char **list, size_t *n, const char *arg)
{
	if (*n == SG_MACHINE_MAX)
		argp_error(s, "too many offsets: there are %d guests at most", SG_MACHINE_MAX - 1);
	else
		list[(*n)++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;

	switch (key) {
	case 'o':
		a->out = arg;
		break;
	case 'q':
		a->quiet = true;
		break;
	case 'z':
		if (sg_parse_u64(arg, 1, 9, &a->level))
			argp_error(s, "--compress takes 1 to 9, not '%s'", arg);
		break;
	case OPT_TSC:
		list_add(s, a->tsc, &a->ntsc, arg);
		break;
	case OPT_OFFSET:
		list_add(s, a->offset, &a->noffset, arg);
		break;
	case OPT_REALTIME:
		if (sg_parse_duration(arg, 1000000ull, &a->realtime))
			argp_error(s, "--realtime takes a bound like 1ms, not '%s'", arg);
		a->has_realtime = true;
		break;
	case ARGP_KEY_ARG:
		if (a->n == SG_MACHINE_MAX)
			argp_error(s, "a host and %d guests are the most that can be merged",
				   SG_MACHINE_MAX - 1);
		else
			a->in[a->n++].path = arg;
		break;
	case ARGP_KEY_END:
		if (a->n < 2 || !a->out)
			argp_error(s, "give the host's recording, those of its guests, and -o FILE");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* clang-format off */
const struct argp sg_argp_merge = {
	options, parse, "HOST GUEST... -o FILE",
	"Merge the recordings of a host and of its guests into one: their events on the host's clock, with no number used twice.\v"
	"A guest is called what the host's recording calls it (record --guest), else after its file. Its clock comes from the "
	"host's recording, if that has asked the guest; from being the same machine's; or from what is given above. Every duration of a "
	"guest stays exact: its events are shifted by one constant, and how its clock runs against the host's is kept beside.\n\n"
	"Examples:\n"
	"  sandglass merge x.host.sgt x.web.sgt -o x.sgt          parts of record --guest --keep-parts\n"
	"  sandglass merge host.sgt web.sgt --tsc-offset -18917313109 -o both.sgt\n"
	"  sandglass merge a.sgt b.sgt --realtime 1ms -o both.sgt  two machines with NTP\n\n"
	"The exit code is 1 when a recording can't be read, when nothing tells a guest's clock, or when a clock was "
	"set while it was recorded (what could be merged is written then).",
	NULL, NULL, NULL
};
/* clang-format on */

/* ---- names ----------------------------------------------------------------------- */

/* After its file: "/x/web.sgt" is "web"; what a name can't have becomes '_'. */
static void name_of(struct args *a, size_t i)
{
	struct input *in = &a->in[i];
	const char *base = strrchr(in->path, '/') ? strrchr(in->path, '/') + 1 : in->path;
	size_t n = strlen(base);

	if (n > 4 && !strcmp(base + n - 4, ".sgt"))
		n -= 4;
	n = n < sizeof(in->name) - 4 ? n : sizeof(in->name) - 4;
	snprintf(in->name, sizeof(in->name), "%.*s", (int)n, n ? base : "guest");
	for (char *p = in->name; *p; p++)
		if (!sg_joining_name_ok(p, 1))
			*p = '_';
}

static bool name_taken(const struct args *a, size_t i)
{
	for (size_t k = 0; k < a->n; k++)
		if (k != i && !strcmp(a->in[k].name, a->in[i].name))
			return true;
	return !strcmp(a->in[i].name, "host") && i;
}

static void names_make(struct args *a)
{
	snprintf(a->in[0].name, sizeof(a->in[0].name), "host");
	for (size_t i = 1; i < a->n; i++)
		if (!a->in[i].name[0])
			name_of(a, i);
	for (size_t i = 1; i < a->n; i++)
		for (unsigned k = 2; name_taken(a, i) && k < 100; k++) {
			size_t n = strlen(a->in[i].name);

			snprintf(a->in[i].name + n, sizeof(a->in[i].name) - n, "-%u", k);
		}
}

static int by_name(const void *x, const void *y)
{
	const struct input *a = x, *b = y;

	return strcmp(a->name, b->name);
}

/* ---- clocks ---------------------------------------------------------------------- */

/* "NAME=VALUE" for that guest, "VALUE" for all: the value, or NULL when it is for another one. */
static const char *meant(const char *arg, const char *name)
{
	const char *eq = strchr(arg, '=');

	if (!eq)
		return arg;
	return strlen(name) == (size_t)(eq - arg) && !strncmp(arg, name, (size_t)(eq - arg)) ? eq + 1 : NULL;
}

static int parse_signed(const char *s, const char **ret_end, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = *s == '-' ? (uint64_t)strtoll(s, &end, 0) : strtoull(s, &end, 0);
	*ret_end = end;
	return errno || end == s ? -EINVAL : 0;
}

static int parse_tsc(const char *v, struct sg_kvmtsc *k)
{
	const char *end;
	uint64_t bits;

	memset(k, 0, sizeof(*k));
	if (parse_signed(v, &end, &k->offset))
		return -EINVAL;
	if (!*end)
		return 0;
	if (*end != ',' || parse_signed(end + 1, &end, &k->ratio) || !k->ratio || *end != ',' ||
	    sg_parse_u64(end + 1, 1, 63, &bits))
		return -EINVAL;
	k->frac = (unsigned)bits;
	return 0;
}

static int given(struct args *a, struct input *in, struct sg_err *err)
{
	const char *v, *end;

	for (size_t i = 0; i < a->noffset; i++) {
		v = meant(a->offset[i], in->name);
		if (v && (parse_signed(v, &end, &in->offset) || *end))
			return sg_err_set(err, -EINVAL, "--offset takes [NAME=]NANOSECONDS, not '%s'",
					  a->offset[i]);
		in->has_offset |= v != NULL;
	}
	for (size_t i = 0; i < a->ntsc; i++) {
		v = meant(a->tsc[i], in->name);
		if (v && parse_tsc(v, &in->tsc))
			return sg_err_set(err, -EINVAL,
					  "--tsc-offset takes [NAME=]OFFSET[,RATIO,BITS], not '%s'",
					  a->tsc[i]);
		in->has_tsc |= v != NULL;
	}
	return 0;
}

/* From what both recordings hold. */
static int from_stamps(struct args *a, const struct input *in, struct sg_clocks *c, struct sg_err *err)
{
	struct sg_stamps guest = { 0 };
	int e = sg_stamps_read(&guest, in->fd, err);
	uint64_t first = e || !guest.n ? 0 : guest.c[0].h.ts,
		 last = e || !guest.n ? 1 : guest.c[guest.n - 1].h.ts;

	if (e) {
		sg_stamps_free(&guest);
		return e;
	}
	if (in->has_offset) {
		e = sg_clocks_by_offset(in->offset, first, last, 0, SG_CLOCK_GIVEN, c);
	} else if (in->has_tsc) {
		for (size_t i = 0; i < guest.n; i++) {
			struct sg_clock *g = &guest.c[i];
			uint64_t end = sg_kvmtsc_host(&in->tsc, g->tsc + g->width);

			g->tsc = sg_kvmtsc_host(&in->tsc, g->tsc);
			g->width = g->width ? end - g->tsc + 1 : 0;
		}
		e = sg_clocks_by_tsc(&a->host, &guest, c);
		if (e == -ENODATA)
			e = sg_err_set(err, e,
				       "%s: --tsc-offset needs readings of the TSC in both recordings, and "
				       "one of them "
				       "has none: give --offset",
				       in->path);
	} else {
		e = sg_clocks_by_realtime(&a->host, &guest, a->realtime, c);
		if (e == -ENODATA)
			e = sg_err_set(
				err, e,
				"%s: one of the recordings has no reading of CLOCK_REALTIME: give --offset",
				in->path);
		if (e == -ERANGE)
			e = sg_err_set(
				err, e,
				"%s: the host's CLOCK_REALTIME was set by more than the bound while it was "
				"recorded, so --realtime can't tell the guest's time: give --tsc-offset or "
				"--offset",
				in->path);
	}
	sg_stamps_free(&guest);
	return e && !err->code ? sg_err_set(err, e, "%s: %s", in->path, strerror(-e)) : e;
}

/* The host's recording may have asked this very guest. */
static const struct sg_machine_info *known_as(const struct args *a, uint32_t meta)
{
	for (unsigned i = 1; i < SG_MACHINE_MAX; i++)
		if (a->known.m[i].known && a->known.m[i].meta == meta && meta)
			return &a->known.m[i];
	return NULL;
}

static int clocks_of(struct args *a, struct input *in, struct sg_join_part *p, struct sg_err *err)
{
	const struct sg_machine_info *m = known_as(a, p->meta);
	struct sg_clocks *own = &a->j.own[p->number];
	const char *boot = sg_joining_boot(&a->j, p->number), *host = sg_joining_boot(&a->j, 0);
	int e = given(a, in, err);

	p->clocks = own;
	if (m) {
		p->vmm = m->vmm;
		p->cid = m->cid;
	}
	if (e || in->has_offset || in->has_tsc || (a->has_realtime && !(m && a->clocks[m->number].n)))
		return e ? e : from_stamps(a, in, own, err);
	if (m && a->clocks[m->number].n) {
		p->clocks = &a->clocks[m->number];
		return 0;
	}
	if (*boot && !strcmp(boot, host)) { /* one kernel, one clock */
		in->has_offset = true;
		return from_stamps(a, in, own, err);
	}
	return sg_err_set(
		err, -EINVAL,
		"%s: nothing tells its clock against the host's: give --tsc-offset from KVM's debugfs, "
		"--offset, or --realtime BOUND if both machines ran NTP",
		in->path);
}

/* ---- all of it ------------------------------------------------------------------- */

static int open_all(struct args *a, struct sg_err *err)
{
	struct sg_joining probe = { 0 };
	int e = 0;

	for (size_t i = 0; i < a->n && !e; i++) {
		a->in[i].fd = open(a->in[i].path, O_RDONLY | O_CLOEXEC);
		if (a->in[i].fd < 0)
			return sg_err_set(err, -errno, "can't open %s: %s", a->in[i].path, strerror(errno));
		if (lseek(a->in[i].fd, 0, SEEK_CUR) < 0)
			return sg_err_set(err, -ESPIPE, "%s is read several times: give a file",
					  a->in[i].path);
	}
	e = sg_join_clocks(a->in[0].fd, &a->known, a->clocks, err);
	if (!e)
		e = sg_stamps_read(&a->host, a->in[0].fd, err);
	/* names first: they give the guests their numbers, whatever order they came in */
	for (size_t i = 1; i < a->n && !e; i++) {
		const struct sg_machine_info *m;

		e = sg_joining_add(&probe, a->in[i].fd, (uint32_t)i, "", NULL, err);
		m = e ? NULL : known_as(a, probe.part[i - 1].meta);
		if (m && sg_joining_name_ok(m->name, strlen(m->name)))
			memcpy(a->in[i].name, m->name, sizeof(m->name));
		if (e) {
			struct sg_err why = *err;

			sg_err_set(err, e, "%s: %.200s", a->in[i].path, why.msg);
		}
	}
	sg_joining_free(&probe);
	return e;
}

static int merge(struct args *a, struct sg_writer_stats *st, struct sg_err *err)
{
	int e = open_all(a, err);

	if (e)
		return e;
	names_make(a);
	qsort(a->in + 1, a->n - 1, sizeof(a->in[0]), by_name);
	for (size_t i = 0; i < a->n && !e; i++) {
		e = sg_joining_add(&a->j, a->in[i].fd, (uint32_t)i, a->in[i].name, a->in[i].path, err);
		if (!e && i)
			e = clocks_of(a, &a->in[i], &a->j.part[i], err);
	}
	return e ? e : sg_joining_run(&a->j, a->out, (int)a->level, st, err);
}

int sg_cmd_merge(int argc, char **argv)
{
	static const char name[] = "sandglass merge";
	struct args *a = calloc(1, sizeof(*a));
	struct sg_writer_stats st;
	struct sg_err err = { 0 };
	bool whole = false;
	int e;

	if (!a)
		return SG_EXIT_FAIL;
	a->level = 1;
	for (size_t i = 0; i < SG_MACHINE_MAX; i++)
		a->in[i].fd = -1;
	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_merge, argc, argv, 0, NULL, a);
	e = merge(a, &st, &err);
	if (e) {
		fprintf(stderr, "%s: %s\n", name, err.msg[0] ? err.msg : strerror(-e));
	} else {
		whole = sg_joining_tell(&a->j, name, a->quiet, stderr);
		if (!a->quiet)
			fprintf(stderr, "merged %zu recordings: %" PRIu64 " events, %.1f KiB in %s\n", a->n,
				st.events, st.bytes / 1024.0, a->out);
	}
	for (size_t i = 0; i < SG_MACHINE_MAX; i++) {
		if (a->in[i].fd >= 0)
			close(a->in[i].fd);
		sg_clocks_free(&a->clocks[i]);
	}
	sg_stamps_free(&a->host);
	sg_joining_free(&a->j);
	free(a);
	return whole ? SG_EXIT_OK : SG_EXIT_FAIL;
}
