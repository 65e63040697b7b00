/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Events: what flows from the recording to the model. An event is a record of
 * include/sg_abi.h, or one of the user-side records below; all begin with
 * struct sg_hdr, kind says which. Events arrive ordered by hdr.ts (ties: cpu,
 * then order of arrival).
 */
#ifndef SG_EVENT_H
#define SG_EVENT_H

#include <stddef.h>
#include <stdint.h>
#include "sg_abi.h"

/* User-side record kinds (ids are part of recordings). */
#define SG_UREC_LIST(X)                                                                       \
	X(64, LOST, lost)	    /* records of one CPU were lost between two times */      \
	X(65, CLOCK, clock)	    /* one instant on three clocks */                         \
	X(66, ROLE, role)	    /* component name of a process */                         \
	X(67, FRAME, frame)	    /* dictionary: frame id -> symbol, module */              \
	X(68, STACKDEF, stackdef)   /* dictionary: stack id -> frame ids, leaf first */       \
	X(69, STACKREF, stackref)   /* a STACK record after interning */                      \
	X(70, NAME, name)	    /* dictionary: device or cgroup id -> name */             \
	X(71, WINDOW, window)	    /* recording started (begin) or stopped (end) at ts */    \
	X(72, CONTAINER, container) /* whose a cgroup is */                                   \
	X(73, VM, vm)		    /* whose virtual machine a process runs */                \
	X(74, BALLOON, balloon)	    /* a virtual machine's memory, as its balloon tells it */ \
	X(75, MACHINE, machine)	    /* one of several machines of a recording */              \
	X(76, CLOCKMAP, clockmap)   /* one instant on the clocks of a guest and its host */

enum sg_urec {
#define SG_X(id, sym, name) SG_REC_##sym = id,
	SG_UREC_LIST(SG_X)
#undef SG_X
};

struct sg_lost {
	struct sg_hdr h; /* ts: first record after the hole; cpu: whose */
	uint64_t since;	 /* last record before the hole, 0 = start */
	uint64_t n;
};

struct sg_clock {
	struct sg_hdr h; /* ts: CLOCK_MONOTONIC */
	uint64_t realtime_ns;
	uint64_t tsc;
	uint64_t width; /* ticks: ts lies within half of it around tsc; 0: an older recorder did not tell */
};

#define SG_ROLE_NAME 32
struct sg_role {
	struct sg_hdr h;
	uint32_t tgid;
	uint32_t sandbox;	 /* process id of the Sentry of the sandbox that tgid is part of, 0 none */
	char name[SG_ROLE_NAME]; /* NUL-terminated; "sentry", "gofer", "stub" when sandbox is set */
};

struct sg_frame {
	struct sg_hdr h;
	uint32_t id;
	uint8_t is_kernel;
	uint8_t rsv;
	uint16_t len;
	char text[]; /* len bytes: "symbol\0module", hostile bytes possible */
};

struct sg_stackdef {
	struct sg_hdr h;
	uint32_t id; /* > 0 */
	uint32_t n;
	uint32_t frame[]; /* leaf first */
};

struct sg_stackref {
	struct sg_hdr h;
	uint32_t id;
	uint16_t type; /* enum sg_stack_type */
	uint16_t rsv;
};

enum sg_name_type { SG_NAME_DEV = 1, SG_NAME_CGROUP = 2 };
struct sg_name {
	struct sg_hdr h;
	uint64_t id;
	uint16_t type;
	uint16_t len;
	char text[]; /* len bytes, no NUL */
};

enum sg_window_type { SG_WINDOW_BEGIN = 1, SG_WINDOW_END = 2 };
struct sg_window {
	struct sg_hdr h;
	uint32_t type;
	uint32_t ncpu;
};

/* Text: id, name, image, runtime, platform ("runc", "ptrace", "systrap", "kvm" ...), each ended by NUL. Hostile bytes possible. */
struct sg_container {
	struct sg_hdr h;
	uint64_t cgroup; /* as in struct sg_thread */
	uint32_t pid;	 /* of its first process (gVisor: the Sentry), 0 unknown */
	uint16_t len;
	uint16_t rsv;
	char text[];
};

/*
 * MACHINE: in a recording of several machines, what of it is this one's, and how its own numbers come back
 * (trace/machine.h). Comes before all else of that machine. Text: name, kernel release, each ended by NUL. Hostile bytes
 * possible.
 */
struct sg_machine {
	struct sg_hdr h;
	uint64_t begin,
		end;	   /* when its recording began and ended, on the clock of the recording; 0 unknown */
	uint64_t shift;	   /* ns that were added to its own clock, modulo 2^64 */
	uint32_t number;   /* 0: the host */
	uint32_t uid_base; /* threads: its own number plus this ... */
	uint32_t uid_end;  /* ... which is the greatest there is */
	uint32_t frame_base, stack_base; /* the same for the dictionaries */
	uint32_t meta; /* CRC-32 of the description its own recording begins with, 0 unknown */
	uint32_t vmm;  /* process id of its VMM on the host, 0 unknown */
	uint32_t cid;  /* vsock: its context id, 0 none */
	uint16_t cpu_base, ncpu;
	uint16_t len;
	uint16_t rsv;
	char text[];
};

