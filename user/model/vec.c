/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <string.h>
#include "model/vec.h"

typedef unsigned __int128 u128;

static uint16_t key_known(uint16_t key)
{
	if (key & SG_KEY_SYSCALL || SG_KEY_IS_KVM(key) || SG_KEY_TYPE(key) == SG_KEY_GUEST ||
	    SG_KEY_TYPE(key) == SG_KEY_EMULATED)
		return key;
	return key && key < SG_C_MAX ? key : SG_C_UNKNOWN;
}

static uint16_t add_err(uint16_t a, uint16_t b)
{
	return a + b > UINT16_MAX ? UINT16_MAX : a + b;
}

bool sg_vec_load(struct sg_vec *ret, const struct sg_pair *p, uint32_t n, uint64_t *ret_sum)
{
	uint64_t sum = 0;

	ret->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct sg_pair x = p[i];
		uint32_t at = ret->n;

		if (!x.ns)
			continue;
		x.key = key_known(x.key);
		x.err = x.key & SG_KEY_SYSCALL ? x.err : 0;
		if (__builtin_add_overflow(sum, x.ns, &sum))
			return false;
		while (at && ret->p[at - 1].key > x.key)
			at--;
		if (at && ret->p[at - 1].key == x.key) {
			ret->p[at - 1].ns += x.ns;
			ret->p[at - 1].cnt += x.cnt;
			ret->p[at - 1].err = add_err(ret->p[at - 1].err, x.err);
			continue;
		}
		if (ret->n == SG_VEC_MAX)
			return false;
		memmove(ret->p + at + 1, ret->p + at, (ret->n - at) * sizeof(*ret->p));
		ret->p[at] = x;
		ret->n++;
	}
	*ret_sum = sum;
	return true;
}

bool sg_vec_sub(struct sg_vec *ret, const struct sg_pair *a, uint32_t na, const struct sg_pair *b,
		uint32_t nb)
{
	uint32_t j = 0;

	ret->n = 0;
	for (uint32_t i = 0; i < na; i++) {
		struct sg_pair x = a[i];

		if (j < nb && b[j].key < x.key)
			return false;
		if (j < nb && b[j].key == x.key) {
			if (b[j].ns > x.ns)
				return false;
			x.ns -= b[j].ns;
			x.cnt = x.cnt > b[j].cnt ? x.cnt - b[j].cnt : 0;
			x.err = x.err > b[j].err ? x.err - b[j].err : 0;
			j++;
		}
		if (x.ns)
			ret->p[ret->n++] = x;
	}
	return j == nb;
}

/* Does entry i deserve its next (a_i + 1st) ns before entry j deserves its next? */
static bool before(const uint64_t *w, const uint64_t *a, uint32_t i, uint32_t j)
{
	u128 l = (u128)w[i] * (2 * (u128)a[j] + 1), r = (u128)w[j] * (2 * (u128)a[i] + 1);

	return l > r || (l == r && i < j);
}

/* Did entry i get its last (a_i th) ns after entry j got its last? */
static bool later(const uint64_t *w, const uint64_t *a, uint32_t i, uint32_t j)
{
	u128 l = (u128)w[i] * (2 * (u128)a[j] - 1), r = (u128)w[j] * (2 * (u128)a[i] - 1);

	return l < r || (l == r && i > j);
}

void sg_apportion(const uint64_t *w, uint32_t n, uint64_t total, uint64_t u, uint64_t *ret)
{
	uint64_t sum = 0;

	if (u >= total) {
		memcpy(ret, w, n * sizeof(*w));
		return;
	}
	/* Rounded quotas (halves down) are Webster's result for a nearby house size ... */
	for (uint32_t i = 0; i < n; i++) {
		u128 q = 2 * (u128)w[i] * u + total;

		ret[i] = q / (2 * (u128)total);
		if (ret[i] && !(q % (2 * (u128)total)))
			ret[i]--;
		sum += ret[i];
	}
	/* ... and seats are given or taken in one fixed order, so at most n steps are left. */
	while (sum < u) {
		uint32_t best = n;

		for (uint32_t i = 0; i < n; i++)
			if (w[i] && (best == n || before(w, ret, i, best)))
				best = i;
		ret[best]++;
		sum++;
	}
	while (sum > u) {
		uint32_t worst = n;

		for (uint32_t i = 0; i < n; i++)
			if (ret[i] && (worst == n || later(w, ret, i, worst)))
				worst = i;
		ret[worst]--;
		sum--;
	}
}
