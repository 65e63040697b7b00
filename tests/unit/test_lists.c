/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The list of causes is complete: every row says what it means and what to do, once. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "model/blame.h"
#include "model/model.h"
#include "sg_abi.h"

static const struct cause {
	unsigned id;
	const char *name;
	unsigned where;
	const char *probes, *oracle, *meaning, *advice;
} causes[] = {
#define SG_X(id, sym, name, where, probes, oracle, meaning, advice) \
	{ id, name, where, probes, oracle, meaning, advice },
	SG_CAUSE_LIST(SG_X)
#undef SG_X
};
#define NCAUSE (sizeof(causes) / sizeof(causes[0]))

/* Is @word one of the comma-separated words of @list? */
static bool listed(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncmp(p, word, len))
			return true;
	return false;
}

Test(lists, every_cause_is_said_whole)
{
	static const char groups[] =
		"sched,syscall,fault,reclaim,swap,irq,block,throttle,sample,kvm,balloon,trap,none";

	for (size_t i = 0; i < NCAUSE; i++) {
		const struct cause *c = &causes[i];

		cr_expect(*c->name &&
				  strspn(c->name, "abcdefghijklmnopqrstuvwxyz0123456789.") == strlen(c->name),
			  "cause %u: '%s' is not a dotted name", c->id, c->name);
		cr_expect(!strstr(c->name, "..") && c->name[strlen(c->name) - 1] != '.' && *c->name != '.',
			  "%s: a dot too many", c->name);
		cr_expect(strlen(c->meaning) > 5 && strlen(c->advice) > 5 && *c->oracle,
			  "%s: says too little", c->name);
		cr_expect(c->where >= SG_ON && c->where <= (SG_ON | SG_OFF), "%s: neither on nor off CPU",
			  c->name);
		for (const char *p = c->probes; *p; p += strcspn(p, ","), p += *p == ',')
			cr_expect(listed(groups, p, strcspn(p, ",")), "%s: no probe group '%s'", c->name, p);
		cr_expect(*c->probes, "%s: nothing feeds it", c->name);
	}
}

Test(lists, accumulators_are_the_on_cpu_causes)
{
	for (size_t i = 0; i < NCAUSE; i++) {
		const struct cause *c = &causes[i];

		if (c->id == SG_C_UNKNOWN || c->id == SG_C_UNKNOWN_LOST)
			continue;
		/* the time a trap itself takes on a CPU comes as pairs of system calls, not by a slot */
		if (c->id == SG_C_TRAP_PTRACE || c->id == SG_C_TRAP_SECCOMP)
			continue;
		cr_expect(!!(c->where & SG_ON) == (c->id < SG_ACC_MAX), "%s: id %u on the wrong side of %d",
			  c->name, c->id, SG_ACC_MAX);
	}
	cr_assert(SG_ACC_MAX <= SG_PAIR_MAX, "a slice can not hold every accumulator");
}

Test(lists, names_and_advice_come_from_the_list)
{
	char buf[48], fine[64];

	for (size_t i = 0; i < NCAUSE; i++) {
		const struct cause *c = &causes[i];

		cr_expect(!strcmp(sg_cause_name((uint16_t)c->id, buf, sizeof(buf)), c->name),
			  "%s is called '%s'", c->name, sg_cause_name((uint16_t)c->id, buf, sizeof(buf)));
		cr_expect(!strcmp(sg_blame_advice(c->name), c->advice), "%s: another's advice", c->name);
		snprintf(fine, sizeof(fine), "%s.zram", c->name);
		cr_expect(!strcmp(sg_blame_advice(fine), c->advice), "%s: another's advice", fine);
	}
	cr_expect(sg_blame_advice("no.such.cause"), "advice is never NULL");
	cr_expect(sg_blame_advice(""), "advice is never NULL");
	cr_expect(!strcmp(sg_cause_name(SG_KEY_SYSCALL | 0, buf, sizeof(buf)), "cpu.sys.read"), "%s", buf);
	cr_expect(!strcmp(sg_cause_name(SG_KEY_SYSCALL | 202, buf, sizeof(buf)), "cpu.sys.futex"), "%s", buf);
}

Test(lists, names_survive_any_key_and_any_room)
{
	char buf[48];

	for (unsigned key = 0; key <= UINT16_MAX; key++) {
		const char *s = sg_cause_name((uint16_t)key, buf, sizeof(buf));

		cr_assert(s && *s && strlen(s) < sizeof(buf), "key %#x", key);
	}
	for (size_t cap = 1; cap < sizeof(buf); cap++) {
		buf[cap] = '#';
		cr_assert(sg_cause_name(SG_KEY_SYSCALL | 202, buf, cap), "room %zu", cap);
		cr_assert(buf[cap] == '#', "written past %zu bytes", cap);
	}
}