enum sg_clockmap_source {
	SG_CLOCK_TSC = 1,      /* the offset of the guest's TSC, as KVM has it */
	SG_CLOCK_EXCHANGE = 2, /* two-way exchange over the connection */
	SG_CLOCK_REALTIME = 3, /* both machines' CLOCK_REALTIME: as good as their NTP */
	SG_CLOCK_GIVEN = 4,    /* an offset that was given */
	SG_CLOCK_MAX
};
#define SG_CLOCKMAP_STEP \
	(1u << 0) /* a clock was set between the point before and this one: no map between them */
#define SG_CLOCKMAP_RAW \
	(1u << 1) /* guest_ts is on the guest's own clock: a host's recording before its merging */

/* CLOCKMAP: guest_ts on the clock of the merged recording (the guest's own plus MACHINE's shift) was host_ts on the host's. */
struct sg_clockmap {
	struct sg_hdr h;
	uint64_t guest_ts, host_ts;
	uint64_t error_ns; /* host_ts is true to this, both ways */
	uint32_t machine;  /* MACHINE's number */
	uint16_t source;   /* enum sg_clockmap_source */
	uint16_t flags;	   /* SG_CLOCKMAP_* */
};

/* Text: name, uuid, vmm ("qemu", "firecracker" ...), source ("libvirt", "process"), accel ("kvm", "tcg"), each ended by NUL. Hostile bytes possible. */
struct sg_vm {
	struct sg_hdr h;
	uint64_t cgroup;       /* of the process, as in struct sg_thread; 0 unknown */
	uint64_t memory_bytes; /* it was given at its start, 0 unknown */
	uint32_t tgid;	       /* its virtual machine monitor */
	uint16_t vcpus;	       /* 0 unknown */
	uint16_t len;
	char text[];
};

/*
 * X(id, SYM, name, 1: bytes, 0: a count): what a BALLOON record tells. Those below "rss" come from the
 * guest's driver; swap_in, swap_out and the counts have grown since the guest's start.
 */
#define SG_BALLOON_LIST(X)                                                                                \
	X(1, MAXIMUM, maximum, 1)		   /* the guest's memory with an empty balloon */         \
	X(2, ACTUAL, actual, 1)			   /* the guest's memory now: maximum less the balloon */ \
	X(3, RSS, rss, 1)			   /* memory of the virtual machine monitor's process */  \
	X(4, SWAP_IN, swap_in, 1)		   /* the guest read from its own swap */                 \
	X(5, SWAP_OUT, swap_out, 1)		   /* the guest wrote to its own swap */                  \
	X(6, MAJOR_FAULT, major_fault, 0)	   /* page faults in the guest that waited for a disk */  \
	X(7, MINOR_FAULT, minor_fault, 0)	   /* page faults in the guest that did not */            \
	X(8, UNUSED, unused, 1)			   /* free in the guest */                                \
	X(9, AVAILABLE, available, 1)		   /* what the guest's kernel manages */                  \
	X(10, USABLE, usable, 1)		   /* what the guest could use before it had to swap */   \
	X(11, DISK_CACHES, disk_caches, 1)	   /* page cache in the guest that could be dropped */    \
	X(12, HUGETLB_PGALLOC, hugetlb_pgalloc, 0) /* huge pages the guest allocated */                   \
	X(13, HUGETLB_PGFAIL, hugetlb_pgfail, 0)   /* ... and could not allocate */                       \
	X(14, TARGET, target, 1)		   /* what ACTUAL was asked to become */

enum sg_balloon_what {
#define SG_X(id, sym, name, bytes) SG_BALLOON_##sym = id,
	SG_BALLOON_LIST(SG_X)
#undef SG_X
		SG_BALLOON_MAX = 16, /* above every id */
};

struct sg_balloon {
	struct sg_hdr h;
	uint64_t value;
	uint32_t tgid; /* as in struct sg_vm */
	uint16_t what; /* enum sg_balloon_what */
	uint16_t rsv;
};

/* Largest event in bytes; a decoder never produces a larger one. */
#define SG_EVENT_MAX 4096
/* What fits behind the fixed part of the records with a text or a list. */
#define SG_FRAME_TEXT_MAX     (SG_EVENT_MAX - sizeof(struct sg_frame))
#define SG_CONTAINER_TEXT_MAX (SG_EVENT_MAX - sizeof(struct sg_container))
#define SG_MACHINE_TEXT_MAX   512
#define SG_VM_TEXT_MAX	      (SG_EVENT_MAX - sizeof(struct sg_vm))
#define SG_NAME_TEXT_MAX      (SG_EVENT_MAX - sizeof(struct sg_name))
#define SG_STACKDEF_MAX	      ((SG_EVENT_MAX - sizeof(struct sg_stackdef)) / sizeof(uint32_t))

/**
 * sg_event_size() - size in bytes of an event, from its kind and counts
 * @h:     event; at least @avail bytes are readable from it
 * @avail: bytes available
 *
 * Return: the size, or 0 when the kind is unknown or @avail is too small for
 * what its counts claim. The only place that knows the sizes.
 */
size_t sg_event_size(const struct sg_hdr *h, size_t avail);

/** sg_event_fixed() - size of a record kind without its variable part, 0 when unknown */
size_t sg_event_fixed(unsigned kind);

/** sg_rec_name() - name of a record kind, or "?" */
const char *sg_rec_name(unsigned kind);

#endif
