/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vCPUs, seen from the host: guest mode, exits by reason, the VMM's own time between
 * exit and entry, and the balloon's bursts in it. All of it is arithmetic on the vCPU
 * thread's slots: no record per exit. Guest mode and exits lie inside the system call
 * KVM_RUN, so they are what `syskey` says that call's time is; the VMM's time is user
 * mode, so it is a `trapkey`.
 */
#ifndef SG_KVM_BPF_H
#define SG_KVM_BPF_H

#include "core.bpf.h"
#include "guest.bpf.h"
#include "pvm.h"
#include "slice.bpf.h"

#define NR_IOCTL	 16
#define NR_MADVISE	 28
#define VCPU_RUNS	 1 /* it called KVM_RUN */
#define VCPU_ENTERS	 2 /* and its entries are told */
#define EFAULT_		 14
#define EHWPOISON_	 133
#define KVM_RUN_	 0xae80
#define BALLOON_PAGE	 4096 /* QEMU gives back and takes page by page (virtio-balloon) */
#define MADV_WILLNEED_	 3
#define MADV_DONTNEED_	 4
#define KVM_EXIT_MMIO_	 6
#define KVM_EXIT_INTR_	 10
#define PT_WRITABLE_	 2
#define KVM_ISA_VMX_	 1
#define KVM_ISA_SVM_	 2
#define SVM_EXIT_MAX_	 0x403
#define SVM_VMGEXIT_CODE 0x80000000u /* what an SEV-ES guest asks for, all of them one kind here */

/*
 * The slot of a key; the slice is cut when it has none left. This and what follows are
 * functions of their own to the verifier (not static), as in guest.bpf.h.
 */
__noinline int kvm_slot(struct thread *t, u32 key32)
{
	u16 key = key32;
	u8 slot;

	if (!t)
		return 0;
	if (key < SLOT_SYS)
		return key;
	slot = key_slot(t, key);
	if (!slot) {
		slice_cut(t);
		slot = key_slot(t, key);
	}
	return slot;
}

/* The slot of @key where it was last time; 0: it is there no more. Slots that a cut slice has left are not used. */
static __always_inline u8 slot_still(const struct thread *t, u8 slot, u16 key)
{
	return slot >= SLOT_SYS && slot < SLOT_SYS + t->nsys && t->s[slot & 31].key == key ? slot : 0;
}

/* The exit ends: counted as what it turned out to be. Between update_begin and update_end. */
static __always_inline void exit_count(struct thread *t)
{
	struct slot *s = &t->s[t->cursys & 31];

	if (!t->kvm_key)
		return;
	if (++s->cnt > 60000)
		t->many = 1;
	t->used |= 1u << (t->cursys & 31);
	t->kvm_key = 0;
}

static __always_inline void sys_books(struct thread *t, u16 key, u8 slot)
{
	t->syskey = key;
	t->cursys = slot;
}

/*
 * A thread calls KVM_RUN: it is a vCPU's. Up to the first entry this is all that is known
 * of it, and for ever on a KVM without the tracepoints of entry and exit (PVM's).
 */
__noinline int vcpu_run(struct thread *t)
{
	u16 key = SG_KEY_KVM | SG_KVM_RUN;
	u8 slot;

	if (!t)
		return 0;
	t->vcpu |= VCPU_RUNS;
	slot = slot_still(t, t->run_slot, key);
	if (!slot)
		slot = kvm_slot(t, key);
	t->run_slot = slot;
	/* The call has just begun: no need to read the clock again. */
	t->seq++;
	barrier();
	sys_books(t, key, slot);
	if (++t->s[slot & 31].cnt > 60000)
		t->many = 1;
	t->used |= 1u << (slot & 31);
	thread_update_end(t);
	return 0;
}

/* ---- entry, exit ------------------------------------------------------------------------ */
static __always_inline void vcpu_enter(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || !t->insys)
		return;
	thread_update_begin(t, c);
	exit_count(t);
	if (SG_KEY_IS_KVM(t->trapkey))
		t->trapkey = 0;
	t->vcpu = VCPU_RUNS | VCPU_ENTERS;
	sys_books(t, SG_C_CPU_GUEST, SG_C_CPU_GUEST);
	if (++t->s[SG_C_CPU_GUEST].cnt > 60000)
		t->many = 1;
	thread_update_end(t);
}

