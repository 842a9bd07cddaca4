// A handler interrupts blocking calls with EINTR, unless SA_RESTART says to go on.
#include "asleep.h"
#include <poll.h>
#include <sys/time.h>
static volatile sig_atomic_t count;
static int p[2];
static pid_t main_thread;
static void note(int number) { (void)number, count++; }
// A timer that is set before the call would now and then ring before it.
static void ring(void) {
    struct itimerval timer = {.it_value = {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}
static void ring_and_write(void) {
    int before = count;
    ring();
    AWAIT(count > before);
    await_asleep(main_thread), write(p[1], "x", 1);
}
#define RINGING(act, call)                   \
    do {                                     \
        pthread_t t = once_asleep(act);      \
        SHOW(call);                          \
        pthread_join(t, NULL);               \
    } while (0)
int main(void) {
    char c;
    struct sigaction action = {.sa_handler = note};
    main_thread = getpid();
    NEED(pipe(p));
    sigaction(SIGALRM, &action, NULL);
    struct pollfd poll_ = {p[0], POLLIN};
    struct timespec long_ = {100, 0}, left = {0};
    RINGING(ring, read(p[0], &c, 1));
    RINGING(ring, poll(&poll_, 1, 100000));
    RINGING(ring, nanosleep(&long_, &left));
    CHECK(left.tv_sec < 100 && left.tv_sec > 10);
    RINGING(ring, pause());
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    RINGING(ring, poll(&poll_, 1, 100000));
    RINGING(ring_and_write, read(p[0], &c, 1));
    printf("%d\n", count);
    return 0;
}
