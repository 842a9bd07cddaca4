// Permissions of System V objects, as an unprivileged user meets them; a database's way to begin.
#include "children.h"
#include <grp.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
int main(void) {
    static const int modes[] = {0600, 0640, 0644, 0660, 0666, 0620, 0602, 0000};
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
        int shm = NEED(shmget(IPC_PRIVATE, 100, modes[i])), sem = NEED(semget(IPC_PRIVATE, 1, modes[i])), msg = NEED(msgget(IPC_PRIVATE, modes[i]));
        struct shmid_ds shm_ds;
        struct sembuf up = {0, 1, IPC_NOWAIT}, zero = {0, 0, IPC_NOWAIT};
        struct { long type; char text[4]; } message = {1};
        printf("mode %o\n", modes[i]);
        for (int group = 0; group < 2; group++)
            IN_CHILD(group ? "group" : "others", setgroups(0, NULL); setgid(group ? 0 : 1234); setuid(1234);
                     SHOW(shmat(shm, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0); SHOW(shmat(shm, NULL, 0) == (void *)-1 ? -1 : 0);
                     SHOW(shmctl(shm, IPC_STAT, &shm_ds)); SHOW(shmctl(shm, IPC_RMID, NULL)); SHOW(semop(sem, &up, 1)); SHOW(semop(sem, &zero, 1));
                     SHOW(semctl(sem, 0, GETVAL)); SHOW(semctl(sem, 0, IPC_RMID)); SHOW(msgsnd(msg, &message, 1, IPC_NOWAIT));
                     SHOW(msgrcv(msg, &message, 4, 0, IPC_NOWAIT)); SHOW(msgctl(msg, IPC_RMID, NULL)));
        NEED(shmctl(shm, IPC_RMID, NULL)), NEED(semctl(sem, 0, IPC_RMID)), NEED(msgctl(msg, IPC_RMID, NULL));
    }
    return 0;
}
