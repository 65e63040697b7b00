/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "out/packet.h"
#include "perfetto.pb-c.h"

/* Short names for what protoc-c made of user/out/perfetto.proto. */
typedef Perfetto__Protos__TracePacket packet_t;
typedef Perfetto__Protos__TrackDescriptor track_t;
typedef Perfetto__Protos__DebugAnnotation annotation_t;

#define SEQUENCE 1 /* all packets come from one writer */

static void put(struct sg_packets *p, packet_t *pkt)
{
	size_t len, n = 0;
	uint8_t head[12];

	pkt->has_trusted_packet_sequence_id = 1;
	pkt->trusted_packet_sequence_id = SEQUENCE;
	pkt->has_sequence_flags = 1;
	pkt->sequence_flags =
		p->started ? PERFETTO__PROTOS__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_NEEDS_INCREMENTAL_STATE
			   : PERFETTO__PROTOS__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_INCREMENTAL_STATE_CLEARED;
	p->started = 1;
	len = perfetto__protos__trace_packet__get_packed_size(pkt);
	if (len > p->cap) {
		uint8_t *buf = realloc(p->buf, 2 * len);

		if (!buf) {
			sg_sink_fail(&p->out, -ENOMEM);
			return;
		}
		p->buf = buf;
		p->cap = 2 * len;
	}
	perfetto__protos__trace_packet__pack(pkt, p->buf);
	head[n++] =
		1 << 3 | 2; /* Trace.packet, length-delimited: a trace is its packets one after the other */
	for (size_t v = len; n < sizeof(head); v >>= 7) {
		head[n++] = (v & 0x7f) | (v > 0x7f ? 0x80 : 0);
		if (v <= 0x7f)
			break;
	}
	sg_sink_write(&p->out, head, n);
	sg_sink_write(&p->out, p->buf, len);
}

/* Protobuf strings are UTF-8. NULL is noted as an error; the caller's packet is then not written. */
static char *fixed(struct sg_packets *p, const char *text)
{
	char *s = sg_utf8_fix(text);

	if (!s)
		sg_sink_fail(&p->out, -ENOMEM);
	return s;
}

static uint64_t name_iid(struct sg_packets *p, const char *name)
{
	Perfetto__Protos__InternedData data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
	Perfetto__Protos__EventName en = PERFETTO__PROTOS__EVENT_NAME__INIT, *list = &en;
	packet_t pkt = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	size_t before = p->name.n;
	int64_t id = sg_strtab_id(&p->name, name);

	if (id < 0) {
		sg_sink_fail(&p->out, -ENOMEM);
		return 0;
	}
	if ((size_t)id == before) {
		en.has_iid = 1;
		en.iid = (uint64_t)id + 1;
		en.name = fixed(p, name);
		data.n_event_names = 1;
		data.event_names = &list;
		pkt.interned_data = &data;
		if (en.name)
			put(p, &pkt);
		free(en.name);
	}
	return (uint64_t)id + 1;
}

void sg_packet_event(struct sg_packets *p, enum sg_packet_type type, const struct sg_packet_event *e)
{
	Perfetto__Protos__TrackEvent te = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	packet_t pkt = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	annotation_t note[SG_NOTE_MAX], *list[SG_NOTE_MAX];
	uint64_t flow = e->flow, flow_end = e->flow_end;

	te.has_type = 1;
	te.type = (Perfetto__Protos__TrackEvent__Type)type;
	te.has_track_uuid = 1;
	te.track_uuid = e->track;
	if (e->name) {
		te.has_name_iid = 1;
		te.name_iid = name_iid(p, e->name);
	}
	for (size_t i = 0; i < e->nnote && i < SG_NOTE_MAX; i++) {
		perfetto__protos__debug_annotation__init(&note[i]);
		note[i].name = (char *)e->note[i].key;
		note[i].string_value = e->note[i].text ? fixed(p, e->note[i].text) : NULL;
		note[i].has_uint_value = !e->note[i].text;
		note[i].uint_value = e->note[i].num;
		list[te.n_debug_annotations++] = &note[i];
	}
	te.debug_annotations = list;
	te.n_flow_ids = flow != 0;
	te.flow_ids = &flow;
	te.n_terminating_flow_ids = flow_end != 0;
	te.terminating_flow_ids = &flow_end;
	pkt.has_timestamp = 1;
	pkt.timestamp = e->ts;
	pkt.track_event = &te;
	if (!p->out.err)
		put(p, &pkt);
	for (size_t i = 0; i < te.n_debug_annotations; i++)
		free(note[i].string_value);
}

static void put_track(struct sg_packets *p, track_t *td, uint64_t uuid, uint64_t parent)
{
	packet_t pkt = PERFETTO__PROTOS__TRACE_PACKET__INIT;

	td->has_uuid = 1;
	td->uuid = uuid;
	td->has_parent_uuid = parent != 0;
	td->parent_uuid = parent;
	pkt.track_descriptor = td;
	if (!p->out.err)
		put(p, &pkt);
}

void sg_packet_track(struct sg_packets *p, uint64_t uuid, uint64_t parent, const char *name)
{
	track_t td = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;

	td.name = fixed(p, name);
	put_track(p, &td, uuid, parent);
	free(td.name);
}

void sg_packet_process(struct sg_packets *p, uint64_t uuid, uint32_t pid, const char *name)
{
	track_t td = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;
	Perfetto__Protos__ProcessDescriptor pd = PERFETTO__PROTOS__PROCESS_DESCRIPTOR__INIT;

	pd.has_pid = 1;
	pd.pid = (int32_t)pid;
	pd.process_name = fixed(p, name);
	td.process = &pd;
	put_track(p, &td, uuid, 0);
	free(pd.process_name);
}

void sg_packet_thread(struct sg_packets *p, uint64_t uuid, uint64_t parent, uint32_t pid, uint32_t tid,
		      const char *name)
{
	track_t td = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;
	Perfetto__Protos__ThreadDescriptor thr = PERFETTO__PROTOS__THREAD_DESCRIPTOR__INIT;

	thr.has_pid = thr.has_tid = 1;
	thr.pid = (int32_t)pid;
	thr.tid = (int32_t)tid;
	thr.thread_name = fixed(p, name);
	td.thread = &thr;
	put_track(p, &td, uuid, parent);
	free(thr.thread_name);
}

void sg_packets_free(struct sg_packets *p)
{
	sg_strtab_free(&p->name);
	free(p->buf);
}
