/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "compare.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MSEC 1000000.0

static int64_t num(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : -1;
}

static const char *str(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

static struct json_object *list(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_array) ? v : NULL;
}

static size_t len(struct json_object *l)
{
	return l ? json_object_array_length(l) : 0;
}

static void check(struct verdict *v, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void check(struct verdict *v, bool ok, const char *fmt, ...)
{
	va_list ap;

	fprintf(v->what, "%s%s", v->checks++ ? "; " : "", ok ? "" : "WRONG ");
	va_start(ap, fmt);
	vfprintf(v->what, fmt, ap);
	va_end(ap);
	v->ok &= ok;
}

/* Said only when it is wrong: rules that hold for every scenario. */
#define rule(v, ok, ...)                              \
	do {                                          \
		if (!(ok))                            \
			check(v, false, __VA_ARGS__); \
	} while (0)

/* Is @cause one of the prefixes joined by '+' in @wanted? A prefix ends at a dot or at the end. */
static bool cause_is(const char *cause, const char *wanted)
{
	while (*wanted) {
		size_t n = strcspn(wanted, "+");

		if (!strncmp(cause, wanted, n) && (!cause[n] || cause[n] == '.'))
			return true;
		wanted += n + (wanted[n] == '+');
	}
	return false;
}

static int64_t sum_of(struct json_object *rows, const char *comp, const char *cause, const char *field)
{
	int64_t sum = 0;

	for (size_t i = 0; i < len(rows); i++) {
		struct json_object *r = json_object_array_get_idx(rows, i);

		if ((!strcmp(comp, "*") || !strcmp(comp, str(r, "component"))) &&
		    (!*cause || cause_is(str(r, "cause"), cause)))
			sum += num(r, field);
	}
	return sum;
}

static struct json_object *task_of(struct json_object *got, const char *name)
{
	struct json_object *tasks = list(got, "tasks"), *found = NULL;

	if (!*name)
		return len(tasks) ? json_object_array_get_idx(tasks, 0) : NULL;
	for (size_t i = 0; i < len(tasks) && !found; i++)
		if (!strcmp(str(json_object_array_get_idx(tasks, i), "name"), name))
			found = json_object_array_get_idx(tasks, i);
	return found;
}

static void rules_of_task(struct verdict *v, struct json_object *task)
{
	int64_t latency = num(task, "latency_ns"),
		unknown = sum_of(list(task, "blame"), "*", "unknown", "ns");
	int64_t leaves = sum_of(list(task, "blame"), "*", "", "ns"),
		waits = sum_of(list(task, "by_wait"), "*", "", "ns");
	const char *name = str(task, "name");

	rule(v, latency > 0, "%s: latency %lld ns", name, (long long)latency);
	rule(v, leaves == latency, "%s: blame sums to %lld of %lld ns", name, (long long)leaves,
	     (long long)latency);
	rule(v, waits == latency, "%s: by_wait sums to %lld of %lld ns", name, (long long)waits,
	     (long long)latency);
	rule(v, unknown * 100 <= latency, "%s: unknown %.2f %% (%.3f ms)", name, unknown * 100.0 / latency,
	     unknown / MSEC);
}

/*
 * How far two measurements of one time may be apart: 5 %, or 1 ms. TRUTH_STOLEN_MS is for a machine from which a host
 * takes the CPU for so long, unseen, between the scenario's reading of the clock and ours.
 */
static int64_t slack_of(int64_t want)
{
	const char *stolen = getenv("TRUTH_STOLEN_MS");
	int64_t least = stolen ? atoll(stolen) * 1000000 : 1000000;

	return want / 20 > least ? want / 20 : least;
}

/*
 * How much more than the scenario's own computing cpu.user may be where a host takes TRUTH_FAULT_HIDDEN_NS for each page
 * fault after the kernel's part of it (faults.h). A process that starts has some hundred of the task's; around each of a
 * file's the kernel maps 16 pages without a fault (fault_around_bytes), and the host's part is due for those it touches.
 */
#define TOUCHED_AROUND 4
static int64_t hidden_of(struct json_object *task, const char *cause)
{
	const char *each = getenv("TRUTH_FAULT_HIDDEN_NS");

	if (!each || !cause_is("cpu.user", cause))
		return 0;
	return atoll(each) * TOUCHED_AROUND * sum_of(list(task, "blame"), "*", "cpu.fault", "count");
}

static void compare_want(struct verdict *v, struct json_object *got, struct json_object *w)
{
	const char *op = str(w, "op"), *cause = str(w, "cause"), *comp = str(w, "component"),
		   *view = str(w, "view");
	struct json_object *task = task_of(got, str(w, "task")), *rows = task ? list(task, view) : NULL;
	int64_t want = num(w, "value"), have, slack = slack_of(want),
		unseen = getenv("TRUTH_STOLEN_MS") ? slack : 0;
	const char *by = strcmp(view, "by_wait") ? "" : "wait ";

	if (!rows) {
		check(v, false, "no %s of task '%s'", view, str(w, "task"));
		return;
	}
	have = sum_of(rows, comp, cause, strncmp(op, "count", 5) ? "ns" : "count");
	if (!strcmp(op, "eq"))
		check(v, have >= want - slack && have <= want + slack + hidden_of(task, cause),
		      "%s%s %.2f/%.2f ms", by, cause, want / MSEC, have / MSEC);
	else if (!strcmp(op, "ge"))
		check(v, have >= want - unseen, "%s%s >=%.2f/%.2f ms", by, cause, want / MSEC, have / MSEC);
	else if (!strcmp(op, "le"))
		check(v, have <= want + unseen, "%s%s <=%.2f/%.2f ms", by, cause, want / MSEC, have / MSEC);
	else if (!strcmp(op, "count"))
		check(v, have == want, "%s%s %lld/%lld times", by, cause, (long long)want, (long long)have);
	else if (!strcmp(op, "count_ge"))
		check(v, have >= want, "%s%s >=%lld/%lld times", by, cause, (long long)want, (long long)have);
	else if (!strcmp(op, "count_le"))
		check(v, have <= want, "%s%s <=%lld/%lld times", by, cause, (long long)want, (long long)have);
	else
		check(v, false, "no comparison '%s'", op);
}

void compare_run(struct verdict *v, struct json_object *got, struct json_object *want)
{
	struct json_object *tasks = list(want, "tasks"), *wants = list(want, "want"),
			   *all = list(got, "tasks");

	v->ok = true;
	v->checks = 0;
	for (size_t i = 0; i < len(wants); i++)
		compare_want(v, got, json_object_array_get_idx(wants, i));
	rule(v, len(wants), "the scenario expects nothing");
	rule(v, len(all) == len(tasks) + 1, "%zu tasks, expected the command and %zu", len(all), len(tasks));
	rule(v, num(got, "lost") == 0, "lost %lld", (long long)num(got, "lost"));
	for (size_t i = 0; i < len(all); i++)
		rules_of_task(v, json_object_array_get_idx(all, i));
	for (size_t i = 0; i < len(tasks); i++) {
		struct json_object *t = json_object_array_get_idx(tasks, i),
				   *g = task_of(got, str(t, "name"));
		int64_t have = g ? num(g, "latency_ns") : -1;

		/* No tolerance here: the mark is made between two readings of the same clock. */
		rule(v, have >= num(t, "inner_ns") && have <= num(t, "outer_ns"),
		     "%s: latency %lld ns, not in %lld..%lld", str(t, "name"), (long long)have,
		     (long long)num(t, "inner_ns"), (long long)num(t, "outer_ns"));
	}
}

static void dump_rows(FILE *f, struct json_object *rows)
{
	for (size_t i = 0; i < len(rows); i++) {
		struct json_object *r = json_object_array_get_idx(rows, i);

		fprintf(f, "        %-16s %-24s %12.3f ms %8lld\n", str(r, "component"), str(r, "cause"),
			num(r, "ns") / MSEC, (long long)num(r, "count"));
	}
}

void compare_dump(FILE *f, struct json_object *got)
{
	struct json_object *tasks = list(got, "tasks");

	for (size_t i = 0; i < len(tasks); i++) {
		struct json_object *t = json_object_array_get_idx(tasks, i);

		fprintf(f, "    %s: %.3f ms, uncertain %.3f ms\n", str(t, "name"),
			num(t, "latency_ns") / MSEC, num(t, "uncertain_ns") / MSEC);
		dump_rows(f, list(t, "blame"));
		fprintf(f, "      by wait\n");
		dump_rows(f, list(t, "by_wait"));
	}
}
