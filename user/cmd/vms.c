/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass vms: which virtual machines run here, and what runs them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/cmd.h"
#include "cmd/listing.h"
#include "env/vm.h"
#include "out/json.h"

#define CMD "sandglass vms"

enum { OPT_JSON = 256, OPT_CONNECT };

struct args {
	struct sg_vm_opts from;
	bool json, all;
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "also those that libvirt knows of and that do not run", 0 },
	{ "connect", OPT_CONNECT, "URI", 0, "ask this libvirt, e.g. qemu:///session, and look at processes; '' asks none (default: $LIBVIRT_DEFAULT_URI, else qemu:///system and qemu:///session if they listen)", 0 },
	{ "json", OPT_JSON, NULL, 0, "one JSON object instead of the table", 0 },
	{ 0 },
};
/* clang-format on */

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;

	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case OPT_CONNECT:
		a->from.connect = arg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(s, "vms takes no argument, '%s' was given", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* clang-format off */
const struct argp sg_argp_vms = {
	options, parse, NULL,
	"List the virtual machines of this machine: libvirt's, and any process that runs one by KVM or by QEMU's "
	"emulation (tcg): QEMU, Firecracker, Cloud Hypervisor and others; with process, vCPUs, memory and cgroup.\v"
	"Examples:\n"
	"  sandglass vms\n"
	"  sandglass vms --connect qemu:///session --all\n"
	"  sandglass vms --json | jq '.vms[].vcpu_threads'\n"
	"  sandglass record --vm web              then record one of them\n\n"
	"MEMORY is what the guest has now of what it has with an empty balloon, as far as libvirt or the command line "
	"tells. As another user than root one's own processes only are seen.",
	NULL, NULL, NULL
};
/* clang-format on */

static int by_name(const void *a, const void *b)
{
	const struct sg_vm_info *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* ---- JSON ----------------------------------------------------------------- */

static void add(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

static struct json_object *one_json(const struct sg_vm_info *v)
{
	struct json_object *o = json_object_new_object(), *t = json_object_new_array();

	json_object_object_add(o, "name", sg_json_text(v->name));
	json_object_object_add(o, "uuid", sg_json_text(v->uuid));
	json_object_object_add(o, "vmm", sg_json_text(v->vmm));
	json_object_object_add(o, "source", sg_json_text(v->source));
	json_object_object_add(o, "accel", sg_json_text(v->accel));
	json_object_object_add(o, "state", sg_json_text(v->state));
	add(o, "pid", v->pid);
	add(o, "vcpus", v->nvcpu);
	for (uint32_t i = 0; i < v->nvcpu && i < SG_VM_VCPUS; i++)
		json_object_array_add(t, json_object_new_int64(v->vcpu[i]));
	json_object_object_add(o, "vcpu_threads", t);
	if (v->memory_bytes)
		add(o, "memory_bytes", v->memory_bytes);
	if (v->actual_bytes)
		add(o, "actual_bytes", v->actual_bytes);
	json_object_object_add(o, "qmp", sg_json_text(v->qmp));
	json_object_object_add(o, "cgroup", sg_json_text(v->cgroup));
	add(o, "cgroup_id", v->cgroup_id);
	return o;
}

static int print_json(const struct sg_vm_list *l)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < l->n; i++)
		json_object_array_add(list, one_json(&l->v[i]));
	return sg_listing_json("vms", list, JSON_C_TO_STRING_PRETTY);
}

/* ---- the table -------------------------------------------------------------- */

static void memory_text(char ret[48], const struct sg_vm_info *v)
{
	if (v->memory_bytes && v->actual_bytes && v->actual_bytes != v->memory_bytes)
		snprintf(ret, 48, "%" PRIu64 "/%" PRIu64 " MiB", v->actual_bytes >> 20,
			 v->memory_bytes >> 20);
	else if (v->memory_bytes)
		snprintf(ret, 48, "%" PRIu64 " MiB", v->memory_bytes >> 20);
	else
		snprintf(ret, 48, "-");
}

static int add_row(struct libscols_table *t, const struct sg_vm_info *v)
{
	char pid[16] = "-", vcpus[16] = "-", mem[48];
	const char *text[] = { v->name, v->vmm, v->accel,  v->state, pid,
			       vcpus,	mem,	v->source, v->uuid,  v->cgroup };

	if (v->pid)
		snprintf(pid, sizeof(pid), "%u", v->pid);
	if (v->nvcpu)
		snprintf(vcpus, sizeof(vcpus), "%u", v->nvcpu);
	memory_text(mem, v);
	return sg_listing_row(t, text, sizeof(text) / sizeof(text[0]));
}

static int print_table(const struct sg_vm_list *l)
{
	static const struct sg_listing_column column[] = {
		{ "NAME", 0 },
		{ "VMM", 0 },
		{ "ACCEL", 0 },
		{ "STATE", 0 },
		{ "PID", SCOLS_FL_RIGHT },
		{ "VCPUS", SCOLS_FL_RIGHT },
		{ "MEMORY", SCOLS_FL_RIGHT },
		{ "SOURCE", 0 },
		{ "UUID", 0 },
		{ "CGROUP", SCOLS_FL_TRUNC },
	};
	struct libscols_table *t;
	int r;

	if (!l->n)
		return puts("No virtual machine runs here.") < 0 ? -EIO : 0;
	r = sg_listing_begin(&t, column, sizeof(column) / sizeof(column[0]));
	if (r)
		return r;
	for (size_t i = 0; !r && i < l->n; i++)
		r = add_row(t, &l->v[i]);
	return sg_listing_end(t, r);
}

int sg_cmd_vms(int argc, char **argv)
{
	static const char name[] = CMD;
	struct args a = { 0 };
	struct sg_err err = { 0 };
	struct sg_vm_list l;
	int r;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_vms, argc, argv, 0, NULL, &a);
	r = sg_vms(&l, &a.from, a.all, &err);
	if (!r && l.note[0])
		fprintf(stderr, CMD ": %s; only processes were looked at\n", l.note);
	if (!r && l.n)
		qsort(l.v, l.n, sizeof(l.v[0]), by_name);
	if (!r)
		r = a.json ? print_json(&l) : print_table(&l);
	sg_vms_free(&l);
	if (!r)
		return SG_EXIT_OK;
	fprintf(stderr, CMD ": %s\n", err.msg[0] ? err.msg : strerror(-r));
	return SG_EXIT_FAIL;
}
