/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Between live.c, attach.c, gvprobe.c and rings.c only. */
#ifndef SG_LIVE_PRIV_H
#define SG_LIVE_PRIV_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/types.h>
#include "kern/live.h"
#include "kern/skel.h"

/* Sentries that get probes (each some 15 links), and files remembered to be none. */
#define SG_GV_PROBED_MAX 8
#define SG_GV_SEEN_MAX	 256

struct sg_file_id {
	dev_t dev;
	ino_t ino;
	pid_t pid; /* whose executable, -1 = a file's */
};

struct sg_live {
	uint64_t balloon_work; /* address of the balloon driver's work, 0 none */
	struct sg_live_opts opts;
	struct sandglass_bpf *skel;
	struct sg_kern_view view;
	struct sg_plan plan;
	struct bpf_link **link;
	size_t nlink, link_cap;
	struct bpf_link *seed, *close;
	unsigned ncpu;
	int *ring_fd;
	struct ring_buffer *rb;
	sg_live_fn fn;
	void *fn_ctx;
	int64_t drained;
	int fn_err;
	struct {
		struct sg_file_id probed[SG_GV_PROBED_MAX], seen[SG_GV_SEEN_MAX];
		size_t nprobed, at; /* at: where to remember next */
		struct sg_err err;
	} gv;
	bool stopped; /* what still waits in batches is handed over too */
};

int sg_live_keep(struct sg_live *l, struct bpf_link *link);
/** sg_live_attach() - attach every chosen program; demotes what the kernel refuses. */
int sg_live_attach(struct sg_live *l, struct sg_err *err);
int sg_live_rings_make(struct sg_live *l, struct sg_err *err);
int sg_live_rings_open(struct sg_live *l, struct sg_err *err);
void sg_live_rings_free(struct sg_live *l);
/** sg_sysclass_fill() - SC_* classes of the x86-64 system calls into a table of 512. */
void sg_sysclass_fill(uint8_t table[512]);

#endif
