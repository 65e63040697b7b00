/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* mkrec STREAM RECORDING: a recording of the events of a text stream, the same bytes every time. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "trace/rec.h"
#include "trace/text.h"

#define META                                             \
	"{\"command\":[\"golden\"],\"target\":\"a text " \
	"stream\",\"machine\":{\"kernel\":\"6.1.0\",\"cpus\":2},\"plan\":[]}"

struct out {
	struct sg_writer *w;
	struct sg_err err;
};

static int on_event(void *ctx, const struct sg_hdr *ev)
{
	struct out *o = ctx;

	return sg_writer_put(o->w, ev, &o->err);
}

int main(int argc, char **argv)
{
	struct out o = { 0 };
	FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
	int fd = argc == 3 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	int ret = -1;

	if (!in || fd < 0) {
		fprintf(stderr, "Usage: mkrec STREAM RECORDING\n");
		return 2;
	}
	ret = sg_writer_open(&o.w, fd, META, 1, &o.err);
	if (!ret) {
		ret = sg_text_parse_file(in, on_event, NULL, &o, &o.err);
		if (sg_writer_close(o.w, "{\"lost\":0}", ret ? NULL : &o.err) && !ret)
			ret = -1;
	}
	fclose(in);
	if (close(fd) || ret) {
		fprintf(stderr, "mkrec: %s: %s\n", argv[1], *o.err.msg ? o.err.msg : "can't be written");
		return 1;
	}
	return 0;
}
