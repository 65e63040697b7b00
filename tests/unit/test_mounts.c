// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Lines of mountinfo, and this machine's own. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "kern/mounts.h"

static bool parse(const char *text, struct sg_mount *ret)
{
	static char line[512];

	snprintf(line, sizeof(line), "%s", text);
	return sg_mount_line(line, ret);
}

Test(mounts, a_line)
{
	struct sg_mount m;

	cr_assert(parse("36 35 98:0 /sub /mnt/x rw,noatime - ext4 /dev/vda rw,errors=continue\n", &m));
	cr_expect_str_eq(m.root, "/sub");
	cr_expect_str_eq(m.point, "/mnt/x");
	cr_expect_str_eq(m.type, "ext4");
	cr_expect_str_eq(m.super, "rw,errors=continue");
	/* any number of optional fields */
	cr_assert(parse("36 35 0:32 / /c rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n", &m));
	cr_expect_str_eq(m.point, "/c");
	cr_expect_str_eq(m.type, "cgroup");
	cr_expect_str_eq(m.super, "rw,cpu,cpuacct");
}

Test(mounts, escapes)
{
	struct sg_mount m;

	cr_assert(parse("1 2 0:1 /a\\040b /m\\011\\134040\\012 rw - tmpfs none rw\n", &m));
	cr_expect_str_eq(m.root, "/a b");
	cr_expect_str_eq(m.point, "/m\t\\040\n", "what an escape gives is no escape");
	cr_assert(parse("1 2 0:1 / /m\\9\\04 rw - tmpfs none rw\n", &m));
	cr_expect_str_eq(m.point, "/m\\9\\04");
}

Test(mounts, what_is_none)
{
	struct sg_mount m;

	cr_expect_not(parse("", &m));
	cr_expect_not(parse("\n", &m));
	cr_expect_not(parse(" - ", &m));
	cr_expect_not(parse("36 35 98:0 /sub /mnt rw ext4 /dev/vda rw\n", &m));
	cr_expect_not(parse("36 35 98:0 /sub - ext4 /dev/vda rw\n", &m));
	cr_expect_not(parse("36 35 98:0 / /mnt rw - ext4\n", &m));
	/* no options of its own: it is mounted all the same */
	cr_assert(parse("36 35 98:0 / /mnt rw - ext4 /dev/vda\n", &m));
	cr_expect_str_eq(m.super, "");
}

Test(mounts, of_this_machine)
{
	struct sg_mounts all;
	struct sg_mount m;
	size_t roots = 0, procs = 0;

	cr_assert_eq(sg_mounts_open(&all), 0);
	while (sg_mounts_next(&all, &m)) {
		roots += !strcmp(m.point, "/");
		procs += !strcmp(m.point, "/proc") && !strcmp(m.type, "proc");
	}
	sg_mounts_close(&all);
	sg_mounts_close(&all);
	cr_expect_geq(roots, 1);
	cr_expect_geq(procs, 1);
}
