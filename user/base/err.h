/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Errors travel up as negative errno with one sentence for the user; only commands print. */
#ifndef SG_ERR_H
#define SG_ERR_H

struct sg_err {
	int code; /* negative errno, 0 = none */
	char msg[384];
};

/**
 * sg_err_set() - fill @err (may be NULL) with a sentence and return @code
 * @code: negative errno
 */
int sg_err_set(struct sg_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
