/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the command line of a virtual machine monitor says. Somebody else's text: nothing in it is trusted to be well-formed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "env/vm_priv.h"

/* File names begin so, and whose they are. */
static const struct program {
	const char *begin, *vmm;
	bool whole;
} programs[] = {
	{ "qemu-system-", "qemu", false },
	{ "qemu-kvm", "qemu", true },
	{ "kvm", "qemu", true },
	{ "firecracker", "firecracker", false },
	{ "cloud-hypervisor", "cloud-hypervisor", false },
	{ "crosvm", "crosvm", true },
	{ "lkvm", "kvmtool", true },
	{ "runsc", "gvisor", false },
};

const char *sg_vm_vmm(const char *base)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		const struct program *p = &programs[i];

		if (p->whole ? !strcmp(base, p->begin) : !strncmp(base, p->begin, strlen(p->begin)))
			return p->vmm;
	}
	return NULL;
}

/* ---- "key=value,key=value", a comma in a value written twice ---------------------------------- */

/* Next field of *@s into @ret, cut to @cap; false at the end. */
static bool field(const char **s, char *ret, size_t cap)
{
	const char *p = *s;
	size_t n = 0;

	if (!p)
		return false;
	for (; *p && (*p != ',' || p[1] == ','); p++) {
		if (*p == ',')
			p++;
		if (n + 1 < cap)
			ret[n++] = *p;
	}
	ret[n] = 0;
	*s = *p ? p + 1 : NULL;
	return true;
}

/* Value of @key; @first: a first field without a key is its value, too. False: not there. */
static bool value(const char *opts, const char *key, bool first, char *ret, size_t cap)
{
	char f[512];
	size_t len = strlen(key);
	bool is_first = true, found = false;

	while (field(&opts, f, sizeof(f))) {
		const char *v = NULL;

		if (!strncmp(f, key, len) && f[len] == '=')
			v = f + len + 1;
		else if (first && is_first && !strchr(f, '='))
			v = f;
		if (v) {
			snprintf(ret, cap, "%s", v);
			found = true;
		}
		is_first = false;
	}
	return found;
}

static uint32_t number(const char *opts, const char *key, bool first)
{
	char v[32];
	uint64_t n;

	return value(opts, key, first, v, sizeof(v)) && !sg_parse_u64(v, 1, 65535, &n) ? (uint32_t)n : 0;
}

/* QEMU counts in MiB and knows one letter after the number; the others want a letter. */
static uint64_t memory(const char *opts, bool mib)
{
	char v[40];
	uint64_t n;

	if (!value(opts, "size", true, v, sizeof(v) - 2))
		return 0;
	if (mib && *v && v[strlen(v) - 1] >= '0' && v[strlen(v) - 1] <= '9')
		strcat(v, "M");
	return sg_parse_size(v, &n) ? 0 : n;
}

/* ---- QEMU ------------------------------------------------------------------------------------------ */

#define CHARDEVS 16
struct qemu {
	struct sg_vm_args *a;
	const char *chardev[CHARDEVS]; /* options of sockets */
	unsigned nchardev;
	const char *mon; /* options of the first monitor for programs */
};

static void accel(struct sg_vm_args *a, const char *list)
{
	size_t n = strcspn(list, ":,");

	if (a->accel[0])
		a->only_accel = false; /* -accel kvm -accel tcg */
	else
		a->only_accel = list[n] != ':';
	if (!a->accel[0] && n)
		snprintf(a->accel, sizeof(a->accel), "%.*s", (int)n, list);
}

static void machine(struct sg_vm_args *a, const char *opts)
{
	char v[64];

	if (value(opts, "type", true, v, sizeof(v)) && !strcmp(v, "none"))
		a->no_machine = true;
	if (value(opts, "accel", false, v, sizeof(v)))
		accel(a, v);
}

