// A call that waits keeps its open file although another thread closes or replaces the descriptor meanwhile.
#include "asleep.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/eventfd.h>
static int fds[2];
static volatile pid_t sleeper;
static long result;
static int error;
static void *run(void *(*call)(void)) { announce(&sleeper); errno = 0; result = (long)call(); error = errno; return NULL; }
#define CALL(name, expression) static void *name(void) { char b[8]; return (void *)(long)(expression); }
CALL(reads, read(fds[0], b, sizeof b))
CALL(receives, recv(fds[0], b, sizeof b, 0))
CALL(accepts, accept(fds[0], NULL, NULL))
CALL(splices, splice(fds[0], NULL, fds[1], NULL, 8, 0))
static char large[1 << 20];
CALL(writes, write(fds[1], large, sizeof large))
CALL(locks, flock(fds[0], LOCK_EX))
static pthread_t start(void *(*call)(void)) {
    pthread_t thread;
    sleeper = 0, pthread_create(&thread, NULL, (void *(*)(void *))run, (void *)call);
    await_announced(&sleeper);
    return thread;
}
static void finish(const char *name, pthread_t thread) {
    pthread_join(thread, NULL);
    printf("%s: %ld %s\n", name, result, result < 0 ? error_name(error) : "");
}
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    pthread_t thread;
    NEED(pipe(fds)), thread = start(reads), close(fds[0]);
    SHOW(write(fds[1], "x", 1)), finish("read of a closed pipe", thread);
    SHOW(write(fds[1], "x", 1));
    close(fds[1]);
    NEED(pipe(fds)), thread = start(reads);
    int null = NEED(open("/dev/null", O_RDONLY));
    dup2(null, fds[0]);
    SHOW(write(fds[1], "xy", 2)), finish("read of a replaced pipe", thread);
    close(fds[0]), close(fds[1]);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds)), thread = start(receives), close(fds[0]);
    SHOW(send(fds[1], "abc", 3, 0)), finish("recv of a closed socket", thread);
    SHOW(send(fds[1], "abc", 3, 0)), close(fds[1]);
    fds[0] = NEED(eventfd(0, 0));
    int other = dup(fds[0]);
    uint64_t one = 1;
    thread = start(reads), close(fds[0]), SHOW(write(other, &one, 8)), finish("read of a closed eventfd", thread), close(other);
    NEED(pipe(fds)), thread = start(writes);
    int writer = fds[1], copy = dup(fds[0]);
    close(writer);
    char bytes[65536];
    long got = 0, count;
    while ((count = read(copy, bytes, sizeof bytes)) > 0) got += count;
    printf("drained %ld\n", got), finish("write to a closed pipe", thread), close(fds[0]), close(copy);
    fds[0] = NEED(open("/tmp/closed_while_used", O_RDWR | O_CREAT, 0600));
    int holder = NEED(open("/tmp/closed_while_used", O_RDWR));
    flock(holder, LOCK_EX), thread = start(locks), close(fds[0]), flock(holder, LOCK_UN);
    finish("flock of a closed file", thread);
    // The file, and its lock with it, goes with the end of the call that used it last.
    while (flock(holder, LOCK_EX | LOCK_NB)) usleep(1000);
    puts("the lock is free");
    unlink("/tmp/closed_while_used");
    return 0;
}
