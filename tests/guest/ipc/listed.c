// /proc/sysvipc and the limits in /proc/sys/kernel: what ipcs(1) reads.
#include "check.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
static void rows(const char *path, key_t key) {
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file) { printf("%s: %s\n", path, error_name(errno)); return; }
    for (int first = 1; fgets(line, sizeof line, file); first = 0) {
        if (first) { printf("%s", line); continue; }
        int found, id, skip, end;
        char rest[512];
        if (sscanf(line, "%d %d %[^\n]", &found, &id, rest) == 3 && found == key) printf("ours: %.14s\n", rest);
    }
    fclose(file);
}
int main(void) {
    key_t key = 0x5d000000 + getpid();
    int shm = NEED(shmget(key, 100, IPC_CREAT | 0600)), sem = NEED(semget(key, 3, IPC_CREAT | 0640)), msg = NEED(msgget(key, IPC_CREAT | 0604));
    rows("/proc/sysvipc/shm", key), rows("/proc/sysvipc/sem", key), rows("/proc/sysvipc/msg", key);
    shmctl(shm, IPC_RMID, NULL), semctl(sem, 0, IPC_RMID), msgctl(msg, IPC_RMID, NULL);
    static const char *limits[] = {"shmmax", "shmall", "shmmni", "sem", "msgmax", "msgmnb", "msgmni", "shm_rmid_forced"};
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/sys/kernel/%s", limits[i]), show_file(path);
    }
    return 0;
}
