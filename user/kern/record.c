/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kern/target.h"
#include "kern/mailbox.h"
#include "kern/marks.h"
#include "kern/meta.h"
#include "kern/names.h"
#include "kern/perturb.h"
#include "kern/proc.h"
#include "kern/resolver.h"
#include "kern/spool.h"
#include "kern/stamp.h"
#include "trace/rec.h"
#include "trace/wire.h"

/* How long to sleep between two drains: by how much came, so that an idle machine stays idle. */
#define SLEEP_MAX_MS	   100
#define SLEEP_MIN_MS	   1
#define WATERMARK_SLACK_NS 500000000ull
#define FLUSH_NS	   1000000000ull
#define CLOCK_NS	   1000000000ull
#define PROGRESS_NS	   250000000ull
/* Draining must not lose to what is measured; names, symbols and containers can wait for it. */
#define DRAIN_NICE -20
#define ASIDE_NICE 10

struct recorder {
	const struct sg_record_opts *o;
	struct sg_record_result *res;
	struct sg_live *live;
	struct sg_writer *w;
	struct sg_resolver *resolver;
	struct sg_mailbox *box; /* from the resolver and the companions: only our own thread writes */
	pthread_t self;
	struct sg_marks *marks;
	struct sg_names *names;
	struct sg_spool *spool;
	struct sg_target child;
	struct sg_perturb perturb;
	struct sg_vmstat vmstat;
	struct sg_err *err;
	sigset_t oldmask;
	int sig_fd;
	atomic_int write_err; /* sticky: recording ends, the command goes on */
	bool child_done, stop;
	size_t companions_on; /* so many were started */
	uint64_t end_ns;      /* 0 until the kernel side has stopped; read by companions' threads */
	uint64_t start_ns, flush_ns, clock_ns, progress_ns;
};

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int write_one(void *ctx, const struct sg_hdr *ev)
{
	struct recorder *r = ctx;

	if (!r->write_err)
		r->write_err = sg_writer_put(r->w, ev, r->err);
	return r->write_err;
}

/* From any thread. */
static int put(void *ctx, const struct sg_hdr *ev)
{
	struct recorder *r = ctx;

	if (pthread_equal(pthread_self(), r->self))
		return write_one(r, ev);
	return r->write_err ? r->write_err : sg_mailbox_put(r->box, ev);
}

/* ---- companions ------------------------------------------------------------------- */
static void companions_tell(struct recorder *r, const struct sg_hdr *h)
{
	for (size_t i = 0; i < r->companions_on; i++)
		if (r->o->companions[i].event)
			r->o->companions[i].event(r->o->companions[i].ctx, h);
}

/* What a companion learns after the end is told as of the end. */
static int put_company(void *ctx, const struct sg_hdr *ev)
{
	_Alignas(8) char copy[SG_EVENT_MAX];
	struct recorder *r = ctx;
	uint64_t end = __atomic_load_n(&r->end_ns, __ATOMIC_ACQUIRE);
	size_t size;

	if (!end || ev->ts <= end)
		return put(r, ev);
	size = sg_event_size(ev, SG_EVENT_MAX);
	memcpy(copy, ev, size);
	((struct sg_hdr *)copy)->ts = end;
	return put(r, (struct sg_hdr *)copy);
}

static int companions_start(struct recorder *r)
{
	int e = 0;

	setpriority(PRIO_PROCESS, 0, ASIDE_NICE); /* their threads inherit it */
	for (size_t i = 0; i < r->o->ncompanion; i++) {
		const struct sg_companion *c = &r->o->companions[i];

		e = c->start ? c->start(c->ctx, put_company, r, r->err) : 0;
		if (e)
			break;
		r->companions_on++;
	}
	setpriority(PRIO_PROCESS, 0, 0);
	return e;
}

static void companions_stop(struct recorder *r)
{
	for (size_t i = 0; i < r->companions_on; i++)
		if (r->o->companions[i].stop)
			r->o->companions[i].stop(r->o->companions[i].ctx);
}

static void companions_finish(struct recorder *r)
{
	while (r->companions_on) {
		const struct sg_companion *c = &r->o->companions[--r->companions_on];

		if (c->finish)
			c->finish(c->ctx);
	}
}

