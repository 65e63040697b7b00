/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Holds what sandglass said against what the scenario measured. Pure: two JSON documents in, a verdict out. */
#ifndef TRUTH_COMPARE_H
#define TRUTH_COMPARE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

struct verdict {
	bool ok;
	size_t checks;
	FILE *what; /* what was expected and got; failures are marked */
};

/**
 * compare_run() - verdict about one run
 * @got:  what `sandglass run --json` wrote
 * @want: what the scenario wrote
 */
void compare_run(struct verdict *v, struct json_object *got, struct json_object *want);

/** compare_dump() - both views of every task of @got, for people */
void compare_dump(FILE *f, struct json_object *got);

#endif
