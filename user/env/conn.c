/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RX_PIECE    (256 << 10)
#define RX_STRANGER (4 << 10) /* before the proofs no frame is longer than 500 bytes, and many may knock */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int room(uint8_t **p, size_t *cap, size_t need)
{
	size_t n = *cap ? *cap : 4096;
	void *m;

	if (need <= *cap)
		return 0;
	while (n < need)
		n *= 2;
	m = realloc(*p, n);
	if (!m)
		return -ENOMEM;
	*p = m;
	*cap = n;
	return 0;
}

static int fill_random(uint8_t *p, size_t n)
{
	return getrandom(p, n, 0) == (ssize_t)n ? 0 : -EIO;
}

/* ---- the token ----------------------------------------------------------- */

int sg_token_read(const char *path, struct sg_token *ret, struct sg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret->bytes, sizeof(ret->bytes));
	int e = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return sg_err_set(err, -e, "can't read the token in %s: %s", path, strerror(e));
	for (ret->len = 0; ret->len < (size_t)n; ret->len++)
		if (ret->bytes[ret->len] == '\n' || ret->bytes[ret->len] == '\r')
			break;
	if (ret->len < SG_TOKEN_LEAST || ret->len >= SG_TOKEN_MOST)
		return sg_err_set(
			err, -EINVAL,
			"the first line of %s is no token: it takes %d to %d bytes that nobody guesses, "
			"such as head -c 24 /dev/urandom | base64 makes",
			path, SG_TOKEN_LEAST, SG_TOKEN_MOST - 1);
	return 0;
}

/* HMAC-SHA256 by the token of a word and all that both said before the proofs. */
static void digest(const struct sg_conn *c, const struct sg_token *t, const char *word, uint8_t ret[32])
{
	struct hmac_sha256_ctx h;

	hmac_sha256_set_key(&h, t->len, t->bytes);
	hmac_sha256_update(&h, strlen(word) + 1, (const uint8_t *)word);
	hmac_sha256_update(&h, sizeof(c->hello), (const uint8_t *)&c->hello);
	hmac_sha256_update(&h, offsetof(struct sg_link_answer, proof), (const uint8_t *)&c->answer);
	hmac_sha256_digest(&h, 32, ret);
}

static void seal(const uint8_t key[32], uint64_t number, const uint8_t *frame, size_t len,
		 uint8_t ret[SG_LINK_SEAL_BYTES])
{
	struct hmac_sha256_ctx h;

	hmac_sha256_set_key(&h, 32, key);
	hmac_sha256_update(&h, sizeof(number), (const uint8_t *)&number);
	hmac_sha256_update(&h, len, frame);
	hmac_sha256_digest(&h, SG_LINK_SEAL_BYTES, ret);
}

static void begin_sealing(struct sg_conn *c, const struct sg_token *t)
{
	digest(c, t, "sandglass: from the agent", c->agent ? c->tx_key : c->rx_key);
	digest(c, t, "sandglass: from the host", c->agent ? c->rx_key : c->tx_key);
	c->sealed = true;
}

/* ---- bytes ------------------------------------------------------------------ */

int sg_conn_init(struct sg_conn *c, int fd, bool agent)
{
	int e;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->agent = agent;
	c->last_rx_ns = now_ns();
	if (!agent)
		return fill_random(c->answer.nonce, sizeof(c->answer.nonce));
	memcpy(c->hello.magic, SG_LINK_MAGIC_HELLO, sizeof(c->hello.magic));
	c->hello.least = c->hello.most = SG_LINK_VERSION;
	e = fill_random(c->hello.nonce, sizeof(c->hello.nonce));
	return e ? e : sg_conn_put(c, SG_LINK_HELLO, &c->hello, sizeof(c->hello), NULL, 0);
}

void sg_conn_free(struct sg_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->rx);
	free(c->tx);
	explicit_bzero(c, sizeof(*c));
	c->fd = -1;
}

/* A queue that is refilled before it is empty must not grow by what was sent; each byte is moved once at most for one sent. */
static void tx_reclaim(struct sg_conn *c)
{
	if (!c->tx_at || c->tx_at < c->tx_len - c->tx_at)
		return;
	memmove(c->tx, c->tx + c->tx_at, c->tx_len - c->tx_at);
	c->tx_len -= c->tx_at;
	c->tx_at = 0;
}

int sg_conn_put(struct sg_conn *c, unsigned type, const void *payload, size_t len, const void *more,
		size_t more_len)
{
	size_t size = sizeof(struct sg_link_head) + len + more_len;
	uint8_t *p;

	tx_reclaim(c);
	if (room(&c->tx, &c->tx_cap, c->tx_len + size + SG_LINK_SEAL_BYTES))
		return -ENOMEM;
	p = c->tx + c->tx_len;
	sg_link_head_put(p, type, len + more_len);
	memcpy(p + sizeof(struct sg_link_head), payload, len);
	if (more_len)
		memcpy(p + sizeof(struct sg_link_head) + len, more, more_len);
	if (c->sealed) {
		seal(c->tx_key, c->tx_cnt++, p, size, p + size);
		size += SG_LINK_SEAL_BYTES;
	}
	c->tx_len += size;
	return 0;
}

int sg_conn_refuse(struct sg_conn *c, int code, const char *text)
{
	struct sg_link_refuse r = { .code = (uint32_t)(code < 0 ? -code : code) };

	r.len = (uint32_t)snprintf(r.text, sizeof(r.text), "%s", text);
	if (r.len >= sizeof(r.text))
		r.len = sizeof(r.text) - 1;
	return sg_conn_put(c, SG_LINK_REFUSE, &r, sizeof(r), NULL, 0);
}

