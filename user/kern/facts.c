// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "kern/cgroup.h"
#include "kern/facts.h"
#include "kern/proc.h"
#include "kern/tracefs.h"

static const char *const keys[SG_FACT_MAX] = {
#define SG_X(sym, key) [SG_FACT_##sym] = key,
	SG_FACT_LIST(SG_X)
#undef SG_X
};

__attribute__((format(printf, 2, 3))) static void value(struct sg_fact *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->value, sizeof(f->value), fmt, ap);
	va_end(ap);
}

static void limit(struct sg_fact *f, const char *note)
{
	f->limits = true;
	snprintf(f->note, sizeof(f->note), "%s", note);
}

/* First line of a file into @f's value, or "not readable". */
static bool line(struct sg_fact *f, const char *path)
{
	char *text;

	if (sg_proc_read(path, sizeof(f->value) - 1, &text) < 0) {
		value(f, "not readable");
		return false;
	}
	text[strcspn(text, "\n")] = 0;
	value(f, "%s", text);
	free(text);
	return true;
}

static void fact_kernel(struct sg_fact *f)
{
	struct utsname u;

	if (!uname(&u))
		value(f, "%.48s %.16s%s", u.release, u.machine,
		      strstr(u.version, "PREEMPT_RT") ? " PREEMPT_RT" : "");
}

static void fact_lockdown(struct sg_fact *f)
{
	int dir = sg_pseudofs_open("securityfs"),
	    fd = dir < 0 ? -1 : openat(dir, "lockdown", O_RDONLY | O_CLOEXEC);
	char buf[64] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);
	char *open, *shut;

	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	open = n > 0 ? strchr(buf, '[') : NULL;
	shut = open ? strchr(open, ']') : NULL;
	if (!shut) {
		value(f, "%s", dir < 0 ? "not readable" : "none");
		return;
	}
	*shut = 0;
	value(f, "%s", open + 1);
	if (!strcmp(open + 1, "confidentiality"))
		limit(f, "this kernel refuses to let BPF programs read its memory: nothing can be recorded");
	else if (strcmp(open + 1, "none"))
		snprintf(f->note, sizeof(f->note),
			 "kernel functions may not be probed, tracepoints are used");
}

/* Bit @cap of the effective capabilities. */
static bool has_cap(const char *status, unsigned cap)
{
	const char *p = strstr(status, "\nCapEff:");

	return p && (strtoull(p + 8 + strspn(p + 8, "\t "), NULL, 16) >> cap & 1);
}

static void fact_privileges(struct sg_fact *f)
{
	char *text;
	bool admin, bpf;

	if (sg_proc_read("/proc/self/status", 8192, &text) < 0) {
		value(f, "not readable");
		return;
	}
	admin = has_cap(text, CAP_SYS_ADMIN);
	bpf = has_cap(text, CAP_BPF) && has_cap(text, CAP_PERFMON);
	free(text);
	value(f, "%s",
	      admin ? geteuid() ? "CAP_SYS_ADMIN" : "root"
	      : bpf ? "CAP_BPF and CAP_PERFMON"
		    : "none");
	if (!admin && !bpf)
		limit(f, "recording needs root: run it with sudo");
}

static void fact_tracefs(struct sg_fact *f)
{
	const char *where = "";
	int fd = sg_tracefs_open(&where);

	if (fd < 0) {
		value(f, "not reachable");
		limit(f, "classic tracepoints cannot be used");
		return;
	}
	close(fd);
	value(f, "%s", where);
}

static void fact_jit(struct sg_fact *f)
{
	if (line(f, "/proc/sys/net/core/bpf_jit_enable") && !strcmp(f->value, "0"))
		limit(f, "BPF programs are interpreted: recording costs several times as much");
}

static void fact_delayacct(struct sg_fact *f)
{
	if (line(f, "/proc/sys/kernel/task_delayacct") && strcmp(f->value, "0"))
		return;
	limit(f, "report --oracle cannot compare delays; sysctl kernel.task_delayacct=1 switches them on for "
		 "new threads");
}

/* Is every address of these lines of kallsyms 0? */
static bool all_zero(const char *line)
{
	while (line && *line) {
		if (strspn(line, "0") < 16)
			return strchr(line, '\n') == NULL; /* the last line may be cut */
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return true;
}

static void fact_kptr(struct sg_fact *f)
{
	uint64_t v = 0;
	char *text;

	sg_proc_u64("/proc/sys/kernel/kptr_restrict", &v);
	/* Not the first line alone: before 6.15 it is a per-CPU symbol at address 0, for root too. */
	if (sg_proc_read("/proc/kallsyms", 4096, &text) < 0) {
		value(f, "none");
		limit(f, "kernel stacks have no names, waits are told by system call and waker alone");
		return;
	}
	if (all_zero(text)) {
		value(f, "hidden (kptr_restrict %" PRIu64 ")", v);
		limit(f, "kernel stacks have no names, waits are told by system call and waker alone; "
			 "sysctl kernel.kptr_restrict=1 shows them to root");
	} else {
		value(f, "readable (kptr_restrict %" PRIu64 ")", v);
	}
	free(text);
}

static void fact_swap(struct sg_fact *f)
{
	uint64_t total = 0, used = 0;
	unsigned n = 0;
	char *text, *save;

	if (sg_proc_read("/proc/swaps", 65536, &text) < 0) {
		value(f, "none");
		return;
	}
	strtok_r(text, "\n", &save); /* the heading */
	for (char *l; (l = strtok_r(NULL, "\n", &save));) {
		uint64_t size, part;

		if (sscanf(l, "%*s %*s %" SCNu64 " %" SCNu64, &size, &part) != 2)
			continue;
		total += size;
		used += part;
		n++;
	}
	free(text);
	if (n)
		value(f, "%" PRIu64 " MiB in %u, %" PRIu64 " MiB used", total >> 10, n, used >> 10);
	else
		value(f, "none");
}

/* The coarse clock moves once a tick, and says how long that is. */
static void fact_tick(struct sg_fact *f)
{
	struct timespec t;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &t) || t.tv_sec || !t.tv_nsec) {
		value(f, "not known");
		return;
	}
	value(f, "%ld us (HZ %ld)", t.tv_nsec / 1000, (1000000000l + t.tv_nsec / 2) / t.tv_nsec);
	snprintf(f->note, sizeof(f->note),
		 "a slice is cut at least this often; the kernel's own user and system times are sampled by "
		 "it");
}

