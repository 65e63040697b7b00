/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The vCPUs of virtual machines: tables for people, and JSON. */
#include <errno.h>
#include <inttypes.h>
#include "base/kvmexit.h"
#include "model/vcpus.h"
#include "model/vmsum.h"
#include "model/vmthreads.h"
#include "out/json_parts.h"
#include "out/text_table.h"

#define VMS_SHOWN 16

/* What a vCPU's time is made of: X(field, name for people, count or 0 = none has a meaning) */
#define PARTS(X)                                                   \
	X(run_ns, "inside KVM_RUN, guest or kernel", c->runs)      \
	X(guest_ns, "guest mode", c->entries)                      \
	X(exit_ns, "exits: the kernel's part", 0)                  \
	X(vmm_ns, "exits: the VMM's part", 0)                      \
	X(vmm_kernel_ns, "system calls of the VMM", 0)             \
	X(balloon_ns, "balloon", c->balloon_kicks)                 \
	X(swapin_ns, "guest memory back from swap", c->swapins)    \
	X(reclaim_ns, "freeing memory of the host", 0)             \
	X(irq_ns, "interrupts of the host", 0)                     \
	X(halt_ns, "halted: the guest was idle", c->halts)         \
	X(throttle_ns, "ready, but its CPU quota was used up", 0)  \
	X(runq_ns, "ready, but no CPU was free (steal)", c->runqs) \
	X(wait_ns, "other waits", 0)                               \
	X(unknown_ns, "unknown", 0)

static void part_row(struct sg_tab *t, const char *name, uint64_t ns, uint64_t all, uint64_t cnt)
{
	char share[16];

	if (!ns && !cnt)
		return;
	sg_tab_row(t);
	sg_tab_cell(t, 0, name);
	sg_tab_ns(t, 1, ns);
	snprintf(share, sizeof(share), "%.1f%%", all ? 100.0 * (double)ns / (double)all : 0);
	sg_tab_cell(t, 2, share);
	if (cnt)
		sg_tab_u64(t, 3, cnt);
}

static int put_parts(FILE *f, const struct sg_vcpu *c, const struct sg_text_opts *o)
{
	uint64_t all = c->to - c->from;
	struct sg_tab t;
	int ret = sg_tab_begin(&t, f, o);

	if (ret)
		return ret;
	sg_tab_column(&t, "where its time went", 0);
	sg_tab_column(&t, "time", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "share", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
#define X(field, name, cnt) part_row(&t, name, c->field, all, cnt);
	PARTS(X)
#undef X
	part_row(&t, "all", all, all, 0);
	return sg_tab_end(&t);
}

static const char *reason_name(const struct sg_vcpu_reason *r, char *buf, size_t cap)
{
	return r->key ? sg_kvm_name(r->key, buf, cap) : "others";
}

static int put_reasons(FILE *f, const struct sg_vcpu *c, const struct sg_text_opts *o)
{
	struct sg_vcpu_reason r[SG_VCPU_EXITS];
	size_t n = sg_vcpu_reasons(c, r);
	char name[32];
	struct sg_tab t;
	int ret = n ? sg_tab_begin(&t, f, o) : 0;

	if (ret || !n)
		return ret;
	sg_tab_column(&t, "exit", 0);
	sg_tab_column(&t, "kind", 0);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "kernel", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "mean", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "to the VMM", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "VMM", SCOLS_FL_RIGHT);
	for (size_t i = 0; i < n; i++) {
		sg_tab_row(&t);
		sg_tab_cell(&t, 0, reason_name(&r[i], name, sizeof(name)));
		sg_tab_cell(&t, 1, r[i].key ? sg_kvm_class_name(sg_kvm_class(r[i].key)) : "");
		sg_tab_u64(&t, 2, r[i].cnt);
		sg_tab_ns(&t, 3, r[i].kernel_ns);
		sg_tab_ns(&t, 4, r[i].cnt ? r[i].kernel_ns / r[i].cnt : 0);
		sg_tab_u64(&t, 5, r[i].returns);
		sg_tab_ns(&t, 6, r[i].vmm_ns);
	}
	return sg_tab_end(&t);
}

static void fault_row(struct sg_tab *t, const char *name, const struct sg_vcpu_fault *p)
{
	sg_tab_row(t);
	sg_tab_cell(t, 0, name);
	sg_tab_u64(t, 1, p->cnt);
	sg_tab_ns(t, 2, p->cpu_ns);
	sg_tab_ns(t, 3, p->wait_ns);
	sg_tab_ns(t, 4, p->cpu_ns + p->wait_ns);
}

