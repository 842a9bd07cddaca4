// System V message queues: types, limits, waiting, errors and the order of checks.
#include "children.h"
#include "asleep.h"
#include <sys/ipc.h>
#include <sys/msg.h>
static struct { long type; char text[20000]; } message;
static int queue;
static int put(long type, int size, int flags) { message.type = type; return msgsnd(queue, &message, size, flags); }
static void get(long type, int size, int flags) {
    errno = 0;
    ssize_t got = msgrcv(queue, &message, size, type, flags);
    if (got == -1) printf("get %ld: %s\n", type, error_name(errno));
    else printf("get %ld: %zd bytes of type %ld\n", type, got, message.type);
}
static volatile pid_t sleeper;
static long answer;
static int error;
static void *receives(void *type) { static struct { long type; char text[100]; } own; announce(&sleeper); errno = 0, answer = msgrcv(queue, &own, 100, (long)type, 0), error = errno; return NULL; }
static void *sends(void *size) { static struct { long type; char text[9000]; } own = {9}; announce(&sleeper); errno = 0, answer = msgsnd(queue, &own, (long)size, 0), error = errno; return NULL; }
static pthread_t start(void *(*what)(void *), long argument) {
    pthread_t thread;
    sleeper = 0, pthread_create(&thread, NULL, what, (void *)argument), await_announced(&sleeper);
    return thread;
}
static void finish(pthread_t thread) { pthread_join(thread, NULL), printf("waited: %ld %s\n", answer, answer < 0 ? error_name(error) : ""); }
static void handler(int signal) {}
int main(void) {
    key_t key = 0x5ef00000 + getpid();
    SHOW(msgget(key, 0600)), queue = NEED(msgget(key, IPC_CREAT | 0640)), CHECK(msgget(key, 0) == queue), SHOW(msgget(key, IPC_CREAT | IPC_EXCL));
    SHOW(put(0, 1, 0)), SHOW(put(-1, 1, 0)), SHOW(put(1, 8193, 0)), SHOW(msgsnd(queue, NULL, 1, 0)), SHOW(msgsnd(queue, &message, -1, 0)), SHOW(msgsnd(-1, &message, 1, 0)), SHOW(msgsnd(queue + 1, (message.type = 1, &message), 1, 0));
    get(0, 10, IPC_NOWAIT), SHOW(put(3, 1, 0)), SHOW(put(2, 2, 0)), SHOW(put(5, 3, 0)), SHOW(put(2, 0, 0)), SHOW(put(7, 40, 0));
    get(4, 10, IPC_NOWAIT), get(-4, 10, IPC_NOWAIT), get(3, 10, IPC_NOWAIT | MSG_EXCEPT), get(7, 10, IPC_NOWAIT), get(7, 10, IPC_NOWAIT | MSG_NOERROR), get(-1, 10, IPC_NOWAIT), get(0, 10, 0), get(0, 10, 0), get(0, 10, IPC_NOWAIT), get(0, -1, 0);
    SHOW(put(1, 8192, IPC_NOWAIT)), SHOW(put(1, 8192, IPC_NOWAIT)), SHOW(put(1, 1, IPC_NOWAIT)), SHOW(put(1, 0, IPC_NOWAIT));
    struct msqid_ds ds;
    SHOW(msgctl(queue, IPC_STAT, &ds)), printf("%o: %lu messages, %lu bytes of %lu, %d %d\n", ds.msg_perm.mode, (long)ds.msg_qnum, (long)ds.__msg_cbytes, (long)ds.msg_qbytes, ds.msg_lspid == getpid(), ds.msg_stime != 0 && ds.msg_rtime != 0);
    pthread_t thread = start(sends, 5);
    get(0, 8192, 0), finish(thread), get(9, 10, 0), get(0, 8192, 0), get(0, 8192, 0), get(0, 8192, IPC_NOWAIT);
    thread = start(receives, 6), SHOW(put(5, 4, 0)), SHOW(put(6, 4, 0)), finish(thread), get(0, 8, 0);
    thread = start(receives, -6), SHOW(put(5, 4, 0)), finish(thread);
    struct sigaction restart = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &restart, NULL), alarm(1), get(1, 8, 0);
    ds.msg_qbytes = 100, SHOW(msgctl(queue, IPC_SET, &ds)), SHOW(put(1, 101, IPC_NOWAIT)), SHOW(put(1, 100, IPC_NOWAIT)), get(0, 200, 0);
    ds.msg_qbytes = 20000, SHOW(msgctl(queue, IPC_SET, &ds)), SHOW(msgctl(queue, 77, &ds)), SHOW(msgctl(-1, IPC_STAT, &ds));
    thread = start(receives, 1), SHOW(msgctl(queue, IPC_RMID, NULL)), finish(thread), SHOW(msgctl(queue, IPC_RMID, NULL));
    queue = NEED(msgget(IPC_PRIVATE, 0600));
    IN_CHILD("sender", put(4, 6, 0)), get(0, 10, 0), SHOW(msgctl(queue, IPC_RMID, NULL));
    return 0;
}