static void fact_clock(struct sg_fact *f)
{
	if (!line(f, "/sys/devices/system/clocksource/clocksource0/current_clocksource"))
		return;
	if (strcmp(f->value, "tsc") && strcmp(f->value, "kvm-clock") && strcmp(f->value, "arch_sys_counter"))
		limit(f, "reading this clock is slow: recording costs more");
}

int sg_fact_guest(void)
{
	char *text;
	int virt;

	if (sg_proc_read("/proc/cpuinfo", 16384, &text) < 0)
		return -ENOENT;
	virt = strstr(text, " hypervisor") != NULL;
	free(text);
	return virt;
}

static void fact_virt(struct sg_fact *f)
{
	int virt = sg_fact_guest();

	if (virt < 0) {
		value(f, "not known");
		return;
	}
	value(f, "%s", virt ? "this is a virtual machine" : "none seen");
	if (virt)
		limit(f, "CPU time that the hypervisor takes stays in the cause that was interrupted");
}

void sg_facts_read(struct sg_fact ret[SG_FACT_MAX], const struct sg_kern_view *view)
{
	uint64_t v;

	memset(ret, 0, SG_FACT_MAX * sizeof(*ret));
	for (size_t i = 0; i < SG_FACT_MAX; i++)
		ret[i].key = keys[i];
	fact_kernel(&ret[SG_FACT_KERNEL]);
	value(&ret[SG_FACT_BTF], "%s", view->has_btf(view->ctx) ? "present" : "missing");
	if (!view->has_btf(view->ctx))
		limit(&ret[SG_FACT_BTF], "nothing can be recorded: the kernel needs CONFIG_DEBUG_INFO_BTF");
	fact_lockdown(&ret[SG_FACT_LOCKDOWN]);
	fact_privileges(&ret[SG_FACT_PRIVILEGES]);
	fact_tracefs(&ret[SG_FACT_TRACEFS]);
	value(&ret[SG_FACT_PREEMPTIBLE], "%s", view->preemptible_tracepoints(view->ctx) ? "yes" : "no");
	if (view->preemptible_tracepoints(view->ctx))
		snprintf(ret[SG_FACT_PREEMPTIBLE].note, sizeof(ret[0].note),
			 "classic tracepoints go first for probes that can be preempted: others would lose "
			 "events");
	fact_jit(&ret[SG_FACT_JIT]);
	fact_delayacct(&ret[SG_FACT_DELAYACCT]);
	line(&ret[SG_FACT_PARANOID], "/proc/sys/kernel/perf_event_paranoid");
	fact_kptr(&ret[SG_FACT_KPTR]);
	fact_swap(&ret[SG_FACT_SWAP]);
	value(&ret[SG_FACT_CGROUP], "%s", sg_cgroup_mode_name(sg_cgroup_mode()));
	value(&ret[SG_FACT_PSI], "%s",
	      sg_proc_u64("/proc/pressure/memory", &v) == -ENOENT ? "missing" : "present");
	fact_tick(&ret[SG_FACT_TICK]);
	fact_clock(&ret[SG_FACT_CLOCK]);
	value(&ret[SG_FACT_CPUS], "%ld online of %ld", sysconf(_SC_NPROCESSORS_ONLN),
	      sysconf(_SC_NPROCESSORS_CONF));
	fact_virt(&ret[SG_FACT_VIRT]);
}

const char *sg_fact_inseparable(const struct sg_fact facts[SG_FACT_MAX], size_t i)
{
	static const char *const always[] = {
		"Entering and leaving an interrupt, around what its tracepoints enclose, stays in the "
		"interrupted cause.",
		"A CPU that runs slower (frequency, a busy sibling thread, cold caches) shows as more time "
		"in the same causes.",
		"Time in firmware (SMM) stays in the interrupted cause.",
	};
	size_t n = sizeof(always) / sizeof(always[0]);

	if (i < n)
		return always[i];
	if (i == n && facts[SG_FACT_VIRT].limits)
		return "The hypervisor takes CPU time unseen: it stays in the interrupted cause; "
		       "/proc/stat's steal column says how much in all.";
	return NULL;
}
