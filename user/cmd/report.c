/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass report: a recording explained. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/input.h"
#include "model/guestcalls.h"
#include "model/oracle.h"
#include "model/swapout.h"
#include "model/syscalls.h"
#include "model/vcpus.h"
#include "model/vmthreads.h"
#include "out/json.h"
#include "out/text.h"

enum {
	OPT_JSON = 256,
	OPT_BY,
	OPT_ROWS,
	OPT_SLOWEST,
	OPT_PATH,
	OPT_QUANTILE,
	OPT_GROUP,
	OPT_ORACLE,
	OPT_ORDER,
	OPT_SYSCALLS,
	OPT_GUEST,
	OPT_VM
};

#define GROUPS_SHOWN 12

#define ORDER_CHECK_BYTES (4 << 20)

struct args {
	struct sg_analysis_opts o;
	struct sg_text_opts text;
	const char *file, *json;
	bool want_json, want_oracle, want_syscalls, want_guest, want_vm;
	enum { ORDER_AUTO, ORDER_YES, ORDER_NO } order;
	double quantile;
	struct sg_json *doc;
	struct sg_oracle *oracle;
	struct sg_swapouts *swapouts;
	struct sg_owners *owners;
	struct sg_syscalls *syscalls;
	struct sg_guestcalls *guest;
	struct sg_vcpus *vcpus;
	struct sg_vmthreads *vmthreads;
	const struct sg_model *model;
};

static const struct argp_option options[] = {
	{ "json", OPT_JSON, "FILE", OPTION_ARG_OPTIONAL,
	  "print JSON to FILE (or standard output) instead of tables", 1 },
	{ "by", OPT_BY, "leaf|wait|component|container", 0,
	  "leaf: where the time really passed (the default); wait: what the task itself waited for; "
	  "component: who; container: as leaf, with the tasks of one container as a group (--group-by "
	  "container)",
	  1 },
	{ "rows", OPT_ROWS, "N", 0, "rows of a table (default 16)", 1 },
	{ "slowest", OPT_SLOWEST, "N", 0, "show the path of the N slowest tasks of every group (default 3)",
	  1 },
	{ "quantile", OPT_QUANTILE, "Q", 0,
	  "compare the tasks around this quantile with the usual ones (default 0.99)", 1 },
	{ "group", OPT_GROUP, "NAME", 0, "only the tasks of this group", 1 },
	{ "path", OPT_PATH, "task|critical", 0,
	  "task: where the task's time went (the default); critical: what must shrink to end earlier", 1 },
	{ "oracle", OPT_ORACLE, NULL, 0, "compare with the kernel's own accounting of every exited thread",
	  1 },
	{ "syscalls", OPT_SYSCALLS, NULL, 0,
	  "add tables of system calls, of the tasks of every group and by container and process: count, "
	  "errors, "
	  "time on CPU and waiting, files",
	  1 },
	{ "guest-syscalls", OPT_GUEST, NULL, 0,
	  "instead of tasks: the system calls of gVisor's guests, how their time splits into trap, Sentry, "
	  "Gofer "
	  "and host kernel, and the messages to the Gofer that they caused",
	  1 },
	{ "vm", OPT_VM, NULL, 0,
	  "add tables of every virtual machine's vCPUs: guest mode, exits by reason, the VMM's part, halts, "
	  "steal, swapped guest memory, the balloon",
	  1 },
	{ "order-check", OPT_ORDER, "yes|no", 0,
	  "the second walk that tells where the order of waiting decides; it takes as long again, so by "
	  "default only "
	  "recordings up to 4 MiB get it",
	  1 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	uint64_t v = 0;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		s->child_inputs[0] = &a->o;
		break;
	case OPT_JSON:
		a->want_json = true;
		a->json = arg;
		break;
	case OPT_BY:
		a->text.by_wait = !strcmp(arg, "wait");
		a->text.by_component = !strcmp(arg, "component");
		a->o.by_container |= !strcmp(arg, "container");
		if (!a->text.by_wait && !a->text.by_component && strcmp(arg, "container") &&
		    strcmp(arg, "leaf"))
			argp_error(s, "--by is leaf, wait, component or container, not '%s'", arg);
		break;
	case OPT_ROWS:
		if (sg_parse_u64(arg, 1, 1000, &v))
			argp_error(s, "--rows takes 1 to 1000, not '%s'", arg);
		a->text.rows = (unsigned)v;
		break;
	case OPT_SLOWEST:
		if (sg_parse_u64(arg, 0, 1000, &v))
			argp_error(s, "--slowest takes 0 to 1000, not '%s'", arg);
		a->o.slowest = (unsigned)v;
		break;
	case OPT_QUANTILE:
		a->quantile = strtod(arg, &end);
		if (*end || !(a->quantile > 0.5 && a->quantile < 1))
			argp_error(s, "--quantile lies between 0.5 and 1, not '%s'", arg);
		break;
	case OPT_GROUP:
		a->o.only = arg;
		break;
	case OPT_PATH:
		a->o.critical = !strcmp(arg, "critical");
		if (!a->o.critical && strcmp(arg, "task"))
			argp_error(s, "--path is task or critical, not '%s'", arg);
		break;
	case OPT_ORACLE:
		a->want_oracle = true;
		break;
	case OPT_SYSCALLS:
		a->want_syscalls = true;
		break;
	case OPT_GUEST:
		a->want_guest = true;
		break;
	case OPT_VM:
		a->want_vm = true;
		break;
	case OPT_ORDER:
		if (strcmp(arg, "yes") && strcmp(arg, "no"))
			argp_error(s, "--order-check is yes or no, not '%s'", arg);
		a->order = strcmp(arg, "yes") ? ORDER_NO : ORDER_YES;
		break;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(s, "one recording at a time; 'sandglass diff' compares two");
		a->file = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(s, "say which recording: sandglass report FILE");
		break;
	case ARGP_KEY_END:
		if (a->want_guest && a->o.only)
			argp_error(s, "--group is about tasks, --guest-syscalls shows none");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &sg_input_argp, 0, NULL, 20 }, { 0 } };

