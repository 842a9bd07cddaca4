// RLIMIT_FSIZE sends SIGXFSZ, RLIMIT_CPU sends SIGXCPU and then SIGKILL.
#include "children.h"
#include <sys/resource.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    IN_CHILD("file size", struct rlimit l = {10, 20}; setrlimit(RLIMIT_FSIZE, &l); SHOW(write(fd, "0123456789abcdef", 16)); write(fd, "x", 1));
    IN_CHILD("ignored", struct rlimit l = {10, 20}; setrlimit(RLIMIT_FSIZE, &l); signal(SIGXFSZ, SIG_IGN); SHOW(write(fd, "x", 1)); SHOW(ftruncate(fd, 30)); SHOW(ftruncate(fd, 3)));
    IN_CHILD("CPU", struct rlimit l = {1, 2}; setrlimit(RLIMIT_CPU, &l); for (;;) {});
    unlink("f");
    return 0;
}
