/* SPDX-License-Identifier: GPL-2.0 */
/* Marks: a task begins or ends, said by the program itself (USDT, a path it looks for) or by uprobes. */
#ifndef SG_MARK_BPF_H
#define SG_MARK_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include <bpf/usdt.bpf.h>

/*
 * The cut and the mark take ring space before either is filled, so that nothing
 * can come between them; when the thread was switched meanwhile it begins again.
 */
static __noinline int emit_mark(struct thread *t, u64 id, u64 status, u32 type_src, const char *uname)
{
	struct cpu_state *c = this_cpu();
	struct sg_mark *m;
	u64 now, irq;

	now = clock_pair(c, &irq);
	m = ring_reserve(c, sizeof(*m));
	t->markseq++;
	if (!m)
		return -1;
	emit_snap(t, c, now);
	fill_hdr(&m->h, c, SG_REC_MARK, t->uid, now);
	m->id = id;
	m->status = status;
	m->seq = t->markseq;
	m->type = type_src & 0xff;
	m->src = type_src >> 8;
	m->rsv = 0;
	__builtin_memset(m->name, 0, sizeof(m->name));
	t->reading = 1;
	if (uname)
		bpf_probe_read_user_str(m->name, sizeof(m->name), uname);
	t->reading = 0;
	ring_submit(m);
	return 0;
}

/* Scalars only and not static: the verifier looks at it once, not at every end of a parsing loop before it. */
__noinline int mark_now(u64 id, u64 status, u32 type_src, u64 uname)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || !emits(t))
		return 0;
	thread_update_begin(t, c);
	thread_update_end(t);
	if (!(t->flags & TH_ANNOUNCED))
		emit_thread(bpf_get_current_task_btf(), t, c, bpf_ktime_get_ns(), 0);
	emit_mark(t, id, status, type_src, (const char *)uname);
	return 0;
}

/* "/.sandglass/begin/ID/NAME" or "/.sandglass/end/ID/STATUS" looked for with access(2): any language can. */
#define MARK_PREFIX "/.sandglass/"
/* A function of its own to the verifier (not static), as slice_cut(). */
__noinline int mark_access(u64 upath)
{
	struct thread *t = thread_of(bpf_get_current_task_btf());
	char path[48] = {};
	u64 id = 0, num = 0;
	u32 i, type;
	long len;

	if (!t)
		return 0;
	t->reading = 1;
	len = bpf_probe_read_user_str(path, sizeof(path), (void *)upath);
	t->reading = 0;
	if (len < 16)
		return 0;
	if (!same_bytes(path, MARK_PREFIX, sizeof(MARK_PREFIX) - 1))
		return 0;
	if (path[12] == 'b' && path[17] == '/') {
		type = SG_MARK_BEGIN;
		i = 18;
	} else if (path[12] == 'e' && path[15] == '/') {
		type = SG_MARK_END;
		i = 16;
	} else {
		return 0;
	}
	for (int k = 0; k < 21 && i < sizeof(path) - 1 && path[i] >= '0' && path[i] <= '9'; k++, i++)
		id = id * 10 + (path[i] - '0');
	if (i >= sizeof(path) - 1 || path[i] != '/')
		return 0;
	i++;
	if (type == SG_MARK_BEGIN)
		return mark_now(id, 0, type | SG_MSRC_ACCESS << 8, upath + i);
	for (int k = 0; k < 10 && i < sizeof(path) - 1 && path[i] >= '0' && path[i] <= '9'; k++, i++)
		num = num * 10 + (path[i] - '0');
	return mark_now(id, num, type | SG_MSRC_ACCESS << 8, 0);
}

SEC("?usdt")
int BPF_USDT(task_begin_usdt, u64 id, const char *name)
{
	return mark_now(id, 0, SG_MARK_BEGIN | SG_MSRC_USDT << 8, (u64)name);
}

SEC("?usdt")
int BPF_USDT(task_end_usdt, u64 id, u64 status)
{
	return mark_now(id, status, SG_MARK_END | SG_MSRC_USDT << 8, 0);
}

/* A function as a task: outermost call of a thread, entry to return. */
SEC("?uprobe")
int BPF_KPROBE(task_uprobe_entry)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || !(t->flags & TH_INSCOPE))
		return 0;
	if (t->depth_uprobe++)
		return 0;
	t->uprobe_id = (u64)t->uid << 32 | (u32)(t->markseq + 1);
	return mark_now(t->uprobe_id, 0, SG_MARK_BEGIN | SG_MSRC_UPROBE << 8, 0);
}

SEC("?uretprobe")
int BPF_KRETPROBE(task_uprobe_return, u64 ret)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || !t->depth_uprobe || --t->depth_uprobe)
		return 0;
	return mark_now(t->uprobe_id, ret, SG_MARK_END | SG_MSRC_UPROBE << 8, 0);
}

#endif