const struct argp sg_argp_report = {
	options,
	parse,
	"FILE",
	"Explain a recording: for every group of tasks where the time went, who took it, why the slow ones "
	"are slow.\v"
	"Examples:\n"
	"  sandglass record -o s.sgt -p 4711 --duration 10s; sandglass report s.sgt\n"
	"  sandglass report --by wait s.sgt           what the tasks themselves waited for\n"
	"  sandglass report --tasks proc s.sgt        every process is a task\n"
	"  sandglass report --by container s.sgt      the tasks of one container are a group\n"
	"  sandglass report --syscalls s.sgt          system calls by group of tasks, by container and "
	"process\n"
	"  sandglass report --guest-syscalls s.sgt    what gVisor's guests asked for, and who served it\n"
	"  sandglass report --vm s.sgt                vCPUs: exits, steal, balloon, swapped memory\n"
	"  sandglass report --json s.sgt | jq '.tasks[0].blame[0]'\n"
	"  sandglass record -o - -- make | sandglass report -\n\n"
	"A share of a task's latency belongs to exactly one row; the rows sum to the latency to the "
	"nanosecond. A damaged "
	"recording is reported up to its last whole block, with exit code 1.",
	children,
	NULL,
	NULL
};

/* The accounts that were asked for; who is who is known by then. */
static int feed_accounts(void *ctx, const struct sg_hdr *ev)
{
	struct args *a = ctx;
	int ret = 0;

	if (a->oracle)
		ret = sg_oracle_feed(a->oracle, ev);
	if (!ret && a->swapouts)
		ret = sg_swapouts_feed(a->swapouts, ev);
	if (!ret && a->syscalls)
		ret = sg_syscalls_feed(a->syscalls, ev);
	if (!ret && a->guest)
		ret = sg_guestcalls_feed(a->guest, ev);
	if (!ret && a->vcpus)
		ret = sg_vcpus_feed(a->vcpus, ev);
	return ret;
}

static void before(void *ctx, struct sg_analysis *an)
{
	((struct args *)ctx)->model = sg_analysis_model(an);
}

static int on_span(void *ctx, const struct sg_span *s)
{
	struct args *a = ctx;

	return sg_vmthreads_span(a->vmthreads, a->model, s);
}

static struct sg_vm_facts vm_facts(const struct args *a, struct sg_input *in)
{
	return (struct sg_vm_facts){ sg_analysis_vms(in->a), a->vmthreads, a->model };
}

static int on_guest(void *ctx, const struct sg_guest_call *c)
{
	return sg_guestcalls_ended(((struct args *)ctx)->guest, c);
}

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct args *a = ctx;

	if (a->guest) /* too many to be told one by one */
		return sg_guestcalls_task(a->guest, m, t);
	return a->doc ? sg_json_task(a->doc, m, t, tb) : 0;
}

