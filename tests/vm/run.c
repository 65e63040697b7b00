// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What a vCPU thread of miniguest does: part after part, its own clock around every KVM_RUN. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "miniguest.h"

uint64_t mg_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- who ends a halt ---------------------------------------------------------------------------- */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	struct mg_vm *vm;
	struct mg_vcpu *halted; /* to be woken at at_ns by a signal; NULL: by interrupt */
	uint64_t at_ns, fired_ns;
	bool armed, stop;
} waker = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void *waker_main(void *arg)
{
	struct timespec t;

	(void)arg;
	pthread_mutex_lock(&waker.lock);
	while (!waker.stop) {
		if (!waker.armed) {
			pthread_cond_wait(&waker.cond, &waker.lock);
			continue;
		}
		t.tv_sec = (time_t)(waker.at_ns / 1000000000);
		t.tv_nsec = (long)(waker.at_ns % 1000000000);
		pthread_mutex_unlock(&waker.lock);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		pthread_mutex_lock(&waker.lock);
		waker.armed = false;
		waker.fired_ns = mg_now_ns();
		if (waker.halted)
			pthread_kill(waker.halted->thread, SIGUSR1);
		else
			mg_vm_interrupt(waker.vm);
	}
	pthread_mutex_unlock(&waker.lock);
	return NULL;
}

int mg_waker_start(struct mg_vm *vm)
{
	waker.vm = vm;
	return pthread_create(&waker.thread, NULL, waker_main, NULL);
}

void mg_waker_stop(void)
{
	pthread_mutex_lock(&waker.lock);
	waker.stop = true;
	pthread_cond_signal(&waker.cond);
	pthread_mutex_unlock(&waker.lock);
	pthread_join(waker.thread, NULL);
}

static void waker_arm(struct mg_vcpu *halted, uint64_t at_ns)
{
	pthread_mutex_lock(&waker.lock);
	waker.halted = halted;
	waker.at_ns = at_ns;
	waker.armed = true;
	pthread_cond_signal(&waker.cond);
	pthread_mutex_unlock(&waker.lock);
}

static uint64_t waker_fired_ns(void)
{
	uint64_t at;

	pthread_mutex_lock(&waker.lock);
	at = waker.fired_ns;
	pthread_mutex_unlock(&waker.lock);
	return at;
}

/* ---- one part ----------------------------------------------------------------------------------- */
/* A thread's vCPU, for its signal handler: KVM_RUN is left, also when it is not yet entered. */
static __thread struct kvm_run *kicked;
static __thread volatile sig_atomic_t late;

static void on_kick(int sig)
{
	if (kicked)
		kicked->immediate_exit = 1;
	if (sig == SIGUSR2)
		late = 1;
}

struct step {
	enum mg_part part;
	uint64_t count, rdi, rdx, r8;
	uint64_t halt_at_ns; /* of a halt that has been announced; 0: none */
};

static void work(struct mg_vcpu *v, struct mg_seen *s)
{
	uint64_t t0 = mg_now_ns();
	const struct timespec t = { .tv_sec = (time_t)(v->opt->vmm_sleep_ns / 1000000000),
				    .tv_nsec = (long)(v->opt->vmm_sleep_ns % 1000000000) };

	if (!v->opt->vmm_spin_ns && !v->opt->vmm_sleep_ns)
		return;
	while (mg_now_ns() - t0 < v->opt->vmm_spin_ns)
		;
	if (v->opt->vmm_sleep_ns)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	s->work_ns += mg_now_ns() - t0;
}

/* One kick of the balloon, as QEMU does it: page by page, in the vCPU's thread, before it enters the guest again. */
static void balloon(struct mg_vcpu *v, struct mg_seen *s, bool inflate)
{
	uint64_t t0 = mg_now_ns(), first = v->base - MG_HIGH + v->opt->count[MG_FAULT] * MG_PAGE;
	uint8_t *p = v->vm->high + first + s->pages * MG_PAGE;

	for (unsigned i = 0; i < MG_KICK; i++)
		if (!madvise(p + i * MG_PAGE, MG_PAGE, inflate ? MADV_DONTNEED : MADV_WILLNEED))
			s->pages++;
	s->work_ns += mg_now_ns() - t0;
}

