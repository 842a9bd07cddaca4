// A robust mutex whose owner died, in the same and in another process: EOWNERDEAD, and ENOTRECOVERABLE if unrepaired.
#include "asleep.h"
#include "children.h"
#include <pthread.h>
#include <sys/mman.h>
static pthread_mutex_t *lock;
static void *holder(void *unused) {
    pthread_mutex_lock(lock);
    return unused;
}
int main(void) {
    lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a), pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(lock, &a);
    pthread_t t;
    pthread_create(&t, NULL, holder, NULL), pthread_join(t, NULL);
    printf("%s\n", error_name(pthread_mutex_lock(lock)));
    printf("%s\n", error_name(pthread_mutex_consistent(lock)));
    pthread_mutex_unlock(lock);
    IN_CHILD("holder", pthread_mutex_lock(lock));
    printf("%s\n", error_name(pthread_mutex_lock(lock)));
    pthread_mutex_unlock(lock);
    printf("%s\n", error_name(pthread_mutex_lock(lock)));
    pthread_mutex_init(lock, &a);
    int locked[2];
    NEED(pipe(locked));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        pthread_mutex_lock(lock), write(locked[1], "x", 1), await_asleep(getppid());
        kill(getpid(), SIGKILL);
    }
    await_byte(locked[0]);
    printf("%s\n", error_name(pthread_mutex_lock(lock)));
    int status;
    waitpid(pid, &status, 0), show_end("child", status);
    return 0;
}
