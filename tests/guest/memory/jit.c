// Code that is written, made executable, changed and run again, in one mapping and through two views.
// libc: musl
#include "check.h"
#include <sys/mman.h>
static void emit(unsigned char *at, int value) {
    at[0] = 0xb8, memcpy(at + 1, &value, 4), at[5] = 0xc3;
}
int main(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++) {
        SHOW(mprotect(code, 4096, PROT_READ | PROT_WRITE)), emit(code, i * 11), SHOW(mprotect(code, 4096, PROT_READ | PROT_EXEC));
        SHOW(((int (*)(void))code)());
    }
    int fd = NEED(memfd_create("jit", 0));
    NEED(ftruncate(fd, 4096));
    unsigned char *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *x = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    emit(w, 42), SHOW(((int (*)(void))x)()), emit(w, 43), SHOW(((int (*)(void))x)());
    unsigned char *rwx = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 5; i++) emit(rwx, i), printf("%d ", ((int (*)(void))rwx)());
    printf("\n");
    return 0;
}
