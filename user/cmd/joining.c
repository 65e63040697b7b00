/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/joining.h"

#include <ctype.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include "cmd/outfile.h"
#include "out/text.h"
#include "trace/format.h"

bool sg_joining_name_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return len > 0 && len < SG_MACHINE_NAME;
}

static const char *machine_text(const struct sg_joining *j, uint32_t number, const char *key)
{
	struct json_object *m, *v;

	if (!j->meta[number] || !json_object_object_get_ex(j->meta[number], "machine", &m) ||
	    !json_object_object_get_ex(m, key, &v) || !json_object_is_type(v, json_type_string))
		return "";
	return json_object_get_string(v);
}

const char *sg_joining_boot(const struct sg_joining *j, uint32_t number)
{
	return machine_text(j, number, "boot_id");
}

static struct json_object *object_of(const char *text)
{
	struct json_object *o = text ? json_tokener_parse(text) : NULL;

	if (o && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return json_object_new_object();
}

int sg_joining_add(struct sg_joining *j, int fd, uint32_t number, const char *name, const char *from,
		   struct sg_err *err)
{
	struct sg_join_part *p = &j->part[j->n];
	struct sg_reader *r;
	const char *meta;
	int e = sg_reader_open(&r, fd, err);

	if (e)
		return e;
	meta = sg_reader_meta(r);
	*p = (struct sg_join_part){ .fd = fd, .name = name, .number = number };
	p->meta = meta ? sg_crc32(meta, strlen(meta)) : 0;
	j->meta[number] = object_of(meta);
	j->end[number] = object_of(sg_reader_end_meta(r));
	snprintf(j->kernel[number], sizeof(j->kernel[number]), "%s", machine_text(j, number, "kernel"));
	p->kernel = j->kernel[number];
	j->from[number] = from;
	sg_reader_close(r);
	j->n++;
	return 0;
}

/* The host's description, with each machine's own beside it, and where it was got @from. */
static struct json_object *describe(const struct sg_joining *j, struct json_object *const *of, bool from)
{
	struct json_object *all = NULL, *list = json_object_new_array();

	for (size_t i = 0; i < j->n; i++) {
		uint32_t k = j->part[i].number;
		struct json_object *m = json_object_new_object();

		json_object_object_add(m, "number", json_object_new_int64(k));
		json_object_object_add(m, "name", json_object_new_string(j->part[i].name));
		if (!k) {
			json_object_deep_copy(of[k], &all, NULL);
		} else {
			json_object_object_foreach(of[k], key, v)
			{
				json_object_object_add(m, key, json_object_get(v));
			}
		}
		if (from && j->from[k])
			json_object_object_add(m, "from", json_object_new_string(j->from[k]));
		json_object_array_add(list, m);
	}
	all = all ? all : json_object_new_object();
	json_object_object_add(all, "machines", list);
	return all;
}

/* A part may be what the output's name stands for: it must not end while it is read. */
static int all_apart(const struct sg_joining *j, const char *path, struct sg_err *err)
{
	struct stat st;
	int e = 0;

	for (size_t i = 0; i < j->n && !e; i++)
		if (!fstat(j->part[i].fd, &st))
			e = sg_outfile_apart(path, &st, err);
	return e;
}

int sg_joining_run(struct sg_joining *j, const char *path, int level, struct sg_writer_stats *ret,
		   struct sg_err *err)
{
	struct json_object *meta = describe(j, j->meta, true), *end = describe(j, j->end, false);
	struct sg_join_opts o = { .meta = json_object_to_json_string_ext(meta, JSON_C_TO_STRING_PLAIN),
				  .end = json_object_to_json_string_ext(end, JSON_C_TO_STRING_PLAIN),
				  .level = level };
	struct sg_outfile f;
	int e = all_apart(j, path, err) ?: sg_outfile_begin(&f, path, err);

	if (!e) {
		o.out_fd = f.fd;
		e = sg_outfile_end(&f, sg_join(j->part, j->n, &o, ret, err), err);
	}
	json_object_put(meta);
	json_object_put(end);
	return e;
}

static const char *source_name(unsigned source)
{
	switch (source) {
	case SG_CLOCK_TSC:
		return "by its TSC";
	case SG_CLOCK_EXCHANGE:
		return "by two-way exchange";
	case SG_CLOCK_REALTIME:
		return "by CLOCK_REALTIME";
	default:
		return "as given";
	}
}

/* On its own clock: all through its recording. */
static uint64_t worst(const struct sg_join_part *p)
{
	const struct sg_machine_info *m = &p->info;

	return sg_clocks_worst(p->clocks, m->begin ? m->begin - m->shift : 0, m->end ? m->end - m->shift : 0);
}

bool sg_joining_tell(const struct sg_joining *j, const char *name, bool quiet, FILE *f)
{
	char kernel[96];
	bool good = true;

	for (size_t i = 0; i < j->n; i++) {
		const struct sg_join_part *p = &j->part[i];
		const struct sg_clocks *c = p->clocks;

		if (p->damage[0])
			fprintf(f, "%s: %s: %s\n", name, p->name, p->damage);
		if (!p->number || !c || !c->n)
			continue;
		sg_text_clean(kernel, sizeof(kernel), p->kernel ?: "");
		if (!quiet)
			fprintf(f,
				"guest %s (Linux %s): %" PRIu64 " events, %" PRIu64
				" lost, its clock is known within %.1f us %s\n",
				p->name, kernel, p->events, p->lost, worst(p) / 1e3,
				source_name(c->p[c->n - 1].source));
		good &= !c->stepped;
		if (c->stepped)
			fprintf(f,
				"%s: %s: a clock was set while it was recorded (suspended, migrated, or its "
				"TSC "
				"written): from there on its events have no place among the host's\n",
				name, p->name);
	}
	return good;
}

void sg_joining_free(struct sg_joining *j)
{
	for (unsigned i = 0; i < SG_MACHINE_MAX; i++) {
		json_object_put(j->meta[i]);
		json_object_put(j->end[i]);
		sg_clocks_free(&j->own[i]);
	}
}
