// fcntl locks: ranges split and join, conflicts name their holder, they go with any close of the file and not to children.
#include "check.h"
#include <sys/wait.h>
static int set(int fd, int command, short type, off_t start, off_t len) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, command, &lock);
}
static void child(void (*body)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { body(); fflush(stdout); _exit(0); }
    waitpid(pid, NULL, 0);
}
static void probe(void) {
    int fd = NEED(open("f", O_RDWR));
    for (int at = 0; at < 60; at += 10) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 5};
        NEED(fcntl(fd, F_GETLK, &lock));
        printf("%d: type %d start %ld len %ld parent %d\n", at, lock.l_type, (long)lock.l_start, (long)lock.l_len,
               lock.l_type == F_UNLCK ? -1 : lock.l_pid == getppid());
    }
    SHOW(set(fd, F_SETLK, F_WRLCK, 0, 1));
    SHOW(set(fd, F_SETLK, F_RDLCK, 50, 0));
}
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = NEED(open("f", O_RDWR));
    SHOW(set(fd, F_SETLK, F_WRLCK, 0, 30));
    SHOW(set(fd, F_SETLK, F_UNLCK, 10, 10));
    SHOW(set(fd, F_SETLK, F_RDLCK, 40, 0));
    child(probe);
    SHOW(set(fd, F_SETLK, F_RDLCK, -1, 0));
    SHOW(set(fd, F_SETLK, 77, 0, 1));
    int ro = NEED(open("f", O_RDONLY));
    SHOW(set(ro, F_SETLK, F_WRLCK, 0, 1));
    SHOW(set(ro, F_SETLK, F_RDLCK, 100, 1));
    close(ro);
    child(probe);
    struct flock ofd = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 4};
    SHOW(fcntl(fd, F_OFD_SETLK, &ofd));
    int other = NEED(open("f", O_RDWR));
    SHOW(fcntl(other, F_OFD_SETLK, &ofd));
    ofd.l_type = F_WRLCK;
    SHOW(fcntl(other, F_OFD_GETLK, &ofd));
    printf("%d %d\n", ofd.l_type == F_WRLCK, ofd.l_pid);
    unlink("f");
    return 0;
}
