// get_robust_list and set_robust_list by hand; the kernel marks words whose owner is gone.
#include "check.h"
#include "futexes.h"
#include <sched.h>
static struct { struct robust_list_head head; struct robust_list item; uint32_t word; } r;
static int body(void *unused) {
    (void)unused;
    r.head.list.next = &r.item, r.item.next = &r.head.list, r.head.futex_offset = (char *)&r.word - (char *)&r.item;
    r.word = syscall(SYS_gettid) | FUTEX_WAITERS;
    SHOW(syscall(SYS_set_robust_list, &r.head, sizeof r.head));
    return 0;
}
static char stack[65536] __attribute__((aligned(16)));
int main(void) {
    uint32_t tid = 1;
    NEED(clone(body, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID, NULL, &tid, NULL, &tid));
    for (uint32_t now; (now = *(volatile uint32_t *)&tid);) syscall(SYS_futex, &tid, FUTEX_WAIT, now, NULL, NULL, 0);
    printf("owner died %d, waiters %d, tid %d\n", !!(r.word & FUTEX_OWNER_DIED), !!(r.word & FUTEX_WAITERS), r.word & FUTEX_TID_MASK);
    SHOW(syscall(SYS_set_robust_list, &r.head, 12));
    struct robust_list_head *head;
    size_t size;
    SHOW(syscall(SYS_get_robust_list, 4999999, &head, &size)), SHOW(syscall(SYS_get_robust_list, 0, &head, &size)), SHOW(size);
    SHOW(syscall(SYS_get_robust_list, 0, NULL, &size)), SHOW(syscall(SYS_get_robust_list, -1, &head, &size));
    return 0;
}
