// A descriptor travels over a unix socket and is the same open file.
#include "sockets.h"
int main(void) {
    int s[2], p[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    NEED(pipe(p));
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte = 'x';
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *entry = CMSG_FIRSTHDR(&message);
    entry->cmsg_level = SOL_SOCKET, entry->cmsg_type = SCM_RIGHTS, entry->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(entry), &p[1], sizeof(int));
    SHOW(sendmsg(s[0], &message, 0));
    close(p[1]);
    memset(&control, 0, sizeof control);
    message.msg_controllen = sizeof control;
    SHOW(recvmsg(s[1], &message, MSG_CMSG_CLOEXEC));
    int fd = -1;
    entry = CMSG_FIRSTHDR(&message);
    if (entry) memcpy(&fd, CMSG_DATA(entry), sizeof fd);
    CHECK(fd >= 0);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(write(fd, "passed", 6));
    char bytes[8] = {0};
    SHOW(read(p[0], bytes, 8));
    puts(bytes);
    return 0;
}