static void cpus(struct sg_vm_args *a, const char *opts)
{
	uint32_t sockets = number(opts, "sockets", false), cores = number(opts, "cores", false),
		 threads = number(opts, "threads", false);
	uint64_t n = (uint64_t)(sockets ? sockets : 1) * (cores ? cores : 1) * (threads ? threads : 1);

	a->nvcpu = number(opts, "cpus", true);
	if (!a->nvcpu && (sockets || cores || threads) && n <= 65535)
		a->nvcpu = (uint32_t)n;
}

static void qmp_socket(struct sg_vm_args *a, const char *opts)
{
	char v[300];

	if (!a->qmp[0] && value(opts, "unix", true, v, sizeof(v)) && !strncmp(v, "unix:", 5) &&
	    strlen(v + 5) < sizeof(a->qmp))
		strcpy(a->qmp, v + 5);
}

static void qemu_option(struct qemu *q, const char *key, const char *val)
{
	struct sg_vm_args *a = q->a;
	char v[64];

	if (!strcmp(key, "name"))
		value(val, "guest", true, a->name, sizeof(a->name));
	else if (!strcmp(key, "uuid"))
		snprintf(a->uuid, sizeof(a->uuid), "%s", val);
	else if (!strcmp(key, "m"))
		a->memory_bytes = memory(val, true);
	else if (!strcmp(key, "smp"))
		cpus(a, val);
	else if (!strcmp(key, "accel"))
		accel(a, val);
	else if (!strcmp(key, "machine") || !strcmp(key, "M"))
		machine(a, val);
	else if (!strcmp(key, "qmp") || !strcmp(key, "qmp-pretty"))
		qmp_socket(a, val);
	else if (!strcmp(key, "chardev") && !strncmp(val, "socket,", 7) && q->nchardev < CHARDEVS)
		q->chardev[q->nchardev++] = val;
	else if (!strcmp(key, "mon") && !q->mon && value(val, "mode", false, v, sizeof(v)) &&
		 !strcmp(v, "control"))
		q->mon = val;
}

/* The socket of "-mon chardev=ID". One that libvirt made is libvirt's: nobody else may speak there. */
static void qemu_monitor(struct qemu *q)
{
	char id[64], v[300];

	if (!q->mon || !value(q->mon, "chardev", true, id, sizeof(id)))
		return;
	q->a->libvirts = !strcmp(id, "charmonitor");
	for (unsigned i = 0; i < q->nchardev && !q->a->qmp[0] && !q->a->libvirts; i++)
		if (value(q->chardev[i], "id", false, v, sizeof(v)) && !strcmp(v, id) &&
		    value(q->chardev[i], "path", false, v, sizeof(v)) && strlen(v) < sizeof(q->a->qmp))
			strcpy(q->a->qmp, v);
}

/* A word after an option is the option's, unless it begins like one itself. */
static void qemu_args(const char *s, const char *end, struct sg_vm_args *a)
{
	struct qemu q = { .a = a };

	for (s += strlen(s) + 1; s < end;) {
		const char *next = s + strlen(s) + 1;

		if (*s != '-' || next > end) {
			s = next;
			continue;
		}
		s += s[1] == '-' ? 2 : 1;
		if (!strcmp(s, "enable-kvm"))
			accel(a, "kvm");
		if (next >= end || *next == '-') {
			s = next;
			continue;
		}
		qemu_option(&q, s, next);
		s = next + strlen(next) + 1;
	}
	qemu_monitor(&q);
}

/* ---- the others ------------------------------------------------------------------------------------- */

/* "--key value" or "--key=value"; NULL: not there */
static const char *long_option(const char *s, const char *end, const char *key)
{
	size_t len = strlen(key);

	for (s += strlen(s) + 1; s < end; s += strlen(s) + 1) {
		if (!strcmp(s, "--"))
			break; /* the jailed program's own */
		if (strncmp(s, "--", 2) || strncmp(s + 2, key, len))
			continue;
		if (s[2 + len] == '=')
			return s + 3 + len;
		if (!s[2 + len] && s + strlen(s) + 1 < end)
			return s + strlen(s) + 1;
	}
	return NULL;
}

