/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "base/utf8.h"
#include "out/sink.h"
#include "out/svg.h"

#define WIDTH  900.0
#define PLOT_H 320.0
#define LEFT   80.0
#define TOP    56.0
#define RIGHT  20.0
#define LEGEND 20.0 /* height of a legend line */
#define BOTTOM 58.0
#define CHAR_W 7.0 /* of an axis label, about */

/* Distinct in hue and lightness, readable on white and in grey print. */
static const char *const palette[] = { "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7",
				       "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0", "#1b4f72", "#7d6608" };
#define NCOLOUR (sizeof(palette) / sizeof(*palette))

struct plot {
	struct sg_sink s;
	const struct sg_chart *c;
	double lo, hi, step; /* y axis */
	double w, h;	     /* of the plot's area */
};

static void text(struct sg_sink *s, const char *t)
{
	size_t n = strlen(t);
	int32_t c;

	for (size_t i = 0, len; i < n; i += len) {
		len = sg_utf8_next(t + i, n - i, &c);
		if (c < 0 || sg_utf8_is_control(c) || (c & 0xfffe) == 0xfffe)
			sg_sink_puts(s, "?"); /* XML cannot hold them, not even escaped */
		else if (c == '<')
			sg_sink_puts(s, "&lt;");
		else if (c == '>')
			sg_sink_puts(s, "&gt;");
		else if (c == '&')
			sg_sink_puts(s, "&amp;");
		else if (c == '"')
			sg_sink_puts(s, "&quot;");
		else
			sg_sink_write(s, t + i, len);
	}
}

static double value(const struct plot *p, size_t series, size_t x)
{
	return p->c->value[series * p->c->nx + x];
}

/* Smallest 1, 2 or 5 times a power of ten that gives at most eight steps. */
static double nice_step(double span)
{
	double raw = span / 8, base = pow(10, floor(log10(raw)));

	return raw <= base ? base : raw <= 2 * base ? 2 * base : raw <= 5 * base ? 5 * base : 10 * base;
}

static void find_range(struct plot *p)
{
	const struct sg_chart *c = p->c;
	double lo = 0, hi = 0;

	for (size_t x = 0; x < c->nx; x++) {
		double up = 0, down = 0;

		for (size_t s = 0; s < c->nseries; s++) {
			double v = value(p, s, x);

			if (!isfinite(v))
				continue;
			if (c->kind == SG_CHART_STACKED) {
				up += v > 0 ? v : 0;
				down += v < 0 ? v : 0;
			} else {
				up = fmax(up, v);
				down = fmin(down, v);
			}
		}
		hi = fmax(hi, up);
		lo = fmin(lo, down);
	}
	/* Sums near the largest double would leave the axis without numbers. */
	hi = fmin(hi, 1e300);
	lo = fmax(lo, -1e300);
	if (hi - lo < 1e-300)
		hi = lo + 1;
	p->step = nice_step(hi - lo);
	p->lo = floor(lo / p->step) * p->step;
	p->hi = ceil(hi / p->step) * p->step;
}

static double y_of(const struct plot *p, double v)
{
	double share = (v - p->lo) / (p->hi - p->lo);

	return TOP + p->h * (1 - fmin(fmax(share, 0), 1));
}

static double x_of(const struct plot *p, double place)
{
	return LEFT + p->w * place / (double)p->c->nx;
}

/* Would neighbouring labels run into each other on one line? Then they take turns on two. */
static bool crowded(const struct plot *p, size_t every)
{
	size_t longest = 0;

	for (size_t x = 0; x < p->c->nx; x += every)
		longest = strlen(p->c->x[x]) > longest ? strlen(p->c->x[x]) : longest;
	return CHAR_W * (double)longest > p->w * (double)every / (double)p->c->nx;
}

static void axes(struct plot *p)
{
	struct sg_sink *s = &p->s;
	const struct sg_chart *c = p->c;
	size_t every = c->nx / 24 + 1;
	bool two = crowded(p, every);

	for (int i = 0; i <= 20; i++) {
		double v = p->lo + i * p->step;

		if (v > p->hi + p->step / 2)
			break;
		if (fabs(v) < p->step / 1e6)
			v = 0;
		sg_sink_printf(s, "<line x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", LEFT,
			       LEFT + p->w, y_of(p, v), y_of(p, v), v == 0 ? "#444" : "#ddd");
		sg_sink_printf(s, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 6,
			       y_of(p, v) + 4, v);
	}
	for (size_t x = 0; x < c->nx; x += every) {
		sg_sink_printf(s, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">",
			       x_of(p, (double)x + 0.5), TOP + p->h + 18 + (two && x / every % 2 ? 14 : 0));
		text(s, c->x[x]);
		sg_sink_puts(s, "</text>\n");
	}
	if (c->x_title) {
		sg_sink_printf(s, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">", LEFT + p->w / 2,
			       TOP + p->h + (two ? 50 : 40));
		text(s, c->x_title);
		sg_sink_puts(s, "</text>\n");
	}
	if (c->y_title) {
		sg_sink_printf(s, "<text transform=\"translate(18 %g) rotate(-90)\" text-anchor=\"middle\">",
			       TOP + p->h / 2);
		text(s, c->y_title);
		sg_sink_puts(s, "</text>\n");
	}
}