/* ---- records from the rings ---------------------------------------------------- */
static int on_event(void *ctx, const struct sg_hdr *h)
{
	struct recorder *r = ctx;

	switch (h->kind) {
	case SG_REC_STACK:
		sg_resolver_stack(r->resolver, (const struct sg_stack *)h);
		return 0;
	case SG_REC_CGNAME:
		companions_tell(r, h);
		break;
	case SG_REC_THREAD: {
		const struct sg_thread *t = (const struct sg_thread *)h;

		companions_tell(r, h);
		if (t->flags & SG_TF_EXEC) {
			sg_resolver_exec(r->resolver, t->tgid);
			sg_marks_exec_later(r->marks, t->tgid);
		}
		break;
	}
	case SG_REC_SLICE:
		r->res->slices++;
		if (((const struct sg_slice *)h)->dev) {
			int e = sg_names_dev(r->names, ((const struct sg_slice *)h)->dev, h);

			if (e)
				return e;
		}
		break;
	}
	return put(r, h);
}

static int on_record(void *ctx, const struct sg_hdr *raw, size_t size)
{
	union sg_wire_slice room;
	int e = sg_wire_each(raw, size, &room, on_event, ctx);

	return e == -EBADMSG ? 0 : e; /* not of our making; the CPU's drop count would tell of a loss */
}

/* ---- events of our own ----------------------------------------------------------- */
static int put_window(struct recorder *r, uint64_t ts, uint32_t type)
{
	struct sg_window w = { .h = { .ts = ts, .kind = SG_REC_WINDOW }, .type = type };
	struct sg_live_stats st;

	sg_live_stats(r->live, &st);
	w.ncpu = st.ncpu;
	return put(r, &w.h);
}

static int put_clock(struct recorder *r)
{
	struct sg_clock c = { .h = { .kind = SG_REC_CLOCK } };
	struct sg_stamp s = sg_stamp_take();
	uint64_t best = UINT64_MAX;

	c.h.ts = s.mono;
	/* the best of five: whoever is put off the CPU between two readings is wrong by as long */
	for (int i = 0; i < 5; i++) {
		uint64_t before = now_ns(CLOCK_MONOTONIC), real = now_ns(CLOCK_REALTIME),
			 after = now_ns(CLOCK_MONOTONIC);

		if (after - before < best) {
			best = after - before;
			c.realtime_ns = real - (before + best / 2 - s.mono);
		}
	}
	c.tsc = s.tsc0 + (s.tsc1 - s.tsc0) / 2;
	c.width = s.tsc1 - s.tsc0;
	return put(r, &c.h);
}

static int put_roles(struct recorder *r, uint64_t ts)
{
	for (size_t i = 0; i < r->o->nrole; i++) {
		struct sg_role role = { .h = { .ts = ts, .kind = SG_REC_ROLE } };

		role.tgid = r->o->roles[i].tgid ? r->o->roles[i].tgid : (uint32_t)r->child.pid;
		snprintf(role.name, sizeof(role.name), "%s", r->o->roles[i].name);
		if (put(r, &role.h))
			return r->write_err;
	}
	return 0;
}

static void on_swapout(void *ctx, uint32_t tgid, uint64_t pages)
{
	struct recorder *r = ctx;
	struct sg_swapout s = { .h = { .ts = now_ns(CLOCK_MONOTONIC), .kind = SG_REC_SWAPOUT },
				.pages = pages,
				.tgid = tgid };

	put(r, &s.h);
}

/* ---- the loop ---------------------------------------------------------------------- */
static void progress(struct recorder *r, uint64_t now)
{
	struct sg_live_stats st;
	struct sg_writer_stats ws;
	double s = (now - r->start_ns) / 1e9;

	if (!r->o->progress || now < r->progress_ns)
		return;
	r->progress_ns = now + PROGRESS_NS;
	sg_live_stats(r->live, &st);
	sg_writer_stats(r->w, &ws);
	fprintf(stderr, "\r\033[Krecording %.1f s  %.0f slices/s  %.1f MiB  lost %" PRIu64 " ", s,
		s > 0 ? r->res->slices / s : 0, ws.bytes / 1048576.0, st.lost);
	fflush(stderr);
}

