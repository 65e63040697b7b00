/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/field.h"

#include <string.h>

#define SG_X(id, sym, name) { name, id },
const struct sg_word sg_words_kind[] = { SG_KIND_LIST(SG_X){ 0 } };
const struct sg_word sg_words_wctx[] = { SG_WCTX_LIST(SG_X){ 0 } };
#undef SG_X

/* "B" reads as a plain sleep in the stream; the blocked state of unknown kind is "b". */
#define SG_X(id, sym, name) { id == SG_STOP_BLOCKED ? "b" : name, id },
const struct sg_word sg_words_stop[] = { SG_STOP_LIST(SG_X){ "B", SG_STOP_SLEEP }, { 0 } };
#undef SG_X

const struct sg_word sg_words_wsrc[] = {
	{ "none", SG_WSRC_NONE },     { "block", SG_WSRC_BLOCK },
	{ "net", SG_WSRC_NET },	      { "timer", SG_WSRC_TIMER },
	{ "signal", SG_WSRC_SIGNAL }, { "exit", SG_WSRC_EXIT },
	{ "page", SG_WSRC_PAGE },     { 0 },
};

/* Soft interrupt vectors (include/linux/interrupt.h). */
const struct sg_word sg_words_vec[] = {
	{ "hi", 0 },	  { "timer", 1 }, { "net_tx", 2 },  { "net_rx", 3 }, { "block", 4 }, { "poll", 5 },
	{ "tasklet", 6 }, { "sched", 7 }, { "hrtimer", 8 }, { "rcu", 9 },    { "net", 3 },   { 0 },
};

const struct sg_word sg_words_fdtype[] = {
	{ "none", SG_FD_NONE },
	{ "reg", SG_FD_REG },
	{ "dir", SG_FD_DIR },
	{ "chr", SG_FD_CHR },
	{ "blk", SG_FD_BLK },
	{ "fifo", SG_FD_FIFO },
	{ "unix", SG_FD_SOCK_UNIX },
	{ "inet", SG_FD_SOCK_INET },
	{ "sock", SG_FD_SOCK_OTHER },
	{ "anon", SG_FD_ANON },
	{ "fuse", SG_FD_FUSE },
	{ "9p", SG_FD_9P },
	{ "fusedev", SG_FD_FUSEDEV },
	{ "socket", SG_FD_SOCK_INET },
	{ "pipe", SG_FD_FIFO },
	{ "file", SG_FD_REG },
	{ 0 },
};

static const struct sg_word words_fltres[] = {
	{ "open", SG_FLT_OPEN },     { "minor", SG_FLT_MINOR },	  { "major", SG_FLT_MAJOR },
	{ "swapin", SG_FLT_SWAPIN }, { "failed", SG_FLT_FAILED }, { 0 },
};

static const struct sg_word words_sflags[] = {
	{ "iowait", SG_SF_IOWAIT },	{ "memstall", SG_SF_MEMSTALL },	    { "torn", SG_SF_TORN },
	{ "open", SG_SF_OPEN },		{ "timeout", SG_SF_TIMEOUT },	    { "stack", SG_SF_STACK },
	{ "compat", SG_SF_COMPAT },	{ "delayed", SG_SF_DELAYED },	    { "first", SG_SF_FIRST },
	{ "mixed", SG_SF_MIXED },	{ "waketorn", SG_SF_WAKETORN },	    { "work", SG_SF_WORK },
	{ "inscope", SG_SF_INSCOPE },	{ "nousertime", SG_SF_NOUSERTIME }, { "swapout", SG_SF_SWAPOUT },
	{ "timedout", SG_SF_TIMEDOUT }, { "uncounted", SG_SF_UNCOUNTED },   { 0 },
};

static const struct sg_word words_tflags[] = {
	{ "kthread", SG_TF_KTHREAD },
	{ "inscope", SG_TF_INSCOPE },
	{ "before", SG_TF_BEFORE },
	{ "exec", SG_TF_EXEC },
	{ "root", SG_TF_ROOT },
	{ "idle", SG_TF_IDLE },
	{ 0 },
};

const struct sg_word sg_words_mark[] = {
	{ "b", SG_MARK_BEGIN },
	{ "e", SG_MARK_END },
	{ "exec", SG_MARK_EXEC },
	{ "exit", SG_MARK_EXIT },
	{ 0 },
};

static const struct sg_word words_msrc[] = {
	{ "proc", SG_MSRC_PROC },
	{ "usdt", SG_MSRC_USDT },
	{ "uprobe", SG_MSRC_UPROBE },
	{ "access", SG_MSRC_ACCESS },
	{ 0 },
};

