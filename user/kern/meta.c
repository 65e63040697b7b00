/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/meta.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "kern/proc.h"

#define STR(o, k, v) json_object_object_add(o, k, json_object_new_string(v))
#define U64(o, k, v) json_object_object_add(o, k, json_object_new_uint64(v))

/* Bytes of arguments are hostile; JSON wants UTF-8: what is not printable ASCII is written as '?'. */
static struct json_object *safe_string(const char *s)
{
	char buf[1024];
	size_t n = 0;

	for (; *s && n < sizeof(buf) - 1; s++)
		buf[n++] = *s >= ' ' && *s < 127 ? *s : '?';
	buf[n] = 0;
	return json_object_new_string(buf);
}

static char *finish(struct json_object *o)
{
	char *s = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));

	json_object_put(o);
	return s;
}

/* Recordings of one boot have one CLOCK_MONOTONIC. */
static void put_boot(struct json_object *o)
{
	char id[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof(id) - 1);

	if (fd >= 0)
		close(fd);
	id[n > 0 ? strcspn(id, "\n") : 0] = 0;
	STR(o, "boot_id", id);
}

static struct json_object *machine(void)
{
	struct json_object *o = json_object_new_object();
	struct timespec tick = { 0 };
	struct utsname u;

	uname(&u);
	STR(o, "kernel", u.release);
	STR(o, "arch", u.machine);
	put_boot(o);
	U64(o, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	U64(o, "memory_bytes", (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
	U64(o, "page_bytes", sysconf(_SC_PAGESIZE));
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	U64(o, "tick_ns", (uint64_t)tick.tv_nsec);
	return o;
}

char *sg_meta_json(const struct sg_live *l, const struct sg_record_opts *o)
{
	struct json_object *m = json_object_new_object(), *opt = json_object_new_object(), *plan = NULL;
	char *text = sg_plan_json(sg_live_plan(l));
	struct json_object *argv = json_object_new_array();

	STR(m, "sandglass", SG_VERSION);
	U64(m, "abi", SG_ABI_VERSION);
	STR(m, "clock", "CLOCK_MONOTONIC");
	U64(m, "begin_unix_ns", (uint64_t)time(NULL) * 1000000000ull);
	json_object_object_add(m, "machine", machine());
	json_object_object_add(m, "target", safe_string(o->target ? o->target : ""));
	for (char *const *a = o->argv; a && *a; a++)
		json_object_array_add(argv, safe_string(*a));
	json_object_object_add(m, "command", argv);
	U64(opt, "stack_threshold_ns", o->live.stack_threshold_ns);
	U64(opt, "sample_hz", o->live.sample_hz);
	U64(opt, "ring_bytes_per_cpu", o->live.ring_bytes);
	json_object_object_add(m, "options", opt);
	if (text)
		plan = json_tokener_parse(text);
	json_object_object_add(m, "plan", plan ? plan : json_object_new_array());
	free(text);
	return finish(m);
}

int sg_meta_vmstat(struct sg_vmstat *ret)
{
	int e = sg_proc_vmstat("pswpin", &ret->pswpin);

	return e ? e : sg_proc_vmstat("pswpout", &ret->pswpout);
}

char *sg_meta_end_json(struct sg_live *l, struct sg_perturb *p, const struct sg_record_result *res,
		       uint64_t bytes, const struct sg_vmstat *begin)
{
	struct sg_vmstat now;
	struct json_object *m = json_object_new_object();

	json_object_object_add(m, "perturbation", sg_perturb_json(p, l, res->wall_ns, res->slices, bytes));
	if (!sg_meta_vmstat(&now)) {
		struct json_object *v = json_object_new_object();

		U64(v, "pswpin", now.pswpin - begin->pswpin);
		U64(v, "pswpout", now.pswpout - begin->pswpout);
		json_object_object_add(m, "vmstat", v);
	}
	U64(m, "stacks_dropped", res->stacks_dropped);
	json_object_object_add(m, "interrupted", json_object_new_boolean(res->interrupted));
	return finish(m);
}
