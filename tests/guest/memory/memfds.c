// memfd_create: a file without a name, its seals, sizes, sharing, and what is refused.
// libc: musl
#include "check.h"
#include <sys/mman.h>
int main(void) {
    int fd = NEED(memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    SHOW(fcntl(fd, F_GETFD)), SHOW(write(fd, "hello", 5)), SHOW(ftruncate(fd, 4096));
    char link[64] = {0}, path[64];
    snprintf(path, 64, "/proc/self/fd/%d", fd), readlink(path, link, 63), printf("%s\n", link);
    int again = NEED(open(path, O_RDONLY));
    char text[8] = {0};
    SHOW(read(again, text, 5)), printf("%s\n", text);
    SHOW(fcntl(fd, F_GET_SEALS)), SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)), SHOW(ftruncate(fd, 8192)), SHOW(ftruncate(fd, 2048)), SHOW(pwrite(fd, "x", 1, 4000));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)), SHOW(ftruncate(fd, 1024));
    char *map = mmap(NULL, 2048, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), munmap(map, 2048), SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), SHOW(write(fd, "x", 1));
    SHOW(mmap(NULL, 2048, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0), SHOW(mmap(NULL, 2048, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)), SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)), SHOW(fcntl(fd, F_GET_SEALS));
    int plain = NEED(memfd_create("", 0));
    SHOW(fcntl(plain, F_GET_SEALS)), SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW)), SHOW(fcntl(again, F_ADD_SEALS, F_SEAL_GROW));
    SHOW(memfd_create("x", 0x8000)), SHOW(syscall(SYS_memfd_create, NULL, 0)), SHOW(fcntl(0, F_GET_SEALS));
    char long_name[300];
    memset(long_name, 'a', 299), long_name[299] = 0, SHOW(memfd_create(long_name, 0));
    struct stat s;
    SHOW(fstat(plain, &s)), printf("%o %ld\n", s.st_mode, (long)s.st_nlink);
    return 0;
}
