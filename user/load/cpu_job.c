/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "load/cpu_job.h"

#define LEVEL 5 /* of GNU Go: a position takes some tenths of a second */
#define WORDS 4096
#define WORD  12

const struct sg_cpu_program sg_cpu_programs[SG_CPU_JOB_MAX] = {
#define SG_X(sym, word, program, pkg, summary) { .name = program, .package = pkg, .job = word },
	SG_CPU_JOB_LIST(SG_X)
#undef SG_X
};

int sg_cpu_job_find(const char *name)
{
	for (int i = 0; i < SG_CPU_JOB_MAX; i++)
		if (!strcmp(sg_cpu_programs[i].job, name))
			return i;
	return -EINVAL;
}

/* xorshift64: the same numbers everywhere, and as little time as possible. */
static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void make_words(char word[WORDS][WORD], uint64_t *seed)
{
	static const char vowel[] = "aeiou", other[] = "bcdfghjklmnprstvwz";

	for (unsigned i = 0; i < WORDS; i++) {
		unsigned n = 2 + (unsigned)(next(seed) % (WORD - 3));

		for (unsigned k = 0; k < n; k++)
			word[i][k] = k % 2 ? vowel[next(seed) % (sizeof(vowel) - 1)]
					   : other[next(seed) % (sizeof(other) - 1)];
		word[i][n] = 0;
	}
}

/* Few words are frequent and most are seldom, as in a language: it compresses to about a third. */
int sg_cpu_input(FILE *f, uint64_t n)
{
	char word[WORDS][WORD];
	uint64_t seed = 88172645463325252u;

	make_words(word, &seed);
	for (uint64_t at = 0, i = 0; at < n; i++) {
		uint64_t r = next(&seed), range = 16u << (r % 9);
		const char *w = word[(r >> 32) % range];
		size_t len = strlen(w);

		if (len > n - at)
			len = (size_t)(n - at);
		if (fwrite(w, 1, len, f) != len)
			return -errno;
		at += len;
		if (at < n && fputc(i % 11 == 10 ? '\n' : ' ', f) == EOF)
			return -errno;
		at++;
	}
	return 0;
}

int sg_cpu_script(FILE *f, const char *data, unsigned positions)
{
	for (unsigned i = 0; i < positions; i++)
		if (fprintf(f, "loadsgf %s/position%u.sgf\nreg_genmove black\nreg_genmove white\n", data,
			    i % SG_CPU_POSITIONS) < 0)
			return -errno;
	return fputs("quit\n", f) < 0 ? -errno : 0;
}

struct file {
	const struct sg_cpu_size *size;
	const char *seen; /* the folder, where the job is */
	unsigned i;
};

static int write_input(FILE *f, const struct file *x)
{
	return sg_cpu_input(f, x->size->input_bytes);
}

static int write_script(FILE *f, const struct file *x)
{
	return sg_cpu_script(f, x->seen, x->size->positions);
}

static int write_position(FILE *f, const struct file *x)
{
	return fputs(sg_cpu_position[x->i], f) < 0 ? -errno : 0;
}

static int make(struct sg_guard *guard, const char *data, const char *name,
		int (*write)(FILE *, const struct file *), const struct file *x, struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", data, name);
	rc = sg_guard_add(guard, SG_GUARD_FILE, path, err);
	if (rc)
		return rc;
	f = fopen(path, "we");
	rc = f ? write(f, x) : -errno;
	if (f && fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

int sg_cpu_job_setup(enum sg_cpu_job job, const struct sg_cpu_size *size, const char *data,
		     const struct sg_cpu_where *where, unsigned n, struct sg_guard *guard, struct sg_err *err)
{
	struct file x = { .size = size };
	char name[64];
	int rc = 0;

	if (job == SG_CPU_JOB_BZIP2)
		return make(guard, data, "text", write_input, &x, err);
	for (; x.i < SG_CPU_POSITIONS && !rc; x.i++) {
		snprintf(name, sizeof(name), "position%u.sgf", x.i);
		rc = make(guard, data, name, write_position, &x, err);
	}
	for (unsigned i = 0; i < n && !rc; i++) {
		snprintf(name, sizeof(name), "%s.gtp", where[i].env);
		x.seen = where[i].data;
		rc = make(guard, data, name, write_script, &x, err);
	}
	return rc;
}

void sg_cpu_job_args(enum sg_cpu_job job, const struct sg_cpu_where *where, struct sg_args *ret)
{
	sg_arg(ret, "%s", sg_cpu_programs[job].name);
	if (job == SG_CPU_JOB_BZIP2) {
		sg_arg(ret, "-9kc");
		sg_arg(ret, "%s/text", where->data);
		return;
	}
	for (const char *const *a =
		     (const char *const[]){ "--mode", "gtp", "--seed", "1", "--gtp-input", NULL };
	     *a; a++)
		sg_arg(ret, "%s", *a);
	sg_arg(ret, "%s/%s.gtp", where->data, where->env);
	sg_arg(ret, "--level");
	sg_arg(ret, "%d", LEVEL);
}

/* An answer is a line of its own that begins with '=' (or '?': an error): one to each order. */
int sg_cpu_job_check(enum sg_cpu_job job, const struct sg_cpu_size *size, const char *text,
		     struct sg_err *err)
{
	unsigned good = 0, want = 3 * size->positions + 1;

	if (job == SG_CPU_JOB_BZIP2)
		return 0;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (*line == '?')
			return sg_err_set(err, -EPROTO, "gnugo does not understand what it is told: %.*s",
					  (int)(strcspn(line, "\n") < 80 ? strcspn(line, "\n") : 80), line);
		good += *line == '=';
	}
	return good == want ? 0 : sg_err_set(err, -EPROTO, "gnugo gave %u answers to %u orders", good, want);
}
