// CLONE_CHILD_CLEARTID: the word becomes zero and its futex is woken when a thread ends.
#include "check.h"
#include "futexes.h"
#include <sched.h>
static uint32_t word = 1;
static int body(void *unused) { return (void)unused, sleep_ms(20), 0; }
static char stack[65536] __attribute__((aligned(16)));
int main(void) {
    int tid = NEED(clone(body, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID,
                         NULL, &word, NULL, &word));
    CHECK(word == tid || word == 0);
    while (word) syscall(SYS_futex, &word, FUTEX_WAIT, tid, NULL, NULL, 0);
    SHOW(word);
    while (syscall(SYS_tgkill, getpid(), tid, 0) == 0) sleep_ms(1);
    printf("%s\n", error_name(errno));
    CHECK(syscall(SYS_set_tid_address, &word) == syscall(SYS_gettid));
    return 0;
}
