/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * One message of gVisor's remote trace sink (pkg/sentry/seccheck/sinks/remote):
 * header {u16 its length, u16 type, u32 dropped so far}, then protobuf. Bytes of a
 * sandbox: hostile. No I/O here.
 */
#ifndef SG_GVTRACE_MSG_H
#define SG_GVTRACE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Protocol version that we say we speak; gVisor keeps to what the other side says. */
#define SG_GVMSG_VERSION 1
/* Longest message taken whole; of a longer one (arguments of execve) the fields that are whole count. */
#define SG_GVMSG_MAX 16384

enum sg_gvmsg_kind {
	SG_GVMSG_OTHER = 0, /* known, but nothing that is used here */
	SG_GVMSG_ENTER,
	SG_GVMSG_EXIT,
	SG_GVMSG_TASK_EXIT, /* thread tid is gone */
};

/* Strings live in the decoder, until its next message; never NULL. */
struct sg_gvmsg {
	enum sg_gvmsg_kind kind;
	uint32_t dropped; /* messages that were not sent, since the session began; wraps */
	uint32_t tid;	  /* guest's thread, 0 not told */
	uint16_t nr;
	int32_t ret;	 /* EXIT: what it returned, if that fits (else 0); -errno when it failed */
	int64_t time_ns; /* CLOCK_REALTIME of the sandbox, 0 not told */
	const char *name, *path;
};

struct sg_gvdec;
/** sg_gvdec_new() - decoder with its room (1 MiB, all it ever takes); NULL: no memory */
struct sg_gvdec *sg_gvdec_new(void);
void sg_gvdec_free(struct sg_gvdec *d);

/**
 * sg_gvmsg_decode() - one message
 * @cut: it was longer than @len
 *
 * Return: 0; -ENOMSG: of a type this does not know (ret->dropped is set);
 * -EBADMSG: not a message of this protocol.
 */
int sg_gvmsg_decode(struct sg_gvdec *d, const void *msg, size_t len, bool cut, struct sg_gvmsg *ret);

/** sg_gvmsg_hello() - version in a peer's handshake; 0 when it is none */
uint32_t sg_gvmsg_hello(struct sg_gvdec *d, const void *msg, size_t len);
/** sg_gvmsg_answer() - our handshake; its length (at most 8 bytes) */
size_t sg_gvmsg_answer(uint8_t *ret);

#endif
