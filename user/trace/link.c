/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/link.h"

#include <errno.h>
#include <string.h>
#include "base/utf8.h"

/* Bytes a payload of that type has at least and at most; false for what the other side does not say, or not now. */
static bool lengths(unsigned type, bool sealed, bool from_agent, size_t *ret_least, size_t *ret_most)
{
	switch (type) {
#define SG_X(id, sym, name, more, text)             \
	case id:                                    \
		*ret_least = SG_LINK_PAYLOAD(name); \
		*ret_most = *ret_least + (more);    \
		break;
		SG_LINK_LIST(SG_X)
#undef SG_X
	default:
		return false;
	}
	/* nothing but the handshake before both have proved themselves, and never again */
	if (type != SG_LINK_REFUSE && sealed != (type > SG_LINK_REFUSE))
		return false;
	switch (type) {
	case SG_LINK_REFUSE:
		return true;
	case SG_LINK_ANSWER:
	case SG_LINK_START:
	case SG_LINK_RESUME:
	case SG_LINK_PING:
	case SG_LINK_ACK:
	case SG_LINK_STOP:
		return !from_agent;
	default:
		return from_agent;
	}
}

int sg_link_next(const uint8_t *buf, size_t len, bool sealed, bool from_agent, struct sg_link_frame *ret)
{
	struct sg_link_head h = { 0 };
	size_t least, most, have = len < sizeof(h) ? len : sizeof(h);

	if (!have)
		return 0;
	memcpy(&h, buf, have);
	/* what cannot become a frame is told at its first wrong byte: a stranger does not make us wait */
	if (memcmp(&h.magic, &(uint32_t){ SG_LINK_MAGIC }, have < 4 ? have : 4))
		return -EBADMSG;
	if (have < sizeof(h))
		return 0;
	if (h.rsv || !lengths(h.type, sealed, from_agent, &least, &most) || h.len < least || h.len > most)
		return -EBADMSG;
	ret->type = h.type;
	ret->len = h.len;
	ret->size = sizeof(h) + h.len + (sealed ? SG_LINK_SEAL_BYTES : 0);
	ret->payload = buf + sizeof(h);
	ret->seal = sealed ? buf + sizeof(h) + h.len : NULL;
	return len >= ret->size;
}

void sg_link_head_put(uint8_t *p, unsigned type, size_t len)
{
	struct sg_link_head h = { .magic = SG_LINK_MAGIC, .type = (uint16_t)type, .len = (uint32_t)len };

	memcpy(p, &h, sizeof(h));
}

void sg_link_text(char *to, size_t room, const char *text, uint32_t len, size_t max)
{
	sg_utf8_clean(to, room, text, strnlen(text, len < max ? len : max));
}

int sg_units_next(struct sg_units *u, const uint8_t *buf, size_t len, struct sg_unit *ret)
{
	struct sg_file_head f;
	struct sg_block_head b;
	struct sg_trailer t;

	if (!u->headed) {
		if (len < sizeof(f))
			return 0;
		memcpy(&f, buf, sizeof(f));
		if (memcmp(f.magic, SG_REC_MAGIC, sizeof(f.magic)) || f.size < sizeof(f) ||
		    f.size > SG_REC_HEAD_MAX)
			return -EBADMSG;
		*ret = (struct sg_unit){ .kind = SG_UNIT_HEAD, .size = f.size };
		if (len < f.size)
			return 0;
		u->headed = true;
		return 1;
	}
	/* the trailer is shorter than a block's header, and its magic comes last */
	if (len >= sizeof(t)) {
		memcpy(&t, buf, sizeof(t));
		if (!memcmp(t.magic, SG_TRAILER_MAGIC, sizeof(t.magic)) &&
		    t.crc == sg_crc32(&t, offsetof(struct sg_trailer, crc))) {
			*ret = (struct sg_unit){ .kind = SG_UNIT_TRAILER, .size = sizeof(t) };
			return 1;
		}
	}
	if (len < sizeof(b))
		return 0;
	memcpy(&b, buf, sizeof(b));
	if (!sg_block_head_ok(&b))
		return -EBADMSG;
	*ret = (struct sg_unit){
		.kind = SG_UNIT_BLOCK, .type = b.type, .count = b.count, .size = sizeof(b) + b.stored
	};
	return len >= ret->size;
}