/* A monitor that has no name but a socket: what the socket is called, or (Kata) its folder. */
static void name_of_socket(struct sg_vm_args *a, const char *opts)
{
	char path[300], *base, *dot;

	if (!value(opts, "path", true, path, sizeof(path)))
		return;
	base = strrchr(path, '/');
	if (base && strstr(path, "/vc/vm/")) {
		*base = 0;
		base = strrchr(path, '/');
	}
	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	if (dot && dot != base)
		*dot = 0;
	snprintf(a->name, sizeof(a->name), "%.200s", base);
}

static void other_args(const char *vmm, const char *s, const char *end, struct sg_vm_args *a)
{
	const char *v;

	if (!strcmp(vmm, "firecracker")) {
		v = long_option(s, end, "id");
		if (v)
			snprintf(a->name, sizeof(a->name), "%s", v);
	} else if (!strcmp(vmm, "cloud-hypervisor")) {
		v = long_option(s, end, "api-socket");
		if (v)
			name_of_socket(a, v);
		v = long_option(s, end, "memory");
		a->memory_bytes = v ? memory(v, false) : 0;
		v = long_option(s, end, "cpus");
		a->nvcpu = v ? number(v, "boot", true) : 0;
	} else if (!strcmp(vmm, "kvmtool")) {
		v = long_option(s, end, "name");
		if (v)
			snprintf(a->name, sizeof(a->name), "%s", v);
	}
}

void sg_vm_args(const char *vmm, const char *cmdline, size_t n, struct sg_vm_args *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!n || cmdline[n - 1])
		return;
	if (!strcmp(vmm, "qemu"))
		qemu_args(cmdline, cmdline + n, ret);
	else
		other_args(vmm, cmdline, cmdline + n, ret);
}

/* ---- other texts ------------------------------------------------------------------------------------ */

/* systemd writes '-' within a name as "\x2d". */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		char hex[3] = "", *end;
		long c = 0;

		if (s[0] == '\\' && s[1] == 'x') {
			snprintf(hex, sizeof(hex), "%.2s", s + 2);
			c = strtol(hex, &end, 16);
			c = strlen(hex) == 2 && !*end ? c : 0;
		}
		*to++ = c > 0 ? (char)c : *s;
		s += c > 0 ? 4 : 1;
	}
	*to = 0;
}

/* "machine-qemu\x2d1\x2dweb.scope" below any slice; "qemu-1-web.libvirt-qemu" without systemd. */
bool sg_vm_cgroup_name(const char *path, char *ret, size_t cap)
{
	static const char *const ends[] = { ".scope", ".libvirt-qemu" };
	char part[300], *s, *end;
	size_t n;

	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n >= sizeof(part))
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		unescape(part);
		s = part + (strncmp(part, "machine-", 8) ? 0 : 8);
		if (strncmp(s, "qemu-", 5) || s[5] < '0' || s[5] > '9')
			continue;
		s += 5 + strspn(s + 5, "0123456789");
		for (size_t i = 0; *s == '-' && i < 2; i++) {
			end = strlen(s) > strlen(ends[i]) + 1 ? s + strlen(s) - strlen(ends[i]) : NULL;
			if (!end || strcmp(end, ends[i]))
				continue;
			snprintf(ret, cap, "%.*s", (int)(end - s - 1), s + 1);
			return true;
		}
	}
	return false;
}

int sg_vm_vcpu_comm(const char *comm)
{
	static const char *const begins[] = { "CPU ", "fc_vcpu ", "vcpu", "crosvm_vcpu", "kvm-vcpu-" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t n = strlen(begins[i]);
		char *end;
		unsigned long v;

		if (strncmp(comm, begins[i], n) || comm[n] < '0' || comm[n] > '9')
			continue;
		v = strtoul(comm + n, &end, 10);
		if (v < 65536 && (i ? !*end : !strcmp(end, "/KVM") || !strcmp(end, "/TCG")))
			return (int)v;
	}
	return -1;
}
