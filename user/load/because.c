/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <inttypes.h>
#include <math.h>
#include "load/because.h"
#include "out/text.h"

#define CAUSES_SHOWN 5

int sg_because(FILE *out, struct sg_blame *a, struct sg_blame *b)
{
	char t[32], comp[64], cause[64];
	struct sg_diff d;
	int64_t rest;
	double whole;
	size_t i;
	int rc;

	if (!a || !b) {
		fprintf(out, "nothing was recorded, so the cause is not known\n");
		return 0;
	}
	rc = sg_diff_make(&d, a, b);
	if (rc)
		return rc;
	rest = d.diff_ns;
	whole = fabs((double)d.diff_ns);
	fprintf(out, "%c%s", d.diff_ns < 0 ? '-' : '+',
		sg_text_ns(t, sizeof(t), d.diff_ns < 0 ? 0 - (uint64_t)d.diff_ns : (uint64_t)d.diff_ns));
	/* rows come by falling size: those after one that rounds to nothing do, too */
	for (i = 0; i < d.nrow && i < CAUSES_SHOWN && d.diff_ns; i++) {
		if (i && fabs((double)d.row[i].ns) < whole / 200)
			break;
		fprintf(out, "%s %+.0f %% %s %s", i ? "," : ":", 100.0 * (double)d.row[i].ns / whole,
			sg_text_clean(comp, sizeof(comp), d.row[i].comp),
			sg_text_clean(cause, sizeof(cause), d.row[i].cause));
		rest -= d.row[i].ns;
	}
	if (d.nrow > i && d.diff_ns)
		fprintf(out, ", %+.0f %% in %zu other causes", 100.0 * (double)rest / whole, d.nrow - i);
	fprintf(out, "; explained %.1f %%\n", 100 * sg_diff_explained(&d));
	sg_diff_free(&d);
	return 0;
}
