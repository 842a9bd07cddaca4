// System V and POSIX queues, semaphores and asynchronous requests, swept.
// libc: musl
#include "../sweep.h"
#include <mqueue.h>
#include <sys/msg.h>
#include <sys/sem.h>

static struct sembuf operation = {0, 0, IPC_NOWAIT};
static struct { long type; char bytes[8]; } message = {1, "abcd"};
static struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 8};
static struct timespec past = {1, 0};
static uint64_t context, requests[1];

static const struct call calls[] = {
    {"semget", SYS_semget, {V(IPC_PRIVATE), N(1), B(0600)}},
    {"semget of a key", SYS_semget, {V(0x5eed), N(1), B(0)}},
    {"semop", SYS_semop, {N(-1), I(&operation, 6), N(1)}},
    {"semtimedop", SYS_semtimedop, {N(-1), I(&operation, 6), N(1), I(&past, 16)}},
    {"semctl", SYS_semctl, {N(-1), N(0), N(GETVAL), V(0)}},
    {"msgget", SYS_msgget, {V(IPC_PRIVATE), B(0600)}},
    {"msgget of a key", SYS_msgget, {V(0x5eed), B(0)}},
    {"msgsnd", SYS_msgsnd, {N(-1), I(&message, 16), S(4), B(IPC_NOWAIT)}},
    {"msgrcv", SYS_msgrcv, {N(-1), O(16), S(8), L(0), B(IPC_NOWAIT)}},
    {"msgctl", SYS_msgctl, {N(-1), N(IPC_STAT), O(120)}},
    {"shmctl", SYS_shmctl, {N(-1), N(IPC_STAT), O(112)}},
    {"shmget of a key", SYS_shmget, {V(0x5eed), S(4096), B(0)}},
    {"mq_open", SYS_mq_open, {P("sweep"), B(O_RDWR | O_NONBLOCK), V(0600), I(&attributes, 64)}},
    {"mq_open create", SYS_mq_open, {P("no/name"), V(O_RDWR | O_CREAT), V(0600), I(&attributes, 64)}},
    {"mq_unlink", SYS_mq_unlink, {P("sweep")}},
    {"mq_timedsend", SYS_mq_timedsend, {F(RW), I("abcd", 4), S(4), N(0), I(&past, 16)}},
    {"mq_timedreceive", SYS_mq_timedreceive, {F(RW), O(8), S(8), O(4), I(&past, 16)}},
    {"mq_notify", SYS_mq_notify, {F(RW), V(NULL)}},
    {"mq_getsetattr", SYS_mq_getsetattr, {F(RW), I(&attributes, 64), O(64)}},
    {"io_setup", SYS_io_setup, {N(1), I(&context, 8)}},
    {"io_destroy", SYS_io_destroy, {N(0)}},
    {"io_submit", SYS_io_submit, {V(0), N(1), I(requests, 8)}},
    {"io_getevents", SYS_io_getevents, {V(0), N(0), N(1), O(32), I(&past, 16)}},
    {"io_cancel", SYS_io_cancel, {V(0), I(requests, 8), O(32)}},
    {0},
};

static const struct left_out without[] = {
    {0},
};

int main(void) { return sweep(calls, without); }
