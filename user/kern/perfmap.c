// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "kern/perfmap.h"

#define LINES_MAX 500000

int sg_perfmap_read(struct sg_symtab *ret, FILE *f)
{
	struct sg_symtab t = { 0 };
	size_t cap = 0, lines = 0;
	char *line = NULL;
	int err = 0;
	ssize_t n;

	while (!err && lines++ < LINES_MAX && (n = getline(&line, &cap, f)) > 0) {
		char *p = line, *end;
		uint64_t addr, size;

		if (line[n - 1] == '\n')
			line[--n] = 0;
		addr = strtoull(p, &end, 16);
		if (end == p || *end != ' ')
			continue;
		p = end;
		size = strtoull(p, &end, 16);
		if (end == p || *end != ' ' || !size || !end[1])
			continue;
		err = sg_symtab_add(&t, addr, size, end + 1, strlen(end + 1));
	}
	free(line);
	if (err == -ENOMEM) {
		sg_symtab_free(&t);
		return err;
	}
	sg_symtab_finish(&t, true);
	*ret = t;
	return 0;
}
