/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/perturb.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "kern/stamp.h"

#define WINDOW_NS 100000000ull
#define PERIOD_NS 1000000000ull

/* True: the recording has ended. */
static bool wait_ns(struct sg_perturb *p, uint64_t ns)
{
	uint64_t due = sg_mono_ns() + ns;
	struct timespec t = { .tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000) };

	return !sem_clockwait(&p->stop, CLOCK_MONOTONIC, &t);
}

static void *perturb_main(void *arg)
{
	struct sg_perturb *p = arg;
	bool over = wait_ns(p, PERIOD_NS / 2); /* short commands are not disturbed at all */

	while (!over) {
		int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
		uint64_t since_ns = sg_mono_ns();

		over = wait_ns(p, WINDOW_NS);
		if (fd >= 0) {
			p->on_ns += sg_mono_ns() - since_ns;
			close(fd);
		}
		over = over || wait_ns(p, PERIOD_NS - WINDOW_NS);
	}
	return NULL;
}

void sg_perturb_begin(struct sg_perturb *p)
{
	p->on_ns = 0;
	sem_init(&p->stop, 0, 0);
	p->running = !pthread_create(&p->thread, NULL, perturb_main, p);
}

void sg_perturb_end(struct sg_perturb *p)
{
	if (!p->running)
		return;
	sem_post(&p->stop);
	pthread_join(p->thread, NULL);
	sem_destroy(&p->stop);
	p->running = false;
}

struct sums {
	struct json_object *list;
	uint64_t ns, misses;
};

static void on_program(void *ctx, const char *name, uint64_t run_ns, uint64_t run_cnt, uint64_t misses)
{
	struct sums *s = ctx;
	struct json_object *o = json_object_new_object();

	s->ns += run_ns;
	s->misses += misses;
	json_object_object_add(o, "program", json_object_new_string(name));
	json_object_object_add(o, "run_ns", json_object_new_uint64(run_ns));
	json_object_object_add(o, "runs", json_object_new_uint64(run_cnt));
	json_object_object_add(o, "misses", json_object_new_uint64(misses));
	json_object_array_add(s->list, o);
}

static uint64_t tv_ns(struct timeval t)
{
	return t.tv_sec * 1000000000ull + t.tv_usec * 1000ull;
}

static struct json_object *lost_per_cpu(struct sg_live *l, unsigned ncpu)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; i < ncpu; i++)
		json_object_array_add(a, json_object_new_uint64(sg_live_cpu(l, i)->lost));
	return a;
}

struct json_object *sg_perturb_json(struct sg_perturb *p, struct sg_live *l, uint64_t wall_ns,
				    uint64_t slices, uint64_t bytes)
{
	struct json_object *o = json_object_new_object();
	struct sums s = { .list = json_object_new_array() };
	struct sg_live_stats st;
	struct rusage ru;

#define ADD(name, v) json_object_object_add(o, name, json_object_new_uint64(v))
	sg_live_programs(l, on_program, &s);
	sg_live_stats(l, &st);
	getrusage(RUSAGE_SELF, &ru);
	ADD("wall_ns", wall_ns);
	ADD("recorder_cpu_ns", tv_ns(ru.ru_utime) + tv_ns(ru.ru_stime));
	ADD("recorder_max_rss_bytes", (uint64_t)ru.ru_maxrss * 1024);
	ADD("bpf_sampled_ns", p->on_ns);
	ADD("bpf_run_ns_in_sample", s.ns);
	ADD("bpf_run_ns_estimate", p->on_ns ? (uint64_t)((double)s.ns * wall_ns / p->on_ns) : 0);
	ADD("bpf_misses", s.misses);
	ADD("slices", slices);
	ADD("slices_per_s", wall_ns ? (uint64_t)(slices * 1e9 / wall_ns) : 0);
	ADD("bytes", bytes);
	ADD("lost", st.lost);
	json_object_object_add(o, "lost_per_cpu", lost_per_cpu(l, st.ncpu));
	ADD("switches_repaired", st.repaired);
	ADD("hidden_waits", st.hidden);
	ADD("holes", st.holes);
	ADD("torn", st.torn);
	ADD("adopted_threads", st.missed);
	ADD("fault_ends_without_begin", st.orphan_ends);
	ADD("cuts_skipped", st.snaps_skipped);
	ADD("stack_races", st.stack_races);
	json_object_object_add(o, "programs", s.list);
#undef ADD
	return o;
}
