/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * holdup PID ROUNDS MS: as if threads of low priority got no CPU, wherever they are just then: all threads of PID that have a
 * positive nice value stand still for MS, ROUNDS times, with MS / 4 and a bit between. Prints how many threads there were,
 * and how often its first thread waited at a futex at the end of such a time.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 64

static int threads(const char *pid, pid_t tid[THREADS_MAX])
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	d = opendir(path);
	while (d && n < THREADS_MAX && (e = readdir(d))) {
		pid_t t = atoi(e->d_name);

		if (t <= 0 || getpriority(PRIO_PROCESS, (id_t)t) <= 0)
			continue;
		if (ptrace(PTRACE_SEIZE, t, 0, 0))
			return -1;
		tid[n++] = t;
	}
	if (d)
		closedir(d);
	return n;
}

static int at_futex(const char *pid)
{
	char path[64], word[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/syscall", pid);
	f = fopen(path, "r");
	if (!f || !fgets(word, sizeof(word), f))
		*word = 0;
	if (f)
		fclose(f);
	return atoi(word) == SYS_futex;
}

int main(int argc, char **argv)
{
	pid_t tid[THREADS_MAX];
	unsigned ms, seed = 1;
	int n, status, waits = 0;

	if (argc != 4)
		return fprintf(stderr, "holdup: PID ROUNDS MS\n"), 2;
	n = threads(argv[1], tid);
	ms = (unsigned)atoi(argv[3]);
	if (n <= 0)
		return perror("holdup"), 1;
	for (int r = atoi(argv[2]); r > 0; r--) {
		usleep(ms * 250 + (unsigned)rand_r(&seed) % 20000);
		for (int i = 0; i < n; i++)
			ptrace(PTRACE_INTERRUPT, tid[i], 0, 0);
		for (int i = 0; i < n; i++)
			if (waitpid(tid[i], &status, __WALL) != tid[i] || !WIFSTOPPED(status))
				return fprintf(stderr, "holdup: thread %d went away\n", tid[i]), 1;
		usleep(ms * 1000);
		waits += at_futex(argv[1]);
		for (int i = 0; i < n; i++)
			ptrace(PTRACE_CONT, tid[i], 0, 0);
	}
	printf("threads=%d waits=%d\n", n, waits);
	return 0;
}