/* What the page fault exits turned out to be. */
static int put_faults(FILE *f, const struct sg_vcpu *c, const struct sg_text_opts *o)
{
	static const char *const name[] = {
#define X(sym, key, name) name,
		SG_VCPU_FAULT_LIST(X)
#undef X
	};
	struct sg_vcpu_fault all = sg_vcpu_faults(c);
	struct sg_tab t;
	int ret;

	if (!all.cnt && !all.cpu_ns && !all.wait_ns)
		return 0;
	fputc('\n', f);
	ret = sg_tab_begin(&t, f, o);
	if (ret)
		return ret;
	sg_tab_column(&t, "page fault exits", 0);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "on a CPU", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "waiting", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "time", SCOLS_FL_RIGHT);
	for (unsigned i = 0; i < SG_VCPU_FAULTS; i++)
		fault_row(&t, name[i], &c->fault[i]);
	fault_row(&t, "all", &all);
	return sg_tab_end(&t);
}

static void put_sentences(FILE *f, const struct sg_vcpu *c)
{
	char ns[32], name[64];

	if (c->ntaker) {
		fputs("while it was ready the CPU was taken by", f);
		for (size_t i = 0; i < c->ntaker; i++)
			fprintf(f, "%s %s (%s)", i ? "," : "",
				sg_text_clean(name, sizeof(name), c->taker[i].comm),
				sg_text_ns(ns, sizeof(ns), c->taker[i].ns));
		fputc('\n', f);
	}
	if (c->inflate_pages || c->deflate_pages)
		fprintf(f,
			"the balloon took %" PRIu64 " pages (%.1f MiB) and gave back %" PRIu64
			" (%.1f MiB): the guest stood still for %s\n",
			c->inflate_pages, (double)c->inflate_pages / 256, c->deflate_pages,
			(double)c->deflate_pages / 256, sg_text_ns(ns, sizeof(ns), c->balloon_ns));
	if (c->swapin_wait_ns)
		fprintf(f, "of the time for swapped memory %s was waiting for it\n",
			sg_text_ns(ns, sizeof(ns), c->swapin_wait_ns));
}

static int put_tables(FILE *f, const struct sg_vcpu *c, const struct sg_text_opts *o)
{
	int ret = put_parts(f, c, o);

	if (!ret)
		fputc('\n', f);
	if (!ret)
		ret = put_reasons(f, c, o);
	if (!ret)
		ret = put_faults(f, c, o);
	if (!ret)
		put_sentences(f, c);
	return ret;
}

static int put_vcpu(FILE *f, const struct sg_vcpu *c, const struct sg_text_opts *o)
{
	char name[64], ns[32];

	fprintf(f, "\n%s (thread %" PRIu32 "), %s:\n", sg_text_clean(name, sizeof(name), c->comm), c->tid,
		sg_text_ns(ns, sizeof(ns), c->to - c->from));
	return put_tables(f, c, o);
}

/* As libvirt or its command line has it, else its process's name. */
static const char *machine_name(const struct sg_vmm *vm, const struct sg_vm_facts *k)
{
	const struct sg_vmsum_row *row = k && k->vms ? sg_vmsum_of(k->vms, vm->tgid) : NULL;

	return row && row->name[0] ? row->name : vm->comm;
}

static int put_rest(FILE *f, const struct sg_vmm *vm, const struct sg_vm_facts *k,
		    const struct sg_text_opts *o)
{
	struct sg_vmrest r;
	int ret;

	if (!k || !k->threads || !k->model)
		return 0;
	ret = sg_vmthreads_of(k->threads, k->model, vm->tgid, &r);
	if (!ret)
		ret = sg_vmrest_text(&r, f, o);
	sg_vmrest_clear(&r);
	return ret;
}

static int put_machine(FILE *f, const struct sg_vmm *vm, const struct sg_vm_facts *k,
		       const struct sg_text_opts *o)
{
	char name[64], ns[32];
	int ret = 0;

	fprintf(f, "\nvirtual machine %s (process %" PRIu32 "), %zu vCPU%s\n",
		sg_text_clean(name, sizeof(name), machine_name(vm, k)), vm->tgid, vm->nvcpu,
		vm->nvcpu == 1 ? "" : "s");
	if (vm->nvcpu > 1) {
		fprintf(f, "\nall its vCPUs together, %s:\n",
			sg_text_ns(ns, sizeof(ns), vm->all.to - vm->all.from));
		ret = put_tables(f, &vm->all, o);
	}
	for (size_t i = 0; i < vm->nvcpu && !ret; i++)
		ret = put_vcpu(f, &vm->vcpu[i], o);
	return ret ? ret : put_rest(f, vm, k, o);
}

int sg_vcpus_text(struct sg_vcpus *v, FILE *f, const struct sg_vm_facts *k, const struct sg_text_opts *o)
{
	const struct sg_vmm *vm;
	size_t n;
	int ret = sg_vcpus_list(v, &vm, &n);

	if (ret)
		return ret;
	if (!n)
		fputs("\nno vCPU ran in this recording: no thread entered a guest by KVM (or the probes of "
		      "group kvm "
		      "were off)\n",
		      f);
	for (size_t i = 0; i < n && i < VMS_SHOWN && !ret; i++)
		ret = put_machine(f, &vm[i], k, o);
	if (n > VMS_SHOWN)
		fprintf(f, "\n%zu more machines; --json shows all\n", n - VMS_SHOWN);
	if (sg_vcpus_uncounted(v))
		fprintf(f, "%" PRIu64 " slices are left out: more than %d vCPUs\n", sg_vcpus_uncounted(v),
			SG_VCPUS_MAX);
	if (k && k->threads && sg_vmthreads_uncounted(k->threads))
		fprintf(f,
			"%" PRIu64 " slices and waits of other threads are left out: more than %d threads\n",
			sg_vmthreads_uncounted(k->threads), SG_VMTHREADS_MAX);
	return ret ? ret : ferror(f) ? -EIO : 0;
}