static const struct sg_word words_stack[] = {
	{ "wait.kern", SG_STK_WAIT_KERN },
	{ "wait.user", SG_STK_WAIT_USER },
	{ "cpu.kern", SG_STK_CPU_KERN },
	{ "cpu.user", SG_STK_CPU_USER },
	{ 0 },
};

static const struct sg_word words_name[] = { { "dev", SG_NAME_DEV }, { "cgroup", SG_NAME_CGROUP }, { 0 } };
#define SG_X(id, sym, name, bytes) { #name, id },
static const struct sg_word words_balloon[] = { SG_BALLOON_LIST(SG_X){ 0 } };
#undef SG_X
static const struct sg_word words_window[] = { { "begin", SG_WINDOW_BEGIN },
					       { "end", SG_WINDOW_END },
					       { 0 } };

#define F(type, key, member, format, ...)                                                         \
	{                                                                                         \
		key, offsetof(struct sg_##type, member), sizeof(((struct sg_##type *)0)->member), \
			SG_FF_##format, __VA_ARGS__                                               \
	}

static const struct sg_field fields_thread[] = {
	F(thread, "birth", birth, DEC, .near = true, .space = SG_SPACE_TIME),
	F(thread, "start", start, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(thread, "cgroup", cgroup, DEC, .def = 0, .space = SG_SPACE_CGROUP),
	F(thread, "tid", tid, DEC, .def_uid = true, .space = SG_SPACE_TID),
	F(thread, "tgid", tgid, DEC, .def_uid = true, .space = SG_SPACE_TID),
	F(thread, "by", creator, DEC, .def = 0, .space = SG_SPACE_UID),
	F(thread, "f", flags, FLAGS, .def = SG_TF_INSCOPE, .words = words_tflags),
	F(thread, "comm", comm, BYTES, .def = 0),
};

static const struct sg_field fields_slice[] = {
	F(slice, "in", in, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(slice, "out", prev_out, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(slice, "w", wake, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(slice, "throttled", throttle_ns, DEC, .def = 0),
	F(slice, "svc", svc_ns, DEC, .def = 0),
	F(slice, "waker", waker, DEC, .def = 0, .space = SG_SPACE_UID),
	F(slice, "raiser", raiser, DEC, .def = 0, .space = SG_SPACE_UID),
	F(slice, "seq", sysseq, DEC, .def = 0),
	F(slice, "flt", fltseq, DEC, .def = 0),
	F(slice, "f", flags, FLAGS, .def = SG_SF_INSCOPE, .words = words_sflags),
	F(slice, "dev", dev, DEV, .def = 0, .space = SG_SPACE_DEV),
	F(slice, "arg", arg, HEX, .def = 0),
	F(slice, "who", who, DEC, .def = 0, .space = SG_SPACE_UID),
	F(slice, "nr", nr, SYSNR, .def = 0),
	F(slice, "stop", stop, DEC, .words = sg_words_stop),
	F(slice, "kind", wkind, DEC, .words = sg_words_kind),
	F(slice, "fd", fdtype, DEC, .words = sg_words_fdtype),
	F(slice, "ctx", wctx, DEC, .words = sg_words_wctx),
	F(slice, "vec", wvec, DEC, .words = sg_words_vec),
	F(slice, "src", wsrc, DEC, .words = sg_words_wsrc),
	F(slice, "res", fltres, DEC, .words = words_fltres),
	F(slice, "ostop", out_stop, DEC, .words = sg_words_stop),
	F(slice, "okind", out_kind, DEC, .words = sg_words_kind),
	F(slice, "oflt", out_fltseq, DEC, .def = 0),
	F(slice, "queued", work_queued, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(slice, "queuer", work_by, DEC, .def = 0, .space = SG_SPACE_UID),
	F(slice, "note", note, HEX, .def = 0),
};

static const struct sg_field fields_snap[] = {
	F(snap, "in", in, DEC, .near = true, .space = SG_SPACE_TIME),
	F(snap, "oflt", out_fltseq, DEC, .def = 0),
};

static const struct sg_field fields_mark[] = {
	F(mark, "id", id, DEC, .def = 0, .space = SG_SPACE_MARK),
	F(mark, "status", status, DEC, .def = 0),
	F(mark, "seq", seq, DEC, .def = 0),
	F(mark, "type", type, DEC, .words = sg_words_mark),
	F(mark, "src", src, DEC, .def = SG_MSRC_USDT, .words = words_msrc),
	F(mark, "name", name, BYTES, .def = 0),
};

static const struct sg_field fields_stack[] = {
	F(stack, "tgid", tgid, DEC, .def_uid = true, .space = SG_SPACE_TID),
	F(stack, "type", type, DEC, .words = words_stack),
};

static const struct sg_field fields_detail[] = {
	F(detail, "ino", ino, DEC, .def = 0),	  F(detail, "dev", dev, DEV, .def = 0, .space = SG_SPACE_DEV),
	F(detail, "fd", fd, SIGNED, .def = 0),	  F(detail, "lport", lport, DEC, .def = 0),
	F(detail, "rport", rport, DEC, .def = 0), F(detail, "type", fdtype, DEC, .words = sg_words_fdtype),
	F(detail, "name", name, BYTES, .def = 0),
};

static const struct sg_field fields_exit[] = {
	F(exit, "code", code, DEC, .def = 0),	     F(exit, "utime", utime, DEC, .def = 0),
	F(exit, "stime", stime, DEC, .def = 0),	     F(exit, "run", run_ns, DEC, .def = 0),
	F(exit, "runq", runq_ns, DEC, .def = 0),     F(exit, "minflt", minflt, DEC, .def = 0),
	F(exit, "majflt", majflt, DEC, .def = 0),    F(exit, "swapin", swapin_ns, DEC, .def = 0),
	F(exit, "blkio", blkio_ns, DEC, .def = 0),   F(exit, "freepages", freepages_ns, DEC, .def = 0),
	F(exit, "thrash", thrash_ns, DEC, .def = 0),
};

static const struct sg_field fields_swapout[] = {
	F(swapout, "pages", pages, DEC, .def = 0),
	F(swapout, "tgid", tgid, DEC, .def_uid = true, .space = SG_SPACE_TID),
};

static const struct sg_word words_guest[] = { { "call", SG_GUEST_CALL }, { "rpc", SG_GUEST_RPC }, { 0 } };
static const struct sg_word words_gsrc[] = {
	{ "trap", SG_GSRC_TRAP },
	{ "trace", SG_GSRC_TRACE },
	{ "uprobe", SG_GSRC_UPROBE },
	{ 0 },
};

static const struct sg_field fields_guest[] = {
	F(guest, "begin", begin, DEC, .near = true, .space = SG_SPACE_TIME),
	F(guest, "on", on_ns, DEC, .def = 0),
	F(guest, "ret", ret, SIGNED, .def = 0),
	F(guest, "gtid", gtid, DEC, .def = 0),
	F(guest, "sandbox", sandbox, DEC, .def = 0, .space = SG_SPACE_PID),
	F(guest, "nr", nr, DEC, .def = 0),
	F(guest, "what", what, DEC, .def = SG_GUEST_CALL, .words = words_guest),
	F(guest, "src", src, DEC, .def = SG_GSRC_TRAP, .words = words_gsrc),
};

static const struct sg_field fields_cgname[] = {
	F(cgname, "id", id, DEC, .def = 0, .space = SG_SPACE_CGROUP),
	F(cgname, "name", name, BYTES, .def = 0),
};

static const struct sg_field fields_inject[] = {
	F(inject, "vcpu", vcpu, DEC, .def = 0),
	F(inject, "vector", vector, DEC, .def = 0),
};

static const struct sg_word words_fetch[] = {
	{ "brought", SG_FETCH_BROUGHT },
	{ "told", SG_FETCH_TOLD },
	{ 0 },
};

static const struct sg_field fields_fetch[] = {
	F(fetch, "gpa", gpa, HEX, .def = 0),
	F(fetch, "token", token, HEX, .def = 0),
	F(fetch, "for", by, DEC, .def = 0, .space = SG_SPACE_UID),
	F(fetch, "step", step, DEC, .words = words_fetch),
	F(fetch, "swapin", swapin, DEC, .def = 0),
};

static const struct sg_field fields_container[] = {
	F(container, "cgroup", cgroup, DEC, .def = 0, .space = SG_SPACE_CGROUP),
	F(container, "pid", pid, DEC, .def = 0, .space = SG_SPACE_PID),
};

static const struct sg_field fields_vm[] = {
	F(vm, "cgroup", cgroup, DEC, .def = 0, .space = SG_SPACE_CGROUP),
	F(vm, "memory", memory_bytes, DEC, .def = 0),
	F(vm, "tgid", tgid, DEC, .def = 0, .space = SG_SPACE_PID),
	F(vm, "vcpus", vcpus, DEC, .def = 0),
};

static const struct sg_field fields_balloon[] = {
	F(balloon, "value", value, DEC, .def = 0),
	F(balloon, "tgid", tgid, DEC, .def = 0, .space = SG_SPACE_PID),
	F(balloon, "what", what, DEC, .words = words_balloon),
};

static const struct sg_field fields_lost[] = {
	F(lost, "since", since, DEC, .def = 0, .space = SG_SPACE_TIME),
	F(lost, "n", n, DEC, .def = 0),
};

static const struct sg_field fields_clock[] = {
	F(clock, "realtime", realtime_ns, DEC, .def = 0),
	F(clock, "tsc", tsc, DEC, .def = 0),
	F(clock, "width", width, DEC, .def = 0),
};

static const struct sg_field fields_role[] = {
	F(role, "tgid", tgid, DEC, .def = 0, .space = SG_SPACE_TID),
	F(role, "name", name, BYTES, .def = 0),
	F(role, "sandbox", sandbox, DEC, .def = 0, .space = SG_SPACE_PID),
};

static const struct sg_field fields_frame[] = {
	F(frame, "id", id, DEC, .def = 0, .space = SG_SPACE_FRAME),
	F(frame, "kernel", is_kernel, DEC, .def = 0),
};

static const struct sg_field fields_stackdef[] = {
	F(stackdef, "id", id, DEC, .def = 0, .space = SG_SPACE_STACK),
};

static const struct sg_field fields_stackref[] = {
	F(stackref, "id", id, DEC, .def = 0, .space = SG_SPACE_STACK),
	F(stackref, "type", type, DEC, .words = words_stack),
};

static const struct sg_field fields_name[] = {
	F(name, "id", id, DEC, .def = 0),
	F(name, "type", type, DEC, .words = words_name),
};

static const struct sg_word words_clock[] = {
	{ "tsc", SG_CLOCK_TSC },
	{ "exchange", SG_CLOCK_EXCHANGE },
	{ "realtime", SG_CLOCK_REALTIME },
	{ "given", SG_CLOCK_GIVEN },
	{ 0 },
};

static const struct sg_word words_clockflags[] = {
	{ "step", SG_CLOCKMAP_STEP },
	{ "raw", SG_CLOCKMAP_RAW },
	{ 0 },
};

static const struct sg_field fields_machine[] = {
	F(machine, "begin", begin, DEC, .def = 0),	 F(machine, "end", end, DEC, .def = 0),
	F(machine, "shift", shift, DEC, .def = 0),	 F(machine, "number", number, DEC, .def = 0),
	F(machine, "uids", uid_base, DEC, .def = 0),	 F(machine, "uidend", uid_end, DEC, .def = 0),
	F(machine, "frames", frame_base, DEC, .def = 0), F(machine, "stacks", stack_base, DEC, .def = 0),
	F(machine, "meta", meta, HEX, .def = 0),	 F(machine, "vmm", vmm, DEC, .def = 0),
	F(machine, "cid", cid, DEC, .def = 0),		 F(machine, "cpus", cpu_base, DEC, .def = 0),
	F(machine, "ncpu", ncpu, DEC, .def = 0),
};

static const struct sg_field fields_clockmap[] = {
	F(clockmap, "guest", guest_ts, DEC, .def = 0),
	F(clockmap, "host", host_ts, DEC, .def = 0),
	F(clockmap, "error", error_ns, DEC, .def = 0),
	F(clockmap, "machine", machine, DEC, .def = 0),
	F(clockmap, "source", source, DEC, .words = words_clock),
	F(clockmap, "f", flags, FLAGS, .def = 0, .words = words_clockflags),
};

static const struct sg_field fields_window[] = {
	F(window, "type", type, DEC, .words = words_window),
	F(window, "ncpu", ncpu, DEC, .def = 0),
};
#undef F

const struct sg_field *sg_fields(unsigned kind, size_t *ret_n)
{
	switch (kind) {
#define SG_X(id, sym, name)                                                \
	case id:                                                           \
		*ret_n = sizeof(fields_##name) / sizeof(fields_##name[0]); \
		return fields_##name;
		SG_REC_LIST(SG_X)
		SG_UREC_LIST(SG_X)
#undef SG_X
	default:
		*ret_n = 0;
		return NULL;
	}
}

uint64_t sg_field_get(const struct sg_field *f, const struct sg_hdr *h)
{
	uint64_t v = 0;

	/* little endian, as the recording: the low bytes come first */
	memcpy(&v, (const char *)h + f->off, f->size);
	if (f->fmt == SG_FF_SIGNED && f->size == 4)
		v = (uint64_t)(int64_t)(int32_t)v;
	return v;
}

void sg_field_set(const struct sg_field *f, struct sg_hdr *h, uint64_t v)
{
	memcpy((char *)h + f->off, &v, f->size);
}

uint64_t sg_field_default(const struct sg_field *f, const struct sg_hdr *h)
{
	return f->def_uid ? h->uid : f->def;
}

const char *sg_word_name(const struct sg_word *w, uint32_t v)
{
	for (; w->name; w++)
		if (w->v == v)
			return w->name;
	return NULL;
}

bool sg_word_find(const struct sg_word *w, const char *s, size_t len, uint32_t *ret)
{
	for (; w->name; w++) {
		if (strlen(w->name) == len && !memcmp(w->name, s, len)) {
			*ret = w->v;
			return true;
		}
	}
	return false;
}
