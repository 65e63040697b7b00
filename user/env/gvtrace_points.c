/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvtrace_points.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "base/sysnr.h"

/*
 * A message that finds the Sentry's buffer full is tried again this often (after 25, 50 ... 400 us) before
 * it is dropped: counts stay exact, and a recorder that is late costs the guest 0.8 ms a message at most.
 */
#define SINK_RETRIES 5
#define CALLS	     1024

/* What is offered for one system call. */
struct call {
	bool raw_enter, raw_exit, enter, exit;
	bool enter_path, exit_path; /* fd_path can be asked for */
	const char *name;	    /* into the metadata */
};

/* One line: "Name: syscall/close/exit, optional fields: [fd_path], context fields: [...]". */
static void line_take(char *line, struct call *calls, bool *task_exit)
{
	char *name, *end, *side, *fields;
	bool exit, raw, path;
	long nr;

	if (strncmp(line, "Name: ", 6) || !(end = strchr(line, ',')))
		return;
	name = line + 6;
	*end = 0;
	*task_exit |= !strcmp(name, "sentry/task_exit");
	side = strrchr(name, '/');
	if (strncmp(name, "syscall/", 8) || side < name + 8)
		return;
	*side++ = 0;
	exit = !strcmp(side, "exit");
	if (!exit && strcmp(side, "enter"))
		return;
	name += 8;
	raw = !strncmp(name, "sysno/", 6);
	nr = raw ? strtol(name + 6, &fields, 10) : sg_sysnr_find(name, strlen(name));
	if (nr < 0 || nr >= CALLS || (raw && *fields))
		return;
	fields = strstr(end + 1, "optional fields: [");
	if (fields)
		fields[strcspn(fields, "]")] = 0;
	path = fields && strstr(fields, "fd_path");
	if (raw) {
		*(exit ? &calls[nr].raw_exit : &calls[nr].raw_enter) = true;
		return;
	}
	calls[nr].name = name;
	*(exit ? &calls[nr].exit : &calls[nr].enter) = true;
	*(exit ? &calls[nr].exit_path : &calls[nr].enter_path) = path;
}

static struct json_object *strings(const char *const *s)
{
	struct json_object *a = json_object_new_array();

	for (; *s; s++)
		json_object_array_add(a, json_object_new_string(*s));
	return a;
}

static void point_add(struct json_object *points, const char *name, bool process_name, bool path)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(name));
	if (path)
		json_object_object_add(o, "optional_fields", strings((const char *[]){ "fd_path", NULL }));
	json_object_object_add(
		o, "context_fields",
		strings((const char *[]){ "time", "thread_id", process_name ? "process_name" : NULL, NULL }));
	json_object_array_add(points, o);
}

static void call_add(struct json_object *points, const struct call *c, unsigned nr)
{
	bool by_name = c->enter && (nr == SYS_close || nr == SYS_execve || nr == SYS_execveat);
	char name[160];

	if (by_name || (c->enter && !c->raw_enter)) {
		snprintf(name, sizeof(name), "syscall/%s/enter", c->name);
		point_add(points, name, !c->exit, c->enter_path);
	} else if (c->raw_enter) {
		/* the exit by number has the context that its enter asks for */
		snprintf(name, sizeof(name), "syscall/sysno/%u/enter", nr);
		point_add(points, name, !c->exit, false);
	}
	if (c->exit) {
		snprintf(name, sizeof(name), "syscall/%s/exit", c->name);
		point_add(points, name, true, c->exit_path);
	} else if (c->raw_exit) {
		snprintf(name, sizeof(name), "syscall/sysno/%u/exit", nr);
		point_add(points, name, true, false);
	}
}

static struct json_object *sink_new(const char *endpoint)
{
	struct json_object *a = json_object_new_array(), *o = json_object_new_object(),
			   *config = json_object_new_object();

	json_object_object_add(config, "endpoint", json_object_new_string(endpoint));
	json_object_object_add(config, "retries", json_object_new_int(SINK_RETRIES));
	json_object_object_add(o, "name", json_object_new_string("remote"));
	json_object_object_add(o, "config", config);
	json_object_array_add(a, o);
	return a;
}

int sg_gvpoints_config(char *metadata, const char *endpoint, char **ret, size_t *ret_cnt, struct sg_err *err)
{
	struct call *calls = calloc(CALLS, sizeof(*calls));
	struct json_object *top, *session, *points;
	bool task_exit = false;
	const char *text;
	char *save;
	size_t n;

	if (!calls)
		return sg_err_set(err, -ENOMEM, "out of memory");
	for (char *l = strtok_r(metadata, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		line_take(l, calls, &task_exit);
	top = json_object_new_object();
	session = json_object_new_object();
	points = json_object_new_array();
	for (unsigned nr = 0; nr < CALLS; nr++)
		call_add(points, &calls[nr], nr);
	free(calls);
	n = json_object_array_length(points);
	if (n && task_exit)
		point_add(points, "sentry/task_exit", false, false);
	json_object_object_add(session, "name", json_object_new_string("Default"));
	json_object_object_add(session, "points", points);
	json_object_object_add(session, "sinks", sink_new(endpoint));
	json_object_object_add(top, "trace_session", session);
	text = n ? json_object_to_json_string_ext(top, JSON_C_TO_STRING_PLAIN) : NULL;
	*ret = text ? strdup(text) : NULL;
	if (ret_cnt)
		*ret_cnt = n + (n && task_exit);
	json_object_put(top);
	if (!n)
		return sg_err_set(
			err, -EPROTO,
			"this runsc offers no trace points of system calls: --gvisor-trace needs a release "
			"of 2022-05 or later");
	return *ret ? 0 : sg_err_set(err, -ENOMEM, "out of memory");
}
