/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * One connection between an agent and a host: frames in, frames out, and the proof that
 * both know one token, which itself never crosses the wire. Each proves it by an HMAC
 * over both nonces, the host first: to a stranger the agent tells nothing that could be tried
 * against a list of words. From then on every frame is sealed by keys of this connection.
 */
#ifndef SG_CONN_H
#define SG_CONN_H

#include "trace/link.h"

#define SG_TOKEN_LEAST 16
#define SG_TOKEN_MOST  1024

struct sg_token {
	uint8_t bytes[SG_TOKEN_MOST];
	size_t len;
};

/** sg_token_read() - the first line of a file, 16 bytes at least. -EINVAL, -EACCES ... with @err. */
int sg_token_read(const char *path, struct sg_token *ret, struct sg_err *err);

struct sg_conn {
	int fd;
	bool agent;	     /* this side is the agent */
	bool sealed;	     /* both have proved themselves */
	uint64_t last_rx_ns; /* CLOCK_MONOTONIC of the last whole frame */
	/* received and not taken yet: rx[rx_at .. rx_len); to be sent: tx[tx_at .. tx_len) */
	uint8_t *rx, *tx;
	size_t rx_at, rx_len, rx_cap, tx_at, tx_len, tx_cap;
	uint64_t rx_cnt, tx_cnt; /* sealed frames: each has its number in its seal */
	uint8_t rx_key[32], tx_key[32];
	struct sg_link_hello hello;
	struct sg_link_answer answer;
};

/** sg_conn_init() - of a connected, non-blocking socket, which it owns from now on; an agent's says hello */
int sg_conn_init(struct sg_conn *c, int fd, bool agent);
void sg_conn_free(struct sg_conn *c);

/**
 * sg_conn_put() - queue a frame; @more: what follows @payload in the same frame. -ENOMEM.
 * The queue takes four times what ever waited in it, at most, however much was sent.
 */
int sg_conn_put(struct sg_conn *c, unsigned type, const void *payload, size_t len, const void *more,
		size_t more_len);
/** sg_conn_refuse() - queue one sentence and why */
int sg_conn_refuse(struct sg_conn *c, int code, const char *text);
static inline size_t sg_conn_queued(const struct sg_conn *c)
{
	return c->tx_len - c->tx_at;
}

/** sg_conn_send() - as much as the socket takes. 0 or negative errno: the connection is gone. */
int sg_conn_send(struct sg_conn *c);
/** sg_conn_receive() - what has come. 0, or negative errno: -EPIPE at its end. */
int sg_conn_receive(struct sg_conn *c);

/**
 * sg_conn_next() - the next whole frame, its seal checked; valid until the next receive
 * Return: 1, 0, -EBADMSG: what came is no frame, -EKEYREJECTED: the seal is wrong.
 */
int sg_conn_next(struct sg_conn *c, struct sg_link_frame *ret);

/**
 * sg_conn_prove() - one step of the handshake
 * @f: a frame that came while !c->sealed
 *
 * Return: 1 both sides have proved themselves, 0 more is to come, negative errno with @err (one
 * sentence for this side; the other was told what concerns it).
 */
int sg_conn_prove(struct sg_conn *c, const struct sg_token *t, const struct sg_link_frame *f,
		  struct sg_err *err);

#endif
