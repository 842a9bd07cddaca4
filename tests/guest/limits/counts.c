// How many there may be of one thing in one call: groups, descriptors in a message, watched ones, operations on semaphores,
// bytes of a queue's message; sizes of pipes for who has no privilege.
// libc: musl
#include "children.h"
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>

static void groups(void) {
    gid_t *list = calloc(65537, sizeof *list);
    for (int i = 0; i < 65537; i++) list[i] = i;
    SHOW(syscall(SYS_setgroups, 65536, list)), SHOW(getgroups(0, NULL)), SHOW(syscall(SYS_setgroups, 65537, list)), SHOW(syscall(SYS_setgroups, -1, list)), SHOW(syscall(SYS_setgroups, INT_MIN, list)), SHOW(syscall(SYS_setgroups, 1, NULL)), SHOW(syscall(SYS_setgroups, 65537, NULL)), SHOW(syscall(SYS_getgroups, 65535, list)), SHOW(syscall(SYS_getgroups, 65536, list)), SHOW(syscall(SYS_getgroups, -1, list)), SHOW(syscall(SYS_getgroups, INT_MAX, list)), SHOW(syscall(SYS_getgroups, 65536, NULL)), SHOW(syscall(SYS_setgroups, 0, NULL)), SHOW(syscall(SYS_getgroups, 1, NULL)), SHOW(getgroups(0, NULL));
    free(list);
}

