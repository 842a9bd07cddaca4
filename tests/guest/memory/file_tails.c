// Beyond the end of a mapped file: zeros up to the page's end, SIGBUS behind it, and what growing and cutting change.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static void note(int number, siginfo_t *info, void *unused) { siglongjmp(back, number * 10 + info->si_code); }
static void look(volatile char *at) {
    int got = sigsetjmp(back, 1);
    if (got == 0) printf("%d\n", *at);
    else printf("signal %d code %d\n", got / 10, got % 10);
}
int main(void) {
    enter_scratch();
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &a, NULL), sigaction(SIGSEGV, &a, NULL), put_file("f", "abc");
    int fd = NEED(open("f", O_RDWR));
    char *s = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    look(s + 2), look(s + 3), look(s + 4095), look(s + 4096), look(p + 4096), look(p + 8192), NEED(ftruncate(fd, 4097)), look(s + 4096), look(p + 4096), look(s + 8191), look(s + 8192), s[4096] = 'z', p[0] = 'P', NEED(ftruncate(fd, 1)), look(s), look(s + 1), look(s + 4096), look(p), look(p + 4096), NEED(ftruncate(fd, 8192)), look(s + 1), look(s + 4096), NEED(ftruncate(fd, 0)), look(s), look(p), close(fd), unlink("f"), munmap(s, 3 * 4096), look(s);
    return 0;
}