static __always_inline void vcpu_leave(u16 key)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u8 slot;

	if (!t || !t->insys)
		return;
	t->vcpu |= VCPU_RUNS;
	slot = slot_still(t, t->exit_slot, key);
	if (!slot)
		slot = kvm_slot(t, key);
	t->exit_slot = slot;
	thread_update_begin(t, c);
	exit_count(t); /* its entry was not seen */
	t->kvm_key = key;
	sys_books(t, key, slot);
	t->kvm_ns0 = t->s[slot & 31].ns;
	t->kvm_in = t->in;
	thread_update_end(t);
}

/* The exit being handled is of another kind than its reason said: so is its time so far, in this slice. */
__noinline int exit_becomes(u32 key32)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u16 key = key32;
	u8 slot;
	u32 old;

	if (!t || !t->kvm_key || t->kvm_key == key)
		return 0;
	/* It stays one of swapped memory, unless that only turned out to be somebody else's work. */
	if (t->kvm_key == SG_C_MEM_SWAPIN && key != (SG_KEY_KVM | SG_KVM_ASYNC))
		return 0;
	slot = kvm_slot(t, key);
	thread_update_begin(t, c);
	old = t->cursys & 31;
	if (t->kvm_in == t->in && t->s[old].ns >= t->kvm_ns0) {
		u64 ns = t->s[old].ns - t->kvm_ns0;

		t->s[old].ns -= ns;
		t->s[slot & 31].ns += ns;
	}
	t->kvm_ns0 = 0;
	t->kvm_in = 0;
	t->kvm_key = key;
	t->used |= 1u << (slot & 31);
	sys_books(t, key, slot);
	thread_update_end(t);
	return 0;
}

/* Slots for the call's end and for the VMM after it. Twice: the second search may cut the slice, and the first slot is gone. */
__noinline int vmm_slots(struct thread *t, u32 key)
{
	if (!t)
		return 0;
	kvm_slot(t, key);
	t->call_slot = kvm_slot(t, SG_KEY_SYSCALL | NR_IOCTL);
	t->vmm_slot = kvm_slot(t, key);
	return 0;
}

/* KVM_RUN returns: what follows in user mode is the VMM's, on behalf of @reason. */
static __always_inline void vcpu_to_vmm(u32 reason)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u16 key = SG_KEY_KVM | SG_KVM_USER | (reason & 0xff);
	u8 user;

	if (!t || !t->insys)
		return;
	t->vcpu |= VCPU_RUNS;
	if (reason == KVM_EXIT_MMIO_ && t->kvm_key != (SG_KEY_KVM | SG_KVM_MMIO))
		exit_becomes(SG_KEY_KVM | SG_KVM_MMIO);
	if (!slot_still(t, t->call_slot, SG_KEY_SYSCALL | NR_IOCTL) || !slot_still(t, t->vmm_slot, key))
		vmm_slots(t, key);
	user = t->vmm_slot;
	thread_update_begin(t, c);
	exit_count(t);
	sys_books(t, SG_KEY_SYSCALL | NR_IOCTL, t->call_slot);
	t->trapkey = user ? key : 0;
	t->trapslot = user;
	if (user) {
		if (++t->s[user & 31].cnt > 60000)
			t->many = 1;
		t->used |= 1u << (user & 31);
	}
	thread_update_end(t);
}

/* ---- the tracepoints ---------------------------------------------------------------------- */
static __always_inline u16 exit_key(u32 isa, u32 reason, u64 info)
{
	if (isa == KVM_ISA_VMX_)
		return SG_KEY_KVM | (SG_KVM_INTEL + (reason & 0xff)); /* bit 31: the entry failed */
	if (isa != KVM_ISA_SVM_)
		return SG_KEY_KVM | pvm_exit_code(reason, info);
	if (reason >= SVM_VMGEXIT_CODE && reason < ~0u)
		reason = SVM_EXIT_MAX_;
	return SG_KEY_KVM | (reason <= SVM_EXIT_MAX_ ? reason : SG_KVM_OTHER);
}

