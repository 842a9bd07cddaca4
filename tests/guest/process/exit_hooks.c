// atexit handlers run last in, first out, and stdio is flushed after them.
#include "check.h"
static void first(void) { printf("first registered\n"); }
static void second(void) { printf("second registered\n"); }
int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 4096);
    atexit(first);
    atexit(second);
    printf("main ends");
    exit(7);
}
