// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Containers as the Engine API tells of them (v1.41: /containers/json, /containers/ID/json). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "env/container_priv.h"
#include "env/engine.h"

static struct json_object *object(struct json_object *o, const char *key, json_type type)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v))
		return NULL;
	return json_object_is_type(v, type) ? v : NULL;
}

/* An id goes into paths and requests: nothing but one is accepted. */
static bool id_of(struct json_object *o, struct sg_container_info *c)
{
	const char *id = sg_ct_member(o, "Id");

	if (!sg_ct_is_id(id, strlen(id)) || (c->id[0] && strcmp(c->id, id)))
		return false;
	sg_ct_copy(c->id, sizeof(c->id), id);
	return true;
}

static void name_of(struct sg_container_info *c, const char *name)
{
	sg_ct_copy(c->name, sizeof(c->name), name + (*name == '/'));
}

bool sg_ct_engine_entry(struct json_object *o, struct sg_container_info *c)
{
	struct json_object *names = object(o, "Names", json_type_array);
	const char *state = sg_ct_member(o, "State");

	memset(c, 0, sizeof(*c));
	if (!id_of(o, c))
		return false;
	for (size_t i = 0; names && i < json_object_array_length(names); i++) {
		struct json_object *n = json_object_array_get_idx(names, i);
		const char *s = json_object_is_type(n, json_type_string) ? json_object_get_string(n) : "";

		/* "/other/alias" is a link's name for it */
		if (*s && !strchr(s + 1, '/')) {
			name_of(c, s);
			break;
		}
	}
	sg_ct_copy(c->image, sizeof(c->image), sg_ct_member(o, "Image"));
	sg_ct_copy(c->manager, sizeof(c->manager), "docker");
	c->running = !strcmp(state, "running") || !strcmp(state, "paused");
	return true;
}

bool sg_ct_engine_inspect(struct json_object *o, struct sg_container_info *c)
{
	struct json_object *state = object(o, "State", json_type_object);
	struct json_object *pid = object(state, "Pid", json_type_int);
	int64_t n = pid ? json_object_get_int64(pid) : 0;
	const char *runtime = sg_ct_member(object(o, "HostConfig", json_type_object), "Runtime");
	const char *image = sg_ct_member(object(o, "Config", json_type_object), "Image");

	if (!id_of(o, c))
		return false;
	name_of(c, sg_ct_member(o, "Name"));
	if (*image)
		sg_ct_copy(c->image, sizeof(c->image), image);
	sg_ct_copy(c->runtime, sizeof(c->runtime), runtime);
	sg_ct_copy(c->manager, sizeof(c->manager), "docker");
	c->pid = n > 0 && n <= 1 << 22 ? (uint32_t)n : 0;
	c->running = c->pid != 0;
	return true;
}

int sg_ct_engine_detail(struct sg_engine *e, struct sg_container_info *c, struct sg_err *err)
{
	struct json_object *o = NULL;
	char path[SG_CONTAINER_ID + 32];
	int r;

	snprintf(path, sizeof(path), "/containers/%s/json", c->id);
	r = sg_engine_check(e, "GET", path, NULL, &o, err);
	if (r == -ENOENT) { /* removed since it was listed */
		c->running = false;
		c->pid = 0;
		return 0;
	}
	if (r < 0)
		return r;
	r = sg_ct_engine_inspect(o, c)
		    ? 0
		    : sg_err_set(err, -EPROTO, "the Engine's answer about container %.12s is not one", c->id);
	json_object_put(o);
	return r;
}

int sg_ct_engine_list(struct sg_container_list *l, struct sg_engine *e, bool all, bool detail,
		      struct sg_err *err)
{
	struct json_object *o = NULL;
	int r = sg_engine_check(e, "GET", all ? "/containers/json?all=1" : "/containers/json", NULL, &o, err);
	size_t n = json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;

	if (r >= 0 && !json_object_is_type(o, json_type_array))
		r = sg_err_set(err, -EPROTO, "the Engine's list of containers is not one");
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct sg_container_info found, *c;

		if (!sg_ct_engine_entry(json_object_array_get_idx(o, i), &found) || sg_ct_by_id(l, found.id))
			continue;
		c = sg_ct_add(l);
		if (!c) {
			r = sg_err_set(err, -ENOMEM, "out of memory, or more than %d containers", SG_CT_MAX);
			break;
		}
		*c = found;
		if (detail && c->running)
			r = sg_ct_engine_detail(e, c, err);
	}
	json_object_put(o);
	return r < 0 ? r : 0;
}
