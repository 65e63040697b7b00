/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"
#include "model/evidence_text.h"
#include "out/nest.h"
#include "out/packet.h"
#include "out/perfetto.h"

/* Track ids: what it is in the upper half, its number in the lower. */
#define TRACK(kind, n) ((uint64_t)(kind) << 32 | (n))
enum { TRACK_PROCESS = 1, TRACK_THREAD, TRACK_TASKS, TRACK_TASK };

struct thread {
	uint32_t name; /* as announced: programs change with exec */
	uint64_t end;  /* of its last event */
	uint64_t flow; /* arrow that ends at its next event */
};

/* A track of tasks; one that overlaps the last goes to another track. */
struct lane {
	uint32_t name;
	uint64_t end;
};
#define LANE_SEARCH 256

struct sg_perfetto {
	struct sg_packets pk;
	struct sg_pairmap process, thread_at;
	struct thread *thread;
	size_t nthread, thread_cap;
	struct lane *lane;
	size_t nlane, lane_cap;
	struct sg_strtab text; /* names of tasks and frames */
	struct sg_nest *nest;
	const struct sg_owners *owners; /* NULL: containers are not told */
	uint64_t flows;
	uint64_t track; /* of the task being written */
};

static void on_frame(void *ctx, bool opens, uint32_t frame, uint64_t at)
{
	struct sg_perfetto *p = ctx;
	struct sg_packet_event e = { .ts = at, .track = p->track };

	e.name = opens ? sg_strtab_str(&p->text, frame) : NULL;
	sg_packet_event(&p->pk, opens ? SG_PACKET_BEGIN : SG_PACKET_END, &e);
}

int sg_perfetto_new(struct sg_perfetto **ret, FILE *f)
{
	struct sg_perfetto *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->nest = calloc(1, sizeof(*p->nest));
	if (!p->nest) {
		free(p);
		return -ENOMEM;
	}
	p->nest->frame = &p->text;
	p->nest->fn = on_frame;
	p->nest->ctx = p;
	sg_sink_init(&p->pk.out, f);
	sg_packet_track(&p->pk, TRACK(TRACK_TASKS, 0), 0, "tasks");
	*ret = p;
	return 0;
}

void sg_perfetto_owners(struct sg_perfetto *p, const struct sg_owners *owners)
{
	p->owners = owners;
}

/* The thread's number, a new one for an unknown uid; negative errno. */
static int64_t thread_number(struct sg_perfetto *p, uint32_t uid)
{
	int is_new;
	uint32_t *at = sg_pairmap_at(&p->thread_at, uid, 0, (uint32_t)p->nthread, &is_new);

	if (!at)
		return -ENOMEM;
	if (!is_new)
		return *at;
	if (p->nthread == p->thread_cap) {
		size_t cap = p->thread_cap ? 2 * p->thread_cap : 64;
		struct thread *t = realloc(p->thread, cap * sizeof(*t));

		if (!t)
			return -ENOMEM;
		p->thread = t;
		p->thread_cap = cap;
	}
	p->thread[p->nthread] = (struct thread){ .name = UINT32_MAX };
	return (int64_t)p->nthread++;
}

/* "node (app)"; a sandbox's parts by what they are: "sentry"; and the container, if told: "sentry in web". */
static void name_of(const struct sg_perfetto *p, const struct sg_thread_info *ti, char *buf, size_t cap)
{
	const struct sg_owner_container *c = NULL;
	char label[SG_OWNERS_LABEL];
	uint64_t cgroup;
	int n;

	if (ti->sandboxed)
		n = snprintf(buf, cap, "%s", ti->comp);
	else
		n = snprintf(buf, cap, "%s%s%s%s", ti->comm ? ti->comm : "?", ti->comp ? " (" : "",
			     ti->comp ? ti->comp : "", ti->comp ? ")" : "");
	if (!p->owners || n < 0 || (size_t)n >= cap)
		return;
	cgroup = sg_owners_proc_at(p->owners, sg_owners_proc(p->owners, ti->uid))->cgroup;
	c = cgroup ? sg_owners_container(p->owners, cgroup) : NULL;
	if (c)
		snprintf(buf + n, cap - (size_t)n, " in %s", sg_owners_label(p->owners, cgroup, label));
}

