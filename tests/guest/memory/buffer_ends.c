// Buffers of every call that takes one, at the end of what there is: all of it is there, or all but the last byte, or the first
// byte alone, or nothing. How much is moved, the error, and what is in the pipe, queue or file afterwards: nothing is lost, and
// nothing comes twice. Sockets are in net/bad_memory.c.
// libc: musl
#include "check.h"
#include <dirent.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { PAGES = 4, SIZE = PAGES * 4096 };
static char *end, pattern[SIZE], out[SIZE];
static int cells, pipes[2], file, queue, notes;
static mqd_t posix_queue;

// A buffer of which `good` bytes are there; they hold the start of `from`.
static char *buffer(long good, const void *from) {
    if (from) memcpy(end - good, from, good);
    else memset(end - good, '.', good);
    return end - good;
}

// Fresh objects, each with `full` bytes (or as many as its kind takes) in it.
static void objects(int full) {
    NEED(pipe2(pipes, O_NONBLOCK));
    file = NEED(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    if (full) NEED(write(pipes[1], pattern, full)), NEED(write(file, pattern, full)), NEED(lseek(file, 0, SEEK_SET));
}

static void close_objects(void) { close(pipes[0]), close(pipes[1]), close(file), unlink("file"); }

// What a pipe still holds, and whether it is the end of the pattern from `from` on.
static void left_in_pipe(const char *expected, long whole) {
    long left = read(pipes[0], out, sizeof out);
    if (left == -1) left = 0;
    printf(", pipe %ld %s", left, memcmp(out, expected + whole - left, left) == 0 ? "right" : "WRONG");
}

static void result(long value, long good, int compares) {
    if (value < 0) printf(" %s", error_name(errno));
    else printf(" %ld%s", value, !compares ? "" : memcmp(end - good, pattern, value < good ? value : good) == 0 ? " right" : " WRONG");
}

static struct iovec *split(long good, long size) {
    static struct iovec v[2];
    long first = good < size / 2 ? good : size / 2;
    v[0] = (struct iovec){end - good, first}, v[1] = (struct iovec){end - good + first, size - first};
    return v;
}

// Calls that move `size` bytes to or from a buffer of which `good` are there.
static void moves(long size, long good) {
    for (int way = 0; way < 16; way++) {
        static const char *const names[] = {"read pipe", "readv pipe", "read file", "pread", "readv file", "preadv", "preadv2", "write pipe", "writev pipe", "write file", "pwrite", "writev file", "pwritev", "pwritev2", "vmsplice", "vmsplice from"};
        int gives = way >= 7 && way != 15;
        objects(gives ? 0 : size);
        char *b = buffer(good, gives ? pattern : NULL);
        struct iovec *v = split(good, size), one = {b, size};
        printf("%s %ld of %ld:", names[way], good, size), errno = 0;
        long r;
        switch (way) {
        case 0: r = read(pipes[0], b, size); break;
        case 1: r = readv(pipes[0], v, 2); break;
        case 2: r = read(file, b, size); break;
        case 3: r = pread(file, b, size, 0); break;
        case 4: r = readv(file, v, 2); break;
        case 5: r = syscall(SYS_preadv, file, v, 2, 0, 0); break;
        case 6: r = syscall(SYS_preadv2, file, v, 2, -1L, -1L, 0); break;
        case 7: r = write(pipes[1], b, size); break;
        case 8: r = writev(pipes[1], v, 2); break;
        case 9: r = write(file, b, size); break;
        case 10: r = pwrite(file, b, size, 0); break;
        case 11: r = writev(file, v, 2); break;
        case 12: r = syscall(SYS_pwritev, file, v, 2, 0, 0); break;
        case 13: r = syscall(SYS_pwritev2, file, v, 2, -1L, -1L, 0); break;
        case 14: r = vmsplice(pipes[1], &one, 1, SPLICE_F_NONBLOCK); break;
        default: r = vmsplice(pipes[0], &one, 1, SPLICE_F_NONBLOCK); break;
        }
        result(r, good, !gives);
        // A pipe that was written holds what was taken and nothing else; one that was read, the rest.
        long whole = gives ? (way == 7 || way == 8 || way == 14 ? (r > 0 ? r : 0) : 0) : size;
        left_in_pipe(pattern, whole);
        printf(", file at %ld of %ld", (long)lseek(file, 0, SEEK_CUR), (long)lseek(file, 0, SEEK_END));
        long there = pread(file, out, sizeof out, 0);
        printf(" %s\n", memcmp(out, pattern, there) == 0 ? "right" : "WRONG");
        cells++, close_objects();
    }
}

// Positions that splice(2) and its like read and write back: 8 bytes, of which `good` are there.
static void positions(long good) {
    for (int way = 0; way < 5; way++) {
        static const char *const names[] = {"splice in", "splice out", "sendfile", "copy_file_range from", "copy_file_range to"};
        objects(100);
        int other = NEED(open("other", O_RDWR | O_CREAT | O_TRUNC, 0600));
        loff_t at = 10;
        loff_t *p = (void *)buffer(good, &at);
        printf("%s with %ld of 8:", names[way], good), errno = 0;
        long r = way == 0 ? splice(file, p, pipes[1], NULL, 20, 0) : way == 1 ? splice(pipes[0], NULL, file, p, 20, 0) : way == 2 ? sendfile(other, file, p, 20) : way == 3 ? copy_file_range(file, p, other, NULL, 20, 0) : copy_file_range(file, NULL, other, p, 20, 0);
        result(r, 0, 0);
        if (good == 8) printf(", now %ld", (long)*p);
        long left = read(pipes[0], out, sizeof out);
        printf(", pipe %ld, file at %ld of %ld, other at %ld of %ld\n", left, (long)lseek(file, 0, SEEK_CUR), (long)lseek(file, 0, SEEK_END), (long)lseek(other, 0, SEEK_CUR), (long)lseek(other, 0, SEEK_END));
        cells++, close(other), unlink("other"), close_objects();
    }
}

static long whole_record(int way, char *b, long size) {
    struct { long kind; char text[100]; } *message = (void *)b;
    switch (way) {
    case 0: return read(notes, b, size);
    case 1: return msgrcv(queue, b, size - 8, 0, IPC_NOWAIT);
    case 2: return syscall(SYS_mq_timedreceive, posix_queue, b, size, NULL, NULL);
    case 3: return msgsnd(queue, b, size - 8, IPC_NOWAIT);
    case 4: return syscall(SYS_mq_timedsend, posix_queue, b, size, 0, NULL);
    default: return -1;
    }
}

// Messages are moved as a whole or not at all: what could not be received is still there or is lost, as Linux has it.
static void messages(long size, long good) {
    for (int way = 0; way < 5; way++) {
        static const char *const names[] = {"inotify", "msgrcv", "mq_timedreceive", "msgsnd", "mq_timedsend"};
        struct { long kind; char text[256]; } message = {1};
        struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = size};
        memset(message.text, 'm', sizeof message.text);
        notes = NEED(inotify_init1(IN_NONBLOCK)), NEED(inotify_add_watch(notes, ".", IN_CREATE));
        queue = NEED(msgget(IPC_PRIVATE, 0600));
        posix_queue = NEED(syscall(SYS_mq_open, "ends", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a));
        if (way < 3) close(NEED(open("noted", O_CREAT | O_RDWR, 0600))), NEED(msgsnd(queue, &message, size - 8, 0)), NEED(syscall(SYS_mq_timedsend, posix_queue, message.text, size, 0, NULL));
        char *b = buffer(good, way < 3 ? NULL : way == 3 ? (void *)&message : message.text);
        printf("%s %ld of %ld:", names[way], good, size), errno = 0;
        result(whole_record(way, b, size), good, 0);
        struct msqid_ds info;
        struct mq_attr now;
        NEED(msgctl(queue, IPC_STAT, &info)), NEED(syscall(SYS_mq_getsetattr, posix_queue, NULL, &now));
        printf(", %ld and %ld waiting", (long)info.msg_qnum, (long)now.mq_curmsgs);
        long again = read(notes, out, sizeof out);
        printf(", notes %s\n", again > 0 ? "there" : error_name(errno));
        cells++, close(notes), unlink("noted"), NEED(msgctl(queue, IPC_RMID, NULL)), close(posix_queue), NEED(syscall(SYS_mq_unlink, "ends"));
    }
}