/* ---- JSON ------------------------------------------------------------------------------ */
static struct json_object *reasons_array(const struct sg_vcpu *c)
{
	struct json_object *a = json_object_new_array();
	struct sg_vcpu_reason r[SG_VCPU_EXITS];
	size_t n = sg_vcpu_reasons(c, r);
	char name[32];

	for (size_t i = 0; a && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "reason", reason_name(&r[i], name, sizeof(name)));
		sg_jp_text(o, "class", r[i].key ? sg_kvm_class_name(sg_kvm_class(r[i].key)) : "other");
		sg_jp_u64(o, "count", r[i].cnt);
		sg_jp_u64(o, "kernel_ns", r[i].kernel_ns);
		sg_jp_u64(o, "returns", r[i].returns);
		sg_jp_u64(o, "vmm_ns", r[i].vmm_ns);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *takers_array(const struct sg_vcpu *c)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; a && i < c->ntaker; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "name", c->taker[i].comm);
		sg_jp_u64(o, "ns", c->taker[i].ns);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *fault_object(const struct sg_vcpu_fault *p)
{
	struct json_object *o = json_object_new_object();

	sg_jp_u64(o, "count", p->cnt);
	sg_jp_u64(o, "cpu_ns", p->cpu_ns);
	sg_jp_u64(o, "wait_ns", p->wait_ns);
	return o;
}

static struct json_object *faults_object(const struct sg_vcpu *c)
{
	struct sg_vcpu_fault all = sg_vcpu_faults(c);
	struct json_object *o = fault_object(&all);

#define X(sym, key, name) sg_jp_add(o, key, fault_object(&c->fault[SG_VCPU_FAULT_##sym]));
	SG_VCPU_FAULT_LIST(X)
#undef X
	return o;
}

/* What is told of one vCPU, and of all of a machine. */
static struct json_object *sums_object(const struct sg_vcpu *c)
{
	struct json_object *o = json_object_new_object(), *b = json_object_new_object();

	sg_jp_u64(o, "total_ns", c->to - c->from);
#define X(field, name, cnt) sg_jp_u64(o, #field, c->field);
	PARTS(X)
#undef X
	sg_jp_u64(o, "guest_cnt", c->entries);
	sg_jp_u64(o, "halt_cnt", c->halts);
	sg_jp_u64(o, "runq_cnt", c->runqs);
	sg_jp_u64(o, "swapin_cnt", c->swapins);
	sg_jp_u64(o, "swapin_wait_ns", c->swapin_wait_ns);
	sg_jp_u64(b, "inflate_pages", c->inflate_pages);
	sg_jp_u64(b, "deflate_pages", c->deflate_pages);
	sg_jp_u64(b, "windows", c->balloon_kicks);
	sg_jp_u64(b, "ns", c->balloon_ns);
	sg_jp_add(o, "balloon", b);
	sg_jp_add(o, "exits", reasons_array(c));
	sg_jp_add(o, "page_faults", faults_object(c));
	sg_jp_add(o, "cpu_taken_by", takers_array(c));
	return o;
}

static struct json_object *vcpu_object(const struct sg_vcpu *c)
{
	struct json_object *o = sums_object(c);

	sg_jp_u64(o, "tid", c->tid);
	sg_jp_text(o, "comm", c->comm);
	return o;
}

static struct json_object *machine_object(const struct sg_vmm *vm, const struct sg_vm_facts *k)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	struct sg_vmrest r;

	sg_jp_u64(o, "tgid", vm->tgid);
	sg_jp_text(o, "name", machine_name(vm, k));
	for (size_t i = 0; a && i < vm->nvcpu; i++)
		json_object_array_add(a, vcpu_object(&vm->vcpu[i]));
	sg_jp_add(o, "vcpus", a);
	sg_jp_add(o, "all_vcpus", sums_object(&vm->all));
	if (!k || !k->threads || !k->model)
		return o;
	if (!sg_vmthreads_of(k->threads, k->model, vm->tgid, &r))
		sg_jp_add(o, "threads", sg_vmrest_json(&r));
	sg_vmrest_clear(&r);
	return o;
}

struct json_object *sg_vcpus_json(struct sg_vcpus *v, const struct sg_vm_facts *k)
{
	struct json_object *list = json_object_new_array();
	const struct sg_vmm *vm;
	size_t n;

	if (!list || sg_vcpus_list(v, &vm, &n)) {
		json_object_put(list);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, machine_object(&vm[i], k));
	return list;
}