/* 1: the part is over; 0: on; -1: it failed, see why */
static int on_io(struct mg_vcpu *v, struct step *st, struct mg_seen *s)
{
	switch (v->run->io.port) {
	case MG_PORT_DONE:
		return 1;
	case MG_PORT_HALT:
		st->halt_at_ns = mg_now_ns();
		waker_arm(v->opt->wake_signal ? v : NULL, st->halt_at_ns + v->opt->halt_ns);
		return 0;
	case MG_PORT_WORK:
		work(v, s);
		return 0;
	}
	snprintf(s->why, sizeof(s->why), "I/O at port 0x%x", v->run->io.port);
	return -1;
}

static int on_mmio(struct mg_vcpu *v, struct mg_seen *s)
{
	uint64_t at = v->run->mmio.phys_addr;

	if (at == MG_AT_INFLATE || at == MG_AT_DEFLATE)
		balloon(v, s, at == MG_AT_INFLATE);
	else if (at == MG_AT_MMIO)
		work(v, s);
	else {
		snprintf(s->why, sizeof(s->why), "an access to 0x%llx, where nothing is",
			 (unsigned long long)at);
		return -1;
	}
	return 0;
}

static int on_intr(struct mg_vcpu *v, struct step *st, struct mg_seen *s)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	v->run->immediate_exit = 0;
	if (late) {
		snprintf(s->why, sizeof(s->why), "it did not end in %.1f s", v->opt->limit_ns / 1e9);
		return -1;
	}
	if (st->part == MG_HALT && v->opt->wake_signal && ioctl(v->fd, KVM_SET_MP_STATE, &state)) {
		snprintf(s->why, sizeof(s->why), "KVM_SET_MP_STATE: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int on_other(struct mg_vcpu *v, struct mg_seen *s)
{
	struct kvm_regs r = { 0 };

	ioctl(v->fd, KVM_GET_REGS, &r);
	snprintf(s->why, sizeof(s->why), "exit %u of KVM (detail 0x%llx) at 0x%llx of the guest",
		 v->run->exit_reason,
		 v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? v->run->internal.suberror
								: v->run->hw.hardware_exit_reason,
		 r.rip);
	return -1;
}

static int loop(struct mg_vcpu *v, struct step *st, struct mg_seen *s)
{
	int done = 0;

	for (uint64_t in = mg_now_ns(), out; !done; in = mg_now_ns()) {
		enum mg_exit e = MG_EXIT_OTHER;
		int err = ioctl(v->fd, KVM_RUN, 0) ? errno : 0;

		out = mg_now_ns();
		s->run_ns += out - in;
		if (st->halt_at_ns && err != EINTR) {
			uint64_t fired = waker_fired_ns();

			s->halt_ns += fired > st->halt_at_ns ? fired - st->halt_at_ns : 0;
			st->halt_at_ns = 0;
		}
		if (err && err != EINTR) {
			snprintf(s->why, sizeof(s->why), "KVM_RUN: %s", strerror(err));
			return -1;
		}
		if (err || v->run->exit_reason == KVM_EXIT_INTR) {
			e = MG_EXIT_INTR;
			done = on_intr(v, st, s);
		} else if (v->run->exit_reason == KVM_EXIT_IO) {
			e = MG_EXIT_IO;
			done = on_io(v, st, s);
		} else if (v->run->exit_reason == KVM_EXIT_MMIO) {
			e = MG_EXIT_MMIO;
			done = on_mmio(v, s);
		} else {
			e = v->run->exit_reason == KVM_EXIT_HLT ? MG_EXIT_HLT : MG_EXIT_OTHER;
			done = on_other(v, s);
		}
		s->exits[e]++;
		out = mg_now_ns() - out;
		s->outside_ns += out;
		v->vmm_ns[e] += out;
	}
	return done < 0 ? -1 : 0;
}

/* A part's loop from its first instruction to its end, with a limit. */
static void step_run(struct mg_vcpu *v, timer_t timer, struct step *st, struct mg_seen *s)
{
	struct kvm_regs r = { .rip = mg_code_entry(st->part, v->vm->intel),
			      .rflags = v->opt->ring ? 0x3002 : 2,
			      .rcx = st->count,
			      .rdi = st->rdi,
			      .rdx = st->rdx,
			      .r8 = st->r8,
			      .rsp = MG_STACK + v->id * MG_PAGE };
	struct itimerspec limit = { .it_value = { .tv_sec = (time_t)(v->opt->limit_ns / 1000000000),
						  .tv_nsec = (long)(v->opt->limit_ns % 1000000000) } };
	struct itimerspec off = { 0 };

	if (ioctl(v->fd, KVM_SET_REGS, &r)) {
		snprintf(s->why, sizeof(s->why), "KVM_SET_REGS: %s", strerror(errno));
		return;
	}
	late = 0;
	timer_settime(timer, 0, &limit, NULL);
	if (!loop(v, st, s) && st->part == MG_BURN && !ioctl(v->fd, KVM_GET_REGS, &r))
		s->burn_ns += (uint64_t)((double)(r.r10 - r.r9) * 1e6 / v->vm->tsc_khz);
	timer_settime(timer, 0, &off, NULL);
	v->run->immediate_exit = 0;
}

static void part_run(struct mg_vcpu *v, timer_t timer, enum mg_part part)
{
	struct mg_seen *s = &v->seen[part];
	const uint64_t *n = v->opt->count;
	uint64_t rounds = part == MG_MEMORY ? n[part] : 1;
	uint64_t faults = v->base, ball = faults + n[MG_FAULT] * MG_PAGE;
	uint64_t mem = ball + n[MG_INFLATE] * MG_KICK * MG_PAGE;
	struct step st = { .part = part, .count = n[part], .rdx = MG_PORT_WORK, .rdi = MG_AT_MMIO };

	switch (part) {
	case MG_HALT:
		st.rdx = MG_PORT_HALT;
		break;
	case MG_FAULT:
	case MG_DIRTY:
		st.rdi = faults;
		break;
	case MG_POPULATE:
	case MG_REFAULT:
		st.rdi = ball;
		break;
	case MG_INFLATE:
		st.rdi = MG_AT_INFLATE;
		break;
	case MG_DEFLATE:
		st.rdi = MG_AT_DEFLATE;
		break;
	case MG_MEMORY:
		st.rdi = mem;
		st.count = v->opt->memory_bytes / MG_PAGE;
		break;
	case MG_BURN:
		st.r8 = (uint64_t)((double)n[part] * v->vm->tsc_khz / 1e6);
		break;
	default:
		break;
	}
	s->ran = true;
	s->count = n[part];
	if (part == MG_HALT && v->vm->irq_why[0]) {
		snprintf(s->why, sizeof(s->why), "%s", v->vm->irq_why);
		return;
	}
	if (part == MG_DIRTY && (n[part] > n[MG_FAULT] || mg_vm_log_writes(v->vm, true))) {
		snprintf(s->why, sizeof(s->why), "the writes to pages of --page-fault can't be logged");
		return;
	}
	mg_stats_read(&v->stats, &s->before);
	for (uint64_t i = 0; i < rounds && !s->why[0]; i++)
		step_run(v, timer, &st, s);
	mg_stats_read(&v->stats, &s->after);
	if (part == MG_DIRTY)
		mg_vm_log_writes(v->vm, false);
	/* What has failed left the vCPU in the middle of something. */
	if (s->why[0])
		mg_vcpu_reset(v);
}

static void schedstat_read(struct mg_vcpu *v)
{
	char name[64];
	unsigned long long run, wait;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/self/task/%d/schedstat", v->tid);
	f = fopen(name, "re");
	if (!f)
		return;
	if (fscanf(f, "%llu %llu", &run, &wait) == 2) {
		v->sched_run_ns = run;
		v->sched_wait_ns = wait;
	}
	fclose(f);
}

void *mg_vcpu_main(void *vcpu)
{
	struct mg_vcpu *v = vcpu;
	struct sigaction act = { .sa_handler = on_kick };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
	char name[16];
	timer_t timer;

	v->tid = (int)syscall(SYS_gettid);
	v->thread = pthread_self();
	kicked = v->run;
	snprintf(name, sizeof(name), "vcpu%u", v->id);
	pthread_setname_np(pthread_self(), name);
	if (v->opt->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET((unsigned)v->opt->cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	ev._sigev_un._tid = v->tid;
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer))
		abort();
	v->parts_ns = mg_now_ns();
	for (unsigned p = 0; p < MG_PARTS_CNT; p++)
		if (v->opt->count[p] && (p != MG_HALT || !v->id))
			part_run(v, timer, p);
	v->parts_ns = mg_now_ns() - v->parts_ns;
	timer_delete(timer);
	schedstat_read(v);
	memcpy(&v->steal_ns, v->vm->low + MG_STEAL + v->id * 64, 8);
	return NULL;
}
