// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What miniguest says of itself. */
#include <sys/utsname.h>
#include <unistd.h>

#include "miniguest.h"

const char *const mg_part_words[MG_PARTS_CNT] = {
#define X(name, op, words) [MG_##name] = words,
	MG_PARTS(X)
#undef X
};

static const char *const exit_words[MG_EXITS_CNT] = {
#define X(name, words) [MG_EXIT_##name] = words,
	MG_EXITS(X)
#undef X
};

typedef unsigned long long ull;

static void counts_json(FILE *f, const struct mg_stats *s, const struct mg_counts *a,
			const struct mg_counts *b)
{
	const char *comma = "";

	fprintf(f, "{");
	for (unsigned i = 0; i < s->cnt; i++) {
		ull n = s->row[i].cumulative ? b->value[i] - a->value[i] : b->value[i];

		if (!n)
			continue;
		fprintf(f, "%s\"%s\":%llu", comma, s->row[i].name, n);
		comma = ",";
	}
	fprintf(f, "}");
}

static void exits_json(FILE *f, const uint64_t *n)
{
	const char *comma = "";

	fprintf(f, "{");
	for (unsigned e = 0; e < MG_EXITS_CNT; e++) {
		if (!n[e])
			continue;
		fprintf(f, "%s\"%s\":%llu", comma, exit_words[e], (ull)n[e]);
		comma = ",";
	}
	fprintf(f, "}");
}

static void part_json(FILE *f, const struct mg_vcpu *v, enum mg_part part)
{
	const struct mg_seen *s = &v->seen[part];

	fprintf(f, "{\"part\":\"%s\",\"asked\":%llu,\"exits\":", mg_part_words[part], (ull)s->count);
	exits_json(f, s->exits);
	fprintf(f, ",\"run_ns\":%llu,\"outside_ns\":%llu,\"work_ns\":%llu", (ull)s->run_ns,
		(ull)s->outside_ns, (ull)s->work_ns);
	if (part == MG_BURN)
		fprintf(f, ",\"burn_ns\":%llu", (ull)s->burn_ns);
	if (part == MG_HALT)
		fprintf(f, ",\"halt_ns\":%llu", (ull)s->halt_ns);
	if (part == MG_INFLATE || part == MG_DEFLATE)
		fprintf(f, ",\"pages\":%llu", (ull)s->pages);
	/* A sentence of our own and strerror()'s: nothing in it needs escaping. */
	if (s->why[0])
		fprintf(f, ",\"failed\":\"%s\"", s->why);
	fprintf(f, ",\"kvm\":");
	counts_json(f, &v->stats, &s->before, &s->after);
	fprintf(f, "}");
}

static void vcpu_json(FILE *f, const struct mg_vcpu *v)
{
	static const struct mg_counts zero;
	struct mg_counts now;
	uint64_t run_ns = 0, outside_ns = 0, exits[MG_EXITS_CNT] = { 0 };
	const char *comma = "";

	fprintf(f, "{\"id\":%u,\"tid\":%d,\"parts\":[", v->id, v->tid);
	for (unsigned p = 0; p < MG_PARTS_CNT; p++) {
		if (!v->seen[p].ran)
			continue;
		fprintf(f, "%s\n  ", comma);
		part_json(f, v, p);
		comma = ",";
		run_ns += v->seen[p].run_ns;
		outside_ns += v->seen[p].outside_ns;
		for (unsigned e = 0; e < MG_EXITS_CNT; e++)
			exits[e] += v->seen[p].exits[e];
	}
	fprintf(f, "],\n \"run_ns\":%llu,\"outside_ns\":%llu,\"parts_ns\":%llu,\"exits\":", (ull)run_ns,
		(ull)outside_ns, (ull)v->parts_ns);
	exits_json(f, exits);
	fprintf(f, ",\"vmm_ns\":");
	exits_json(f, v->vmm_ns);
	fprintf(f, ",\"sched_run_ns\":%llu,\"sched_wait_ns\":%llu", (ull)v->sched_run_ns,
		(ull)v->sched_wait_ns);
	if (v->steal_known)
		fprintf(f, ",\"steal_ns\":%llu", (ull)v->steal_ns);
	fprintf(f, ",\n \"kvm\":");
	mg_stats_read(&v->stats, &now);
	counts_json(f, &v->stats, &zero, &now);
	fprintf(f, "}");
}

void mg_json(FILE *f, const struct mg_vm *vm, const struct mg_vcpu *v, const struct mg_options *opt)
{
	static const struct mg_counts zero;
	struct mg_counts now;
	struct utsname u;

	uname(&u);
	fprintf(f,
		"{\"tgid\":%d,\"ring\":%u,\"release\":\"%s\",\"hypercall\":\"%s\",\"tsc_khz\":%u,\"halt_ns\":"
		"%llu,"
		"\"vmm_spin_ns\":%llu,\"vmm_sleep_ns\":%llu,\"memory_bytes\":%llu,\n\"vcpus\":[",
		(int)getpid(), opt->ring, u.release, vm->intel ? "vmcall" : "vmmcall", vm->tsc_khz,
		(ull)opt->halt_ns, (ull)opt->vmm_spin_ns, (ull)opt->vmm_sleep_ns, (ull)opt->memory_bytes);
	for (unsigned i = 0; i < opt->vcpus; i++) {
		fprintf(f, "%s\n", i ? "," : "");
		vcpu_json(f, &v[i]);
	}
	mg_stats_read(&vm->stats, &now);
	fprintf(f, "],\n\"kvm\":");
	counts_json(f, &vm->stats, &zero, &now);
	fprintf(f, "}\n");
}
