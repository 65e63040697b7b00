/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * How a guest's recording travels to its host: frames, of which the receiver believes
 * nothing it has not checked, and the pieces of a recording that they carry.
 * docs/guests.md describes the conversation. All numbers little endian. Pure.
 */
#ifndef SG_LINK_H
#define SG_LINK_H

#include <stdbool.h>
#include "base/err.h"
#include "trace/format.h"

#define SG_LINK_MAGIC	    0x314b4c53u /* "SLK1" */
#define SG_LINK_VERSION	    2		/* what this sandglass speaks, and nothing else */
#define SG_LINK_MAGIC_HELLO "SGAGENT\n" /* 8 bytes */
#define SG_LINK_NONCE_BYTES 32
#define SG_LINK_PROOF_BYTES 32
#define SG_LINK_SEAL_BYTES \
	16 /* bytes of HMAC behind each frame once both sides have proved that they know the token */
#define SG_LINK_SESSION_BYTES 16
#define SG_LINK_TEXT_BYTES    480
#define SG_LINK_UNIT_MAX      (sizeof(struct sg_block_head) + SG_BLOCK_STORED_MAX)
#define SG_LINK_PAYLOAD(t)    sizeof(struct sg_link_##t)

struct sg_link_head {
	uint32_t magic;
	uint16_t type;
	uint16_t rsv; /* 0 */
	uint32_t len; /* of what follows, the seal apart */
};

struct sg_link_hello { /* agent */
	char magic[8];
	uint16_t least, most; /* versions it speaks */
	uint32_t rsv;
	uint8_t nonce[SG_LINK_NONCE_BYTES];
};
struct sg_link_answer { /* host */
	uint16_t version;
	uint16_t rsv[3];
	uint8_t nonce[SG_LINK_NONCE_BYTES];
	uint8_t proof[SG_LINK_PROOF_BYTES];
};
struct sg_link_proof { /* agent */
	uint8_t proof[SG_LINK_PROOF_BYTES];
};
struct sg_link_refuse {
	uint32_t code; /* errno */
	uint32_t len;
	char text[SG_LINK_TEXT_BYTES]; /* one sentence; hostile bytes possible */
};
struct sg_link_start {
	uint64_t rsv;
};
struct sg_link_started {
	uint8_t session[SG_LINK_SESSION_BYTES];
	char kernel[64]; /* release; NUL-terminated, hostile bytes possible */
	uint32_t ncpu;
	uint32_t rsv;
};
struct sg_link_resume {
	uint8_t session[SG_LINK_SESSION_BYTES];
	uint64_t next; /* number of the first piece the host has not got */
};
struct sg_link_ping {
	uint64_t id;
};
struct sg_link_pong {
	uint64_t id;
	uint64_t mono;	     /* CLOCK_MONOTONIC ... */
	uint64_t tsc0, tsc1; /* ... read between these; 0: none */
};
/* Blocks of events that found no room in the spool, so far. */
struct sg_link_dropped {
	uint64_t blocks, bytes, events;
};
struct sg_link_data { /* then a piece of the recording */
	uint64_t seq; /* number of the piece, from 0 without a hole */
	struct sg_link_dropped dropped;
};
struct sg_link_ack {
	uint64_t next; /* all before this are safe on the host's disk */
};
struct sg_link_stop {
	uint64_t rsv;
};
struct sg_link_done {
	uint64_t next; /* so many pieces in all */
	struct sg_link_dropped dropped;
	int32_t status; /* exit code of the recorder in the guest */
	uint32_t len;
	char text[SG_LINK_TEXT_BYTES]; /* what it said when it was not 0 */
};

/* X(number, NAME, payload, bytes more than it at most, meaning) */
#define SG_LINK_LIST(X)                                                                          \
	X(1, HELLO, hello, 0, "agent: what it speaks, and a nonce")                              \
	X(2, ANSWER, answer, 0, "host: the version, a nonce, the proof that it knows the token") \
	X(3, PROOF, proof, 0, "agent: the same proof")                                           \
	X(4, REFUSE, refuse, 0, "either: why it goes no further")                                \
	X(5, START, start, 0, "host: begin a recording")                                         \
	X(6, STARTED, started, 0, "agent: it has begun, or goes on after RESUME")                \
	X(7, RESUME, resume, 0, "host: go on with this one, from this piece")                    \
	X(8, PING, ping, 0, "host: what is your time")                                           \
	X(9, PONG, pong, 0, "agent: this")                                                       \
	X(10, DATA, data, SG_LINK_UNIT_MAX, "agent: a piece of the recording")                   \
	X(11, ACK, ack, 0, "host: pieces that need not be kept any longer")                      \
	X(12, STOP, stop, 0, "host: end the recording")                                          \
	X(13, DONE, done, 0, "agent: nothing more follows")

enum sg_link_type {
#define SG_X(id, sym, name, more, text) SG_LINK_##sym = id,
	SG_LINK_LIST(SG_X)
#undef SG_X
};

_Static_assert(sizeof(struct sg_link_head) == 12, "hole");
_Static_assert(sizeof(struct sg_link_hello) == 48, "hole");
_Static_assert(sizeof(struct sg_link_answer) == 72, "hole");
_Static_assert(sizeof(struct sg_link_refuse) == 8 + SG_LINK_TEXT_BYTES, "hole");
_Static_assert(sizeof(struct sg_link_started) == 88, "hole");
_Static_assert(sizeof(struct sg_link_pong) == 32, "hole");
_Static_assert(sizeof(struct sg_link_data) == 32, "hole");
_Static_assert(sizeof(struct sg_link_done) == 40 + SG_LINK_TEXT_BYTES, "hole");

/* A whole frame in a buffer. */
struct sg_link_frame {
	uint16_t type;
	uint32_t len;
	const uint8_t *payload; /* @len bytes, of a length that its type may have; not aligned */
	const uint8_t *seal;	/* SG_LINK_SEAL_BYTES bytes, NULL when not sealed */
	size_t size;		/* of all of it */
};

/**
 * sg_link_next() - the frame at the beginning of @buf
 * @sealed:   frames carry a seal (which the caller checks)
 * @from_agent: who sent it: each side takes only what the other may say
 *
 * Return: 1 with @ret, 0 when more bytes are needed, -EBADMSG when this is no frame.
 */
int sg_link_next(const uint8_t *buf, size_t len, bool sealed, bool from_agent, struct sg_link_frame *ret);

/** sg_link_head_put() - write the head of a frame; @p: sizeof(struct sg_link_head) bytes */
void sg_link_head_put(uint8_t *p, unsigned type, size_t len);

/**
 * sg_link_text() - copy a text of the wire: at most @room - 1 bytes, up to its length or a NUL, always ended
 * Also a stranger has a say here, and it ends on a terminal: control bytes and what is not UTF-8 become '?'.
 */
void sg_link_text(char *to, size_t room, const char *text, uint32_t len, size_t max);

/* A recording cut into its pieces: header, blocks, trailer. */
struct sg_units {
	bool headed; /* the file header has passed */
};
enum sg_unit_kind { SG_UNIT_HEAD, SG_UNIT_BLOCK, SG_UNIT_TRAILER };
struct sg_unit {
	enum sg_unit_kind kind;
	unsigned type;	/* of a block */
	uint32_t count; /* of a block: its events */
	size_t size;
};

/**
 * sg_units_next() - the piece at the beginning of @buf
 * Return: 1 with @ret, 0 when more bytes are needed, -EBADMSG when this is no recording.
 */
int sg_units_next(struct sg_units *u, const uint8_t *buf, size_t len, struct sg_unit *ret);

#endif
