/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Which inflation of a balloon time follows: the last one of the same memory, for half a minute; a refault, however late. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/kvmexit.h"
#include "model/priv.h"

#define SECOND	1000000000ull
#define VMM	100
#define OTHER	200
#define REFAULT sg_kvm_cause(SG_KEY_KVM | SG_KVM_REFAULT)

static int ignore(void *ctx, const struct sg_task *t)
{
	(void)ctx, (void)t;
	return 0;
}

static struct sg_model *model_of(uint32_t uid, uint32_t tgid)
{
	struct sg_model_opts opts = { 0 };
	struct sg_model *m = NULL;

	cr_assert_eq(sg_model_new(&m, &opts, ignore, NULL), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct sg_thr *th = sg_thr_get(m, uid + i);

		cr_assert_not_null(th);
		th->tgid = i ? OTHER : tgid;
		th->vcpu = true;
	}
	return m;
}

/* Its VMM takes so many pages of thread @uid's guest, from @begin on for a second. */
static void inflate(struct sg_model *m, uint32_t uid, uint64_t begin, uint32_t pages)
{
	struct {
		struct sg_slice s;
		struct sg_pair room[1];
	} x;

	memset(&x, 0, sizeof(x));
	x.s.in = begin;
	x.s.h.ts = begin + SECOND;
	x.s.npair = 1;
	x.s.pair[0] = (struct sg_pair){ .key = SG_KEY_KVM | SG_KVM_INFLATE, .ns = 1000, .cnt = pages };
	cr_assert_eq(sg_inflate_slice(m, sg_thr_find(m, uid), &x.s), 0);
}

/* Number of the inflation that time of @cause follows, so long after the first one's end; 0 none */
static uint64_t followed(struct sg_model *m, uint32_t uid, uint16_t cause, uint64_t seconds)
{
	struct sg_seg s = { .uid = uid, .cause = cause, .lo = (11 + seconds) * SECOND };
	uint64_t id = 0;

	s.hi = s.lo + SECOND;
	return sg_inflate_before(m, &s, &id) ? id : 0;
}

Test(inflate, follows_for_half_a_minute)
{
	struct sg_model *m = model_of(1, VMM);

	inflate(m, 1, 10 * SECOND, 500);
	cr_expect_eq(followed(m, 1, SG_C_MEM_SWAPIN, 0), 1);
	cr_expect_eq(followed(m, 1, SG_C_MEM_RECLAIM_DIRECT, 29), 1);
	cr_expect_eq(followed(m, 1, SG_C_MEM_RECLAIM_DIRECT, 30), 0);
	cr_expect_eq(followed(m, 1, SG_C_CPU_USER, 0), 0, "it has no need of memory");
	cr_expect_eq(followed(m, 2, SG_C_MEM_SWAPIN, 0), 0, "another machine's memory");
	sg_model_free(m);
}

/* Seen in the lab: on a slow machine the task touched the pages 40 s after the balloon had them. */
Test(inflate, a_refault_follows_however_late)
{
	struct sg_model *m = model_of(1, VMM);

	cr_expect_eq(followed(m, 1, REFAULT, 1), 0, "before any");
	inflate(m, 1, 10 * SECOND, 500);
	cr_expect_eq(followed(m, 1, REFAULT, 40), 1);
	cr_expect_eq(followed(m, 1, REFAULT, 40000), 1);
	cr_expect_eq(followed(m, 2, REFAULT, 1), 0);
	inflate(m, 1, 11 * SECOND, 500); /* goes on */
	cr_expect_eq(followed(m, 1, REFAULT, 40), 1);
	inflate(m, 1, 20 * SECOND, 500);
	cr_expect_eq(followed(m, 1, REFAULT, 40), 2);
	cr_expect_eq(followed(m, 1, SG_C_MEM_SWAPIN, 35), 2);
	cr_expect_eq(followed(m, 1, SG_C_MEM_SWAPIN, 5), 1, "the second one is later");
	sg_model_free(m);
}
