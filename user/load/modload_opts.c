/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload's options as words, and the names of its combinations. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "base/parse.h"
#include "load/modload.h"

const char *const sg_modload_pairs_names[SG_PAIRS_MAX] = {
#define SG_X(sym, name) name,
	SG_PAIRS_LIST(SG_X)
#undef SG_X
};

const char *const sg_modload_sources_names[SG_SOURCES_MAX] = {
#define SG_X(sym, name, option, src) name,
	SG_SOURCES_LIST(SG_X)
#undef SG_X
};

int sg_modload_pairs_find(const char *name)
{
	for (int i = 0; i < SG_PAIRS_MAX; i++)
		if (!strcmp(sg_modload_pairs_names[i], name))
			return i;
	return -EINVAL;
}

int sg_modload_parse_runtimes(struct sg_modload_opts *o, const char *text, struct sg_err *err)
{
	char word[64];
	bool too_long;

	o->nruntime = 0;
	while (sg_parse_word(&text, word, sizeof(word), &too_long)) {
		const struct sg_sandbox_runtime *rt = too_long ? NULL : sg_sandbox_runtime(word);

		if (!rt)
			return sg_err_set(err, -EINVAL, "no runtime '%s'", too_long ? "..." : word);
		for (unsigned i = 0; i < o->nruntime; i++)
			if (o->runtime[i] == rt)
				return sg_err_set(err, -EEXIST, "runtime '%s' twice", word);
		if (o->nruntime == SG_MODLOAD_RUNTIMES)
			return sg_err_set(err, -E2BIG, "more than %d runtimes", SG_MODLOAD_RUNTIMES);
		o->runtime[o->nruntime++] = rt;
	}
	return 0;
}

/*
 * A name as npm has it: it becomes part of a path and an argument of npm, so no
 * way up, no option, no shell, no address.
 */
static bool is_name(const char *s)
{
	const char *at = s;

	if (*at == '@') {
		at += 1 + strcspn(at + 1, "/");
		if (*at != '/' || at == s + 1)
			return false;
		at++;
	}
	if (!*at || *at == '.' || *at == '-' || strchr(at, '/') || s[1] == '.' || s[1] == '-')
		return false;
	for (const char *c = s + (*s == '@'); *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-/", *c))
			return false;
	return true;
}

/* "express", "express@4.18.2", "@scope/name@next" */
static int parse_module(struct sg_modload_module *m, const char *word)
{
	const char *version = *word ? strchr(word + 1, '@') : NULL;
	size_t n = version ? (size_t)(version - word) : strlen(word);

	if (n >= sizeof(m->name) || strlen(word) >= sizeof(m->spec))
		return -ENAMETOOLONG;
	memcpy(m->name, word, n);
	m->name[n] = 0;
	strcpy(m->spec, word);
	if (!is_name(m->name) || (version && !version[1]))
		return -EINVAL;
	for (const char *c = version ? version + 1 : ""; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(".-+^~", *c))
			return -EINVAL;
	return 0;
}

int sg_modload_parse_modules(struct sg_modload_opts *o, const char *text, struct sg_err *err)
{
	char word[2 * SG_MODULE_MAX];
	bool too_long;

	o->nmodule = 0;
	while (sg_parse_word(&text, word, sizeof(word), &too_long)) {
		struct sg_modload_module m;
		int rc = too_long ? -ENAMETOOLONG : parse_module(&m, word);

		if (rc == -ENAMETOOLONG)
			return sg_err_set(err, rc, "a module's name has at most %d bytes", SG_MODULE_MAX - 1);
		if (rc)
			return sg_err_set(err, rc, "'%s' is no module's name", word);
		for (unsigned i = 0; i < o->nmodule; i++)
			if (!strcmp(o->module[i].name, m.name))
				return sg_err_set(err, -EEXIST, "module '%s' twice", m.name);
		if (o->nmodule == SG_MODLOAD_MODULES)
			return sg_err_set(err, -E2BIG, "more than %d modules", SG_MODLOAD_MODULES);
		o->module[o->nmodule++] = m;
	}
	return 0;
}

int sg_modload_parse_sources(struct sg_modload_opts *o, const char *text, struct sg_err *err)
{
	char word[64];
	bool too_long;

	o->sources = 0;
	while (sg_parse_word(&text, word, sizeof(word), &too_long)) {
		unsigned i = SG_SOURCE_DEFAULT;

		while (i < SG_SOURCES_MAX && (too_long || strcmp(sg_modload_sources_names[i], word)))
			i++;
		if (i == SG_SOURCES_MAX)
			return sg_err_set(err, -EINVAL,
					  "no source '%s'; there are default, trace and uprobes",
					  too_long ? "..." : word);
		if (o->sources >> i & 1)
			return sg_err_set(err, -EEXIST, "source '%s' twice", word);
		o->sources |= 1u << i;
	}
	return 0;
}

const char *sg_modload_task(char *buf, size_t cap, const struct sg_modload_opts *o,
			    const struct sg_modload_combo *c, char sep)
{
	snprintf(buf, cap, "%s%c%u%c%s", o->runtime[c->runtime]->name, sep, o->count[c->count], sep,
		 o->module[c->module].name);
	for (char *p = buf; sep != '/' && (p = strchr(p, '/'));)
		*p = '.';
	return buf;
}