// Descriptors whose reads are a number or a record.
static void records(long good) {
    for (int way = 0; way < 4; way++) {
        static const char *const names[] = {"eventfd read", "eventfd write", "timerfd", "signalfd"};
        long size = way == 3 ? 128 : 8;
        if (good > size) continue;
        sigset_t set;
        sigemptyset(&set), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
        int event = NEED(eventfd(way == 0 ? 7 : 0, EFD_NONBLOCK)), timer = NEED(timerfd_create(CLOCK_MONOTONIC, 0)), signals = NEED(signalfd(-1, &set, SFD_NONBLOCK));
        struct itimerspec once = {.it_value.tv_nsec = 1};
        NEED(timerfd_settime(timer, 0, &once, NULL));
        if (way == 3) raise(SIGUSR1);
        uint64_t five = 5;
        char *b = buffer(good, way == 1 ? &five : NULL);
        printf("%s %ld of %ld:", names[way], good, size), errno = 0;
        if (way == 2) poll((void *)&(struct { int fd; short events, revents; }){timer, 1}, 1, -1);
        result(way == 0 ? read(event, b, 8) : way == 1 ? write(event, b, 8) : way == 2 ? read(timer, b, 8) : read(signals, b, 128), good, 0);
        uint64_t value = 0;
        char info[128];
        fcntl(timer, F_SETFL, O_NONBLOCK);
        long left = read(event, &value, 8), ticks = read(timer, out, 8), pending = read(signals, info, 128);
        printf(", counter %ld %llu, ticks %ld, signals %ld\n", left, (unsigned long long)value, ticks, pending);
        cells++, close(event), close(timer), close(signals);
    }
}

