// AddressSanitizer finds wrong accesses, and leaks when a process ends: it traces that itself then.
// libc: glibc
// build: -fsanitize=address -fno-omit-frame-pointer
#include "children.h"
#include <sanitizer/lsan_interface.h>
static volatile char global[8];
static volatile int eight = 8;
static void *volatile kept;
static void leak(void) {
    for (int i = 0; i < 10; i++) kept = malloc(1000);
    kept = NULL;
}
int main(void) {
    IN_CHILD("heap", volatile char *bytes = malloc(8); bytes[eight] = 1);
    IN_CHILD("after free", volatile char *bytes = malloc(8); free((void *)bytes); bytes[0] = 1);
    IN_CHILD("twice freed", kept = malloc(8); free(kept); free(kept));
    IN_CHILD("stack", char bytes[8]; kept = bytes; ((volatile char *)bytes)[eight] = 1);
    IN_CHILD("global", global[eight] = 1);
    IN_CHILD("fault", *(volatile char *)8 = 1);
    IN_CHILD("nothing wrong", char *bytes = malloc(8); bytes[0] = 1; free(bytes));
    IN_CHILD("leak", leak(); exit(0));
    IN_CHILD("no leak", kept = malloc(1000); exit(0));
    kept = malloc(1000);
    SHOW(__lsan_do_recoverable_leak_check());
    leak();
    SHOW(__lsan_do_recoverable_leak_check());
    return 0;
}
