// SIGSTOP stops all threads of a process and SIGCONT lets them go on.
// libc: glibc
#include "children.h"
#include <pthread.h>
#include <sys/mman.h>
static volatile long *counter;
static void *count(void *unused) {
    for (;;) ++*counter, usleep(500);
    return unused;
}
int main(void) {
    counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid = NEED(fork());
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, count, NULL);
        for (;;) pause();
    }
    while (*counter < 3) sleep_ms(1);
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    long then = *counter;
    sleep_ms(30);
    CHECK(*counter == then);
    kill(pid, SIGCONT);
    while (*counter < then + 3) sleep_ms(1);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0), show_end("child", status);
    return 0;
}
