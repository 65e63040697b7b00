/* SPDX-License-Identifier: GPL-2.0 */
/* What lies behind a long wait: kind of file, its name, sockets' ports, stacks; and exact cuts (snapshots). */
#ifndef SG_DETAIL_BPF_H
#define SG_DETAIL_BPF_H

#include "core.bpf.h"

static __always_inline struct file *fd_file(struct task_struct *p, u64 fd)
{
	struct files_struct *files = p->files;
	struct fdtable *fdt = files ? files->fdt : NULL;
	struct file *f = NULL;

	if (!fdt || fd >= fdt->max_fds)
		return NULL;
	bpf_probe_read_kernel(&f, sizeof(f), fdt->fd + (u32)fd);
	return f;
}

static __always_inline u8 fd_type_sock(struct file *f)
{
	struct socket *s = BPF_CORE_READ(f, private_data);
	u16 family = BPF_CORE_READ(s, sk, __sk_common.skc_family);

	if (family == AF_UNIX_)
		return SG_FD_SOCK_UNIX;
	return family == AF_INET_ || family == AF_INET6_ ? SG_FD_SOCK_INET : SG_FD_SOCK_OTHER;
}

static __always_inline u8 fd_type_fs(struct inode *ino, u8 plain)
{
	u64 magic = BPF_CORE_READ(ino, i_sb, s_magic);

	return magic == FUSE_SUPER_MAGIC_ ? SG_FD_FUSE : magic == V9FS_MAGIC_ ? SG_FD_9P : plain;
}

static __always_inline u8 fd_type(struct task_struct *p, u64 fd)
{
	struct file *f = fd_file(p, fd);
	struct inode *ino;
	u32 rdev;

	if (!f)
		return SG_FD_NONE;
	ino = BPF_CORE_READ(f, f_inode);
	switch (BPF_CORE_READ(ino, i_mode) & S_IFMT_) {
	case S_IFSOCK_:
		return fd_type_sock(f);
	case S_IFIFO_:
		return SG_FD_FIFO;
	case S_IFREG_:
		return fd_type_fs(ino, SG_FD_REG);
	case S_IFDIR_:
		return fd_type_fs(ino, SG_FD_DIR);
	case S_IFBLK_:
		return SG_FD_BLK;
	case S_IFCHR_:
		rdev = BPF_CORE_READ(ino, i_rdev);
		return rdev == ((10u << 20) | 229) ? SG_FD_FUSEDEV : SG_FD_CHR; /* misc major, FUSE minor */
	}
	return SG_FD_ANON;
}

static __always_inline void emit_detail(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 now)
{
	struct file *f = fd_file(p, t->arg[0]);
	const unsigned char *name;
	struct sg_detail *r;
	struct inode *ino;

	if (!f)
		return;
	r = ring_reserve(c, sizeof(*r));
	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_DETAIL, t->uid, now);
	ino = BPF_CORE_READ(f, f_inode);
	r->ino = BPF_CORE_READ(ino, i_ino);
	r->dev = BPF_CORE_READ(ino, i_sb, s_dev);
	r->fd = t->arg[0];
	r->lport = r->rport = 0;
	r->fdtype = t->w_fdtype;
	r->rsv[0] = r->rsv[1] = r->rsv[2] = 0;
	__builtin_memset(r->name, 0, sizeof(r->name));
	if (t->w_fdtype == SG_FD_SOCK_INET) {
		struct socket *s = BPF_CORE_READ(f, private_data);

		r->lport = BPF_CORE_READ(s, sk, __sk_common.skc_num);
		r->rport = __builtin_bswap16(BPF_CORE_READ(s, sk, __sk_common.skc_dport));
	}
	name = BPF_CORE_READ(f, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
	ring_submit(r);
}

