/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* truthrun: carries out the truth scenarios under sandglass and holds its answers against their measurements. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "compare.h"
#include "faults.h"
#include "setup.h"

#define TIMEOUT_S 60

struct opts {
	const char *sandglass, *truth, *base, *only, *keep;
	bool verbose, bare;
};

struct counts {
	unsigned passed, failed, skipped;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Run @argv in a process group of its own, output to @log. Return: wait status, or -1 after a timeout or signal. */
static int run_logged(char *const argv[], const char *log)
{
	double limit = now_s() + TIMEOUT_S;
	pid_t pid = fork();
	int status, fd;

	if (pid < 0)
		return -1;
	if (!pid) {
		setpgid(0, 0);
		fd = open(log, O_CREAT | O_TRUNC | O_WRONLY, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		close(fd);
		execv(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (interrupted || now_s() > limit) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	}
	kill(-pid, SIGKILL); /* whoever outlived it */
	return status;
}

static void log_tail(const char *log)
{
	char line[512];
	FILE *f = fopen(log, "re");

	while (f && fgets(line, sizeof(line), f))
		printf("    | %s%s", line, strchr(line, '\n') ? "" : "\n");
	if (f)
		fclose(f);
}

static void verdict_print(const struct opts *o, struct counts *n, const char *name, bool ok, const char *text)
{
	printf("%-7s %-18s %s\n", ok ? "ok" : "not ok", name, text);
	if (ok)
		n->passed++;
	else
		n->failed++;
	(void)o;
}

static void keep_json(const struct opts *o, const char *name, const char *file, struct json_object *doc)
{
	char path[700];

	if (!o->keep || !doc)
		return;
	snprintf(path, sizeof(path), "%s/%s.%s.json", o->keep, name, file);
	json_object_to_file_ext(path, doc, JSON_C_TO_STRING_PRETTY);
}

static void judge(const struct opts *o, struct counts *n, const char *name, const char *json, const char *out,
		  const char *log)
{
	struct json_object *got = o->bare ? NULL : json_object_from_file(json),
			   *want = json_object_from_file(out), *f;
	struct verdict v = { 0 };
	char *text = NULL;
	size_t len;

	keep_json(o, name, "got", got);
	keep_json(o, name, "want", want);
	if (!want) {
		verdict_print(o, n, name, false, "the scenario wrote no expectation");
		log_tail(log);
	} else if (json_object_object_get_ex(want, "failed", &f) && *json_object_get_string(f)) {
		printf("%-7s %-18s could not be carried out: %s\n", "not ok", name,
		       json_object_get_string(f));
		n->failed++;
	} else if (o->bare) {
		verdict_print(o, n, name, true, json_object_to_json_string(want));
	} else if (!got) {
		verdict_print(o, n, name, false, "sandglass wrote no JSON");
		log_tail(log);
	} else {
		v.what = open_memstream(&text, &len);
		compare_run(&v, got, want);
		fclose(v.what);
		verdict_print(o, n, name, v.ok, text);
		if (o->verbose || !v.ok)
			compare_dump(stdout, got);
		if (o->verbose)
			log_tail(log);
		free(text);
	}
	json_object_put(got);
	json_object_put(want);
}

static void scenario(const struct opts *o, struct setup *s, struct counts *n, char *name, char *needs)
{
	char json[400], out[400], log[400], jarg[420], why[256] = "", *need;
	char *argv[] = { (char *)o->sandglass, "run", jarg, "--", (char *)o->truth, name, NULL };
	int status;

	while (strcmp(needs, "-") && (need = strsep(&needs, ",")) && needs != need)
		if (setup_need(s, need, why, sizeof(why))) {
			printf("%-7s %-18s %s\n", "skip", name, why);
			n->skipped++;
			setup_undo(s);
			return;
		} else if (!needs) {
			break;
		}
	snprintf(json, sizeof(json), "%s/got.json", s->dir);
	snprintf(out, sizeof(out), "%s/want.json", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	snprintf(jarg, sizeof(jarg), "--json=%s", json);
	unlink(json);
	unlink(out);
	setenv("TRUTH_OUT", out, 1);
	status = run_logged(o->bare ? argv + 4 : argv, log);
	setup_undo(s);
	if (interrupted)
		return;
	if (status < 0) {
		verdict_print(o, n, name, false, "did not end within a minute");
		log_tail(log);
	} else {
		judge(o, n, name, json, out, log);
		/* 3 is the scenario's own "could not", already told. */
		if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 3)) {
			printf("    exit status %#x\n", status);
			log_tail(log);
		}
	}
	fflush(stdout);
}

/* Does @name match one of the comma-separated patterns of @list? */
static bool chosen(const char *list, const char *name)
{
	char one[64];
	size_t n;

	for (const char *p = list; *p; p += n, p += *p == ',') {
		n = strcspn(p, ",");
		if (n >= sizeof(one))
			continue;
		memcpy(one, p, n);
		one[n] = 0;
		if (!fnmatch(one, name, 0))
			return true;
	}
	return false;
}

static int run_all(const struct opts *o, struct setup *s, struct counts *n)
{
	char cmd[512], *line = NULL, *rest, *name, *needs;
	size_t cap = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "'%s' --list", o->truth);
	f = popen(cmd, "re");
	if (!f)
		return -errno;
	while (!interrupted && getline(&line, &cap, f) > 0) {
		rest = line;
		name = strsep(&rest, "\t");
		needs = strsep(&rest, "\t");
		if (!needs || (o->only && !chosen(o->only, name)))
			continue;
		scenario(o, s, n, name, needs);
	}
	free(line);
	return pclose(f) ? -EIO : 0;
}

static int usage(FILE *f, int code)
{
	fprintf(f, "Usage: truthrun [OPTIONS]\n"
		   "Run the truth scenarios under sandglass and compare. Needs root.\n\n"
		   "  --sandglass FILE  the program to test (default: sandglass beside truthrun)\n"
		   "  --truth FILE      the scenarios (default: truth beside truthrun)\n"
		   "  --only PATTERNS   only scenarios whose name matches one of them (shell patterns, "
		   "commas between)\n"
		   "  --dir DIR         where scratch files go (default /var/tmp); a block device's file "
		   "system\n"
		   "  --keep DIR        keep both JSON documents of every scenario there\n"
		   "  --bare            without sandglass: what the scenarios measure\n"
		   "  --hidden          only print the nanoseconds of a page fault that pass outside the "
		   "kernel\n"
		   "  -v                both views of every task, and the log\n");
	return code;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "sandglass", 1, 0, 's' }, { "truth", 1, 0, 't' }, { "only", 1, 0, 'o' },
		{ "dir", 1, 0, 'd' },	    { "keep", 1, 0, 'k' },  { "bare", 0, 0, 'b' },
		{ "hidden", 0, 0, 'H' },    { "help", 0, 0, 'h' },  { 0 },
	};
	struct opts o = { .base = "/var/tmp" };
	struct sigaction sa = { .sa_handler = on_signal };
	struct counts n = { 0 };
	struct setup s = { 0 };
	char here[300] = "", sandglass[320], truth[320];
	double t0 = now_s();
	bool hidden = false;
	int c, rc;

	if (readlink("/proc/self/exe", here, sizeof(here) - 1) < 0)
		return perror("truthrun"), 1;
	*strrchr(here, '/') = 0;
	snprintf(sandglass, sizeof(sandglass), "%s/sandglass", here);
	snprintf(truth, sizeof(truth), "%s/truth", here);
	o.sandglass = sandglass;
	o.truth = truth;
	while ((c = getopt_long(argc, argv, "vh", longs, NULL)) != -1)
		switch (c) {
		case 's':
			o.sandglass = optarg;
			break;
		case 't':
			o.truth = optarg;
			break;
		case 'o':
			o.only = optarg;
			break;
		case 'd':
			o.base = optarg;
			break;
		case 'k':
			o.keep = optarg;
			break;
		case 'b':
			o.bare = true;
			break;
		case 'v':
			o.verbose = true;
			break;
		case 'H':
			hidden = true;
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	if (geteuid())
		return fprintf(stderr, "truthrun: needs root: cgroups, swap and probes are the kernel's\n"),
		       1;
	if (hidden)
		return printf("%u\n", faults_hidden_ns()) < 0;
	for (size_t i = 0; i < 3; i++)
		sigaction((int[]){ SIGINT, SIGTERM, SIGHUP }[i], &sa, NULL);
	rc = setup_new(&s, o.base);
	if (rc)
		return fprintf(stderr, "truthrun: %s: %s\n", s.dir, strerror(-rc)), 1;
	s.fault_hidden_ns = faults_hidden_ns();
	if (s.fault_hidden_ns) {
		char ns[24];

		snprintf(ns, sizeof(ns), "%u", s.fault_hidden_ns);
		setenv("TRUTH_FAULT_HIDDEN_NS", ns, 1);
	}
	rc = run_all(&o, &s, &n);
	setup_undo(&s);
	setup_free(&s);
	printf("%u passed, %u failed, %u skipped in %.1f s\n", n.passed, n.failed, n.skipped, now_s() - t0);
	if (rc && !interrupted)
		fprintf(stderr, "truthrun: %s cannot be run: %s\n", o.truth, strerror(-rc));
	return interrupted ? 128 + interrupted : rc || n.failed || !(n.passed + n.skipped);
}
