// capget and capset: versions, dropping, what is gone afterwards.
// libc: musl
#include "children.h"
#include <sys/prctl.h>
struct head { uint32_t version; int pid; };
struct data { uint32_t effective, permitted, inheritable; };
int main(void) {
    struct head h = {0x20080522, 0}, old = {0, 0};
    struct data d[2];
    SHOW(syscall(SYS_capget, &old, NULL)), CHECK(old.version == 0x20080522), SHOW(syscall(SYS_capget, &h, d)), CHECK(d[0].effective & 1 << 7), SHOW(syscall(SYS_capget, &h, NULL)), h.pid = -1, SHOW(syscall(SYS_capget, &h, d)), h.pid = 4999999, SHOW(syscall(SYS_capget, &h, d)), h.pid = 0, SHOW(syscall(SYS_capget, 8, d)), old.version = 5, SHOW(syscall(SYS_capset, &old, d));
    syscall(SYS_capget, &h, d);
    IN_CHILD("dropping", d[0].effective &= ~(1 << 7); SHOW(syscall(SYS_capset, &h, d)); SHOW(setuid(5)); d[0].effective |= 1 << 7; SHOW(syscall(SYS_capset, &h, d)); SHOW(setuid(5)); SHOW(syscall(SYS_capget, &h, d)); SHOW(d[0].effective); SHOW(d[0].permitted); d[0].permitted = 1; SHOW(syscall(SYS_capset, &h, d)));
    IN_CHILD("kept", prctl(PR_SET_KEEPCAPS, 1); setresuid(5, 5, 5); syscall(SYS_capget, &h, d); SHOW(d[0].effective); CHECK(d[0].permitted != 0); d[0].effective = 1 << 6; SHOW(syscall(SYS_capset, &h, d)); SHOW(setgid(7)));
    return 0;
}
