// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "kern/pids.h"
#include "kern/proc.h"

void sg_pids_free(struct sg_pids *p)
{
	free(p->pid);
	*p = (struct sg_pids){ 0 };
}

static int pid_cmp(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

bool sg_pids_has(const struct sg_pids *p, pid_t pid)
{
	return p->n && bsearch(&pid, p->pid, p->n, sizeof(pid), pid_cmp);
}

static int pids_add(struct sg_pids *p, pid_t pid)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		pid_t *big = realloc(p->pid, cap * sizeof(*big));

		if (!big)
			return -ENOMEM;
		p->pid = big;
		p->cap = cap;
	}
	p->pid[p->n++] = pid;
	return 0;
}

static void pids_sort(struct sg_pids *p)
{
	size_t n = 0;

	if (p->n)
		qsort(p->pid, p->n, sizeof(*p->pid), pid_cmp);
	for (size_t i = 0; i < p->n; i++)
		if (!i || p->pid[i] != p->pid[i - 1])
			p->pid[n++] = p->pid[i];
	p->n = n;
}

/* Add every entry of a directory whose name is a number. */
static int pids_dir(struct sg_pids *p, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int err = 0;

	if (!d)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (e = readdir(d)))
		if (isdigit(e->d_name[0]))
			err = pids_add(p, (pid_t)strtol(e->d_name, NULL, 10));
	closedir(d);
	return err;
}

int sg_proc_threads(pid_t pid, struct sg_pids *ret)
{
	struct sg_pids p = { 0 };
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	err = pids_dir(&p, path);
	if (err) {
		sg_pids_free(&p);
		return err;
	}
	pids_sort(&p);
	*ret = p;
	return 0;
}

struct parent {
	pid_t pid, ppid;
	bool in;
};

/* Mark descendants until nothing changes: each round reaches one generation more. */
static int tree_collect(struct parent *all, size_t n, pid_t root, struct sg_pids *ret)
{
	int err = pids_add(ret, root);
	bool more = !err;

	while (more && !err) {
		more = false;
		pids_sort(ret);
		for (size_t i = 0; !err && i < n; i++) {
			if (all[i].in || !sg_pids_has(ret, all[i].ppid))
				continue;
			all[i].in = true;
			more = true;
		}
		for (size_t i = 0; !err && more && i < n; i++)
			if (all[i].in)
				err = pids_add(ret, all[i].pid);
	}
	pids_sort(ret);
	return err;
}

static int tree_threads(struct sg_pids *p)
{
	struct sg_pids tids = { 0 };
	int err = 0;

	for (size_t i = 0; i < p->n && err != -ENOMEM; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task", p->pid[i]);
		err = pids_dir(&tids, path); /* ended meanwhile: it has no threads */
	}
	if (err == -ENOMEM) {
		sg_pids_free(&tids);
		return err;
	}
	pids_sort(&tids);
	sg_pids_free(p);
	*p = tids;
	return 0;
}

int sg_proc_tree(pid_t root, bool threads, struct sg_pids *ret)
{
	struct sg_pids all = { 0 }, out = { 0 };
	struct parent *par = NULL;
	struct sg_proc_stat st;
	int err = sg_proc_stat(root, 0, &st);
	size_t n = 0;

	if (!err)
		err = pids_dir(&all, "/proc");
	if (!err && !(par = calloc(all.n ? all.n : 1, sizeof(*par))))
		err = -ENOMEM;
	for (size_t i = 0; !err && i < all.n; i++)
		if (!sg_proc_stat(all.pid[i], 0, &st))
			par[n++] = (struct parent){ .pid = st.pid, .ppid = st.ppid };
	if (!err)
		err = tree_collect(par, n, root, &out);
	if (!err && threads)
		err = tree_threads(&out);
	free(par);
	sg_pids_free(&all);
	if (err) {
		sg_pids_free(&out);
		return err;
	}
	*ret = out;
	return 0;
}