/* Kernel stack of a thread that has been blocked for long, taken by its waker (it can't move meanwhile). */
static __always_inline void emit_wait_stack(struct task_struct *p, struct thread *w, struct cpu_state *c,
					    u64 now)
{
	struct sg_stack *r = ring_reserve(c, sizeof(*r) + SG_STACK_MAX * 8);
	long n;

	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_STACK, w->uid, now);
	r->tgid = w->tgid;
	r->type = SG_STK_WAIT_KERN;
	n = bpf_get_task_stack(p, r->ip, SG_STACK_MAX * 8, 0);
	if (n <= 0 || compat_on_cpu(p)) {
		c->stack_races++;
		ring_discard(r);
		return;
	}
	r->n = n / 8;
	w->k.flags |= SG_SF_STACK;
	ring_submit(r);
}

/*
 * An exact place to cut the running slice of @t: its breakdown up to @now. Only
 * reads, so that an interrupt (a tick, a softirq that wakes) may do it; when
 * thread-level code was in the middle of an update the cut is skipped.
 */
static __always_inline void emit_snap(struct thread *t, struct cpu_state *c, u64 now)
{
	u64 irq = c->hard_total + c->soft_total, clk = now - irq;
	struct filling f = { .extra = t->cur, .keep = 1 };
	u64 user;
	struct sg_snap *r;

	if (!t->in || c->cur != t->uid || (t->seq & 1) || now < t->in) {
		c->snaps_skipped++;
		return;
	}
	/* Inside an interrupt its own time so far is interrupt time: the thread's clock stopped at its entry. */
	if (c->hard_on && c->hard_t0 < now)
		clk -= now - c->hard_t0;
	else if (c->soft_on && c->soft_t0 < now)
		clk -= (now - c->soft_t0) - (c->hard_total - c->soft_h0);
	f.extra_ns = clk > t->last ? clk - t->last : 0;
	f.irq_ns = now - t->in - (clk - (t->in - t->irq_in));
	f.irq_cnt = c->irqs - t->irqs_in;
	user = t->s[SG_C_CPU_USER].ns + (t->cur == SG_C_CPU_USER ? f.extra_ns : 0);
	f.hidden_ns = hidden_ns(bpf_get_current_task_btf(), t, c);
	if (user < t->snap_user + f.hidden_ns)
		f.hidden_ns = user < t->snap_user + t->snap_hidden ? 0 : t->snap_hidden;
	r = ring_reserve(c, sizeof(*r) + SG_PAIR_MAX * sizeof(struct sg_pair));
	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_SNAP, t->uid, now);
	r->in = t->in;
	r->out_fltseq = t->flt ? t->fltseq : 0;
	fill_pairs(t, r->pair, SG_PAIR_MAX, &r->npair, &f);
	if (f.sum != now - t->in) {
		c->snaps_skipped++;
		ring_discard(r);
		return;
	}
	t->last_snap = now;
	t->snap_user = user - f.hidden_ns;
	t->snap_hidden = f.hidden_ns;
	ring_submit(r);
}

static __always_inline void emit_proc_mark(struct task_struct *p, struct thread *t, struct cpu_state *c,
					   u64 now, u8 type)
{
	struct sg_mark *r = ring_reserve(c, sizeof(*r));

	t->markseq++;
	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_MARK, t->uid, now);
	r->id = p->tgid;
	r->status = p->exit_code;
	r->seq = t->markseq;
	r->type = type;
	r->src = SG_MSRC_PROC;
	r->rsv = 0;
	__builtin_memset(r->name, 0, sizeof(r->name));
	bpf_probe_read_kernel_str(r->name, 16, p->comm);
	ring_submit(r);
}

/* Stack of the running thread: at the return from a long wait, and for samples. */
static __always_inline void emit_cur_stack(void *ctx, struct thread *t, struct cpu_state *c, u64 now,
					   u16 type, u64 flags)
{
	struct sg_stack *r = ring_reserve(c, sizeof(*r) + SG_STACK_MAX * 8);
	long n;

	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_STACK, t->uid, now);
	r->tgid = t->tgid;
	r->type = type;
	if (!c->hard_on)
		t->reading = 1;
	n = bpf_get_stack(ctx, r->ip, SG_STACK_MAX * 8, flags);
	if (!c->hard_on)
		t->reading = 0;
	if (n <= 0) {
		ring_discard(r);
		return;
	}
	r->n = n / 8;
	ring_submit(r);
}

#endif
