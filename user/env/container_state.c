// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What runtimes and managers keep about a container in files. Each file is somebody else's: any member may be missing or of a wrong type. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/container_priv.h"

#define FILE_MAX  (8u << 20)
#define DEPTH_MAX 64

void sg_ct_copy(char *dst, size_t cap, const char *src)
{
	size_t n = strnlen(src, cap - 1);

	memmove(dst, src, n);
	dst[n] = 0;
}

const char *sg_ct_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *sg_ct_read(const char *path)
{
	/* Not blocking: a container's owner may put a FIFO in the place of the file. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	while (text && got > 0 && n < (size_t)st.st_size) {
		got = read(fd, text + n, (size_t)st.st_size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	if (text)
		text[n] = 0;
	return text;
}

struct json_object *sg_ct_parse(const char *text)
{
	struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *o = t ? json_tokener_parse_ex(t, text, (int)strlen(text)) : NULL;

	if (t && json_tokener_get_error(t) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	if (t)
		json_tokener_free(t);
	return o;
}

static struct json_object *object(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

const char *sg_ct_member(struct json_object *o, const char *key)
{
	struct json_object *v = object(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static uint32_t pid_of(struct json_object *o, const char *key)
{
	struct json_object *v = object(o, key);
	int64_t n = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

	return n > 0 && n <= 1 << 22 ? (uint32_t)n : 0;
}

/* What a file says of @c's id: it must be the same when both know it. */
static bool same_id(struct sg_container_info *c, const char *id)
{
	if (!*id || strlen(id) >= sizeof(c->id) || (c->id[0] && strcmp(c->id, id)))
		return false;
	sg_ct_copy(c->id, sizeof(c->id), id);
	return true;
}

int sg_ct_runc_state(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text);
	uint32_t pid = pid_of(o, "init_process_pid");
	int r = -EBADMSG;

	if (pid && same_id(c, sg_ct_member(o, "id"))) {
		c->pid = pid;
		sg_ct_copy(c->platform, sizeof(c->platform), "runc");
		r = 0;
	}
	json_object_put(o);
	return r;
}

int sg_ct_gvisor_state(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text), *box = object(o, "sandbox");
	uint32_t pid = pid_of(box, "pid");
	int r = -EBADMSG;

	if (pid && same_id(c, sg_ct_member(o, "id"))) {
		const char *platform = sg_ct_member(object(box, "metricMetadata"), "platform");

		c->pid = pid;
		if (*platform) /* since 2023 */
			sg_ct_copy(c->platform, sizeof(c->platform), platform);
		r = 0;
	}
	json_object_put(o);
	return r;
}

static void name_of(struct sg_container_info *c, const char *name)
{
	name += *name == '/';
	if (*name)
		sg_ct_copy(c->name, sizeof(c->name), name);
}

static void image_of(struct sg_container_info *c, const char *image)
{
	if (*image)
		sg_ct_copy(c->image, sizeof(c->image), image);
}

int sg_ct_docker_config(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text);
	int r = -EBADMSG;

	if (same_id(c, sg_ct_member(o, "ID"))) {
		name_of(c, sg_ct_member(o, "Name"));
		image_of(c, sg_ct_member(object(o, "Config"), "Image"));
		r = 0;
	}
	json_object_put(o);
	return r;
}

int sg_ct_docker_host(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text);
	const char *runtime = sg_ct_member(o, "Runtime");
	int r = json_object_is_type(o, json_type_object) ? 0 : -EBADMSG;

	if (*runtime)
		sg_ct_copy(c->runtime, sizeof(c->runtime), runtime);
	json_object_put(o);
	return r;
}

/* Annotations by which managers tell the names: of the container, its pod, its image. The first that is there counts. */
static const char *const of_container[] = { "io.kubernetes.cri.container-name",
					    "io.kubernetes.container.name", "nerdctl/name" };
static const char *const of_pod[] = { "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name" };
static const char *const of_image[] = { "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName" };

static const char *first(struct json_object *o, const char *const *key, size_t n)
{
	const char *s = "";

	for (size_t i = 0; i < n && !*s; i++)
		s = sg_ct_member(o, key[i]);
	return s;
}

int sg_ct_bundle(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text), *a = object(o, "annotations");
	const char *name = first(a, of_container, 3), *pod = first(a, of_pod, 2);
	int r = object(o, "ociVersion") ? 0 : -EBADMSG;
	char both[sizeof(c->name)];

	/* A container's name is its own only within its pod. */
	if (!r) {
		snprintf(both, sizeof(both), "%.120s%s%.120s", pod, *pod && *name ? "/" : "", name);
		if (!c->name[0])
			name_of(c, both);
		if (!c->image[0])
			image_of(c, first(a, of_image, 2));
	}
	json_object_put(o);
	return r;
}

/* One entry of podman's list; its metadata is a JSON text of its own. */
static void stored(struct json_object *entry, struct sg_container_info *c)
{
	struct json_object *names = object(entry, "names"),
			   *meta = sg_ct_parse(sg_ct_member(entry, "metadata")), *n;

	n = json_object_is_type(names, json_type_array) ? json_object_array_get_idx(names, 0) : NULL;
	if (!c->name[0])
		name_of(c, json_object_is_type(n, json_type_string) ? json_object_get_string(n)
								    : sg_ct_member(meta, "name"));
	if (!c->image[0])
		image_of(c, sg_ct_member(meta, "image-name"));
	if (!c->image[0])
		image_of(c, sg_ct_member(entry, "image"));
	json_object_put(meta);
}

int sg_ct_storage(const char *text, struct sg_container_info *c)
{
	struct json_object *o = sg_ct_parse(text);
	size_t n = json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;
	int r = -EBADMSG;

	for (size_t i = 0; i < n && r; i++) {
		struct json_object *e = json_object_array_get_idx(o, i);

		if (c->id[0] && !strcmp(sg_ct_member(e, "id"), c->id)) {
			stored(e, c);
			r = 0;
		}
	}
	json_object_put(o);
	return r;
}
