/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* One ring per CPU: no lock between CPUs, and each ring is in time order up to interrupts of its own CPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/live_priv.h"

int sg_live_rings_make(struct sg_live *l, struct sg_err *err)
{
	int outer = bpf_map__fd(l->skel->maps.rings);

	l->ring_fd = calloc(l->ncpu, sizeof(*l->ring_fd));
	if (!l->ring_fd)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < l->ncpu; cpu++)
		l->ring_fd[cpu] = -1;
	for (uint32_t cpu = 0; cpu < l->ncpu; cpu++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sg_ring", 0, 0, l->opts.ring_bytes, NULL);

		if (fd < 0)
			return sg_err_set(
				err, fd,
				"no memory for a ring of %llu bytes on each of %u CPUs; use a smaller --ring",
				(unsigned long long)l->opts.ring_bytes, l->ncpu);
		l->ring_fd[cpu] = fd;
		if (bpf_map_update_elem(outer, &cpu, &fd, BPF_ANY))
			return sg_err_set(err, -errno, "can't set up the ring of CPU %u: %s", cpu,
					  strerror(errno));
	}
	return 0;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct sg_live *l = ctx;

	l->drained += size;
	if (!l->fn_err)
		l->fn_err = l->fn(l->fn_ctx, data, size);
	return 0;
}

int sg_live_rings_open(struct sg_live *l, struct sg_err *err)
{
	for (unsigned cpu = 0; cpu < l->ncpu; cpu++) {
		int r = 0;

		if (!l->rb) {
			l->rb = ring_buffer__new(l->ring_fd[cpu], on_record, l, NULL);
			r = l->rb ? 0 : -errno;
		} else {
			r = ring_buffer__add(l->rb, l->ring_fd[cpu], on_record, l);
		}
		if (r)
			return sg_err_set(err, r, "can't map the ring of CPU %u: %s", cpu, strerror(-r));
	}
	return 0;
}

int64_t sg_live_drain(struct sg_live *l, sg_live_fn fn, void *ctx)
{
	int r;

	l->fn = fn;
	l->fn_ctx = ctx;
	l->drained = 0;
	l->fn_err = 0;
	r = ring_buffer__consume(l->rb);
	for (unsigned cpu = 0; l->stopped && cpu < l->ncpu; cpu++) {
		struct sg_batch *b = &l->skel->bss->cpus[cpu].batch;

		if (b->h.rsv)
			on_record(l, b, sizeof(*b));
		b->h.rsv = 0;
	}
	if (l->fn_err < 0)
		return l->fn_err;
	return r < 0 ? r : l->drained;
}

void sg_live_rings_free(struct sg_live *l)
{
	ring_buffer__free(l->rb);
	for (unsigned cpu = 0; l->ring_fd && cpu < l->ncpu; cpu++)
		if (l->ring_fd[cpu] >= 0)
			close(l->ring_fd[cpu]);
	free(l->ring_fd);
}
