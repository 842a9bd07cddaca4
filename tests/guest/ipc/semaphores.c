// System V semaphores: operations, waiting, undoing, errors and the order of checks.
#include "children.h"
#include "asleep.h"
#include <sys/ipc.h>
#include <sys/sem.h>
union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static int set;
static int op(int number, int change, int flags) { struct sembuf one = {number, change, flags}; return semop(set, &one, 1); }
#define OP(number, change, flags) ({ errno = 0; int r_ = op(number, change, flags); printf("op %d %+d %s= %s\n", number, change, (flags) & IPC_NOWAIT ? "now " : "", r_ ? error_name(errno) : "ok"); })
static void values(void) { printf("values %d %d %d\n", semctl(set, 0, GETVAL), semctl(set, 1, GETVAL), semctl(set, 2, GETVAL)); }
static volatile pid_t sleeper;
static int answer, error;
static void *waits(void *change) { announce(&sleeper); errno = 0, answer = op(1, (long)change, 0), error = errno; return NULL; }
static pthread_t start(long change) {
    pthread_t thread;
    sleeper = 0, pthread_create(&thread, NULL, waits, (void *)change), await_announced(&sleeper);
    return thread;
}
static void finish(pthread_t thread) { pthread_join(thread, NULL), printf("waited: %s\n", answer ? error_name(error) : "ok"); }
static void handler(int signal) {}
int main(void) {
    SHOW(semget(IPC_PRIVATE, 0, 0600)), SHOW(semget(IPC_PRIVATE, -1, 0600)), SHOW(semget(IPC_PRIVATE, 32001, 0600));
    key_t key = 0x5ee00000 + getpid();
    SHOW(semget(key, 3, 0600));
    set = NEED(semget(key, 3, IPC_CREAT | 0600));
    CHECK(semget(key, 3, 0) == set), CHECK(semget(key, 0, 0600) == set);
    SHOW(semget(key, 4, 0600)), SHOW(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
    values(), OP(0, 3, 0), OP(0, -2, 0), OP(1, -1, IPC_NOWAIT), OP(0, 0, IPC_NOWAIT), OP(1, 0, 0), OP(3, 1, 0), OP(0, 32767, 0), values();
    struct sembuf both[] = {{0, 1, 0}, {1, -1, IPC_NOWAIT}}, many[501] = {{0}};
    SHOW(semop(set, both, 2)), SHOW(semop(set, many, 501)), SHOW(semop(set, many, 0)), SHOW(semop(-1, both, 1)), SHOW(semop(set, NULL, 1)), SHOW(semop(set + 7, both, 1));
    struct timespec none = {0, 0}, wrong = {0, -1}, soon = {0, 20000000};
    struct sembuf down = {1, -1, 0};
    SHOW(semtimedop(set, &down, 1, &none)), SHOW(semtimedop(set, &down, 1, &wrong)), SHOW(semtimedop(set, &down, 1, &soon)), values();
    pthread_t thread = start(-2);
    printf("waiting %d %d\n", semctl(set, 1, GETNCNT), semctl(set, 1, GETZCNT));
    OP(1, 1, 0), printf("still %d\n", semctl(set, 1, GETNCNT)), OP(1, 1, 0), values(), finish(thread);
    // The one that waits is served before the one that comes.
    thread = start(-1), OP(1, 1, 0), OP(1, -1, IPC_NOWAIT), finish(thread);
    OP(1, 2, 0), thread = start(0), printf("waiting %d %d\n", semctl(set, 1, GETNCNT), semctl(set, 1, GETZCNT)), OP(1, -2, 0), finish(thread);
    thread = start(-1), SHOW(semctl(set, 1, SETVAL, (union semun){.val = 1})), finish(thread);
    unsigned short all[3] = {7, 8, 9}, wide[3] = {1, 40000, 1}, got[3];
    thread = start(-5), SHOW(semctl(set, 0, SETALL, (union semun){.array = all})), finish(thread), values();
    SHOW(semctl(set, 0, SETALL, (union semun){.array = wide})), SHOW(semctl(set, 0, GETALL, (union semun){.array = got})), printf("%d %d %d\n", got[0], got[1], got[2]);
    SHOW(semctl(set, 0, SETVAL, (union semun){.val = 32768})), SHOW(semctl(set, 3, SETVAL, (union semun){.val = 1})), SHOW(semctl(set, -1, GETVAL)), SHOW(semctl(set, 0, 99)), SHOW(semctl(set, 0, GETALL, NULL));
    // What a child asked for is undone when it ends, SETVAL forgets it.
    IN_CHILD("undoes", op(0, -4, SEM_UNDO), op(2, 5, SEM_UNDO), values()), values();
    IN_CHILD("undoes once set", op(0, -4, SEM_UNDO), semctl(set, 0, SETVAL, (union semun){.val = 3})), values();
    CHECK(semctl(set, 0, GETPID) != 0);
    signal(SIGALRM, handler);
    struct sigaction restart = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &restart, NULL);
    SHOW(semctl(set, 1, SETVAL, (union semun){.val = 0})), alarm(1), OP(1, -1, 0), printf("left %d\n", semctl(set, 1, GETNCNT));
    struct semid_ds ds;
    SHOW(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds})), printf("%o, %lu semaphores, %d\n", ds.sem_perm.mode, (unsigned long)ds.sem_nsems, ds.sem_otime != 0 && ds.sem_ctime != 0);
    ds.sem_perm.mode = 0640, SHOW(semctl(set, 0, IPC_SET, (union semun){.buf = &ds})), SHOW(semctl(set, 0, IPC_STAT, (union semun){.buf = &ds})), printf("%o\n", ds.sem_perm.mode);
    thread = start(-1), SHOW(semctl(set, 0, IPC_RMID)), finish(thread), SHOW(semctl(set, 0, IPC_RMID)), SHOW(semctl(set, 0, GETVAL));
    struct seminfo info;
    CHECK(semctl(0, 0, IPC_INFO, (union semun){.info = &info}) >= 0), printf("%d %d %d %d\n", info.semmsl, info.semopm, info.semvmx, info.semmni);
    return 0;
}