/*
 * The classic tracepoint: only there the reason is a field, whatever the vendor. Of the
 * typed one it is in a structure of the vendor's module (and was an argument before
 * Linux 5.16, 0a62a0319a75).
 */
SEC("?tp/kvm/kvm_exit")
int kvm_exit_tp(struct trace_event_raw_kvm_exit *ctx)
{
	vcpu_leave(exit_key(ctx->isa, ctx->exit_reason, ctx->info1));
	return TP_TELL_OTHERS;
}

SEC("?tp_btf/kvm_entry")
int BPF_PROG(kvm_entry_btf)
{
	vcpu_enter();
	return 0;
}

SEC("?tp/kvm/kvm_entry")
int kvm_entry_tp(void *ctx)
{
	vcpu_enter();
	return TP_TELL_OTHERS;
}

/* A memory fault that the VMM is to serve comes with an error (16f95f3b95ca, Linux 6.8); else an error is a signal. */
static __always_inline u32 user_reason(u32 reason, int errno)
{
	return errno >= 0 || errno == -EFAULT_ || errno == -EHWPOISON_ ? reason : KVM_EXIT_INTR_;
}

SEC("?tp_btf/kvm_userspace_exit")
int BPF_PROG(kvm_userspace_exit_btf, u32 reason, int errno)
{
	vcpu_to_vmm(user_reason(reason, errno));
	return 0;
}

SEC("?tp/kvm/kvm_userspace_exit")
int kvm_userspace_exit_tp(struct trace_event_raw_kvm_userspace_exit *ctx)
{
	vcpu_to_vmm(user_reason(ctx->reason, ctx->errno));
	return TP_TELL_OTHERS;
}

static __always_inline void exit_is(u16 kind)
{
	if (enabled)
		exit_becomes(SG_KEY_KVM | kind);
}

SEC("?tp_btf/kvm_mmio")
int BPF_PROG(kvm_mmio_btf)
{
	exit_is(SG_KVM_MMIO);
	return 0;
}

SEC("?tp/kvm/kvm_mmio")
int kvm_mmio_tp(void *ctx)
{
	exit_is(SG_KVM_MMIO);
	return TP_TELL_OTHERS;
}

