// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kern/mounts.h"

/* Undo the octal escapes in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = 0;
}

/* "36 35 98:0 /root /point rw,noatime optional:1 - type source super" */
bool sg_mount_line(char *line, struct sg_mount *ret)
{
	char *field[5], *rest, *tail = strstr(line, " - "), *save;

	if (!tail)
		return false;
	*tail = 0;
	tail += 3;
	rest = line;
	for (int i = 0; i < 5; i++, rest = NULL)
		if (!(field[i] = strtok_r(rest, " ", &save)))
			return false;
	ret->root = field[3];
	ret->point = field[4];
	ret->type = strtok_r(tail, " \n", &save);
	if (!ret->type || !strtok_r(NULL, " \n", &save))
		return false;
	ret->super = strtok_r(NULL, " \n", &save);
	if (!ret->super)
		ret->super = "";
	unescape(field[3]);
	unescape(field[4]);
	return true;
}

int sg_mounts_open(struct sg_mounts *m)
{
	*m = (struct sg_mounts){ .f = fopen("/proc/self/mountinfo", "re") };
	return m->f ? 0 : -errno;
}

bool sg_mounts_next(struct sg_mounts *m, struct sg_mount *ret)
{
	while (m->f && getline(&m->line, &m->cap, m->f) > 0)
		if (sg_mount_line(m->line, ret))
			return true;
	return false;
}

void sg_mounts_close(struct sg_mounts *m)
{
	if (m->f)
		fclose(m->f);
	free(m->line);
	*m = (struct sg_mounts){ 0 };
}
