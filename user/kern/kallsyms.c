// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kern/kallsyms.h"

/*
 * Symbols have no sizes here, so the last one of a module seems to reach to the
 * next module. No function is longer than this.
 */
#define FUNC_MAX (256u << 10)

/* "address type name\t[module]" */
static int add_line(struct sg_kallsyms *k, char *line)
{
	char *end, *name, *mod, both[2 * SG_SYM_NAME_MAX + 2];
	uint64_t addr = strtoull(line, &end, 16);
	size_t n, m;

	if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ')
		return 0;
	if (!strchr("tTwW", end[1]))
		return 0;
	name = end + 3;
	n = strcspn(name, " \t\n");
	/* Padding before a function is not where anything runs. */
	if (!n || !strncmp(name, "__pfx_", 6))
		return 0;
	if (!addr) {
		k->hidden = true;
		return 0;
	}
	mod = strchr(name + n, '[');
	m = mod ? strcspn(++mod, "]\n") : 0;
	if (n > SG_SYM_NAME_MAX - 1 || n + m + 1 > SG_SYM_NAME_MAX)
		return 0;
	memcpy(both, name, n);
	both[n] = 0;
	memcpy(both + n + 1, mod ? mod : "", m);
	return sg_symtab_add(&k->tab, addr, 0, both, n + 1 + m);
}

int sg_kallsyms_read(struct sg_kallsyms *ret, FILE *f)
{
	struct sg_kallsyms k = { 0 };
	char *line = NULL;
	size_t cap = 0;
	int err = 0;

	while (!err && getline(&line, &cap, f) > 0)
		err = add_line(&k, line);
	free(line);
	if (err == -ENOMEM) {
		sg_kallsyms_free(&k);
		return err;
	}
	sg_symtab_finish(&k.tab, false);
	*ret = k;
	return k.tab.n ? 0 : -ENOENT;
}

const char *sg_kallsyms_find(const struct sg_kallsyms *k, uint64_t addr, const char **ret_mod)
{
	const struct sg_sym *sym = sg_symtab_find(&k->tab, addr);
	const char *name, *mod;

	if (!sym || addr - sym->addr > FUNC_MAX)
		return NULL;
	name = sg_symtab_name(&k->tab, sym);
	mod = name + strlen(name) + 1;
	*ret_mod = *mod ? mod : "[kernel]";
	return name;
}

void sg_kallsyms_free(struct sg_kallsyms *k)
{
	sg_symtab_free(&k->tab);
	k->hidden = false;
}

int sg_kallsyms_addresses(const char *const names[], uint64_t ret[], size_t n)
{
	bool twice[SG_KALLSYMS_ASK_MAX] = { false };
	char *line = NULL;
	size_t cap = 0;
	FILE *f;

	if (n > SG_KALLSYMS_ASK_MAX)
		return -E2BIG;
	memset(ret, 0, n * sizeof(*ret));
	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return -errno;
	/* "address type name\t[module]": of all lines only those that name one of @names are looked at closer. */
	while (getline(&line, &cap, f) > 0) {
		const char *at = strchr(line, ' ');
		size_t len;

		if (!at || !at[1] || at[2] != ' ')
			continue;
		at += 3;
		len = strcspn(at, " \t\n");
		for (size_t i = 0; i < n; i++) {
			if (strncmp(at, names[i], len) || names[i][len])
				continue;
			twice[i] |= ret[i] != 0;
			ret[i] = strtoull(line, NULL, 16);
		}
	}
	free(line);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		if (twice[i])
			ret[i] = 0;
	return 0;
}