/* @waited: it slept; else it was woken while the kernel still polled for that. */
SEC("?tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(kvm_vcpu_wakeup_btf, u64 ns, bool waited)
{
	if (!waited)
		exit_is(SG_KVM_HALT_POLL);
	return 0;
}

SEC("?tp/kvm/kvm_vcpu_wakeup")
int kvm_vcpu_wakeup_tp(struct trace_event_raw_kvm_vcpu_wakeup *ctx)
{
	if (!ctx->waited)
		exit_is(SG_KVM_HALT_POLL);
	return TP_TELL_OTHERS;
}

/*
 * A page fault of the guest that was served without its lock: if its page only had to become
 * writable again (bit 1 of the entry, AMD APM vol. 2, 5.3; Intel SDM vol. 3, 29.3), somebody
 * logs which pages are written. @sptep is kernel memory that may be gone: read as such.
 */
static __always_inline void fast_fault(const u64 *sptep, u64 old_spte)
{
	u64 spte = 0;

	if (enabled && !(old_spte & PT_WRITABLE_) && !bpf_probe_read_kernel(&spte, sizeof(spte), sptep) &&
	    spte & PT_WRITABLE_)
		exit_is(SG_KVM_DIRTY);
}

SEC("?tp_btf/fast_page_fault")
int BPF_PROG(fast_page_fault_btf, void *vcpu, void *fault, u64 *sptep, u64 old_spte)
{
	fast_fault(sptep, old_spte);
	return 0;
}

SEC("?tp/kvmmmu/fast_page_fault")
int fast_page_fault_tp(struct trace_event_raw_fast_page_fault *ctx)
{
	fast_fault(ctx->sptep, ctx->old_spte);
	return TP_TELL_OTHERS;
}

/* The page is not there: a kernel worker will bring it, and the guest does something else meanwhile, or halts. */
SEC("?tp_btf/kvm_try_async_get_page")
int BPF_PROG(kvm_try_async_get_page_btf)
{
	exit_is(SG_KVM_ASYNC);
	return 0;
}

SEC("?tp/kvm/kvm_try_async_get_page")
int kvm_try_async_get_page_tp(void *ctx)
{
	exit_is(SG_KVM_ASYNC);
	return TP_TELL_OTHERS;
}

/*
 * An interrupt for a guest, of a device that a thread of the VMM's or vhost's serves (the
 * vCPUs' own are timers and each other's). Who gave it ended what waited for the device,
 * and a vCPU that is running is not woken, so no waking tells.
 */
static __always_inline void injected(u32 vcpu, u8 vector)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct sg_inject *r;
	u16 to = vcpu << 8 | vector;
	u64 now;

	if (!t || t->vcpu || !emits(t))
		return;
	now = bpf_ktime_get_ns();
	if (now - t->injected < (to == t->injected_to ? SG_INJECT_EVERY_NS : SG_INJECT_OTHER_NS))
		return;
	r = ring_reserve(c, sizeof(*r));
	if (!r)
		return;
	t->injected = now;
	t->injected_to = to;
	fill_hdr(&r->h, c, SG_REC_INJECT, t->uid, now);
	r->vcpu = vcpu;
	r->vector = vector;
	ring_submit(r);
}

SEC("?tp_btf/kvm_apic_accept_irq")
int BPF_PROG(kvm_apic_accept_irq_btf, u32 vcpu, u16 mode, u16 trigger, u8 vector)
{
	injected(vcpu, vector);
	return 0;
}

SEC("?tp/kvm/kvm_apic_accept_irq")
int kvm_apic_accept_irq_tp(struct trace_event_raw_kvm_apic_accept_irq *ctx)
{
	injected(ctx->apicid, ctx->vec);
	return TP_TELL_OTHERS;
}

/*
 * A page that a guest's task waits for was brought, or its guest is told of it: one record each,
 * which is little beside the disk that it waits for. The waits are the guest's, so only
 * both together say whose disk that was.
 */
static __always_inline void fetch_emit(u8 step, u64 gpa, u32 token)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct sg_fetch *r;

	if (!t || !emits(t))
		return;
	r = ring_reserve(c, sizeof(*r));
	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_FETCH, t->uid, bpf_ktime_get_ns());
	r->gpa = gpa;
	r->token = token;
	r->by = t->fetch_by;
	r->step = step;
	r->swapin = t->fetch_swap;
	r->rsv = 0;
	r->rsv2 = 0;
	ring_submit(r);
}

SEC("?tp_btf/kvm_async_pf_completed")
int BPF_PROG(kvm_async_pf_completed_btf, unsigned long address, u64 gpa)
{
	fetch_emit(SG_FETCH_BROUGHT, gpa, 0);
	return 0;
}

SEC("?tp/kvm/kvm_async_pf_completed")
int kvm_async_pf_completed_tp(struct trace_event_raw_kvm_async_pf_completed *ctx)
{
	fetch_emit(SG_FETCH_BROUGHT, ctx->gva, 0);
	return TP_TELL_OTHERS;
}

SEC("?tp_btf/kvm_async_pf_ready")
int BPF_PROG(kvm_async_pf_ready_btf, u64 token, u64 gpa)
{
	fetch_emit(SG_FETCH_TOLD, gpa, token);
	return 0;
}

SEC("?tp/kvm/kvm_async_pf_ready")
int kvm_async_pf_ready_tp(struct trace_event_raw_kvm_async_pf_nopresent_ready *ctx)
{
	fetch_emit(SG_FETCH_TOLD, ctx->gva, ctx->token);
	return TP_TELL_OTHERS;
}

