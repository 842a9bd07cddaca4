// F_GETFL has O_LARGEFILE only for what open(2) opened; a position for a file without any is ESPIPE before anything else.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
static void one(const char *name, int fd) {
    char byte;
    struct iovec part = {&byte, 1};
    int flags = fcntl(fd, F_GETFL);
    printf("%s: flags %o, pread %s, ", name, flags, pread(fd, &byte, 1, 0) == -1 ? error_name(errno) : "ok");
    printf("pwrite %s, ", pwrite(fd, &byte, 1, 0) == -1 ? error_name(errno) : "ok");
    printf("preadv %s, ", preadv(fd, &part, 1, 0) == -1 ? error_name(errno) : "ok");
    printf("pwritev %s, ", pwritev(fd, &part, 1, 0) == -1 ? error_name(errno) : "ok");
    printf("negative %s, ", pwrite(fd, &byte, 1, -1) == -1 ? error_name(errno) : "ok");
    printf("lseek %s\n", lseek(fd, 0, SEEK_CUR) == -1 ? error_name(errno) : "ok");
}
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    enter_scratch();
    int fds[2];
    NEED(pipe(fds)), one("read end", fds[0]), one("write end", fds[1]);
    NEED(pipe2(fds, O_NONBLOCK | O_DIRECT)), one("packet read end", fds[0]), one("packet write end", fds[1]);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds)), one("socket", fds[0]);
    one("epoll", epoll_create1(0)), one("eventfd", eventfd(0, EFD_NONBLOCK));
    put_file("f", "x");
    one("file to read", open("f", O_RDONLY)), one("file to write", open("f", O_WRONLY | O_APPEND)), one("path", open("f", O_PATH));
    one("memory", memfd_create("m", 0)), one("without a name", open(".", O_TMPFILE | O_RDWR, 0600));
    mkfifo("p", 0600), one("fifo", open("p", O_RDWR)), one("null", open("/dev/null", O_RDWR)), one("directory", open(".", O_RDONLY));
    unlink("f"), unlink("p");
    return 0;
}