int sg_conn_send(struct sg_conn *c)
{
	while (c->tx_at < c->tx_len) {
		ssize_t n = send(c->fd, c->tx + c->tx_at, c->tx_len - c->tx_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->tx_at += (size_t)n;
	}
	return 0;
}

int sg_conn_receive(struct sg_conn *c)
{
	ssize_t n;

	if (c->rx_at) {
		memmove(c->rx, c->rx + c->rx_at, c->rx_len - c->rx_at);
		c->rx_len -= c->rx_at;
		c->rx_at = 0;
	}
	if (room(&c->rx, &c->rx_cap, c->rx_len + (c->sealed ? RX_PIECE : RX_STRANGER)))
		return -ENOMEM;
	do
		n = recv(c->fd, c->rx + c->rx_len, c->rx_cap - c->rx_len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!n)
		return -EPIPE;
	c->rx_len += (size_t)n;
	return 0;
}

int sg_conn_next(struct sg_conn *c, struct sg_link_frame *ret)
{
	const uint8_t *p = c->rx + c->rx_at;
	uint8_t want[SG_LINK_SEAL_BYTES];
	int rc = sg_link_next(p, c->rx_len - c->rx_at, c->sealed, !c->agent, ret);

	if (rc <= 0)
		return rc;
	if (c->sealed) {
		seal(c->rx_key, c->rx_cnt++, p, sizeof(struct sg_link_head) + ret->len, want);
		if (!memeql_sec(want, ret->seal, SG_LINK_SEAL_BYTES))
			return -EKEYREJECTED;
	}
	c->rx_at += ret->size;
	c->last_rx_ns = now_ns();
	return 1;
}

/* ---- the handshake --------------------------------------------------------------- */

static int told_no(const struct sg_link_frame *f, struct sg_err *err)
{
	struct sg_link_refuse r;
	char text[SG_LINK_TEXT_BYTES];

	memcpy(&r, f->payload, sizeof(r));
	sg_link_text(text, sizeof(text), r.text, r.len, sizeof(r.text));
	return sg_err_set(err, -ECONNREFUSED, "%s", text);
}

static int on_hello(struct sg_conn *c, const struct sg_token *t, struct sg_err *err)
{
	if (memcmp(c->hello.magic, SG_LINK_MAGIC_HELLO, sizeof(c->hello.magic)))
		return sg_err_set(err, -EPROTO, "what answers there is no agent of sandglass");
	if (c->hello.least > SG_LINK_VERSION || c->hello.most < SG_LINK_VERSION) {
		sg_conn_refuse(
			c, EPROTONOSUPPORT,
			"the host's sandglass speaks another version: run the same sandglass on both sides");
		return sg_err_set(
			err, -EPROTONOSUPPORT,
			"the agent speaks version %u of the protocol and this sandglass version %u: run the "
			"same sandglass on both sides",
			c->hello.least, SG_LINK_VERSION);
	}
	c->answer.version = SG_LINK_VERSION;
	digest(c, t, "sandglass: the host knows the token", c->answer.proof);
	return sg_conn_put(c, SG_LINK_ANSWER, &c->answer, sizeof(c->answer), NULL, 0);
}

static int on_answer(struct sg_conn *c, const struct sg_token *t, struct sg_err *err)
{
	struct sg_link_proof proof;
	uint8_t want[SG_LINK_PROOF_BYTES];
	int e;

	if (c->answer.version != SG_LINK_VERSION) {
		sg_conn_refuse(c, EPROTONOSUPPORT,
			       "the agent speaks another version: run the same sandglass on both sides");
		return sg_err_set(
			err, -EPROTONOSUPPORT,
			"a host speaks version %u of the protocol and this agent version %u: run the same "
			"sandglass on both sides",
			c->answer.version, SG_LINK_VERSION);
	}
	digest(c, t, "sandglass: the host knows the token", want);
	if (!memeql_sec(want, c->answer.proof, sizeof(want))) {
		sg_conn_refuse(c, EACCES, "the token is not the agent's: both sides need the same one");
		return sg_err_set(err, -EACCES, "a host was refused: it does not know the token");
	}
	digest(c, t, "sandglass: the agent knows the token", proof.proof);
	e = sg_conn_put(c, SG_LINK_PROOF, &proof, sizeof(proof), NULL, 0);
	begin_sealing(c, t);
	return e ? e : 1;
}

static int on_proof(struct sg_conn *c, const struct sg_token *t, const struct sg_link_frame *f,
		    struct sg_err *err)
{
	uint8_t want[SG_LINK_PROOF_BYTES];

	digest(c, t, "sandglass: the agent knows the token", want);
	if (!memeql_sec(want, f->payload, sizeof(want)))
		return sg_err_set(err, -EACCES,
				  "the agent does not know the token: both sides need the same one");
	begin_sealing(c, t);
	return 1;
}

int sg_conn_prove(struct sg_conn *c, const struct sg_token *t, const struct sg_link_frame *f,
		  struct sg_err *err)
{
	switch (f->type) {
	case SG_LINK_REFUSE:
		return told_no(f, err);
	case SG_LINK_HELLO: /* once: what was said is what was proved */
		if (c->hello.magic[0])
			break;
		memcpy(&c->hello, f->payload, sizeof(c->hello));
		return on_hello(c, t, err);
	case SG_LINK_ANSWER:
		memcpy(&c->answer, f->payload, sizeof(c->answer));
		return on_answer(c, t, err);
	case SG_LINK_PROOF:
		if (c->answer.version)
			return on_proof(c, t, f, err);
		break;
	}
	return sg_err_set(err, -EPROTO, "the other side does not keep to the protocol");
}
