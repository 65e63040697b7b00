/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int sg_err_set(struct sg_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}
