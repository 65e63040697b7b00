/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/sums.h"

int sg_sums_add(struct sg_sums *s, const char *comp, const char *cause, uint64_t ns)
{
	struct sg_sum_row *r;

	if (s->nrow == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 32;
		struct sg_sum_row *p = realloc(s->row, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->row = p;
		s->cap = cap;
	}
	r = &s->row[s->nrow++];
	memset(r, 0, sizeof(*r));
	snprintf(r->comp, sizeof(r->comp), "%s", comp);
	snprintf(r->cause, sizeof(r->cause), "%s", cause);
	r->ns = ns;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct sg_sum_row *x = a, *y = b;
	int c = strcmp(x->comp, y->comp);

	return c ? c : strcmp(x->cause, y->cause);
}

void sg_sums_sort(struct sg_sums *s)
{
	size_t n = 0;

	if (!s->nrow)
		return;
	qsort(s->row, s->nrow, sizeof(*s->row), by_name);
	for (size_t i = 1; i < s->nrow; i++) {
		if (by_name(&s->row[n], &s->row[i]))
			s->row[++n] = s->row[i];
		else
			s->row[n].ns += s->row[i].ns;
	}
	s->nrow = n + 1;
}

void sg_sums_free(struct sg_sums *s)
{
	free(s->row);
	memset(s, 0, sizeof(*s));
}

static __int128 floor_div(__int128 a, __int128 b)
{
	__int128 q = a / b;

	return q * b > a ? q - 1 : q;
}

struct remainder {
	__int128 rem;
	size_t row;
};

static int by_remainder(const void *a, const void *b)
{
	const struct remainder *x = a, *y = b;

	if (x->rem != y->rem)
		return x->rem < y->rem ? 1 : -1;
	return x->row < y->row ? -1 : 1;
}

/* The @up rows with the largest remainders get the ceiling; ties go to the earlier row. */
static void give_up(const __int128 *num, int sign, __int128 den, size_t n, size_t up, int64_t *ret)
{
	struct remainder *r = malloc((n ? n : 1) * sizeof(*r));

	if (!r) { /* the sum stays exact, only who gets the odd nanosecond changes */
		for (size_t i = 0; i < n && up; i++)
			if ((__int128)ret[i] * den != sign * num[i]) {
				ret[i]++;
				up--;
			}
		return;
	}
	for (size_t i = 0; i < n; i++)
		r[i] = (struct remainder){ .rem = sign * num[i] - (__int128)ret[i] * den, .row = i };
	qsort(r, n, sizeof(*r), by_remainder);
	for (size_t i = 0; i < up; i++)
		ret[r[i].row]++;
	free(r);
}

int64_t sg_round_sums(const __int128 *num, __int128 den, size_t n, int64_t *ret)
{
	__int128 sum = 0, total, floors = 0;
	int sign = 1;

	for (size_t i = 0; i < n; i++)
		sum += num[i];
	/* One of every pair of opposite inputs is computed, the other is its mirror image. */
	if (sum < 0)
		sign = -1;
	for (size_t i = 0; !sum && i < n; i++)
		if (num[i]) {
			sign = num[i] < 0 ? -1 : 1;
			break;
		}
	total = floor_div(2 * sign * sum + den, 2 * den); /* sign * sum >= 0: half rounds up */
	for (size_t i = 0; i < n; i++) {
		ret[i] = floor_div(sign * num[i], den);
		floors += ret[i];
	}
	give_up(num, sign, den, n, total - floors, ret);
	for (size_t i = 0; i < n; i++)
		ret[i] *= sign;
	return sign * (int64_t)total;
}

static int by_size(const void *a, const void *b)
{
	const struct sg_diff_row *x = a, *y = b;
	uint64_t nx = x->ns < 0 ? -(uint64_t)x->ns : (uint64_t)x->ns;
	uint64_t ny = y->ns < 0 ? -(uint64_t)y->ns : (uint64_t)y->ns;
	int c;

	if (nx != ny)
		return nx < ny ? 1 : -1;
	c = strcmp(x->comp, y->comp);
	return c ? c : strcmp(x->cause, y->cause);
}

/* Three columns over one list of names: A, B and B - A, each as numerators of one denominator. */
struct columns {
	size_t n;
	__int128 *a, *b, *d;
	int64_t *out;
	struct sg_diff_row *row;
};

static int columns_new(struct columns *c, size_t max)
{
	c->a = calloc(3 * max, sizeof(*c->a));
	c->out = calloc(max, sizeof(*c->out));
	c->row = calloc(max, sizeof(*c->row));
	if (!c->a || !c->out || !c->row)
		return -ENOMEM;
	c->b = c->a + max;
	c->d = c->b + max;
	return 0;
}

static void columns_fill(struct columns *c, const struct sg_sums *a, const struct sg_sums *b)
{
	size_t i = 0, k = 0;

	while (i < a->nrow || k < b->nrow) {
		int o = i == a->nrow ? 1 : k == b->nrow ? -1 : by_name(&a->row[i], &b->row[k]);
		const struct sg_sum_row *r = o > 0 ? &b->row[k] : &a->row[i];

		memcpy(c->row[c->n].comp, r->comp, sizeof(r->comp));
		memcpy(c->row[c->n].cause, r->cause, sizeof(r->cause));
		c->a[c->n] = o <= 0 ? a->row[i++].ns : 0;
		c->b[c->n] = o >= 0 ? b->row[k++].ns : 0;
		c->d[c->n] = c->b[c->n] * a->n - c->a[c->n] * b->n;
		c->n++;
	}
}

int sg_sums_diff(struct sg_diff *ret, const struct sg_sums *a, const struct sg_sums *b)
{
	struct columns c = { 0 };

	if (!a->n || !b->n)
		return -ENODATA;
	if (a->n > UINT32_MAX || b->n > UINT32_MAX)
		return -EOVERFLOW; /* keeps every product below 2^127 */
	if (columns_new(&c, a->nrow + b->nrow + 1)) {
		free(c.a);
		free(c.out);
		free(c.row);
		return -ENOMEM;
	}
	columns_fill(&c, a, b);
	memset(ret, 0, sizeof(*ret));
	ret->a_n = a->n;
	ret->b_n = b->n;
	ret->a_mean_ns = sg_round_sums(c.a, a->n, c.n, c.out);
	for (size_t i = 0; i < c.n; i++)
		c.row[i].a_ns = c.out[i];
	ret->b_mean_ns = sg_round_sums(c.b, b->n, c.n, c.out);
	for (size_t i = 0; i < c.n; i++)
		c.row[i].b_ns = c.out[i];
	ret->diff_ns = sg_round_sums(c.d, (__int128)a->n * b->n, c.n, c.out);
	for (size_t i = 0; i < c.n; i++)
		c.row[i].ns = c.out[i];
	qsort(c.row, c.n, sizeof(*c.row), by_size);
	ret->row = c.row;
	ret->nrow = c.n;
	free(c.a);
	free(c.out);
	return 0;
}
