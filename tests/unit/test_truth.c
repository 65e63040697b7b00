/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The judge of the truth scenarios must be able to say no: every rule it has is broken here once. */
#include <criterion/criterion.h>
#include "../truth/run/compare.c"

#define WANT(op, value)                                                                                   \
	"{\"tasks\":[{\"name\":\"t\",\"inner_ns\":99000000,\"outer_ns\":101000000}],\"want\":[{\"task\":" \
	"\"t\","                                                                                          \
	"\"view\":\"blame\",\"component\":\"app\",\"cause\":\"io.block+mem\",\"op\":\"" op                \
	"\",\"value\":" value "}]}"
#define ROW(comp, cause, ns, cnt) \
	"{\"component\":\"" comp "\",\"cause\":\"" cause "\",\"ns\":" #ns ",\"count\":" #cnt "}"
#define TASK(name, latency, blame, waits) \
	"{\"name\":\"" name "\",\"latency_ns\":" #latency ",\"blame\":[" blame "],\"by_wait\":[" waits "]}"
#define GOT(lost, task) "{\"tasks\":[" CMD "," task "],\"lost\":" #lost "}"
#define CMD		TASK("cmd", 7, ROW("app", "cpu.user", 7, 1), ROW("app", "cpu.user", 7, 1))
#define GOOD                                                                                         \
	ROW("app", "io.block", 30000000, 3)                                                          \
	"," ROW("app", "mem.swapin.zram", 10000000, 2) "," ROW("app", "memory", 5000000, 1) "," ROW( \
		"kernel", "io.block", 5000000, 1) "," ROW("app", "cpu.user", 50000000, 1)
#define WAITS ROW("app", "io.block", 100000000, 1)

static const struct {
	const char *name, *got, *want;
	bool ok;
} cases[] = {
	{ "exact", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("eq", "40000000"), true },
	{ "5 % above", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("eq", "38095239"), true },
	{ "more than 5 % above", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("eq", "38000000"), false },
	{ "more than 5 % below", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("eq", "42200000"), false },
	{ "at least", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("ge", "40000000"), true },
	{ "not at least", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("ge", "40000001"), false },
	{ "at most", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("le", "40000000"), true },
	{ "not at most", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("le", "39999999"), false },
	{ "count", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count", "5"), true },
	{ "wrong count", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count", "6"), false },
	{ "count at least", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count_ge", "5"), true },
	{ "not so often", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count_ge", "6"), false },
	{ "count at most", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count_le", "5"), true },
	{ "too often", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("count_le", "4"), false },
	{ "no such comparison", GOT(0, TASK("t", 100000000, GOOD, WAITS)), WANT("about", "40000000"), false },
	{ "lost", GOT(1, TASK("t", 100000000, GOOD, WAITS)), WANT("eq", "40000000"), false },
	{ "blame one short", GOT(0, TASK("t", 100000001, GOOD, WAITS)), WANT("eq", "40000000"), false },
	{ "latency outside of the clocks",
	  GOT(0, TASK("t", 101000001, GOOD "," ROW("app", "cpu.user", 1000001, 1),
		      WAITS "," ROW("app", "x", 1000001, 1))),
	  WANT("eq", "40000000"), false },
	{ "waits one too many", GOT(0, TASK("t", 100000000, GOOD, WAITS "," ROW("app", "cpu.user", 1, 1))),
	  WANT("eq", "40000000"), false },
	{ "unknown at the limit",
	  GOT(0, TASK("t", 101000000, GOOD "," ROW("app", "unknown.lost", 1000000, 1),
		      WAITS "," ROW("app", "x", 1000000, 1))),
	  WANT("eq", "40000000"), true },
	{ "unknown above it",
	  GOT(0, TASK("t", 101000000,
		      ROW("app", "io.block", 40000000, 1) "," ROW("kernel", "unknown", 61000000, 1),
		      WAITS "," ROW("app", "x", 1000000, 1))),
	  WANT("eq", "40000000"), false },
	{ "no such task", GOT(0, TASK("u", 100000000, GOOD, WAITS)), WANT("eq", "40000000"), false },
	{ "a task too many", GOT(0, TASK("t", 100000000, GOOD, WAITS) "," CMD), WANT("eq", "40000000"),
	  false },
	{ "nothing at all", "{}", WANT("eq", "0"), false },
	{ "nothing expected", GOT(0, TASK("t", 100000000, GOOD, WAITS)), "{\"want\":[]}", false },
};

Test(truth, verdicts)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *got = json_tokener_parse(cases[i].got),
				   *want = json_tokener_parse(cases[i].want);
		struct verdict v = { 0 };
		char *text;
		size_t n;

		cr_assert(got && want, "case %s", cases[i].name);
		v.what = open_memstream(&text, &n);
		compare_run(&v, got, want);
		fclose(v.what);
		cr_expect_eq(v.ok, cases[i].ok, "case %s: %s", cases[i].name, text);
		cr_expect_eq(v.ok, !strstr(text, "WRONG"), "case %s: %s", cases[i].name, text);
		free(text);
		json_object_put(got);
		json_object_put(want);
	}
}
