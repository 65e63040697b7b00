// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kern/maps.h"

/* "start-end perms offset major:minor inode   path"; false when it is none or not executable. */
static bool parse_line(char *line, struct sg_map *m)
{
	static const char gone[] = " (deleted)";
	unsigned major, minor;
	int at = 0;
	char perms[5], *path;
	size_t len;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &m->start, &m->end,
		   perms, &m->offset, &major, &minor, &m->ino, &at) != 7 ||
	    !at || m->end <= m->start)
		return false;
	if (strlen(perms) < 4 || perms[2] != 'x')
		return false;
	m->dev = (uint64_t)major << 32 | minor;
	path = line + at + strspn(line + at, " ");
	len = strlen(path);
	m->deleted = len > sizeof(gone) - 1 && !strcmp(path + len - (sizeof(gone) - 1), gone);
	if (m->deleted)
		path[len - (sizeof(gone) - 1)] = 0;
	m->path = path;
	if (!strcmp(path, "[vdso]"))
		m->kind = SG_MAP_VDSO;
	else if (!strcmp(path, "/memfd:runsc-memory"))
		m->kind = SG_MAP_GUEST;
	else if (*path != '/' || !strncmp(path, "/memfd:", 7) || !strcmp(path, "/dev/zero") ||
		 !strncmp(path, "/SYSV", 5) || !strncmp(path, "//anon", 6))
		m->kind = SG_MAP_JIT;
	else
		m->kind = SG_MAP_FILE;
	return strcmp(path, "[vsyscall]") != 0;
}

/* Copy the paths together, so that the text need not be kept. */
static int keep_paths(struct sg_maps *m)
{
	size_t need = 1, at = 0;

	for (size_t i = 0; i < m->n; i++)
		need += strlen(m->map[i].path) + 1;
	m->paths = malloc(need);
	if (!m->paths)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		size_t len = strlen(m->map[i].path) + 1;

		memcpy(m->paths + at, m->map[i].path, len);
		m->map[i].path = m->paths + at;
		at += len;
	}
	return 0;
}

static bool is_stub(const struct sg_maps *m)
{
	bool program = false;

	for (size_t i = 0; i < m->n; i++) {
		if (m->map[i].kind == SG_MAP_GUEST)
			return true;
		program |= m->map[i].kind != SG_MAP_JIT;
	}
	return m->n && !program;
}

int sg_maps_parse(struct sg_maps *ret, char *text)
{
	struct sg_maps m = { 0 };
	size_t cap = 0;

	for (char *line = text, *next; line && *line; line = next) {
		char *end = strchr(line, '\n');
		struct sg_map one = { 0 };

		next = end ? end + 1 : NULL;
		if (end)
			*end = 0;
		if (!parse_line(line, &one))
			continue;
		/* The kernel writes them in order; anything else would break the search. */
		if (m.n && one.start < m.map[m.n - 1].end)
			continue;
		if (m.n == cap) {
			struct sg_map *big = realloc(m.map, (cap = cap ? cap * 2 : 16) * sizeof(*big));

			if (!big) {
				sg_maps_free(&m);
				return -ENOMEM;
			}
			m.map = big;
		}
		m.map[m.n++] = one;
	}
	if (keep_paths(&m)) {
		sg_maps_free(&m);
		return -ENOMEM;
	}
	m.stub = is_stub(&m);
	*ret = m;
	return 0;
}

const struct sg_map *sg_maps_find(const struct sg_maps *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->map[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && m->map[lo].start <= addr ? &m->map[lo] : NULL;
}

void sg_maps_free(struct sg_maps *m)
{
	free(m->map);
	free(m->paths);
	*m = (struct sg_maps){ 0 };
}