/* ---- the balloon ----------------------------------------------------------------------------- */
/* Which pages of a VMM the balloon has: one bit each, 2 MiB an element; 32 GiB of them at most, the oldest go. */
struct balloon_at {
	u32 tgid, pad;
	u64 region;
};
struct balloon_pages {
	u64 word[8];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct balloon_at);
	__type(value, struct balloon_pages);
} ballooned SEC(".maps");
const volatile bool want_refault = false;

static __always_inline struct balloon_pages *balloon_of(u32 tgid, u64 addr)
{
	struct balloon_at at = { .tgid = tgid, .region = addr >> 21 };

	return bpf_map_lookup_elem(&ballooned, &at);
}

static const volatile struct balloon_pages no_pages = {};

/*
 * The balloon has taken a page. That it gives it back is no matter here: the page is made present anew only when the
 * guest touches it after that. A function of its own beside balloon_page(), not below it: the stack of all of them
 * together has a limit.
 */
__noinline int balloon_note(u64 addr)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct balloon_pages *p = balloon_of(tgid, addr);

	if (!p) {
		struct balloon_at at = { .tgid = tgid, .region = addr >> 21 };

		bpf_map_update_elem(&ballooned, &at, (const void *)&no_pages, BPF_NOEXIST);
		p = bpf_map_lookup_elem(&ballooned, &at);
	}
	if (p)
		p->word[addr >> 18 & 7] |= 1ull << (addr >> 12 & 63);
	return 0;
}

/*
 * The running thread calls madvise() for one page. In a vCPU's thread between exit and
 * entry that is the balloon: QEMU does it nowhere else there. The rest of the burst is
 * the balloon's too, up to the next entry. Return: 1 when the balloon has taken the page.
 */
__noinline int balloon_page(u64 addr)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);
	struct cpu_state *c;
	struct thread *t = running(&c);
	bool first, taken;
	u64 advice;
	u16 key;
	u8 slot, kick;

	if (!t || !regs || !t->vcpu || !SG_KEY_IS_KVM(t->trapkey))
		return 0;
	advice = BPF_CORE_READ(regs, dx);
	if (advice != MADV_DONTNEED_ && advice != MADV_WILLNEED_)
		return 0;
	taken = advice == MADV_DONTNEED_;
	key = SG_KEY_KVM | (taken ? SG_KVM_INFLATE : SG_KVM_DEFLATE);
	first = t->trapkey & SG_KVM_USER;
	kvm_slot(t, key);
	kick = first ? kvm_slot(t, SG_KEY_KVM | SG_KVM_BALLOON) : 0;
	slot = kvm_slot(t, key);
	if (!slot)
		return 0;
	thread_update_begin(t, c);
	t->trapkey = key;
	t->trapslot = slot;
	sys_books(t, key, slot);
	if (++t->s[slot & 31].cnt > 60000)
		t->many = 1;
	t->used |= 1u << (slot & 31);
	if (kick) {
		t->s[kick & 31].cnt++;
		t->used |= 1u << (kick & 31);
	}
	thread_update_end(t);
	return taken;
}

/* Memory of the guest is made present inside an exit: had the balloon taken it? */
static __always_inline void refault(u64 addr)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct balloon_pages *p;
	u64 *w, bit = 1ull << (addr >> 12 & 63);

	if (!t || !t->kvm_key)
		return;
	p = balloon_of(t->tgid, addr);
	if (!p)
		return;
	w = &p->word[addr >> 18 & 7];
	if (!(*w & bit))
		return;
	*w &= ~bit;
	exit_becomes(SG_KEY_KVM | SG_KVM_REFAULT);
}

SEC("?fentry/handle_mm_fault")
int BPF_PROG(handle_mm_fault_fentry, struct vm_area_struct *vma, unsigned long address)
{
	if (enabled)
		refault(address);
	return 0;
}

SEC("?kprobe/handle_mm_fault")
int BPF_KPROBE(handle_mm_fault_kprobe, struct vm_area_struct *vma, unsigned long address)
{
	if (enabled)
		refault(address);
	return 0;
}

#endif
