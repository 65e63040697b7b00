/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Small charts as SVG: bars, stacked bars, lines. One self-contained file, no scripts, no fonts. Pure. */
#ifndef SG_SVG_H
#define SG_SVG_H

#include <stddef.h>
#include <stdio.h>

enum sg_chart_kind { SG_CHART_BARS = 0, SG_CHART_STACKED = 1, SG_CHART_LINES = 2 };

/*
 * Values are row-major by series: value[series * nx + x]. A value that is not
 * finite is left out (a gap in a line, no bar). Stacked bars stack values above
 * zero upward and below zero downward. All text is escaped: bytes are hostile.
 */
struct sg_chart {
	enum sg_chart_kind kind;
	const char *title;
	const char *x_title;	   /* below the axis, may be NULL */
	const char *y_title;	   /* unit of the values, may be NULL: "ms" */
	size_t nx;		   /* places on the x axis, at most 1000 */
	const char *const *x;	   /* nx labels */
	size_t nseries;		   /* at most 64 */
	const char *const *series; /* nseries names, shown in the legend */
	const double *value;	   /* nseries * nx */
	const char *note;	   /* small print below the chart, may be NULL */
};

/**
 * sg_svg_write() - write one chart to @f
 *
 * Return: 0, -EINVAL for an empty or too large chart, or the first write error.
 */
int sg_svg_write(FILE *f, const struct sg_chart *c);

#endif
