// Which calls go on after a handler with SA_RESTART and which end with EINTR all the same.
#include "asleep.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "futexes.h"
static volatile sig_atomic_t got;
static void note(int number) { (void)number, got++; }
static int pipes[2], socks[2];
static pthread_t main_thread;
static volatile int ended;
static char byte;
static void (*unblock)(void);
// A call that goes on after the handler sleeps again, and then what it waits for comes.
static void poke(void) {
    pid_t sleeper = getpid();
    pthread_kill(main_thread, SIGUSR1);
    AWAIT(got);
    for (int seen = 0; !ended && seen < 5; sleep_ms(1)) seen = state_of(sleeper) == 'S' ? seen + 1 : 0;
    unblock();
}
static void feed_pipe(void) { write(pipes[1], "p", 1); }
static void feed_socket(void) { write(socks[1], "s", 1); }
static void nothing(void) {}
static uint32_t word;
static void wake_word(void) { word = 1, syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0); }
// The value of a call, with a note that it is over.
#define ending(call) ({ long value_ = (long)(call); int error_ = errno; ended = 1, errno = error_, value_; })
#define CASE(unblocking, call)                                 \
    ({                                                        \
        got = 0, ended = 0, unblock = unblocking;             \
        pthread_t t = once_asleep(poke);                      \
        SHOW(ending(call));                                   \
        pthread_join(t, NULL);                                \
    })
int main(void) {
    main_thread = pthread_self();
    NEED(pipe(pipes)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
    int epoll = NEED(epoll_create1(0)), event = NEED(eventfd(0, 0));
    struct epoll_event e;
    struct timespec later = {100, 0};
    struct timeval later_tv = {100, 0};
    struct pollfd p = {event, POLLIN, 0};
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        struct sigaction action = {.sa_handler = note, .sa_flags = flags};
        sigaction(SIGUSR1, &action, NULL);
        printf("%s SA_RESTART\n", flags ? "with" : "without");
        CASE(feed_pipe, read(pipes[0], &byte, 1));
        if (!flags) read(pipes[0], &byte, 1);
        CASE(feed_socket, recv(socks[0], &byte, 1, 0));
        if (!flags) read(socks[0], &byte, 1);
        CASE(nothing, poll(&p, 1, 100000)), CASE(nothing, epoll_wait(epoll, &e, 1, 100000)), CASE(nothing, select(0, NULL, NULL, NULL, &later_tv));
        CASE(nothing, nanosleep(&later, NULL)), CASE(nothing, clock_nanosleep(CLOCK_MONOTONIC, 0, &later, NULL) == EINTR), CASE(nothing, usleep(100000000));
        word = 0;
        CASE(wake_word, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));
        CASE(nothing, syscall(SYS_futex, &word, FUTEX_WAIT, word, &later, NULL, 0));
        CASE(nothing, pause());
        sigset_t none;
        sigemptyset(&none);
        CASE(nothing, sigsuspend(&none));
        sigaddset(&none, SIGUSR2);
        siginfo_t info;
        // Not the function of the C library: one of them goes on after a signal.
        CASE(nothing, syscall(SYS_rt_sigtimedwait, &none, &info, &later, 8));
        struct timeval t = {100, 0};
        setsockopt(socks[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        CASE(nothing, recv(socks[0], &byte, 1, 0));
        t.tv_sec = 0, setsockopt(socks[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    }
    return 0;
}
