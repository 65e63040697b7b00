/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* An image made of an archive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/engine_priv.h"

#define IMPORT_STALL_S 120 /* it unpacks and sums up before it says a word */

/* The first error in a stream of progress lines. */
static int stream_error(char *text, const char *ref, struct sg_err *err)
{
	char plain[240], *save = NULL;
	int rc = 0;

	for (char *l = strtok_r(text, "\r\n", &save); l && !rc; l = strtok_r(NULL, "\r\n", &save)) {
		struct json_object *o = NULL;
		const char *msg;

		if (sg_engine_parse(l, strlen(l), &o))
			continue;
		msg = sg_engine_str(o, "error");
		if (msg)
			rc = sg_err_set(err, -EPROTO, "the container daemon cannot import image %.80s: %s",
					ref, sg_engine_plain(msg, plain, sizeof(plain)));
		json_object_put(o);
	}
	return rc;
}

int sg_engine_import(struct sg_engine *e, const char *tar, const char *ref, struct sg_err *err)
{
	struct sg_engine_req q = { .method = "POST", .stall_s = IMPORT_STALL_S };
	struct sg_engine_body b = { 0 };
	const char *colon = strrchr(ref, ':');
	char *path = NULL, *esc = NULL, *tag = NULL;
	off_t size;
	int rc = -ENOMEM;

	if (colon && strchr(colon, '/'))
		colon = NULL; /* a registry's port */
	q.file = fopen(tar, "re");
	if (!q.file || fseeko(q.file, 0, SEEK_END) || (size = ftello(q.file)) < 0) {
		rc = sg_err_set(err, -errno, "cannot read the archive %s: %s", tar, strerror(errno));
		goto out;
	}
	rewind(q.file);
	q.file_bytes = (uint64_t)size;
	esc = curl_easy_escape(NULL, ref, colon ? (int)(colon - ref) : (int)strlen(ref));
	tag = curl_easy_escape(NULL, colon ? colon + 1 : "latest", 0);
	if (esc && tag && asprintf(&path, "/images/create?fromSrc=-&repo=%s&tag=%s", esc, tag) >= 0) {
		q.path = path;
		rc = sg_engine_request(e, &q, &b, err);
		if (rc >= 0)
			rc = sg_engine_fail(rc, "the import of an image", &b, err);
		if (!rc && b.p)
			rc = stream_error(b.p, ref, err);
	} else {
		sg_err_set(err, rc, "out of memory");
	}
out:
	if (q.file)
		fclose(q.file);
	curl_free(esc);
	curl_free(tag);
	free(path);
	free(b.p);
	return rc;
}
