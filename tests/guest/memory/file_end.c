// Past the end of a mapped file: zeros to the end of its page, SIGBUS beyond.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static void fault(int number) { siglongjmp(back, number); }
int main(void) {
    enter_scratch();
    signal(SIGBUS, fault);
    signal(SIGSEGV, fault);
    put_file("f", "short");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("%d %d\n", p[4], p[4095]);
    int number = sigsetjmp(back, 1);
    if (!number) printf("%d\n", p[4096]);
    CHECK(number == SIGBUS);
    unlink("f");
    return 0;
}