static void rights(int count) {
    static union { struct cmsghdr header; char room[CMSG_SPACE(300 * sizeof(int))]; } control;
    int pair[2];
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    for (int i = 0; i < count; i++) ((int *)CMSG_DATA(&control.header))[i] = pair[0];
    printf("%d descriptors: ", count), SHOW(syscall(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT));
    message.msg_controllen = sizeof control, memset(&control, 0, sizeof control);
    SHOW(syscall(SYS_recvmsg, pair[1], &message, MSG_DONTWAIT)), printf("%zu of them\n", control.header.cmsg_len ? (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0);
    for (int fd = 3; fd < 400; fd++) close(fd);
}

static void watched(void) {
    // Where no sum of address and length leaves a program's half of the addresses.
    struct epoll_event *events = mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    struct pollfd *list = calloc(70000, sizeof *list);
    struct rlimit limit, old;
    int e = NEED(epoll_create1(0)), max = INT_MAX / sizeof *events;
    SHOW(epoll_wait(e, events, 0, 0)), SHOW(epoll_wait(e, events, -1, 0)), SHOW(epoll_wait(e, events, INT_MIN, 0)), SHOW(epoll_wait(e, events, 1, 0)), SHOW(epoll_wait(e, events, max, 0)), SHOW(epoll_wait(e, events, max + 1, 0)), SHOW(epoll_wait(e, events, INT_MAX, 0)), SHOW(epoll_wait(e, NULL, 0, 0)), SHOW(epoll_wait(e, (void *)-4096L, 1, 0)), SHOW(epoll_wait(99, events, 1, 0)), SHOW(epoll_wait(1, events, 0, 0)), SHOW(syscall(SYS_epoll_create, 0)), SHOW(syscall(SYS_epoll_create, -1)), TRY(syscall(SYS_epoll_create, INT_MAX));
    NEED(getrlimit(RLIMIT_NOFILE, &limit)), old = limit, limit.rlim_cur = 64, NEED(setrlimit(RLIMIT_NOFILE, &limit));
    for (int i = 0; i < 70000; i++) list[i].fd = -1;
    SHOW(poll(list, 64, 0)), SHOW(poll(list, 65, 0)), SHOW(syscall(SYS_poll, list, -1, 0)), SHOW(syscall(SYS_poll, list, 1L << 32, 0)), SHOW(syscall(SYS_poll, NULL, 65, 0)), SHOW(syscall(SYS_poll, NULL, 64, 0)), SHOW(syscall(SYS_poll, NULL, 0, 0)), SHOW(syscall(SYS_ppoll, list, 65, &(struct timespec){0}, NULL, 8)), SHOW(dup2(1, 64)), SHOW(dup2(1, 63)), SHOW(fcntl(1, F_DUPFD, 64)), SHOW(fcntl(1, F_DUPFD, 63)), SHOW(fcntl(1, F_DUPFD, -1)), SHOW(fcntl(1, F_DUPFD, INT_MAX)), close(63);
    NEED(setrlimit(RLIMIT_NOFILE, &old));
    fd_set set;
    FD_ZERO(&set);
    SHOW(select(0, NULL, NULL, NULL, &(struct timeval){0})), SHOW(select(-1, NULL, NULL, NULL, &(struct timeval){0})), SHOW(select(1024, &set, NULL, NULL, &(struct timeval){0})), SHOW(syscall(SYS_select, INT_MAX, &set, NULL, NULL, &(struct timeval){0}));
    close(e), munmap(events, 4096);
}

static void queues(void) {
    int set = NEED(semget(IPC_PRIVATE, 1, 0600)), queue = NEED(msgget(IPC_PRIVATE, 0600));
    static struct sembuf operations[501];
    static struct { long type; char bytes[20000]; } message = {1};
    for (int i = 0; i < 501; i++) operations[i].sem_op = 1;
    SHOW(semop(set, operations, 500)), SHOW(semop(set, operations, 501)), SHOW(semop(set, operations, 0)), SHOW(semop(set, NULL, 1)), SHOW(semop(set, NULL, 501)), SHOW(syscall(SYS_semop, set, operations, -1)), SHOW(semop(-1, operations, 501)), SHOW(semctl(set, 0, GETVAL)), SHOW(semctl(set, 0, SETVAL, 32767)), SHOW(semctl(set, 0, SETVAL, 32768)), SHOW(semctl(set, 0, SETVAL, -1)), SHOW(semop(set, operations, 1)), SHOW(semctl(set, 1, GETVAL)), SHOW(semctl(set, -1, GETVAL));
    SHOW(semctl(set, 0, IPC_RMID)), TRY(set = semget(IPC_PRIVATE, 32000, 0600)), SHOW(semctl(set, 0, IPC_RMID)), SHOW(semget(IPC_PRIVATE, 32001, 0600)), SHOW(semget(IPC_PRIVATE, 0, 0600)), SHOW(semget(IPC_PRIVATE, -1, 0600));
    SHOW(msgsnd(queue, &message, 8192, IPC_NOWAIT)), SHOW(msgsnd(queue, &message, 8193, IPC_NOWAIT)), SHOW(msgsnd(queue, &message, 8192, IPC_NOWAIT)), SHOW(msgsnd(queue, &message, 1, IPC_NOWAIT)), SHOW(msgsnd(queue, &message, -1, IPC_NOWAIT)), SHOW(msgrcv(queue, &message, 8191, 0, IPC_NOWAIT)), SHOW(msgrcv(queue, &message, -1, 0, IPC_NOWAIT)), SHOW(msgrcv(queue, &message, 8192, 0, IPC_NOWAIT)), SHOW(msgrcv(queue, &message, 10, 0, IPC_NOWAIT | MSG_NOERROR)), SHOW(msgctl(queue, IPC_RMID, NULL)), SHOW(shmget(IPC_PRIVATE, 0, 0600));
}

static void pipes(void) {
    int p[2];
    NEED(pipe(p));
    static const long sizes[] = {4096, 4097, 8191, 8192, 65535, 65536, 65537, 1, 0, 1 << 19, (1 << 19) + 1, 1 << 20, (1 << 20) + 1, 1 << 21, 1L << 31, (1L << 31) + 1, -1, 1L << 32, (1L << 32) + 4096};
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) printf("%ld: ", sizes[i]), SHOW(syscall(SYS_fcntl, p[1], F_SETPIPE_SZ, sizes[i])), SHOW(fcntl(p[0], F_GETPIPE_SZ));
    SHOW(fcntl(p[1], F_SETPIPE_SZ, 8192)), SHOW(write(p[1], calloc(1, 8192), 8192)), SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096)), SHOW(fcntl(p[1], F_SETPIPE_SZ, 16384)), SHOW(fcntl(open("/dev/null", O_RDONLY), F_SETPIPE_SZ, 4096)), SHOW(fcntl(99, F_SETPIPE_SZ, 4096));
}

int main(void) {
    IN_CHILD("groups", groups());
    int counts[] = {1, 252, 253, 254, 255, 300, 0};
    for (int i = 0; i < 7; i++) IN_CHILD("rights", rights(counts[i]));
    IN_CHILD("watched", watched());
    IN_CHILD("queues", queues());
    IN_CHILD("pipes", NEED(setuid(65534)), pipes());
    return 0;
}
