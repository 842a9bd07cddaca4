// execve by a second thread: the others are gone, and the new program has the process's number.
// libc: glibc
#include "children.h"
#include <pthread.h>
static char *env[] = {NULL};
static void *forever(void *unused) {
    for (;;) pause();
    return unused;
}
static void *spinning(void *unused) {
    for (volatile long i = 0;; i++) {}
    return unused;
}
static void *execer(void *unused) {
    char pid[16];
    snprintf(pid, 16, "%d", getpid());
    char *args[] = {"x", pid, NULL};
    execve("/proc/self/exe", args, env);
    return unused;
}
int main(int argc, char **argv) {
    if (argc > 1) {
        CHECK(getpid() == atoi(argv[1]));
        CHECK(syscall(SYS_gettid) == getpid());
        return 31;
    }
    IN_CHILD("threads", pthread_t t; pthread_create(&t, NULL, forever, NULL); pthread_create(&t, NULL, spinning, NULL);
             pthread_create(&t, NULL, execer, NULL); forever(NULL));
    return 0;
}
