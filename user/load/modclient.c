/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "load/modclient.h"
#include "sandglass/mark.h"

#define ANSWER_MAX 512

struct load {
	struct sg_modclient_pipe p;
	uint64_t id, begin_ns;
	struct sg_modclient_time t;
	char line[ANSWER_MAX];
	size_t len;
	bool done;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* "12.345678" milliseconds; the loader writes six digits after the point. */
static int parse_ms(const char *s, uint64_t *ret_ns)
{
	uint64_t ms = 0, ns = 0;
	unsigned digits = 0, frac = 0;

	for (; *s >= '0' && *s <= '9' && digits < 12; s++, digits++)
		ms = ms * 10 + (uint64_t)(*s - '0');
	if (!digits || *s++ != '.')
		return -EPROTO;
	for (; *s >= '0' && *s <= '9' && frac < 6; s++, frac++)
		ns = ns * 10 + (uint64_t)(*s - '0');
	if (*s || frac != 6)
		return -EPROTO;
	*ret_ns = ms * 1000000u + ns;
	return 0;
}

static int odd_answer(const char *line, int rc, const char *what, struct sg_err *err)
{
	char shown[120];
	size_t n = 0;

	for (; line[n] && n < sizeof(shown) - 1; n++)
		shown[n] = line[n];
	shown[n] = 0;
	for (char *c = shown; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return sg_err_set(err, rc, "%s: %s", what, shown);
}

int sg_modclient_answer(const char *line, const char *module, uint64_t *ret_ns, struct sg_err *err)
{
	size_t n = strlen(module);

	if (!strncmp(line, "fail ", 5))
		return odd_answer(line + 5, -EIO, "the module could not be loaded", err);
	if (strncmp(line, "done ", 5) || strncmp(line + 5, module, n) || line[5 + n] != ' ' ||
	    parse_ms(line + 6 + n, ret_ns))
		return odd_answer(line, -EPROTO, "the loader gave an answer that is not its own", err);
	return 0;
}

/* The whole order in one write: a pipe takes it, or the loader is gone. */
static int order(struct load *l, unsigned i, const char *task, const char *text, size_t len,
		 struct sg_err *err)
{
	l->id = i + 1;
	l->begin_ns = now_ns();
	SG_TASK_BEGIN(l->id, task);
	if (write(l->p.in, text, len) != (ssize_t)len)
		return sg_err_set(err, -EPIPE, "loader %u takes no order: %s", i, strerror(errno));
	return 0;
}

/* Some bytes have come: the task ends when the line is complete. */
static int take(struct load *l, unsigned i, const char *module, struct sg_err *err)
{
	ssize_t n = read(l->p.out, l->line + l->len, sizeof(l->line) - 1 - l->len);
	uint64_t end = now_ns();
	char *nl;

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return sg_err_set(err, -EPIPE, "loader %u ended instead of answering", i);
	nl = memchr(l->line + l->len, '\n', (size_t)n);
	l->len += (size_t)n;
	if (!nl && l->len < sizeof(l->line) - 1)
		return 0;
	SG_TASK_END(l->id, 0);
	l->t.latency_ns = end - l->begin_ns;
	l->done = true;
	l->line[nl ? (size_t)(nl - l->line) : l->len] = 0;
	return sg_modclient_answer(l->line, module, &l->t.require_ns, err);
}

static int load_all(struct load *l, unsigned n, const char *task, const char *module, unsigned timeout_s,
		    struct sg_err *err)
{
	struct pollfd p[SG_MODCLIENT_MAX];
	unsigned left = n;
	char text[SG_MODULE_MAX + 8];
	int len = snprintf(text, sizeof(text), "load %s\n", module), rc = 0;

	for (unsigned i = 0; i < n && !rc; i++) {
		p[i] = (struct pollfd){ .fd = l[i].p.out, .events = POLLIN };
		rc = order(&l[i], i, task, text, (size_t)len, err);
	}
	while (left && !rc) {
		int ready = poll(p, n, (int)timeout_s * 1000);

		if (ready < 0 && errno != EINTR)
			return sg_err_set(err, -errno, "cannot wait for the loaders: %s", strerror(errno));
		if (!ready)
			return sg_err_set(err, -ETIMEDOUT, "%u of %u loaders did not answer within %u s",
					  left, n, timeout_s);
		for (unsigned i = 0; i < n && ready > 0 && !rc; i++) {
			if (!p[i].revents)
				continue;
			rc = take(&l[i], i, module, err);
			if (l[i].done) {
				p[i].fd = -1;
				left--;
			}
		}
	}
	return rc;
}

int sg_modclient_run(const struct sg_modclient_pipe *p, unsigned n, const char *task, const char *module,
		     uint64_t begin_ns, unsigned timeout_s, FILE *out, struct sg_err *err)
{
	struct load *l = calloc(n ? n : 1, sizeof(*l));
	int rc;

	prctl(PR_SET_NAME, "bench-client");
	if (!l)
		return sg_err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < n; i++)
		l[i].p = p[i];
	sleep_until(begin_ns);
	rc = load_all(l, n, task, module, timeout_s, err);
	for (unsigned i = 0; i < n && !rc; i++)
		if (fprintf(out, "%" PRIu64 "\t%" PRIu64 "\n", l[i].t.latency_ns, l[i].t.require_ns) < 0)
			rc = -errno;
	if (!rc && (fprintf(out, "end\n") < 0 || fflush(out)))
		rc = -errno;
	if (rc && !err->msg[0])
		sg_err_set(err, rc, "cannot store the times: %s", strerror(-rc));
	free(l);
	return rc;
}

int sg_modclient_read(FILE *in, unsigned n, struct sg_modclient_time *ret, struct sg_err *err)
{
	char line[96];
	unsigned have = 0;
	bool end = false;

	while (!end && fgets(line, sizeof(line), in)) {
		struct sg_modclient_time t;

		if (!strcmp(line, "end\n"))
			end = true;
		else if (have == n ||
			 sscanf(line, "%" SCNu64 "\t%" SCNu64, &t.latency_ns, &t.require_ns) != 2)
			break;
		else
			ret[have++] = t;
	}
	if (!end || have != n)
		return sg_err_set(err, -EPIPE, "the client's times are not complete: %u of %u loads", have,
				  n);
	return 0;
}
