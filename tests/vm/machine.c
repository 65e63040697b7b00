// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The machine of miniguest: memory, tables, vCPUs in 64-bit mode from the first instruction on, KVM's counters. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miniguest.h"

#define MSR_KVM_STEAL_TIME_ 0x4b564d03

static int failed(char *why, size_t len, const char *what)
{
	snprintf(why, len, "%s: %s", what, strerror(errno));
	return -1;
}

uint64_t mg_vcpu_bytes(const struct mg_options *opt)
{
	uint64_t pages = opt->count[MG_FAULT] + opt->count[MG_INFLATE] * MG_KICK;

	pages += opt->count[MG_MEMORY] ? opt->memory_bytes / MG_PAGE : 0;
	/* Whole huge pages of the guest's tables: what one part touches maps nothing of another's. */
	return (pages * MG_PAGE + 0x1fffff) & ~0x1fffffull;
}

static void stats_open(struct mg_stats *s, int of)
{
	struct kvm_stats_header h;
	char buf[sizeof(struct kvm_stats_desc) + 256];

	s->fd = ioctl(of, KVM_GET_STATS_FD, NULL);
	s->cnt = 0;
	if (s->fd < 0 || pread(s->fd, &h, sizeof(h), 0) != sizeof(h) || h.name_size > 256)
		return;
	for (unsigned i = 0; i < h.num_desc && s->cnt < 128; i++) {
		struct kvm_stats_desc *d = (struct kvm_stats_desc *)buf;
		size_t size = sizeof(*d) + h.name_size;

		if (pread(s->fd, buf, size, h.desc_offset + i * size) != (ssize_t)size)
			return;
		if (d->size != 1)
			continue;
		snprintf(s->row[s->cnt].name, sizeof(s->row[0].name), "%.*s", (int)h.name_size, d->name);
		s->row[s->cnt].offset = h.data_offset + d->offset;
		s->row[s->cnt].cumulative = (d->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_CUMULATIVE;
		s->cnt++;
	}
}

void mg_stats_read(const struct mg_stats *s, struct mg_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < s->cnt; i++)
		if (pread(s->fd, &ret->value[i], 8, (off_t)s->row[i].offset) != 8)
			ret->value[i] = 0;
}

/* The first interrupt controller of a PC, ready: line 0 comes as MG_VECTOR, and needs no acknowledgement, which
 * would be an exit.
 */
static void irqchip_open(struct mg_vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) || ioctl(vm->fd, KVM_GET_IRQCHIP, &chip)) {
		snprintf(vm->irq_why, sizeof(vm->irq_why), "no interrupt controller in the kernel: %s",
			 strerror(errno));
		return;
	}
	chip.chip.pic.irq_base = MG_VECTOR;
	chip.chip.pic.imr = 0xfe;
	chip.chip.pic.auto_eoi = 1;
	chip.chip.pic.init4 = 1;
	chip.chip.pic.init_state = 0;
	if (ioctl(vm->fd, KVM_SET_IRQCHIP, &chip))
		snprintf(vm->irq_why, sizeof(vm->irq_why), "the interrupt controller can't be set: %s",
			 strerror(errno));
}

