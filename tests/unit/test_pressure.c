/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Memory hogs: held is what their processes hold, whatever else is in their group. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kern/pids.h"
#include "load/pressure.h"

#define MIB ((uint64_t)1 << 20)
#define HOG (24 * MIB)

/* As Debian's stress does it: the process that is started only waits for its child, which has the memory. */
static struct sg_child start(void)
{
	struct sg_child c = SG_CHILD_NONE;
	struct sg_err err;

	c.pid = fork();
	if (!c.pid) {
		if (!fork())
			_exit(!!sg_hog_run(HOG, &err));
		pause();
		_exit(0);
	}
	return c;
}

static void stop(const struct sg_child *c)
{
	struct sg_pids tree = { 0 };

	cr_expect_eq(sg_proc_tree(c->pid, false, &tree), 0);
	for (size_t i = 0; i < tree.n; i++)
		kill(tree.pid[i], SIGKILL);
	sg_pids_free(&tree);
	waitpid(c->pid, NULL, 0);
}

Test(pressure, held_is_what_their_processes_hold, .timeout = 60)
{
	struct sg_child hog[2] = { start(), start() };
	uint64_t held = 0;

	while (sg_hogs_held(hog, 1) < HOG || sg_hogs_held(hog + 1, 1) < HOG)
		usleep(10000);
	held = sg_hogs_held(hog, 2);
	cr_expect(held >= 2 * HOG && held <= 2 * HOG + 8 * MIB, "%lu", (unsigned long)held);
	stop(&hog[0]);
	stop(&hog[1]);
	cr_expect_eq(sg_hogs_held(hog, 2), 0);
}
