// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Names of cgroups, on cgroups made for the test. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/cgroup.h"

/* A hierarchy to make cgroups in: the first that works. */
static const char *base(char *buf, size_t cap, const char **ret_controller)
{
	static const char *const at[][2] = { { "/sys/fs/cgroup/unified", "unified" },
					     { "/sys/fs/cgroup", "unified" },
					     { "/sys/fs/cgroup/memory", "memory" } };

	for (size_t i = 0; i < 3; i++) {
		snprintf(buf, cap, "%s/sgtest-%d", at[i][0], getpid());
		if (!mkdir(buf, 0755)) {
			char procs[256];

			snprintf(procs, sizeof(procs), "%.200s/cgroup.procs", buf);
			if (!access(procs, F_OK)) {
				*ret_controller = at[i][1];
				return buf;
			}
			rmdir(buf);
		}
	}
	cr_skip_test("no cgroup can be made here");
	return NULL;
}

Test(cgroup, every_way_to_name_one)
{
	char top[128], sub[160], arg[256], path[PATH_MAX];
	const char *ctl;
	struct sg_cgroup g, by;
	struct sg_err err = { 0 };
	struct stat st;

	base(top, sizeof(top), &ctl);
	snprintf(sub, sizeof(sub), "%s/deep-%d", top, getpid());
	cr_assert_eq(mkdir(sub, 0755), 0);
	cr_assert_eq(stat(sub, &st), 0);

	cr_assert_eq(sg_cgroup_find(sub, &g, &err), 0, "%s", err.msg);
	cr_expect_eq(g.id, st.st_ino);
	cr_expect_eq(g.level, 2, "%d", g.level);
	cr_expect_str_eq(g.path, sub);
	cr_expect_eq(g.v2, !strcmp(ctl, "unified"));
	cr_expect_eq(g.subsys < 0, g.v2);
	{
		const char *forms[5];
		char f[5][256];

		snprintf(f[0], 256, "/sgtest-%d/deep-%d", getpid(), getpid());
		snprintf(f[1], 256, "sgtest-%d/deep-%d", getpid(), getpid());
		snprintf(f[2], 256, "%s:sgtest-%d/deep-%d", ctl, getpid(), getpid());
		snprintf(f[3], 256, "%s/sgtest-%d/deep-%d", ctl, getpid(), getpid());
		snprintf(f[4], 256, "deep-%d", getpid());
		for (int i = 0; i < 5; i++) {
			forms[i] = f[i];
			cr_assert_eq(sg_cgroup_find(forms[i], &by, &err), 0, "%s: %s", forms[i], err.msg);
			cr_expect_eq(by.id, g.id, "%s", forms[i]);
			cr_expect_eq(by.level, 2);
		}
	}
	snprintf(arg, sizeof(arg), "%s/cgroup.procs", top);
	cr_expect_eq(sg_cgroup_find(arg, &by, &err), -ENOTDIR);
	if (g.v2) {
		cr_assert_eq(sg_cgroup_path(g.id, path, sizeof(path)), 0);
		snprintf(arg, sizeof(arg), "/sgtest-%d/deep-%d", getpid(), getpid());
		cr_expect_str_eq(path, arg);
	}
	rmdir(sub);
	if (g.v2)
		cr_expect_eq(sg_cgroup_path(g.id, path, sizeof(path)), -ENOENT);
	cr_expect_eq(sg_cgroup_find(sub, &by, &err), -ENOENT);
	rmdir(top);
}

Test(cgroup, one_name_twice)
{
	char top[128], a[160], b[192], name[32];
	const char *ctl;
	struct sg_cgroup g;
	struct sg_err err = { 0 };

	base(top, sizeof(top), &ctl);
	snprintf(name, sizeof(name), "twin-%d", getpid());
	snprintf(a, sizeof(a), "%s/%s", top, name);
	snprintf(b, sizeof(b), "%s/%s", a, name);
	mkdir(a, 0755);
	mkdir(b, 0755);
	cr_expect_eq(sg_cgroup_find(name, &g, &err), -EEXIST);
	cr_expect(strstr(err.msg, a), "%s", err.msg);
	rmdir(b);
	cr_expect_eq(sg_cgroup_find(name, &g, &err), 0);
	rmdir(a);
	rmdir(top);
}

Test(cgroup, unknown_ones_get_a_sentence)
{
	static const char *const bad[] = { "no-such-cgroup",  "/no/such",     "",
					   "memory:no-such",  "../../../etc", "/etc",
					   "memory:../../..", "%n%s",	      "a/../../../../proc" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sg_err err = { 0 };
		struct sg_cgroup g;

		cr_expect_eq(sg_cgroup_find(bad[i], &g, &err), -ENOENT, "'%s' is %s", bad[i], g.path);
		cr_expect(strlen(err.msg) > 20, "'%s': '%s'", bad[i], err.msg);
	}
}

Test(cgroup, controllers_have_numbers)
{
	int mem = sg_cgroup_subsys("memory"), cpu = sg_cgroup_subsys("cpu"), io = sg_cgroup_subsys("blkio");

	cr_expect_geq(mem, 0);
	cr_expect_geq(cpu, 0);
	cr_expect_geq(io, 0);
	cr_expect_neq(mem, cpu);
	cr_expect_neq(mem, io);
	cr_expect_eq(sg_cgroup_subsys("no_such"), -ENOENT);
	cr_expect_eq(sg_cgroup_subsys(""), -ENOENT);
	cr_expect_str_neq(sg_cgroup_mode_name(sg_cgroup_mode()), "?");
}