int mg_vm_interrupt(struct mg_vm *vm)
{
	struct kvm_irq_level line = { .irq = 0, .level = 1 };
	int err = ioctl(vm->fd, KVM_IRQ_LINE, &line);

	line.level = 0;
	return err ? err : ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

static void tables_write(struct mg_vm *vm)
{
	uint64_t *pml4 = (void *)(vm->low + MG_PML4), *pdpt = (void *)(vm->low + MG_PDPT);
	uint64_t *pd = (void *)(vm->low + MG_PD), *gdt = (void *)(vm->low + MG_GDT);
	uint64_t *gate = (void *)(vm->low + MG_IDT + MG_VECTOR * 16), irq = mg_code_irq();

	pml4[0] = MG_PDPT | 0x7;
	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = (MG_PD + i * MG_PAGE) | 0x7;
	/* Accessed and dirty already: a walk writes nothing. */
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = (i << 21) | 0xe7;
	gdt[MG_CS >> 3] = 0x00af9b000000ffffull;
	gdt[MG_DS >> 3] = 0x00cf93000000ffffull;
	gdt[MG_DS3 >> 3] = 0x00cff3000000ffffull;
	gdt[MG_CS3 >> 3] = 0x00affb000000ffffull;
	gate[0] = (irq & 0xffff) | ((uint64_t)MG_CS << 16) | (0x8eull << 40) | ((irq >> 16 & 0xffff) << 48);
	gate[1] = irq >> 32;
	mg_code_copy(vm->low + MG_CODE);
}

/* The memory at MG_HIGH: each page is made read-only, and written to by an exit the first time. */
int mg_vm_log_writes(struct mg_vm *vm, bool on)
{
	struct kvm_userspace_memory_region r = { .slot = 1,
						 .flags = on ? KVM_MEM_LOG_DIRTY_PAGES : 0,
						 .guest_phys_addr = MG_HIGH,
						 .memory_size = vm->high_bytes,
						 .userspace_addr = (uintptr_t)vm->high };

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

static int memory_add(struct mg_vm *vm, unsigned slot, uint64_t at, uint64_t bytes, uint8_t **ret)
{
	struct kvm_userspace_memory_region r = { .slot = slot, .guest_phys_addr = at, .memory_size = bytes };
	void *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	/* One page, one fault. */
	madvise(p, bytes, MADV_NOHUGEPAGE);
	*ret = p;
	r.userspace_addr = (uintptr_t)p;
	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

int mg_vm_open(struct mg_vm *vm, const struct mg_options *opt, char *why, size_t len)
{
	unsigned a, b, c, d;

	memset(vm, 0, sizeof(*vm));
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return failed(why, len, "/dev/kvm");
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return failed(why, len, "KVM_CREATE_VM");
	/* Only Intel's need it, all take it. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	vm->intel = __get_cpuid(0, &a, &b, &c, &d) && b == 0x756e6547;
	irqchip_open(vm);
	vm->high_bytes = mg_vcpu_bytes(opt) * opt->vcpus;
	if (vm->high_bytes > MG_HIGH_MAX - MG_HIGH) {
		snprintf(why, len, "the guest's memory would end above %llu MiB: ask for less",
			 MG_HIGH_MAX >> 20);
		return -1;
	}
	if (memory_add(vm, 0, 0, MG_LOW_BYTES, &vm->low) ||
	    (vm->high_bytes && memory_add(vm, 1, MG_HIGH, vm->high_bytes, &vm->high)))
		return failed(why, len, "the guest's memory");
	tables_write(vm);
	stats_open(&vm->stats, vm->fd);
	return 0;
}

static bool msr_set(const struct mg_vcpu *v, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head = { .nmsrs = 1 }, .entry = { .index = index, .data = value } };

	return ioctl(v->fd, KVM_SET_MSRS, &m) == 1;
}

int mg_vcpu_open(struct mg_vcpu *v, char *why, size_t len)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	int size = ioctl(v->vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), khz;

	if (!cpuid || size < 0)
		return failed(why, len, "KVM_GET_VCPU_MMAP_SIZE");
	cpuid->nent = 256;
	v->fd = ioctl(v->vm->fd, KVM_CREATE_VCPU, v->id);
	if (v->fd < 0)
		return failed(why, len, "KVM_CREATE_VCPU");
	v->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		return failed(why, len, "the vCPU's page");
	if (ioctl(v->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) || ioctl(v->fd, KVM_SET_CPUID2, cpuid))
		return failed(why, len, "KVM_SET_CPUID2");
	free(cpuid);
	khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		return failed(why, len, "KVM_GET_TSC_KHZ");
	v->vm->tsc_khz = (uint32_t)khz;
	v->base = MG_HIGH + v->id * mg_vcpu_bytes(v->opt);
	stats_open(&v->stats, v->fd);
	v->steal_known = msr_set(v, MSR_KVM_STEAL_TIME_, (MG_STEAL + v->id * 64) | 1);
	return mg_vcpu_reset(v) ? failed(why, len, "the vCPU's registers") : 0;
}

int mg_vcpu_reset(struct mg_vcpu *v)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	const uint8_t ring = (uint8_t)v->opt->ring;
	struct kvm_segment code = {
		.limit = 0xffffffff, .type = 11, .dpl = ring, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .type = 3, .dpl = ring, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_sregs s;

	/* An interrupt controller in the kernel holds all vCPUs but the first until they are sent for. */
	if (!v->vm->irq_why[0] && ioctl(v->fd, KVM_SET_MP_STATE, &state))
		return -1;
	if (ioctl(v->fd, KVM_GET_SREGS, &s))
		return -1;
	code.selector = ring ? MG_CS3 : MG_CS;
	data.selector = ring ? MG_DS3 : MG_DS;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt.base = MG_GDT;
	s.gdt.limit = (MG_CS3 | 7) & 0xffff;
	s.idt.base = MG_IDT;
	s.idt.limit = 0xfff;
	s.cr3 = MG_PML4;
	s.cr4 = 0x20;	    /* PAE */
	s.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
	s.efer = 0x501;	    /* LMA, LME, SCE */
	return ioctl(v->fd, KVM_SET_SREGS, &s);
}
