/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Fuzz target: any bytes as frames of a guest, of a host, and as a recording that is
 * cut into pieces. What is checked beside the sanitizers: a frame has a length its type may
 * have, nothing reaches beyond the bytes, texts hold no control bytes, more bytes change no verdict, and pieces tile the stream.
 */
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "trace/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Bytes of a type's payload, told a second way. */
static size_t least_of(unsigned type)
{
	switch (type) {
#define SG_X(id, sym, name, more, text) \
	case id:                        \
		return sizeof(struct sg_link_##name);
		SG_LINK_LIST(SG_X)
#undef SG_X
	}
	return SIZE_MAX;
}

/* Fit for a terminal, whatever was sent. */
static void require_clean(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	int32_t c;

	require(n < room);
	for (size_t i = 0; i < n;) {
		i += sg_utf8_next(text + i, n - i, &c);
		require(c >= 0 && !sg_utf8_is_control(c));
	}
}

static void texts(const struct sg_link_frame *f)
{
	struct sg_link_refuse r;
	struct sg_link_done d;
	char text[64];

	if (f->type == SG_LINK_REFUSE) {
		memcpy(&r, f->payload, sizeof(r));
		sg_link_text(text, sizeof(text), r.text, r.len, sizeof(r.text));
		require_clean(text, sizeof(text));
	}
	if (f->type == SG_LINK_DONE) {
		memcpy(&d, f->payload, sizeof(d));
		sg_link_text(text, sizeof(text), d.text, d.len, sizeof(d.text));
		require_clean(text, sizeof(text));
	}
}

static void frames(const uint8_t *data, size_t len, bool sealed, bool from_agent)
{
	struct sg_link_frame f, again;
	int rc;

	while ((rc = sg_link_next(data, len, sealed, from_agent, &f)) == 1) {
		require(f.size <= len && f.payload >= data && f.payload + f.len <= data + len);
		require(f.len >= least_of(f.type) && f.len <= least_of(f.type) + SG_LINK_UNIT_MAX);
		require(!sealed == !f.seal && (!f.seal || f.seal + SG_LINK_SEAL_BYTES == data + f.size));
		require(sg_link_next(data, f.size, sealed, from_agent, &again) == 1);
		require(sg_link_next(data, f.size - 1, sealed, from_agent, &again) == 0);
		texts(&f);
		data += f.size;
		len -= f.size;
	}
	/* what is no frame does not become one, what may become one says so at every shorter length */
	for (size_t n = 0; n < len && n < 64; n++)
		require(sg_link_next(data, n, sealed, from_agent, &f) == 0 || rc < 0);
}

static void pieces(const uint8_t *data, size_t len)
{
	struct sg_units u = { 0 };
	struct sg_unit it;
	int rc;

	while ((rc = sg_units_next(&u, data, len, &it)) == 1) {
		require(it.size && it.size <= len && it.size <= SG_LINK_UNIT_MAX);
		data += it.size;
		len -= it.size;
	}
	require(rc == 0 || rc < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (unsigned k = 0; k < 4; k++)
		frames(data, len, k & 1, k & 2);
	pieces(data, len);
	return 0;
}
