// System V shared memory: attaching, detaching, removal while attached, counts, errors and the order of checks.
#include "children.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
static int segment;
static void show(const char *when) {
    struct shmid_ds ds;
    if (shmctl(segment, IPC_STAT, &ds) == -1) { printf("%s: %s\n", when, error_name(errno)); return; }
    printf("%s: mode %o, %lu bytes, %lu attached, key %s, times %d %d, me %d %d\n", when, ds.shm_perm.mode, (long)ds.shm_segsz, (long)ds.shm_nattch, ds.shm_perm.__key ? "set" : "0", ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_cpid == getpid(), ds.shm_lpid == getpid());
}
#define AT(address, flags) ({ errno = 0; void *at_ = shmat(segment, address, flags); printf("at %s %o: %s\n", #address, flags, at_ == (void *)-1 ? error_name(errno) : "ok"); at_; })
int main(void) {
    key_t key = 0x5e000000 + getpid();
    SHOW(shmget(key, 100, 0600)), SHOW(shmget(IPC_PRIVATE, 0, 0600)), SHOW(shmget(IPC_PRIVATE, -1UL, 0600));
    segment = NEED(shmget(key, 10000, IPC_CREAT | 0640)), CHECK(shmget(key, 0, 0) == segment), CHECK(shmget(key, 10000, 0400) == segment), SHOW(shmget(key, 10001, 0)), SHOW(shmget(key, 1, IPC_CREAT | IPC_EXCL));
    show("new");
    char *one = AT(NULL, 0), *two = AT(NULL, SHM_RDONLY);
    show("twice"), strcpy(one, "hello"), printf("%s\n", two);
    SHOW(mprotect(two, 4096, PROT_READ | PROT_WRITE));
    IN_CHILD("child", show("child"); strcpy(one + 9000, "from a child"); SHOW(shmdt(two)); show("child after"));
    show("after it"), printf("%s\n", one + 9000);
    SHOW(shmdt(one + 4096)), SHOW(shmdt(one + 1)), SHOW(shmdt(NULL)), SHOW(shmdt(two)), SHOW(shmdt(two)), show("once");
    AT(one, 0), AT(one + 1, 0), AT(one + 4096, SHM_RND), AT(NULL, SHM_REMAP);
    char *place = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    AT(place, 0), CHECK(AT(place + 4096, SHM_REMAP) == place + 4096), printf("%s\n", place + 4096), CHECK(AT(place + 20480 + 77, SHM_REMAP | SHM_RND) == place + 20480);
    // Holes in the middle: what is left of an attachment goes with it.
    SHOW(munmap(place + 8192, 4096)), show("with a hole"), SHOW(shmdt(place + 4096)), show("without"), SHOW(shmdt(place + 20480));
    SHOW(shmctl(segment, SHM_LOCK, NULL)), show("locked"), SHOW(shmctl(segment, SHM_UNLOCK, NULL));
    struct shmid_ds ds;
    shmctl(segment, IPC_STAT, &ds), ds.shm_perm.mode = 0600, SHOW(shmctl(segment, IPC_SET, &ds)), SHOW(shmctl(segment, IPC_STAT, NULL)), SHOW(shmctl(segment, 99, &ds)), SHOW(shmctl(-1, IPC_STAT, &ds));
    SHOW(shmctl(segment, IPC_RMID, NULL)), show("removed but attached"), SHOW(shmget(key, 100, 0600));
    int other = shmget(key, 50, IPC_CREAT | 0600);
    CHECK(other != segment), SHOW(shmctl(other, IPC_RMID, NULL)), SHOW(shmctl(other, IPC_RMID, NULL));
    char *again = AT(NULL, 0);
    printf("%s\n", again), SHOW(shmdt(again)), SHOW(shmdt(one)), show("gone"), AT(NULL, 0);
    segment = NEED(shmget(IPC_PRIVATE, 4096, 0600)), one = AT(NULL, 0);
    IN_CHILD("remover", shmctl(segment, IPC_RMID, NULL); show("child"));
    strcpy(one, "still there"), printf("%s\n", one), SHOW(munmap(one, 4096)), show("unmapped");
    struct shminfo info;
    CHECK(shmctl(0, IPC_INFO, (void *)&info) >= 0), printf("%lu %lu %lu\n", info.shmmin, info.shmmni, info.shmmax);
    return 0;
}
