/* What a guest sees of the CPU, and what its ring 0 may read of it: taken over from ring 3, as an attacker would. */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>

struct bit {
	uint32_t leaf, index;
	int reg, bit;
	const char *name;
};

/* Not APIC in leaf 1: KVM itself shows that bit as long as the register of a reset says so, though there is none.
   Registers are in the order of CPUID's results: eax, ebx, ecx, edx. */
static const struct bit forbidden[] = {
	{1, 0, 2, 3, "monitor"}, {1, 0, 2, 5, "vmx"}, {1, 0, 2, 15, "pdcm"}, {1, 0, 2, 17, "pcid"}, {1, 0, 2, 21, "x2apic"},
	{1, 0, 2, 24, "tsc_deadline"}, {1, 0, 3, 7, "mce"}, {1, 0, 3, 12, "mtrr"}, {1, 0, 3, 14, "mca"},
	{7, 0, 1, 2, "sgx"}, {7, 0, 1, 4, "hle"}, {7, 0, 1, 11, "rtm"}, {7, 0, 1, 14, "mpx"}, {7, 0, 2, 2, "umip"},
	{7, 0, 2, 3, "pku"}, {7, 0, 3, 26, "spec_ctrl"}, {7, 0, 3, 29, "arch_capabilities"}, {0xd, 1, 0, 3, "xsaves"},
	{0x80000001, 0, 2, 2, "svm"}, {0x80000001, 0, 2, 10, "ibs"}, {0x80000001, 0, 2, 23, "perfctr_core"},
	{0x80000001, 0, 3, 9, "apic of AMD"},
};
static const struct bit needed[] = {
	{1, 0, 2, 26, "xsave"}, {1, 0, 3, 26, "sse2"}, {7, 0, 1, 0, "fsgsbase"},
	{0x80000001, 0, 3, 11, "syscall"}, {0x80000001, 0, 3, 29, "lm"},
};

static int has(const struct bit *bit)
{
	uint32_t regs[4] = {0};

	/* Not __get_cpuid_count(): a leaf beyond the last one must show nothing either. */
	__cpuid_count(bit->leaf, bit->index, regs[0], regs[1], regs[2], regs[3]);
	return regs[bit->reg] >> bit->bit & 1;
}

static uint32_t last(uint32_t leaf)
{
	uint32_t regs[4];

	__cpuid_count(leaf, 0, regs[0], regs[1], regs[2], regs[3]);
	return regs[0];
}

/* Where the library OS shows guest-physical memory, and the interrupt descriptor table in it. */
#define IDT 0x7f0000002000ul
#define REFUSED 0x5eed5eedu

/* Ring 0: `int3` runs the instruction at `probe_at`, and a general protection fault in it goes on behind it. */
__asm__(".globl ring0, fault0\n"
	"ring0: testl %esi, %esi\n jnz 1f\n rdmsr\n jmp 2f\n"
	"1: wrmsr\n"
	"2: iretq\n"
	"fault0: addq $8, %rsp\n addq $2, (%rsp)\n movl $0x5eed5eed, %eax\n iretq\n");
extern char ring0[], fault0[];

struct gate {
	uint64_t low, high;
};

static struct gate gate(const char *target)
{
	uint64_t at = (uint64_t)target;

	return (struct gate){(at & 0xffff) | 0x10ul << 16 | 0xeeul << 40 | (at >> 16 & 0xffff) << 48, at >> 32};
}

/* Whether the access is refused; the library OS has its own gates back before anything else happens. */
static int refused(uint32_t msr, int writes)
{
	volatile struct gate *idt = (struct gate *)IDT;
	struct gate three = idt[3], thirteen = idt[13], mine = gate(ring0), fault = gate(fault0);
	uint32_t eax = 0, edx = 0;

	idt[13].low = fault.low, idt[13].high = fault.high;
	idt[3].low = mine.low, idt[3].high = mine.high;
	__asm__ volatile("int3" : "+a"(eax), "+d"(edx) : "c"(msr), "S"(writes) : "memory", "cc");
	idt[3].low = three.low, idt[3].high = three.high;
	idt[13].low = thirteen.low, idt[13].high = thirteen.high;
	return eax == REFUSED;
}

int main(void)
{
	static const uint32_t msrs[] = {
		0x10, 0x1b, 0x3a, 0x174, 0x186, 0x1a0, 0x1d9, 0x277, 0x2ff, 0x38f, 0x4b564d00, 0x4b564d01, 0x4b564d04, 0x40000000,
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000102, 0xc0000103, 0xc0010000, 0xc0010010, 0xc0010015, 0xc001001f,
		0xc0010114, 0xc0010117, 0xc0010200,
	};
	unsigned shown = 0, lacking = 0, read = 0, written = 0;

	for (unsigned i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
		if (has(&forbidden[i]))
			printf("the guest sees %s\n", forbidden[i].name), shown++;
	for (unsigned i = 0; i < sizeof needed / sizeof *needed; i++)
		if (!has(&needed[i]))
			printf("the guest does not see %s\n", needed[i].name), lacking++;
	printf("features: %u too many, %u missing, leaves up to %x and %x\n", shown, lacking, last(0), last(0x80000000));
	for (unsigned i = 0; i < sizeof msrs / sizeof *msrs; i++) {
		if (!refused(msrs[i], 0))
			printf("the guest reads register %x\n", msrs[i]), read++;
		if (!refused(msrs[i], 1))
			printf("the guest writes register %x\n", msrs[i]), written++;
	}
	printf("registers: %u read, %u written\n", read, written);
	return 0;
}
