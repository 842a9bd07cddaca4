// Reading, mapping, listing and following change the time of access as a mount with relatime has it.
#include "check.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
enum { FRESH, STALE, OLD };
// FRESH: accessed after the last change; STALE: before it; OLD: after it, but more than a day ago.
static void set(const char *path, int kind) {
    time_t now = time(NULL);
    long atime = kind == FRESH ? now + 100 : kind == STALE ? now - 3000 : now - 200000;
    struct timespec times[2] = {{atime, 5}, {now - 300000, 7}};
    if (kind == STALE) times[1].tv_sec = now - 2000;
    NEED(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}
#define AFTER(path, kind, ...)                                                                                      \
    ({                                                                                                              \
        struct stat before, after;                                                                                  \
        set(path, kind), lstat(path, &before);                                                                      \
        __VA_ARGS__;                                                                                                \
        lstat(path, &after);                                                                                        \
        int moved = before.st_atim.tv_sec != after.st_atim.tv_sec;                                                  \
        int same = before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec; \
        printf("%-60.60s %d: atime %s, others %s\n", #__VA_ARGS__, kind, moved ? "moved" : "stays", same ? "stay" : "MOVED"); \
    })
int main(void) {
    enter_scratch();
    put_file("f", "hello"), mkdir("d", 0755), symlink("f", "l"), mkfifo("p", 0600);
    char bytes[8];
    struct iovec part = {bytes, 1};
    int fd = NEED(open("f", O_RDWR)), quiet = NEED(open("f", O_RDONLY | O_NOATIME)), out = NEED(memfd_create("m", 0));
    for (int kind = FRESH; kind <= OLD; kind++) {
        AFTER("f", kind, pread(fd, bytes, 1, 0));
        AFTER("f", kind, pread(fd, bytes, 1, 100));
        AFTER("f", kind, pread(fd, bytes, 0, 0));
        AFTER("f", kind, preadv(fd, &part, 1, 0));
        AFTER("f", kind, pread(quiet, bytes, 1, 0));
        AFTER("f", kind, off_t at = 0; sendfile(out, fd, &at, 2));
        AFTER("f", kind, munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), 4096));
        AFTER("f", kind, munmap(mmap(NULL, 4096, PROT_READ, MAP_SHARED, quiet, 0), 4096));
        AFTER("f", kind, close(open("f", O_RDONLY)));
        AFTER("f", kind, access("f", R_OK));
        AFTER("l", kind, readlink("l", bytes, sizeof bytes));
        AFTER("l", kind, access("l", R_OK));
        AFTER("l", kind, struct stat it; lstat("l", &it));
        AFTER("d", kind, DIR *dir = opendir("d"); while (readdir(dir)) {} closedir(dir));
        AFTER("d", kind, access("d/absent", F_OK));
    }
    pread(fd, bytes, 1, 0);
    SHOW(fcntl(quiet, F_GETFL) & O_NOATIME ? 1 : 0);
    close(fd), close(quiet), unlink("f"), unlink("l"), unlink("p"), rmdir("d");
    return 0;
}
