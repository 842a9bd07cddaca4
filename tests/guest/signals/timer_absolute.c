// TIMER_ABSTIME in the past fires at once; CPU-time timers fire by CPU time; a deleted timer's pending signal goes.
#include "check.h"
static volatile int count;
static void note(int number) { (void)number, count++; }
int main(void) {
    signal(SIGUSR1, note);
    timer_t t, cpu;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    NEED(timer_create(CLOCK_REALTIME, &e, &t));
    struct itimerspec past = {{0, 0}, {1000, 0}}, ms30 = {{0, 0}, {0, 30000000}}, far = {{0, 0}, {300, 0}}, left;
    SHOW(timer_settime(t, TIMER_ABSTIME, &past, NULL));
    while (!count) sleep_ms(1);
    SHOW(count);
    SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &e, &cpu)), SHOW(timer_settime(cpu, 0, &far, NULL));
    sleep_ms(50);
    SHOW(count), SHOW(timer_gettime(cpu, &left)), CHECK(left.it_value.tv_sec > 200 && left.it_value.tv_sec <= 300), SHOW(timer_settime(cpu, 0, &ms30, NULL));
    while (count < 2) {}
    SHOW(count);
    NEED(timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &cpu)), NEED(timer_settime(cpu, 0, &ms30, NULL));
    while (count < 3) {}
    SHOW(count);
    return 0;
}