static int print_group(FILE *f, const struct args *a, struct sg_analysis *an, size_t i, struct sg_group *g)
{
	struct sg_kept_task *const *slow;
	struct sg_taskcall_group calls;
	const struct sg_order_row *order;
	struct sg_group_stats s;
	size_t n;
	int ret;

	fputc('\n', f);
	ret = sg_text_group(f, g, &a->text);
	sg_group_stats(g, &s);
	if (!ret && s.n >= 8) {
		fputc('\n', f);
		ret = sg_text_why_slow(f, g, a->quantile, &a->text);
	}
	if (!ret && a->o.calls)
		ret = sg_analysis_calls(an, i, &calls);
	if (!ret && a->o.calls)
		ret = sg_taskcalls_text(&calls, s.name, f, &a->text);
	n = sg_analysis_order(an, i, &order);
	if (!ret && n)
		ret = sg_text_order(f, order, n, &a->text);
	n = sg_analysis_slowest(an, i, &slow);
	if (!ret && n && a->o.slowest)
		fprintf(f, n > 1 ? "\nslowest tasks, each with the longest stretches of its path:\n"
				 : "\nthe longest stretches of its path:\n");
	for (size_t k = 0; k < n && k < a->o.slowest && !ret; k++)
		ret = sg_text_task(f, slow[k], &a->text);
	return ret;
}

static int print_tasks(FILE *f, const struct args *a, struct sg_input *in)
{
	struct sg_group *const *g;
	size_t n = sg_analysis_groups(in->a, &g);
	int ret = 0;

	if (a->o.critical)
		fputs("critical chains: what must shrink for a task to end earlier; not where its time "
		      "went\n",
		      f);
	if (in->fell_back && n)
		fputs("no marked task and no command in it: every thread is shown as a task\n", f);
	if (!n)
		fprintf(f, "no task to explain%s\n", a->o.only ? " of that name" : "");
	for (size_t i = 0; i < n && i < GROUPS_SHOWN && !ret; i++)
		ret = print_group(f, a, in->a, i, g[i]);
	if (n > GROUPS_SHOWN)
		fprintf(f, "\n%zu more groups; --group NAME shows one, --json all\n", n - GROUPS_SHOWN);
	if (a->o.calls && sg_analysis_uncalled(in->a))
		fprintf(f, "%" PRIu64 " system calls are in no group's table: too many different ones\n",
			sg_analysis_uncalled(in->a));
	return ret;
}

static int print_text(FILE *f, const struct args *a, struct sg_input *in)
{
	struct sg_text_head h = { .file = a->file, .damage = sg_input_damage(in) };
	struct sg_vm_facts facts = vm_facts(a, in);
	int ret;

	h.meta = sg_reader_meta(in->reader);
	h.end_meta = sg_reader_end_meta(in->reader);
	h.owners = sg_analysis_owners(in->a);
	h.vms = sg_analysis_vms(in->a);
	h.model = sg_analysis_model(in->a);
	sg_analysis_info(in->a, &h.info);
	ret = sg_text_head(f, &h, &a->text);
	if (!ret && h.info.model.clock_violations)
		fprintf(f,
			"%" PRIu64
			" times a guest's thread ran while its vCPU did not: the map between their "
			"clocks is wrong there, and that time is as the guest told it\n",
			h.info.model.clock_violations);
	if (!ret)
		ret = a->guest ? sg_guestcalls_text(a->guest, f, &a->text) : print_tasks(f, a, in);
	if (!ret && a->syscalls)
		ret = sg_syscalls_text(a->syscalls, f, &a->text);
	if (!ret && a->vcpus)
		ret = sg_vcpus_text(a->vcpus, f, &facts, &a->text);
	if (!ret && a->oracle) {
		fputc('\n', f);
		ret = sg_oracle_text(a->oracle, f);
		if (!ret)
			ret = sg_swapouts_text(a->swapouts, h.end_meta, f);
	}
	return ret;
}

static struct json_object *oracle_object(struct sg_oracle *o)
{
	struct json_object *v = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f && !sg_oracle_json(o, f) && !fflush(f))
		v = json_tokener_parse(text);
	if (f)
		fclose(f);
	free(text);
	return v;
}

