/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Virtual machines of a recording and their balloons, from their records in any order and amount. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "gen_event.h"
#include "model/vmsum.h"
#include "trace/text.h"

static int feed(void *ctx, const struct sg_hdr *ev)
{
	return sg_vmsum_feed(ctx, ev);
}

static struct sg_vmsum *sum_of(const char *text)
{
	struct sg_err err = { 0 };
	struct sg_vmsum *s;

	cr_assert_eq(sg_vmsum_new(&s), 0);
	cr_assert_eq(sg_text_parse(text, strlen(text), feed, NULL, s, &err), 0, "%s", err.msg);
	return s;
}

/* What a person reads; the caller frees it. */
static char *text_of(struct sg_vmsum *s)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	cr_assert_eq(sg_vmsum_text(s, f), 0);
	fclose(f);
	return text;
}

static void reads(const char *stream, const char *want)
{
	struct sg_vmsum *s = sum_of(stream);
	char *text = text_of(s);

	cr_expect_str_eq(text, want);
	free(text);
	sg_vmsum_free(s);
}

#define WEB                                                                                                 \
	"V tgid=10 vcpus=2 memory=536870912 text=\"web\\x00u-u\\x00qemu\\x00libvirt\\x00kvm\\x00\" / T 10 " \
	"qemu / "

Test(vmsum, a_line_each)
{
	reads(WEB, "\nVM web (qemu process 10, kvm, 2 vCPUs): balloon not told\n");
	reads(WEB "U tgid=10 what=actual value=536870912",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): memory by the balloon 512 MiB\n");
	reads(WEB
	      "U tgid=10 what=maximum value=536870912 / U tgid=10 what=actual value=536870912 / U tgid=10 "
	      "what=actual value=209715200 / U tgid=10 what=actual value=314572800",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): memory by the balloon 512 MiB -> 300 MiB, down to "
	      "200 MiB of "
	      "512 MiB\n");
	reads(WEB "U tgid=10 what=actual value=4096 / U tgid=10 what=actual value=1048577 / U tgid=10 "
		  "what=actual "
		  "value=4096",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): memory by the balloon 0.0 MiB -> 0.0 MiB, up to 1.0 "
	      "MiB\n");
	reads(WEB "U tgid=10 what=swap_in value=1048576 / U tgid=10 what=swap_in value=4194304 / U tgid=10 "
		  "what=major_fault value=7 / U tgid=10 what=major_fault value=9 / U tgid=10 what=usable "
		  "value=2097152",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): balloon not told; guest: swapped in 3 MiB, 2 major "
	      "faults, 2 "
	      "MiB usable at the end\n");
	reads(WEB "U tgid=10 what=actual value=8388608 / U tgid=10 what=target value=4194304 / U tgid=10 "
		  "what=actual value=4194304",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): memory by the balloon 8 MiB -> 4 MiB, target 4 "
	      "MiB\n");
	reads(WEB "U tgid=10 what=maximum value=8388608 / U tgid=10 what=actual value=8388608 / U tgid=10 "
		  "what=target value=4194304",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): memory by the balloon 8 MiB of 8 MiB, target 4 MiB "
	      "not "
	      "reached\n");
	reads(WEB "U tgid=10 what=target value=4194304",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): balloon not told, target 4 MiB\n");
	/* counts that went back: the guest was started again */
	reads(WEB "U tgid=10 what=major_fault value=7 / U tgid=10 what=major_fault value=2",
	      "\nVM web (qemu process 10, kvm, 2 vCPUs): balloon not told\n");
}

Test(vmsum, only_those_in_scope_have_a_line)
{
	reads("V tgid=10 text=\"web\\x00\" / T 10 q f=outscope / T 11 x", "");
	reads("T 12 q tgid=10 / V tgid=10 vcpus=1 text=\"a\\x1b[31m\\x00\"",
	      "\nVM a?[31m (? process 10, 1 vCPU): balloon not told\n");
	reads("U tgid=10 what=actual value=4194304 / T 10 q",
	      "\nVM - (? process 10): memory by the balloon 4 MiB\n");
}

