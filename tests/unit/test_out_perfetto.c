/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Perfetto traces decoded again: slices nest, times never fall on a track, arrows have two ends. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include "gen_event.h"
#include "out/perfetto.h"
#include "out_case.h"
#include "perfetto.pb-c.h"

typedef Perfetto__Protos__Trace trace_t;
typedef Perfetto__Protos__TrackEvent event_t;

struct both {
	struct sg_perfetto *p;
	const struct sg_model *m;
	uint64_t latency, spans;
};

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct both *b = ctx;

	(void)tb;
	b->latency += t->end - t->begin;
	return sg_perfetto_task(b->p, m, t);
}

static int on_span(void *ctx, const struct sg_span *s)
{
	struct both *b = ctx;

	b->spans++;
	return sg_perfetto_span(b->p, b->m, s);
}

#define TRACKS 256
struct track {
	uint64_t uuid, last, top; /* top: time of the outermost slices */
	uint64_t begin[64];
	size_t depth;
};

struct check {
	struct track track[TRACKS];
	size_t n;
	uint64_t flow[1024], flow_end[1024];
	size_t nflow, nflow_end;
	uint64_t name[512];
	size_t nname;
};

static struct track *track_of(struct check *c, uint64_t uuid)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->track[i].uuid == uuid)
			return &c->track[i];
	cr_assert(0, "an event on track %lu, which was not announced", uuid);
	return NULL;
}

static bool has_name(const struct check *c, uint64_t iid)
{
	for (size_t i = 0; i < c->nname; i++)
		if (c->name[i] == iid)
			return true;
	return false;
}

static void check_event(struct check *c, uint64_t ts, const event_t *e)
{
	struct track *t = track_of(c, e->track_uuid);

	cr_assert(e->type == PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_SLICE_END || has_name(c, e->name_iid));
	for (size_t i = 0; i < e->n_flow_ids; i++)
		c->flow[c->nflow++ % 1024] = e->flow_ids[i];
	for (size_t i = 0; i < e->n_terminating_flow_ids; i++)
		c->flow_end[c->nflow_end++ % 1024] = e->terminating_flow_ids[i];
	if (e->type == PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_INSTANT)
		return; /* of the waker: inside a slice that may be written already */
	cr_assert_geq(ts, t->last);
	t->last = ts;
	if (e->type == PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN) {
		cr_assert_lt(t->depth, 64);
		t->begin[t->depth++] = ts;
	} else {
		cr_assert_gt(t->depth, 0);
		t->depth--;
		if (!t->depth)
			t->top += ts - t->begin[0];
	}
}

static void check_trace(struct check *c, const trace_t *tr)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < tr->n_packet; i++) {
		const Perfetto__Protos__TracePacket *p = tr->packet[i];

		cr_assert_eq(p->trusted_packet_sequence_id, 1);
		cr_assert_eq(p->sequence_flags, i ? 2 : 1);
		if (p->track_descriptor) {
			uint64_t parent = p->track_descriptor->parent_uuid;

			cr_assert_lt(c->n, TRACKS);
			if (parent)
				track_of(c, parent);
			c->track[c->n++].uuid = p->track_descriptor->uuid;
		}
		for (size_t k = 0; p->interned_data && k < p->interned_data->n_event_names; k++) {
			cr_assert(!has_name(c, p->interned_data->event_names[k]->iid));
			cr_assert_lt(c->nname, 512);
			c->name[c->nname++] = p->interned_data->event_names[k]->iid;
		}
		if (p->track_event)
			check_event(c, p->timestamp, p->track_event);
	}
	for (size_t i = 0; i < c->n; i++)
		cr_assert_eq(c->track[i].depth, 0, "a slice on track %lu has no end", c->track[i].uuid);
}

static trace_t *trace_of(const char *text, struct both *b)
{
	struct sg_analysis_opts o = { .on_task = on_task, .on_span = on_span, .ctx = b };
	struct sg_analysis *a;
	struct out_case c;
	trace_t *tr;

	memset(b, 0, sizeof(*b));
	cr_assert_eq(sg_perfetto_new(&b->p, out_open(&c)), 0);
	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	b->m = sg_analysis_model(a);
	out_case_run(a, text);
	cr_assert_eq(sg_perfetto_end(b->p), 0);
	out_close(&c);
	sg_analysis_free(a);
	tr = perfetto__protos__trace__unpack(NULL, c.len, (const uint8_t *)c.text);
	cr_assert(tr, "the trace does not decode");
	free(c.text);
	return tr;
}

Test(perfetto, every_golden_stream_nests_and_task_tracks_hold_their_latency)
{
	static const char *const patterns[] = { "tests/golden/*.stream", "tests/golden/formats/*.stream" };
	struct check *c = calloc(1, sizeof(*c));
	uint64_t flows = 0;
	glob_t g;

	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *text = out_case_file(g.gl_pathv[i]);
		uint64_t on_tasks = 0;
		struct both b;
		trace_t *tr = trace_of(text, &b);

		check_trace(c, tr);
		for (size_t k = 0; k < c->n; k++)
			on_tasks += c->track[k].uuid >> 32 == 4 ? c->track[k].top : 0;
		cr_assert_eq(on_tasks, b.latency, "%s", g.gl_pathv[i]);
		/* Every arrow that arrives has left somewhere. */
		for (size_t k = 0; k < c->nflow_end; k++) {
			bool found = false;

			for (size_t l = 0; l < c->nflow; l++)
				found |= c->flow[l] == c->flow_end[k];
			cr_assert(found);
		}
		flows += c->nflow_end;
		perfetto__protos__trace__free_unpacked(tr, NULL);
		free(text);
	}
	cr_assert_gt(flows, 3);
	globfree(&g);
	free(c);
}

Test(perfetto, any_bytes_of_a_name_decode)
{
	uint64_t seed = 23;

	for (int round = 0; round < 200; round++) {
		char stream[600], name[160];
		size_t n = 1 + gen_u64(&seed) % 15, o = 0;
		struct check *c = calloc(1, sizeof(*c));
		struct both b;
		trace_t *tr;

		for (size_t i = 0; i < n; i++)
			o += (size_t)snprintf(name + o, sizeof(name) - o, "\\x%02x",
					      (unsigned)(1 + gen_u64(&seed) % 255));
		snprintf(stream, sizeof(stream),
			 "T 7 \"%s\" birth=0\nM 7 b id=1 name=\"%s\" @100\nS 7 c0 100-150 user=50 <=\nM 7 e "
			 "id=1 @150\n",
			 name, name);
		tr = trace_of(stream, &b);
		check_trace(c, tr);
		perfetto__protos__trace__free_unpacked(tr, NULL);
		free(c);
	}
}