// Calls that fill in something of a known size: `good` bytes of it are there, or all but as many as it is below 0.
static void answers(long good) {
    static const struct { const char *name; int size; } calls[] = {{"readlink", 7}, {"getxattr", 5}, {"getrandom", 32}, {"sched_getaffinity", 8}, {"uname", sizeof(struct utsname)}, {"stat", sizeof(struct stat)}, {"statfs", sizeof(struct statfs)}, {"process_vm_readv", 64}, {"process_vm_writev", 64}, {"pipe2", 8}, {"wait4", 4}, {"semctl", 6}};
    for (int way = 0; way < (int)(sizeof calls / sizeof *calls); way++) {
        long size = calls[way].size;
        long there = good < 0 ? size + good : good > size ? size : good;
        char *b = buffer(there, NULL);
        struct iovec own = {pattern, size}, far = {b, size};
        objects(100);
        int status, set;
        pid_t child = 0;
        printf("%s %ld of %ld:", calls[way].name, there, size), errno = 0;
        long r = -1;
        switch (way) {
        case 0: r = readlink("link", b, size); break;
        case 1: r = getxattr("kept", "user.name", b, size), r = r == -1 && errno != EFAULT ? (errno = 0, -2) : r; break;
        case 2: r = getrandom(b, size, 0); break;
        case 3: r = syscall(SYS_sched_getaffinity, 0, size, b), r = r > 0 ? 1 : r; break;
        case 4: r = uname((void *)b); break;
        case 5: r = syscall(SYS_stat, "kept", b); break;
        case 6: r = syscall(SYS_statfs, ".", b); break;
        case 7: r = process_vm_readv(getpid(), &far, 1, &own, 1, 0); break;
        case 8: r = process_vm_writev(getpid(), &own, 1, &far, 1, 0); break;
        case 9: r = syscall(SYS_pipe2, b, 0); break;
        case 10:
            child = fork();
            if (child == 0) _exit(3);
            r = syscall(SYS_wait4, child, b, 0, NULL), r = r > 0 ? 1 : r;
            break;
        case 11:
            set = NEED(semget(IPC_PRIVATE, 3, 0600));
            r = syscall(SYS_semctl, set, 0, GETALL, b), NEED(semctl(set, 0, IPC_RMID));
            break;
        }
        result(r, there, 0);
        // The child is gone, whether or not its status could be told.
        if (way == 10) printf(", then %s", waitpid(child, &status, 0) == -1 ? error_name(errno) : "there");
        if (way == 9) {
            int next = NEED(dup(0));
            printf(", next is %s", next == pipes[1] + 2 || next == pipes[1] + 3 || next == file + 1 ? "free" : "taken"), close(next);
            if (there == size) close(((int *)b)[0]), close(((int *)b)[1]);
        }
        puts(""), cells++, close_objects();
    }
}

int main(void) {
    enter_scratch();
    signal(SIGPIPE, SIG_IGN);
    char *map = NEED((long)mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    NEED(munmap(map + SIZE, 4096));
    end = map + SIZE;
    for (int i = 0; i < SIZE; i++) pattern[i] = 'a' + i % 23;
    NEED(symlink("target7", "link")), close(NEED(open("kept", O_CREAT | O_RDWR, 0600)));
    setxattr("kept", "user.name", "12345", 5, 0);
    static const long sizes[] = {1, 2, 100, 4096, 4097, 8192, 12000};
    for (int i = 0; i < 7; i++) {
        long s = sizes[i], goods[] = {s, s - 1, 1, 0, s / 2};
        for (int g = 0; g < 5; g++) moves(s, goods[g]);
    }
    static const long goods[] = {8, 7, 1, 0};
    for (int g = 0; g < 4; g++) positions(goods[g]);
    static const long lengths[] = {128, 127, 64, 1, 0};
    for (int g = 0; g < 5; g++) messages(128, lengths[g]), records(lengths[g]);
    for (int g = 0; g < 4; g++) records(goods[g]);
    answers(1 << 20), answers(-1), answers(1), answers(0);
    printf("%d cells\n", cells);
    return 0;
}
