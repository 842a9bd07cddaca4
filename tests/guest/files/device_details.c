// /dev: null, zero, full, random, urandom, tty, fd, shm; reads, writes, seeks, mappings, ioctls.
// libc: musl
#include "check.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
int main(void) {
    const char *names[] = {"null", "zero", "full", "random", "urandom", "tty"};
    for (int i = 0; i < 6; i++) {
        char path[32], b[8] = {1, 1, 1};
        struct stat s;
        snprintf(path, 32, "/dev/%s", names[i]);
        stat(path, &s), printf("%s: %o %d:%d\n", path, s.st_mode & S_IFMT, major(s.st_rdev), minor(s.st_rdev));
        int fd = open(path, O_RDWR);
        if (fd < 0) { printf("  %s\n", error_name(errno)); continue; }
        SHOW(read(fd, b, 3)), SHOW(i == 1 || i == 2 ? b[0] : 0), SHOW(write(fd, "abc", 3)), SHOW(lseek(fd, 100, SEEK_SET)), SHOW(ioctl(fd, FIONREAD, b)), SHOW(ftruncate(fd, 5)), SHOW(fsync(fd));
        void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        printf("  %s\n", m == MAP_FAILED ? error_name(errno) : "maps");
    }
    SHOW(open("/dev/null", O_RDONLY | O_TRUNC) > 0), SHOW(open("/dev/null", O_DIRECTORY)), SHOW(access("/dev/shm", W_OK | X_OK)), SHOW(access("/dev/fd/0", F_OK)), SHOW(access("/dev/stdin", F_OK)), SHOW(open("/dev/fd/77", O_RDONLY)), SHOW(access("/dev/ptmx", F_OK)), SHOW(access("/dev/pts", F_OK)), SHOW(access("/dev/mem", F_OK) == 0 ? 0 : 0);
    int fd = NEED(open("/dev/shm/guest-test", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(ftruncate(fd, 4096)), SHOW(open("/dev/shm/guest-test", O_RDWR | O_CREAT | O_EXCL, 0600)), SHOW(unlink("/dev/shm/guest-test"));
    return 0;
}