static int print_json(FILE *f, const struct args *a, struct sg_input *in)
{
	struct sg_json_end e = { .a = in->a, .damage = sg_input_damage(in), .quantile = a->quantile };
	struct sg_vm_facts facts = vm_facts(a, in);
	int ret;

	e.meta = sg_reader_meta(in->reader);
	e.end_meta = sg_reader_end_meta(in->reader);
	e.calls = a->o.calls;
	/* what was asked for besides joins the document as members of its own */
	e.extra = json_object_new_object();
	if (e.extra && a->oracle) {
		json_object_object_add(e.extra, "oracle", oracle_object(a->oracle));
		json_object_object_add(e.extra, "swapout", sg_swapouts_json(a->swapouts, e.end_meta));
	}
	if (e.extra && a->syscalls)
		json_object_object_add(e.extra, "syscalls", sg_syscalls_json(a->syscalls));
	if (e.extra && a->vcpus)
		json_object_object_add(e.extra, "kvm", sg_vcpus_json(a->vcpus, &facts));
	if (e.extra && a->guest)
		json_object_object_add(e.extra, "guest_syscalls", sg_guestcalls_json(a->guest));
	ret = sg_json_end(a->doc, f, &e);
	json_object_put(e.extra);
	return ret;
}

static int accounts_new(struct args *a)
{
	int ret = 0;

	if (a->want_oracle)
		ret = sg_oracle_new(&a->oracle, NULL);
	if (!ret && a->want_oracle)
		ret = sg_swapouts_new(&a->swapouts);
	if (!ret && (a->want_syscalls || a->want_guest))
		ret = sg_owners_new(&a->owners);
	if (!ret && a->want_syscalls)
		ret = sg_syscalls_new(&a->syscalls, a->owners);
	if (!ret && a->want_guest)
		ret = sg_guestcalls_new(&a->guest, a->owners);
	if (!ret && a->want_vm)
		ret = sg_vcpus_new(&a->vcpus);
	if (!ret && a->want_vm)
		ret = sg_vmthreads_new(&a->vmthreads);
	if (a->want_vm)
		a->o.on_span = on_span;
	a->o.owners = a->owners;
	if (a->want_guest) {
		a->o.tasks = SG_TASKS_GUEST;
		a->o.on_guest = on_guest;
	}
	a->o.calls = a->want_syscalls && !a->want_guest && !a->o.critical;
	if (a->want_oracle || a->want_syscalls || a->want_guest || a->want_vm)
		a->o.on_event = feed_accounts;
	return ret;
}

static void accounts_free(struct args *a)
{
	sg_oracle_free(a->oracle);
	sg_swapouts_free(a->swapouts);
	sg_syscalls_free(a->syscalls);
	sg_guestcalls_free(a->guest);
	sg_vcpus_free(a->vcpus);
	sg_vmthreads_free(a->vmthreads);
}

static int report(struct args *a, struct sg_input *in, struct sg_err *err)
{
	FILE *spool = NULL, *f;
	int ret = accounts_new(a);

	if (!ret && a->want_json) {
		spool = tmpfile();
		ret = spool ? sg_json_new(&a->doc, spool)
			    : sg_err_set(err, -errno, "no temporary file: %s", strerror(errno));
	}
	a->o.on_task = on_task;
	a->o.ctx = a;
	if (!ret)
		ret = sg_input_run(in, a->file, &a->o, before, err);
	if (!ret) {
		f = sg_output_open(a->json, &a->file, 1, err);
		a->text.colour = isatty(fileno(f ? f : stdout)) && !getenv("NO_COLOR");
		if (f)
			ret = sg_output_close(
				f, a->json, a->want_json ? print_json(f, a, in) : print_text(f, a, in), err);
		else
			ret = err->code;
	}
	sg_json_free(a->doc);
	accounts_free(a);
	if (spool)
		fclose(spool);
	return ret;
}

/* Small enough for the second walk to be no matter. What is no file has no size: not small. */
static bool is_small(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && st.st_size <= ORDER_CHECK_BYTES;
}

int sg_cmd_report(int argc, char **argv)
{
	static const char name[] = "sandglass report";
	struct args a = { .o = { .slowest = 3 }, .quantile = 0.99 };
	struct sg_input in = { .fd = -1 };
	struct sg_err err = { 0 };
	int ret, code = SG_EXIT_OK;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_report, argc, argv, 0, NULL, &a);
	setlocale(LC_CTYPE, "");
	a.o.check_order = a.order == ORDER_YES || (a.order == ORDER_AUTO && is_small(a.file));
	ret = report(&a, &in, &err);
	if (ret) {
		code = sg_input_fail(name, &err, ret);
	} else if (sg_input_damage(&in)) {
		fprintf(stderr, "%s: %s: %s\n", name, a.file, sg_input_damage(&in));
		code = SG_EXIT_FAIL;
	}
	sg_input_close(&in);
	sg_owners_free(a.owners);
	return code;
}
