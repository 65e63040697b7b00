/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Where an agent is: vsock:CID:PORT or tcp:HOST:PORT; listening: vsock:PORT or tcp:ADDRESS:PORT. */
#ifndef SG_ADDR_H
#define SG_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct sg_addr {
	bool vsock;
	uint32_t cid, port; /* vsock; listening: any cid */
	char host[256];	    /* tcp: name or address, without brackets */
	char service[8];
};

/** sg_addr_parse() - -EINVAL with @err when it is none. tcp: port 0 (listening) takes any that is free. */
int sg_addr_parse(const char *s, bool listening, struct sg_addr *ret, struct sg_err *err);

/** sg_addr_connect() - a non-blocking socket, within @ms. Negative errno with @err. */
int sg_addr_connect(const struct sg_addr *a, int ms, struct sg_err *err);

/** sg_addr_listen() - a non-blocking, listening socket; @a gets the port that was taken. Negative errno with @err. */
int sg_addr_listen(struct sg_addr *a, struct sg_err *err);

/** sg_addr_text() - as it is given on the command line; @buf: 300 bytes */
const char *sg_addr_text(const struct sg_addr *a, bool listening, char *buf, size_t room);

#endif