/* A bar from @a to @b, with its exact value as the tool tip. */
static void bar(struct plot *p, size_t series, size_t x, double left, double width, double a, double b)
{
	double y1 = y_of(p, fmax(a, b)), y2 = y_of(p, fmin(a, b));

	sg_sink_printf(&p->s,
		       "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"><title>", left,
		       y1, width, y2 - y1, palette[series % NCOLOUR]);
	text(&p->s, p->c->series[series]);
	sg_sink_puts(&p->s, ", ");
	text(&p->s, p->c->x[x]);
	sg_sink_printf(&p->s, ": %g</title></rect>\n", value(p, series, x));
}

static void bars(struct plot *p)
{
	const struct sg_chart *c = p->c;
	double slot = p->w / (double)c->nx, width = slot * 0.8;

	for (size_t x = 0; x < c->nx; x++) {
		double left = x_of(p, (double)x) + slot * 0.1, up = 0, down = 0;

		for (size_t s = 0; s < c->nseries; s++) {
			double v = value(p, s, x), *from = v < 0 ? &down : &up;

			if (!isfinite(v) || v == 0)
				continue;
			if (c->kind == SG_CHART_STACKED) {
				bar(p, s, x, left, width, *from, *from + v);
				*from += v;
			} else {
				double w = width / (double)c->nseries;

				bar(p, s, x, left + (double)s * w, w * 0.95, 0, v);
			}
		}
	}
}

static void lines(struct plot *p)
{
	const struct sg_chart *c = p->c;

	for (size_t s = 0; s < c->nseries; s++) {
		const char *colour = palette[s % NCOLOUR];
		bool open = false;

		for (size_t x = 0; x < c->nx; x++) {
			double v = value(p, s, x);

			if (isfinite(v)) {
				sg_sink_printf(&p->s,
					       open ? " %.2f,%.2f"
						    : "<polyline fill=\"none\" stroke-width=\"2\" "
						      "points=\"%.2f,%.2f",
					       x_of(p, (double)x + 0.5), y_of(p, v));
				open = true;
			}
			if (open && (!isfinite(v) || x + 1 == c->nx)) {
				sg_sink_printf(&p->s, "\" stroke=\"%s\"/>\n", colour);
				open = false;
			}
		}
		for (size_t x = 0; x < c->nx && c->nx <= 100; x++) {
			if (!isfinite(value(p, s, x)))
				continue;
			sg_sink_printf(&p->s, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\" fill=\"%s\"/>\n",
				       x_of(p, (double)x + 0.5), y_of(p, value(p, s, x)), colour);
		}
	}
}

/* Names in lines of four under the chart; returns the y below them. */
static double legend(struct plot *p, double y)
{
	const struct sg_chart *c = p->c;

	for (size_t s = 0; s < c->nseries; s++) {
		double x = LEFT + (double)(s % 4) * p->w / 4, at = y + (double)(s / 4) * LEGEND;

		sg_sink_printf(&p->s, "<rect x=\"%g\" y=\"%g\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x,
			       at - 10, palette[s % NCOLOUR]);
		sg_sink_printf(&p->s, "<text x=\"%g\" y=\"%g\">", x + 17, at);
		text(&p->s, c->series[s]);
		sg_sink_puts(&p->s, "</text>\n");
	}
	return y + (double)((c->nseries + 3) / 4) * LEGEND;
}

int sg_svg_write(FILE *f, const struct sg_chart *c)
{
	struct plot p = { .c = c, .w = WIDTH - LEFT - RIGHT, .h = PLOT_H };
	double y = TOP + PLOT_H + BOTTOM, height;

	if (!c->nx || c->nx > 1000 || !c->nseries || c->nseries > 64)
		return -EINVAL;
	sg_sink_init(&p.s, f);
	height = y + (double)((c->nseries + 3) / 4) * LEGEND + (c->note ? LEGEND : 0);
	find_range(&p);
	sg_sink_printf(
		&p.s,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\" "
		"font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, height, WIDTH, height);
	sg_sink_printf(&p.s, "<text x=\"%g\" y=\"30\" font-size=\"16\" font-weight=\"bold\">", LEFT);
	text(&p.s, c->title ? c->title : "");
	sg_sink_puts(&p.s, "</text>\n");
	axes(&p);
	if (c->kind == SG_CHART_LINES)
		lines(&p);
	else
		bars(&p);
	y = legend(&p, y);
	if (c->note) {
		sg_sink_printf(&p.s, "<text x=\"%g\" y=\"%g\" font-size=\"11\" fill=\"#666\">", LEFT, y);
		text(&p.s, c->note);
		sg_sink_puts(&p.s, "</text>\n");
	}
	sg_sink_puts(&p.s, "</svg>\n");
	return sg_sink_end(&p.s);
}
