// The vDSO is an ELF image with the symbols that C libraries look for.
#include "check.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
int main(void) {
    const unsigned char *base = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(base && memcmp(base, ELFMAG, SELFMAG) == 0);
    if (!base) return 1;
    const ElfW(Ehdr) *header = (const void *)base;
    const ElfW(Phdr) *program = (const void *)(base + header->e_phoff);
    uintptr_t bias = 0;
    const ElfW(Dyn) *dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++) {
        if (program[i].p_type == PT_LOAD) bias = (uintptr_t)base + program[i].p_offset - program[i].p_vaddr;
        if (program[i].p_type == PT_DYNAMIC) dynamic = (const void *)(base + program[i].p_offset);
    }
    const char *strings = NULL;
    const ElfW(Sym) *symbols = NULL;
    const uint32_t *hash = NULL;
    for (; dynamic && dynamic->d_tag; dynamic++) {
        uintptr_t at = dynamic->d_un.d_ptr + bias;
        if (dynamic->d_tag == DT_STRTAB) strings = (const void *)at;
        if (dynamic->d_tag == DT_SYMTAB) symbols = (const void *)at;
        if (dynamic->d_tag == DT_HASH) hash = (const void *)at;
    }
    CHECK(strings && symbols);
    const char *wanted[] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"};
    // Kernels from 6.10 on have only a GNU hash table here; then the symbols end where the strings begin.
    size_t count = hash ? hash[1] : ((uintptr_t)strings - (uintptr_t)symbols) / sizeof *symbols;
    for (int w = 0; w < 4; w++) {
        int found = 0;
        for (size_t i = 0; i < count && !found; i++)
            found = !strcmp(strings + symbols[i].st_name, wanted[w]) && symbols[i].st_value != 0;
        printf("%s: %s\n", wanted[w], found ? "yes" : "NO");
    }
    return 0;
}