/* The same; its track and its process's are announced at the first call, and again under a new name. */
static int64_t thread_of(struct sg_perfetto *p, const struct sg_model *m, uint32_t uid)
{
	int64_t at = thread_number(p, uid), text;
	struct sg_thread_info ti = { 0 };
	char name[64 + SG_OWNERS_LABEL];
	int is_new;

	if (at < 0)
		return at;
	sg_model_thread(m, uid, &ti);
	name_of(p, &ti, name, sizeof(name));
	text = sg_strtab_id(&p->text, name);
	if (text < 0)
		return -ENOMEM;
	if (p->thread[at].name == text)
		return at;
	p->thread[at].name = (uint32_t)text;
	if (!sg_pairmap_at(&p->process, ti.tgid, 0, 0, &is_new))
		return -ENOMEM;
	if (is_new || ti.tid == ti.tgid)
		sg_packet_process(&p->pk, TRACK(TRACK_PROCESS, ti.tgid), ti.tgid, name);
	sg_packet_thread(&p->pk, TRACK(TRACK_THREAD, uid), TRACK(TRACK_PROCESS, ti.tgid), ti.tgid, ti.tid,
			 name);
	return at;
}

static size_t slice_notes(const struct sg_span *s, struct sg_note *note, char (*key)[48])
{
	size_t n = 0;

	note[n++] = (struct sg_note){ .key = "cpu", .num = s->cpu };
	for (size_t i = 0; i < s->slice->npair && i < SG_PAIR_MAX && n < SG_NOTE_MAX; i++, n++)
		note[n] =
			(struct sg_note){ .key = sg_cause_name(s->slice->pair[i].key, key[n], sizeof(key[n])),
					  .num = s->slice->pair[i].ns };
	return n;
}

/* A blocked wait that somebody ended; what follows on the run queue has the same waker. */
static bool is_block(const struct sg_span *s)
{
	return !s->slice && s->waker && (s->cause < SG_C_SCHED_RUNQ || s->cause > SG_C_SCHED_YIELD);
}

static size_t wait_notes(const struct sg_model *m, const struct sg_span *s, struct sg_note *note,
			 char (*text)[200])
{
	struct sg_seg seg = { .stack_kern = s->stack_kern, .stack_user = s->stack_user, .who = s->waker };
	size_t n = 0;

	if (s->stack_kern && sg_evid_text(m, &seg, SG_EV_STACK, text[n], sizeof(text[n]))) {
		note[n] = (struct sg_note){ .key = "stack", .text = text[n] };
		n++;
	}
	if (s->stack_user && sg_evid_text(m, &seg, SG_EV_USTACK, text[n], sizeof(text[n]))) {
		note[n] = (struct sg_note){ .key = "user stack", .text = text[n] };
		n++;
	}
	if (is_block(s) && sg_evid_text(m, &seg, SG_EV_WAKER, text[n], sizeof(text[n]))) {
		note[n] = (struct sg_note){ .key = "waker", .text = text[n] };
		n++;
	}
	return n;
}

/* The arrow leaves the waker at the wake; it arrives at the next event of the woken. */
static int wake_arrow(struct sg_perfetto *p, const struct sg_model *m, const struct sg_span *s, int64_t wakee)
{
	struct sg_packet_event e = { .ts = s->hi, .name = "wakes", .flow = ++p->flows };
	int64_t waker = thread_of(p, m, s->waker);

	if (waker < 0)
		return (int)waker;
	e.track = TRACK(TRACK_THREAD, s->waker);
	sg_packet_event(&p->pk, SG_PACKET_INSTANT, &e);
	p->thread[wakee].flow = p->flows;
	return 0;
}