static int spool_check(struct recorder *r)
{
	int e = sg_spool_error(r->spool);

	return e ? sg_err_set(r->err, e,
			      "writing the recording failed: %s; what was written before can be read",
			      strerror(-e))
		 : 0;
}

/* A command that can't be executed makes no recording. */
static void file_begin(struct recorder *r)
{
	if (r->res->begun || r->write_err || sg_target_exec_errno(&r->child))
		return;
	r->write_err = r->o->begun ? r->o->begun(r->o->begun_ctx, r->err) : 0;
	if (r->write_err)
		return;
	sg_spool_begin(r->spool);
	r->res->begun = true;
}

/* What is due from time to time. */
static void housekeeping(struct recorder *r, uint64_t now)
{
	if (sg_target_exec_known(&r->child))
		file_begin(r);
	if (!r->write_err)
		r->write_err = spool_check(r);
	if (now >= r->clock_ns) {
		put_clock(r);
		r->clock_ns = now + CLOCK_NS;
	}
	if (now >= r->flush_ns) {
		if (!r->write_err)
			r->write_err = sg_writer_flush(r->w, r->err);
		r->flush_ns = now + FLUSH_NS;
	}
	progress(r, now);
}

static int sleep_ms(const struct recorder *r, int64_t drained, int last)
{
	uint64_t room = r->o->live.ring_bytes;

	if (drained > (int64_t)(room / 8))
		return SLEEP_MIN_MS;
	if (drained > (int64_t)(room / 64))
		return last > 4 ? last / 2 : 2;
	return last < SLEEP_MAX_MS / 2 ? 2 * last : SLEEP_MAX_MS;
}

static void on_signal(struct recorder *r)
{
	struct signalfd_siginfo si;

	while (read(r->sig_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD) {
			if (sg_target_reap(&r->child, &r->res->wait_status))
				r->child_done = true;
			continue;
		}
		/*
		 * With a command its end ends the recording. A terminal's signal reached it as
		 * well; one sent to us is passed on; the second one is meant seriously.
		 */
		if (r->child.pid <= 0)
			r->stop = true;
		else if (r->res->interrupted)
			kill(r->child.pid, SIGKILL);
		else if (si.ssi_code <= 0)
			kill(r->child.pid, si.ssi_signo);
		r->res->interrupted = true;
	}
}

/* One that has ended and whose parent does not ask for it is still there by its id; so is a first thread that left others behind. */
static bool target_alive(pid_t pid)
{
	struct sg_proc_stat st = { 0 };

	if (kill(pid, 0) && errno != EPERM)
		return false;
	return sg_proc_stat(pid, 0, &st) || st.state != 'Z' || st.threads > 1;
}

static bool targets_alive(const struct recorder *r)
{
	for (size_t i = 0; i < r->o->npid; i++)
		if (target_alive(r->o->pids[i]))
			return true;
	return false;
}

static bool finished(struct recorder *r, uint64_t now)
{
	const struct sg_record_opts *o = r->o;

	if (r->stop || r->child_done || r->write_err)
		return true;
	if (o->duration_ns && now - r->start_ns >= o->duration_ns)
		return true;
	if (o->gone && !o->argv && o->gone(o->gone_ctx)) {
		r->res->targets_gone = true;
		return true;
	}
	if (o->npid && !o->argv && !targets_alive(r)) {
		r->res->targets_gone = true;
		return true;
	}
	return false;
}

static int loop(struct recorder *r)
{
	struct pollfd pfd = { .fd = r->sig_fd, .events = POLLIN };
	int ms = 10;

	for (;;) {
		uint64_t drain_ns = now_ns(CLOCK_MONOTONIC);
		int64_t n = sg_live_drain(r->live, on_record, r);
		uint64_t now = now_ns(CLOCK_MONOTONIC);

		sg_mailbox_take(r->box, write_one, r);
		if (n < 0 && !r->write_err)
			return sg_err_set(r->err, n, "reading the rings failed: %s", strerror(-n));
		/* Every record is stamped within microseconds of its place in the ring; stacks wait for their names. */
		sg_writer_watermark(r->w, drain_ns - WATERMARK_SLACK_NS);
		housekeeping(r, now);
		if (finished(r, now))
			return 0;
		ms = sleep_ms(r, n, ms);
		if (r->o->duration_ns) {
			uint64_t left = r->o->duration_ns - (now - r->start_ns);

			if (left / 1000000 < (uint64_t)ms)
				ms = left / 1000000 + 1;
		}
		if (poll(&pfd, 1, ms) > 0)
			on_signal(r);
	}
}

