/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/company.h"

#include <inttypes.h>
#include <string.h>
#include "env/gvtrace.h"
#include "env/vmwatch.h"
#include "env/watch.h"

int sg_company_make(struct sg_company *co, const struct sg_company_opts *o, struct sg_record_opts *rec,
		    struct sg_err *err)
{
	struct sg_watch_opts watch = { .engine = o->engine };
	struct sg_vmwatch_opts vms = { .from = { .connect = o->connect }, .only = o->vm };
	struct sg_gvtrace_opts trace = { 0 };
	int e;

	memset(co, 0, sizeof(*co));
	e = sg_watch_new(&co->c[0], &watch, err);
	if (e)
		return e;
	co->n = 1;
	e = sg_vmwatch_new(&co->c[1], &vms, err);
	if (e)
		return e;
	co->n = 2;
	co->untraceable = o->gvisor_trace && o->one && !o->sentry;
	if (o->gvisor_trace && !co->untraceable) {
		co->sentry = o->sentry;
		trace.sentry = &co->sentry;
		trace.nsentry = o->sentry ? 1 : 0;
		e = sg_gvtrace_new(&co->c[2], &trace, err);
		if (e)
			return e;
		co->traced = true;
		co->n = 3;
	}
	for (size_t i = 0; i < o->nmore && i < SG_COMPANY_MORE; i++)
		co->c[co->n + i] = o->more[i];
	rec->companions = co->c;
	rec->ncompanion = co->n + (o->nmore < SG_COMPANY_MORE ? o->nmore : SG_COMPANY_MORE);
	return 0;
}

static bool tell_trace(const struct sg_gvtrace_stats *st, const char *name, FILE *f)
{
	if (st->dropped)
		fprintf(f,
			"%s: gVisor dropped %" PRIu64
			" trace messages: its calls by --gvisor-trace are too few\n",
			name, st->dropped);
	if (st->err.msg[0])
		fprintf(f, "%s: --gvisor-trace: %s\n", name, st->err.msg);
	else if (!st->sandboxes)
		fprintf(f, "%s: --gvisor-trace: there was no gVisor sandbox to trace\n", name);
	return st->sandboxes && !st->failed;
}

static void tell_vms(const struct sg_company *co, const char *name, FILE *f)
{
	struct sg_vmwatch_stats st;

	sg_vmwatch_stats(&co->c[1], &st);
	if (st.note[0])
		fprintf(f, "%s: %s\n", name, st.note);
	if (st.fate[0])
		fprintf(f, "%s: %s\n", name, st.fate);
	if (st.dropped)
		fprintf(f,
			"%s: %" PRIu64 " processes came too fast to ask whether they run a virtual machine\n",
			name, st.dropped);
}

bool sg_company_tell(const struct sg_company *co, const char *name, FILE *f)
{
	struct sg_watch_stats ws;
	struct sg_gvtrace_stats ts;

	if (!co->n)
		return true;
	sg_watch_stats(&co->c[0], &ws);
	if (ws.note[0])
		fprintf(f, "%s: %s\n", name, ws.note);
	if (ws.dropped || ws.crowded)
		fprintf(f, "%s: %" PRIu64 " processes or containers came too fast to ask who they are\n",
			name, ws.dropped + ws.crowded);
	tell_vms(co, name, f);
	if (co->untraceable)
		fprintf(f, "%s: --gvisor-trace: the container is no sandbox of gVisor\n", name);
	if (!co->traced)
		return !co->untraceable;
	sg_gvtrace_stats(&co->c[2], &ts);
	return tell_trace(&ts, name, f);
}

void sg_company_free(struct sg_company *co)
{
	if (co->n > 0)
		sg_watch_free(&co->c[0]);
	if (co->n > 1)
		sg_vmwatch_free(&co->c[1]);
	if (co->n > 2)
		sg_gvtrace_free(&co->c[2]);
	co->n = 0;
}
