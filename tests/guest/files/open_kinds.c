// open on every kind of thing with every mode: directories, links, FIFOs, sockets, O_PATH, O_DIRECTORY, O_NOFOLLOW.
// libc: musl
#include "check.h"
#include <sys/socket.h>
#include <sys/un.h>
static int probe(const char *path, int flags) {
    int fd = open(path, flags, 0644);
    return fd < 0 ? -1 : (close(fd), 0);
}
int main(void) {
    enter_scratch();
    mkdir("d", 0755), put_file("f", "x"), symlink("f", "l"), symlink("d", "ld"), symlink("new", "dangling"), mkfifo("p", 0644);
    struct sockaddr_un a = {AF_UNIX, "sock"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(s, (void *)&a, sizeof a);
    SHOW(probe("d", O_RDONLY)), SHOW(probe("d", O_WRONLY)), SHOW(probe("d", O_RDWR)), SHOW(probe("d", O_CREAT)), SHOW(probe("d/", O_CREAT | O_WRONLY)), SHOW(probe("d", O_RDONLY | O_TRUNC)), SHOW(probe("d", O_DIRECTORY | O_RDONLY)), SHOW(probe("f", O_DIRECTORY)), SHOW(probe("f/", O_RDONLY)), SHOW(probe("new/", O_CREAT | O_WRONLY));
    SHOW(probe("l", O_NOFOLLOW)), SHOW(probe("l", O_NOFOLLOW | O_PATH)), SHOW(probe("ld", O_DIRECTORY | O_NOFOLLOW)), SHOW(probe("ld/", O_DIRECTORY | O_NOFOLLOW)), SHOW(probe("dangling", O_RDONLY)), SHOW(probe("dangling", O_CREAT | O_EXCL | O_WRONLY)), SHOW(probe("dangling", O_CREAT | O_WRONLY)), SHOW(access("new", F_OK));
    SHOW(probe("f", O_CREAT | O_EXCL)), SHOW(probe("f", O_CREAT | O_DIRECTORY)), SHOW(probe("none", O_PATH)), SHOW(probe("p", O_WRONLY | O_NONBLOCK)), SHOW(probe("p", O_RDONLY | O_NONBLOCK)), SHOW(probe("sock", O_RDONLY)), SHOW(probe("sock", O_PATH)), SHOW(probe("f", 3)), SHOW(probe("", O_RDONLY)), SHOW(probe("f", O_ASYNC | O_RDONLY));
    int path = NEED(open("f", O_PATH | O_RDWR)), at = NEED(open("d", O_PATH));
    SHOW(read(path, &(char){0}, 1)), SHOW(write(path, "x", 1)), SHOW(fchmod(path, 0600)), SHOW(fstat(path, &(struct stat){0})), SHOW(fcntl(path, F_GETFL) == (O_PATH)), SHOW(lseek(path, 0, 0)), SHOW(openat(at, "x", O_CREAT | O_WRONLY, 0644) > 0), SHOW(openat(path, "x", O_RDONLY)), SHOW(fchdir(at)), SHOW(ftruncate(path, 0)), SHOW(dup(path) > 0);
    chdir(scratch_path), unlink("d/x"), unlink("f"), unlink("l"), unlink("ld"), unlink("dangling"), unlink("new"), unlink("p"), unlink("sock"), rmdir("d");
    return 0;
}
