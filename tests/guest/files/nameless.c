// O_TMPFILE files and memfds have no name; the first may get one; seals bind.
#include "check.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    int fd = NEED(open(".", O_TMPFILE | O_RDWR, 0600));
    struct stat st;
    SHOW(write(fd, "hello", 5));
    fstat(fd, &st);
    printf("nlink %ld size %ld mode %o\n", (long)st.st_nlink, (long)st.st_size, st.st_mode);
    char path[64];
    sprintf(path, "/proc/self/fd/%d", fd);
    SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    fstat(fd, &st);
    printf("nlink %ld\n", (long)st.st_nlink);
    show_file("named");
    SHOW(open(".", O_TMPFILE | O_RDONLY, 0600));
    SHOW(open("named", O_TMPFILE | O_RDWR, 0600));
    unlink("named");
    SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
    int m = NEED(memfd_create("box", MFD_ALLOW_SEALING | MFD_CLOEXEC));
    SHOW(ftruncate(m, 8192));
    SHOW(fcntl(m, F_GET_SEALS));
    SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    SHOW(ftruncate(m, 4096));
    SHOW(ftruncate(m, 9000));
    SHOW(pwrite(m, "x", 1, 8191));
    SHOW(pwrite(m, "x", 1, 8192));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
    map[0] = 'M';
    SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(map, 4096);
    char c = 0;
    SHOW(pread(m, &c, 1, 0));
    printf("%c\n", c);
    SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
    SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
    SHOW(fcntl(m, F_GET_SEALS));
    int plain = NEED(memfd_create("plain", 0));
    SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
    sprintf(path, "/proc/self/fd/%d", plain);
    char link[64];
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = 0;
    puts(link);
    SHOW(memfd_create("x", 0x1000));
    SHOW(fcntl(fd, F_GET_SEALS));
    return 0;
}
