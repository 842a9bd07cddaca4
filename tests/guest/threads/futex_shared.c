// Futexes in shared memory meet across processes, at different addresses, also in a shared file mapping.
#include "asleep.h"
#include "children.h"
#include "futexes.h"
#include <sys/mman.h>
static long wait_(uint32_t *word, uint32_t value) { return syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0); }
static long wake(uint32_t *word) { return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }
int main(void) {
    enter_scratch();
    put_file("f", "\0");
    int fd = NEED(open("f", O_RDWR));
    NEED(ftruncate(fd, 4096));
    uint32_t *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    one[0] = 0;
    IN_CHILD("waiter", if (fork() == 0) { await_asleep(getppid()); *two = 1; long woken; while ((woken = wake(two)) == 0) sleep_ms(5); _exit(woken); }
             while (*one == 0) wait_(one, 0); int status; wait(&status); show_end("waker", status));
    uint32_t *anonymous = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = NEED(fork());
    if (pid == 0) {
        while (*anonymous == 0) wait_(anonymous, 0);
        _exit(*anonymous);
    }
    await_asleep(pid);
    *anonymous = 6, wake(anonymous);
    int status;
    waitpid(pid, &status, 0), show_end("child", status);
    // A private futex in shared memory does not.
    pid = NEED(fork());
    if (pid == 0) {
        struct timespec soon = {0, 60000000};
        _exit(syscall(SYS_futex, anonymous + 1, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0) == -1 && errno == ETIMEDOUT ? 1 : 2);
    }
    sleep_ms(20);
    SHOW(syscall(SYS_futex, anonymous + 1, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    waitpid(pid, &status, 0), show_end("private", status);
    unlink("f");
    return 0;
}
