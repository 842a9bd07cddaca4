// The calls of memory, swept. Addresses and lengths are such that nothing of the program itself is ever among what is named.
// libc: musl
#include "../sweep.h"
#include <sys/shm.h>
#include <sys/uio.h>
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP 5
#define FUTEX_WAIT_BITSET 9

static struct iovec piece = {WRITABLE, 4}, other = {WRITABLE + 4096, 4};
static unsigned word[4];

static const struct call calls[] = {
    {"mmap", SYS_mmap, {{ADDRESS, 0}, {LENGTH, 4096}, B(PROT_READ), B(MAP_PRIVATE | MAP_ANONYMOUS), V(-1), V(0)}},
    {"mmap of a file", SYS_mmap, {V(0), {LENGTH, 4096}, B(PROT_READ), V(MAP_SHARED), F(RW), OFF(0)}},
    {"mmap to write", SYS_mmap, {V(0), V(4096), V(PROT_READ | PROT_WRITE), V(MAP_SHARED), F(RW), OFF(0)}},
    {"mmap of a private file", SYS_mmap, {V(0), V(4096), V(PROT_READ | PROT_WRITE), V(MAP_PRIVATE), F(RW), V(0)}},
    {"mmap without a type", SYS_mmap, {V(0), V(4096), V(PROT_READ), N(0), F(RW), V(0)}},
    {"munmap", SYS_munmap, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}}},
    {"mprotect", SYS_mprotect, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, B(PROT_READ)}},
    {"madvise", SYS_madvise, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, V(MADV_NORMAL)}},
    {"madvise's advice", SYS_madvise, {V(WRITABLE + 4096), V(4096), N(MADV_WILLNEED)}},
    {"mincore", SYS_mincore, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, O(1)}},
    {"msync", SYS_msync, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, B(MS_SYNC)}},
    {"mlock", SYS_mlock, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}}},
    {"mlock2", SYS_mlock2, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, B(0)}},
    {"munlock", SYS_munlock, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}}},
    {"mlockall", SYS_mlockall, {B(MCL_FUTURE)}},
    {"mremap", SYS_mremap, {{ADDRESS, (long)(WRITABLE + 4096)}, {LENGTH, 4096}, {LENGTH, 4096}, B(MREMAP_MAYMOVE), V(0)}},
    {"mremap to a place", SYS_mremap, {V(WRITABLE + 4096), V(4096), {LENGTH, 4096}, V(MREMAP_MAYMOVE | MREMAP_FIXED), {ADDRESS, (long)UNMAPPED}}},
    {"brk", SYS_brk, {{ADDRESS, 0}}},
    {"membarrier", SYS_membarrier, {V(0), B(0), V(0)}},
    {"memfd_create", SYS_memfd_create, {P("name"), B(MFD_CLOEXEC)}},
    {"shmget", SYS_shmget, {V(IPC_PRIVATE), S(4096), B(0600 | IPC_CREAT)}},
    {"shmat", SYS_shmat, {N(-1), {ADDRESS, 0}, B(0)}},
    {"shmdt", SYS_shmdt, {{ADDRESS, (long)WRITABLE}}},
    {"shmctl", SYS_shmctl, {N(-1), N(IPC_STAT), O(112)}},
    {"futex wake", SYS_futex, {I(word, 4), V(FUTEX_WAKE), N(1)}},
    {"futex wait", SYS_futex, {I(word, 4), V(FUTEX_WAIT), V(1), V(NULL)}},
    {"futex's operation", SYS_futex, {V(word), B(FUTEX_WAKE), V(1), V(NULL), V(word), V(0)}},
    {"futex requeue", SYS_futex, {I(word, 4), V(FUTEX_CMP_REQUEUE), N(1), N(1), I(word, 4), N(0)}},
    {"futex wake op", SYS_futex, {I(word, 4), V(FUTEX_WAKE_OP), N(1), N(1), I(word, 4), B(0)}},
    {"futex wait bitset", SYS_futex, {I(word, 4), V(FUTEX_WAIT_BITSET), V(1), V(NULL), V(NULL), N(0)}},
    {"set_robust_list", SYS_set_robust_list, {I(word, 16), S(24)}},
    {"get_robust_list", SYS_get_robust_list, {V(0), O(8), O(8)}},
    {0},
};

static const struct left_out without[] = {
    // Kernels do not agree about newer flags, nor about huge pages.
    {"mmap", " 3 bit 0"}, {"mmap", " 3 bit 1"}, {"mmap", " 3 bit 2"}, {"mmap", " 3 bit 3"}, {"shmget", " 2 bit 11"}, {"shmget", " 2 all bits"}, {"shmget", " 1 LONG_M"}, {"memfd_create", " 1 bit 2"}, {"memfd_create", " 1 bit 3"}, {"memfd_create", " 1 bit 4"},
    {0},
};

int main(void) { return sweep(calls, without); }