/* ---- start and end ------------------------------------------------------------------- */
static int signals_block(struct recorder *r)
{
	sigset_t m;

	sigemptyset(&m);
	sigaddset(&m, SIGINT);
	sigaddset(&m, SIGTERM);
	sigaddset(&m, SIGHUP);
	sigaddset(&m, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m, &r->oldmask);
	signal(SIGPIPE, SIG_IGN);
	r->sig_fd = signalfd(-1, &m, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->sig_fd < 0 ? -errno : 0;
}

static int scope_set(struct recorder *r)
{
	int e = 0;

	if (r->child.pid > 0)
		e = sg_live_scope(r->live, r->child.pid, true, r->err);
	for (size_t i = 0; i < r->o->npid && !e; i++) {
		e = sg_live_scope(r->live, r->o->pids[i], false, r->err);
		sg_marks_exec(r->marks, r->o->pids[i]);
	}
	if (r->o->live.all || r->o->live.cgroup_id)
		sg_marks_all(r->marks);
	return e;
}

static int recorder_open(struct recorder *r)
{
	const struct sg_record_opts *o = r->o;
	int e, fd = -1;
	char *meta;

	e = sg_live_open(&r->live, &o->live, r->err);
	if (e)
		return e;
	meta = sg_meta_json(r->live, o);
	if (!meta)
		return -ENOMEM;
	e = sg_spool_open(&r->spool, o->out_fd, &fd, r->err);
	if (!e)
		e = sg_writer_open(&r->w, fd, meta, o->level, r->err);
	free(meta);
	if (!e)
		e = sg_mailbox_new(&r->box);
	if (!e)
		e = sg_resolver_new(&r->resolver, put, r);
	if (!e)
		e = sg_marks_new(&r->marks, r->live);
	if (!e)
		e = sg_names_new(&r->names, put, r);
	return e;
}

/* As service managers are told (s6, dinit): a newline, then the end. Nobody may be there to read it. */
static void tell_ready(const struct sg_record_opts *o)
{
	if (o->ready_fd < 0)
		return;
	(void)!write(o->ready_fd, "\n", 1);
	close(o->ready_fd);
}

static int recorder_start(struct recorder *r)
{
	int e = scope_set(r);

	if (!e)
		e = companions_start(r);
	if (e)
		return e;
	/* Draining must not lose to what is measured; the command was forked before and keeps its own priority. */
	setpriority(PRIO_PROCESS, 0, DRAIN_NICE);
	if (r->o->argv)
		sg_marks_program(r->marks, r->o->argv[0]);
	sg_meta_vmstat(&r->vmstat);
	if (r->o->gone && !r->o->argv && r->o->gone(r->o->gone_ctx))
		return sg_err_set(r->err, -ESRCH, "%s ended before the recording began", r->o->target);
	e = sg_live_start(r->live, &r->start_ns, r->err);
	if (e)
		return e;
	sg_perturb_begin(&r->perturb);
	r->flush_ns = r->start_ns + FLUSH_NS;
	if (put_window(r, r->start_ns, SG_WINDOW_BEGIN) || put_roles(r, r->start_ns))
		return r->write_err;
	if (!r->o->argv)
		file_begin(r);
	if (r->write_err)
		return r->write_err;
	tell_ready(r->o);
	if (r->child.pid > 0) {
		sg_target_release(&r->child);
		r->res->ran = true;
	}
	return 0;
}

static int recorder_end(struct recorder *r)
{
	struct sg_writer_stats ws;
	struct sg_live_stats st;
	struct stat st_file;
	uint64_t end_ns;
	char *end_json;
	int e, spool_rc;

	sg_live_stop(r->live, &end_ns, r->err);
	file_begin(r); /* a command that ended at once */
	sg_marks_end(r->marks);
	__atomic_store_n(&r->end_ns, end_ns, __ATOMIC_RELEASE);
	sg_perturb_end(&r->perturb);
	sg_live_drain(r->live, on_record, r);
	/* what has come so far was meant for the recording, what comes now for who is waited for */
	on_signal(r);
	companions_stop(r);
	companions_finish(r);
	do
		sg_mailbox_take(r->box, write_one, r);
	while (!sg_resolver_finish(r->resolver, 10));
	sg_mailbox_take(r->box, write_one, r);
	sg_live_swapouts(r->live, on_swapout, r);
	put_clock(r);
	put_window(r, end_ns, SG_WINDOW_END);
	sg_live_stats(r->live, &st);
	r->res->gv_probed = sg_live_gvisor_probed(r->live, &r->res->gv_err);
	sg_writer_stats(r->w, &ws);
	r->res->lost = st.lost;
	r->res->stacks_dropped = sg_resolver_dropped(r->resolver);
	r->res->wall_ns = end_ns - r->start_ns;
	r->res->events = ws.events;
	end_json = sg_meta_end_json(r->live, &r->perturb, r->res, ws.bytes, &r->vmstat);
	e = r->write_err;
	if (!e)
		e = sg_writer_close(r->w, end_json, r->err);
	else
		sg_writer_close(r->w, NULL, NULL);
	r->w = NULL;
	free(end_json);
	spool_rc = sg_spool_close(r->spool);
	if (spool_rc && !e)
		e = sg_err_set(
			r->err, spool_rc,
			"writing the recording failed at its end: %s; what was written before can be read",
			strerror(-spool_rc));
	r->spool = NULL;
	r->res->bytes = fstat(r->o->out_fd, &st_file) || !S_ISREG(st_file.st_mode)
				? ws.bytes
				: (uint64_t)st_file.st_size;
	if (r->o->progress)
		fprintf(stderr, "\r\033[K");
	return e;
}

static void recorder_free(struct recorder *r)
{
	sg_perturb_end(&r->perturb);
	companions_finish(r);
	sg_resolver_free(r->resolver);
	if (r->w)
		sg_writer_close(r->w, NULL, NULL);
	sg_mailbox_free(r->box);
	sg_spool_close(r->spool);
	sg_names_free(r->names);
	sg_marks_free(r->marks);
	sg_live_close(r->live);
	/* one that came late has ended the waiting: it must not end what is done with the recording */
	if (r->sig_fd >= 0) {
		on_signal(r);
		close(r->sig_fd);
	}
	sigprocmask(SIG_SETMASK, &r->oldmask, NULL);
}

void sg_record_defaults(struct sg_record_opts *o)
{
	memset(o, 0, sizeof(*o));
	o->out_fd = o->ready_fd = -1;
	o->level = 1;
	o->live.cgroup_subsys = -1;
	o->live.ring_bytes = 16u << 20;
	o->live.stack_threshold_ns = 50000;
	o->live.stacks = true;
	o->live.sample_hz = 99;
}

int sg_record(const struct sg_record_opts *o, struct sg_record_result *ret, struct sg_err *err)
{
	struct recorder r = { .o = o, .res = ret, .err = err, .sig_fd = -1, .self = pthread_self() };
	int e;

	memset(ret, 0, sizeof(*ret));
	e = signals_block(&r);
	/* Forked before anything is loaded: the command inherits neither maps nor priority. */
	if (!e && o->argv)
		e = sg_target_fork(&r.child, o->argv, &r.oldmask, err);
	if (!e)
		e = recorder_open(&r);
	if (!e)
		e = recorder_start(&r);
	if (!e) {
		e = loop(&r);
		ret->exec_errno = sg_target_exec_errno(&r.child);
		int end = recorder_end(&r);

		e = e ? e : end;
	}
	/* Whatever became of the recording, the command is not ours to end: wait for it. */
	if (ret->ran && !r.child_done)
		sg_target_wait(&r.child, &ret->wait_status);
	else if (!ret->ran)
		sg_target_cancel(&r.child);
	recorder_free(&r);
	return e;
}
