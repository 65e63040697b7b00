// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Command lines of the processes that look after containers: containerd's shims, conmon, dockerd. */
#include <stdio.h>
#include <string.h>
#include "env/container_priv.h"

#define SHIM "containerd-shim"

/* Arguments one by one. */
struct words {
	const char *at, *end;
};

static const char *next(struct words *w)
{
	const char *s = w->at;

	if (s >= w->end)
		return NULL;
	w->at = s + strnlen(s, (size_t)(w->end - s)) + 1;
	return w->at <= w->end ? s : NULL; /* the last one without its NUL was cut by the reader */
}

/* Value of option @name: "--name VALUE", "--name=VALUE", and with one dash. NULL: @s is another. */
static const char *value(const char *s, const char *name, struct words *w)
{
	size_t n = strlen(name);

	if (*s++ != '-')
		return NULL;
	s += *s == '-';
	if (strncmp(s, name, n))
		return NULL;
	return s[n] == '=' ? s + n + 1 : s[n] ? NULL : next(w);
}

static bool shim(struct words *w, struct sg_ct_keeper *ret)
{
	const char *s, *v;

	while ((s = next(w)))
		if ((v = value(s, "namespace", w)))
			sg_ct_copy(ret->space, sizeof(ret->space), v);
		else if ((v = value(s, "id", w)))
			sg_ct_copy(ret->id, sizeof(ret->id), v);
	return ret->id[0];
}

/* The first one counts: what follows is for the command that conmon runs at the end. */
static void once(char *dst, size_t cap, const char *v)
{
	if (!dst[0])
		sg_ct_copy(dst, cap, v);
}

static bool conmon(struct words *w, struct sg_ct_keeper *ret)
{
	const char *s, *v;

	ret->conmon = true;
	while ((s = next(w)))
		if (value(s, "exit-command-arg", w) || value(s, "runtime-arg", w))
			; /* another command's word, which may look like an option of this one */
		else if ((v = value(s, "c", w)) || (v = value(s, "cid", w)))
			once(ret->id, sizeof(ret->id), v);
		else if ((v = value(s, "n", w)) || (v = value(s, "name", w)))
			once(ret->name, sizeof(ret->name), v);
		else if ((v = value(s, "r", w)) || (v = value(s, "runtime", w)))
			once(ret->runtime, sizeof(ret->runtime), sg_ct_base(v));
		else if ((v = value(s, "b", w)) || (v = value(s, "bundle", w)))
			once(ret->bundle, sizeof(ret->bundle), v);
	return ret->id[0];
}

bool sg_ct_keeper_parse(const char *cmdline, size_t n, struct sg_ct_keeper *ret)
{
	struct words w = { cmdline, cmdline + n };
	const char *prog = next(&w);

	memset(ret, 0, sizeof(*ret));
	if (!prog)
		return false;
	prog = sg_ct_base(prog);
	if (!strncmp(prog, SHIM, strlen(SHIM))) {
		sg_ct_copy(ret->runtime, sizeof(ret->runtime), prog);
		return shim(&w, ret);
	}
	return !strcmp(prog, "conmon") && conmon(&w, ret);
}

bool sg_ct_daemon_parse(const char *cmdline, size_t n, struct sg_ct_daemon *ret, char *ret_config)
{
	struct words w = { cmdline, cmdline + n };
	const char *s = next(&w), *v;

	memset(ret, 0, sizeof(*ret));
	sg_ct_copy(ret_config, sizeof(ret->data), "/etc/docker/daemon.json");
	if (!s || strcmp(sg_ct_base(s), "dockerd"))
		return false;
	while ((s = next(&w)))
		if ((v = value(s, "data-root", &w)) || (v = value(s, "g", &w)) || (v = value(s, "graph", &w)))
			sg_ct_copy(ret->data, sizeof(ret->data), v);
		else if ((v = value(s, "exec-root", &w)))
			sg_ct_copy(ret->exec, sizeof(ret->exec), v);
		else if ((v = value(s, "config-file", &w)))
			sg_ct_copy(ret_config, sizeof(ret->data), v);
	return true;
}

void sg_ct_daemon_config(const char *text, struct sg_ct_daemon *d)
{
	struct json_object *o = text ? sg_ct_parse(text) : NULL;
	const char *data = sg_ct_member(o, "data-root"), *old = sg_ct_member(o, "graph");
	const char *exec = sg_ct_member(o, "exec-root");

	if (!d->data[0])
		sg_ct_copy(d->data, sizeof(d->data), *data ? data : *old ? old : "/var/lib/docker");
	if (!d->exec[0])
		sg_ct_copy(d->exec, sizeof(d->exec), *exec ? exec : "/var/run/docker");
	json_object_put(o);
}