Test(vmsum, the_last_record_wins_and_all_are_in_the_json)
{
	struct sg_vmsum *s = sum_of(
		"V tgid=10 text=\"old\\x00\" / V tgid=9 text=\"\" / T 8 z / " WEB
		"U tgid=10 what=actual value=8192 / U tgid=10 what=actual value=4096 / U tgid=10 what=77 "
		"value=1 / U tgid=10 what=0 value=1");
	struct json_object *list = sg_vmsum_json(s);
	const struct sg_vmsum_row *const *r;

	cr_assert_eq(sg_vmsum_rows(s, &r), 2);
	cr_assert_str_eq(r[0]->name, "web");
	cr_assert_str_eq(r[0]->accel, "kvm");
	cr_assert(r[0]->in_scope && !r[1]->in_scope);
	cr_assert_str_eq(r[1]->accel, "");
	cr_assert_eq(sg_vmsum_of(s, 10), r[0]);
	cr_assert_null(sg_vmsum_of(s, 8));
	cr_assert_str_eq(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
			 "[{\"name\":\"web\",\"uuid\":\"u-u\",\"vmm\":\"qemu\",\"source\":\"libvirt\","
			 "\"accel\":\"kvm\",\"pid\":"
			 "10,\"vcpus\":2,\"memory_bytes\":536870912,\"cgroup\":0,\"in_scope\":true,"
			 "\"balloon\":{\"actual\":{"
			 "\"first\":8192,\"last\":4096,\"low\":4096,\"high\":8192,\"told\":2}}},{\"name\":"
			 "\"\",\"uuid\":\"\","
			 "\"vmm\":\"\",\"source\":\"\",\"accel\":\"\",\"pid\":9,\"vcpus\":0,\"memory_bytes\":"
			 "0,\"cgroup\":0,"
			 "\"in_scope\":false,\"balloon\":{}}]");
	json_object_put(list);
	sg_vmsum_free(s);
}

Test(vmsum, values_have_names)
{
	cr_assert_str_eq(sg_balloon_name(SG_BALLOON_ACTUAL), "actual");
	cr_assert_str_eq(sg_balloon_name(SG_BALLOON_HUGETLB_PGFAIL), "hugetlb_pgfail");
	cr_assert_str_eq(sg_balloon_name(0), "?");
	cr_assert_str_eq(sg_balloon_name(65535), "?");
}

Test(vmsum, memory_is_bounded)
{
	struct sg_vm v = { .h = { .kind = SG_REC_VM } };
	struct sg_balloon b = { .h = { .kind = SG_REC_BALLOON }, .what = SG_BALLOON_ACTUAL };
	const struct sg_vmsum_row *const *r;
	struct sg_vmsum *s;

	cr_assert_eq(sg_vmsum_new(&s), 0);
	for (v.tgid = 1; v.tgid < 5000; v.tgid++) {
		b.tgid = 10000 + v.tgid;
		cr_assert_eq(sg_vmsum_feed(s, &v.h) || sg_vmsum_feed(s, &b.h), 0);
	}
	cr_assert_eq(sg_vmsum_rows(s, &r), SG_VMSUM_VMS);
	sg_vmsum_free(s);
}

Test(vmsum, any_record_may_come)
{
	union gen_event e;
	uint64_t seed = 5;
	struct sg_vmsum *s;
	char *text;

	cr_assert_eq(sg_vmsum_new(&s), 0);
	for (unsigned i = 0; i < 20000; i++) {
		gen_event(&seed, gen_kinds[gen_u64(&seed) % sizeof(gen_kinds)], &e);
		cr_assert_eq(sg_vmsum_feed(s, &e.h), 0);
	}
	text = text_of(s);
	for (const char *c = text; *c; c++)
		cr_assert((unsigned char)*c >= ' ' || *c == '\n', "a control byte");
	free(text);
	json_object_put(sg_vmsum_json(s));
	sg_vmsum_free(s);
}