int sg_perfetto_span(struct sg_perfetto *p, const struct sg_model *m, const struct sg_span *s)
{
	int64_t at = thread_of(p, m, s->uid);
	struct sg_note note[SG_NOTE_MAX];
	char text[3][200], key[SG_NOTE_MAX][48], cause[64];
	struct sg_packet_event e = { .track = TRACK(TRACK_THREAD, s->uid), .note = note };

	if (at < 0)
		return (int)at;
	/* A span that begins before the last one ended on this track begins where that ended. */
	e.ts = s->lo < p->thread[at].end ? p->thread[at].end : s->lo;
	if (e.ts >= s->hi)
		return p->pk.out.err;
	e.name = s->slice ? "on CPU" : sg_cause_name(s->cause, cause, sizeof(cause));
	e.nnote = s->slice ? slice_notes(s, note, key) : wait_notes(m, s, note, text);
	e.flow_end = p->thread[at].flow;
	p->thread[at].flow = 0;
	sg_packet_event(&p->pk, SG_PACKET_BEGIN, &e);
	e = (struct sg_packet_event){ .track = e.track, .ts = s->hi };
	sg_packet_event(&p->pk, SG_PACKET_END, &e);
	p->thread[at].end = s->hi;
	if (is_block(s) && s->waker != s->uid && wake_arrow(p, m, s, at))
		return -ENOMEM;
	return p->pk.out.err;
}

/* A lane of that name that is free from @begin on, or a new one; negative errno. */
static int64_t lane_of(struct sg_perfetto *p, const char *name, uint64_t begin)
{
	int64_t id = sg_strtab_id(&p->text, name);
	size_t from = p->nlane > LANE_SEARCH ? p->nlane - LANE_SEARCH : 0;

	if (id < 0)
		return -ENOMEM;
	for (size_t i = from; i < p->nlane; i++)
		if (p->lane[i].name == id && p->lane[i].end <= begin)
			return (int64_t)i;
	if (p->nlane == p->lane_cap) {
		size_t cap = p->lane_cap ? 2 * p->lane_cap : 16;
		struct lane *l = realloc(p->lane, cap * sizeof(*l));

		if (!l)
			return -ENOMEM;
		p->lane = l;
		p->lane_cap = cap;
	}
	p->lane[p->nlane] = (struct lane){ .name = (uint32_t)id };
	sg_packet_track(&p->pk, TRACK(TRACK_TASK, p->nlane), TRACK(TRACK_TASKS, 0), name);
	return (int64_t)p->nlane++;
}

int sg_perfetto_task(struct sg_perfetto *p, const struct sg_model *m, const struct sg_task *t)
{
	const char *name = t->name && *t->name ? t->name : "(no name)";
	int64_t lane = lane_of(p, name, t->begin);
	struct sg_note note[] = { { .key = "id", .num = t->id }, { .key = "status", .num = t->status } };
	struct sg_packet_event e = { .ts = t->begin, .name = name, .note = note, .nnote = 2 };
	int ret;

	if (lane < 0)
		return (int)lane;
	p->track = e.track = TRACK(TRACK_TASK, lane);
	sg_packet_event(&p->pk, SG_PACKET_BEGIN, &e);
	ret = sg_nest_task(p->nest, m, t);
	e = (struct sg_packet_event){ .ts = t->end, .track = p->track };
	sg_packet_event(&p->pk, SG_PACKET_END, &e);
	p->lane[lane].end = t->end;
	return ret ? ret : p->pk.out.err;
}

int sg_perfetto_end(struct sg_perfetto *p)
{
	int ret;

	if (!p)
		return 0;
	ret = sg_sink_end(&p->pk.out);
	sg_packets_free(&p->pk);
	sg_pairmap_free(&p->process);
	sg_pairmap_free(&p->thread_at);
	sg_strtab_free(&p->text);
	free(p->thread);
	free(p->lane);
	free(p->nest);
	free(p);
	return ret;
}
