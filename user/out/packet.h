/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Packets of a Perfetto trace: framing, interned names, one function per kind. Private to user/out. */
#ifndef SG_PACKET_H
#define SG_PACKET_H

#include "base/strtab.h"
#include "out/sink.h"

struct sg_packets {
	struct sg_sink out;
	struct sg_strtab name; /* interned event names; iid = id + 1 */
	uint8_t *buf;
	size_t cap;
	int started;
};

struct sg_note { /* key and value shown with an event; text or number */
	const char *key, *text;
	uint64_t num;
};
#define SG_NOTE_MAX 32

struct sg_packet_event {
	uint64_t ts, track;
	const char *name; /* NULL for an end */
	uint64_t flow;	  /* leaves here; 0 = none */
	uint64_t flow_end;
	const struct sg_note *note;
	size_t nnote;
};

enum sg_packet_type { SG_PACKET_BEGIN = 1, SG_PACKET_END = 2, SG_PACKET_INSTANT = 3 };

void sg_packet_event(struct sg_packets *p, enum sg_packet_type type, const struct sg_packet_event *e);
/** sg_packet_track() - a plain track */
void sg_packet_track(struct sg_packets *p, uint64_t uuid, uint64_t parent, const char *name);
void sg_packet_process(struct sg_packets *p, uint64_t uuid, uint32_t pid, const char *name);
void sg_packet_thread(struct sg_packets *p, uint64_t uuid, uint64_t parent, uint32_t pid, uint32_t tid,
		      const char *name);
void sg_packets_free(struct sg_packets *p);

#endif
