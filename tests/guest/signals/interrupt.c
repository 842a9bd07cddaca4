// A handler interrupts blocking calls with EINTR, unless SA_RESTART says to go on.
// build: -pthread
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/time.h>
static volatile sig_atomic_t count;
static int p[2];
static void note(int number) { (void)number, count++; }
static void arm(int ms) {
    struct itimerval timer = {.it_value = {0, ms * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}
static void *writer(void *n) {
    sleep_ms(60);
    write(p[1], "x", 1);
    return n;
}
int main(void) {
    char c;
    struct sigaction action = {.sa_handler = note};
    NEED(pipe(p));
    sigaction(SIGALRM, &action, NULL);
    arm(20);
    SHOW(read(p[0], &c, 1));
    arm(20);
    struct pollfd poll_ = {p[0], POLLIN};
    SHOW(poll(&poll_, 1, 1000));
    arm(20);
    struct timespec second = {1, 0}, left = {0};
    SHOW(nanosleep(&second, &left));
    CHECK(left.tv_sec == 0 && left.tv_nsec > 500000000);
    arm(20);
    SHOW(pause());
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    arm(20);
    SHOW(poll(&poll_, 1, 1000));
    pthread_t t;
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    pthread_create(&t, NULL, writer, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    arm(20);
    SHOW(read(p[0], &c, 1));
    pthread_join(t, NULL);
    printf("%d\n", count);
    return 0;
}
