// A listener handed over by SCM_RIGHTS to another process goes on there when the first one closes it.
#include "sockets.h"
#include "children.h"
static void give(int s, int fd) {
    char control[CMSG_SPACE(4)] = {0};
    struct iovec v = {"f", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4), memcpy(CMSG_DATA(c), &fd, 4), NEED(sendmsg(s, &m, 0));
}
static int take(int s) {
    char control[CMSG_SPACE(4)], byte;
    int fd;
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    NEED(recvmsg(s, &m, 0)), memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), 4);
    return fd;
}
int main(void) {
    int pair[2], port, status;
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        int l = take(pair[1]);
        for (int i = 0; i < 5; i++) {
            int fd = NEED(accept(l, NULL, NULL));
            char text[16] = {0};
            snprintf(text, 16, "answer %d", i), write(fd, text, 8), close(fd);
        }
        _exit(6);
    }
    int l = listener(&port, 8), early = dial(port);
    give(pair[0], l), close(l);
    for (int i = 0; i < 5; i++) {
        char text[16] = {0};
        int fd = i == 0 ? early : dial(port);
        SHOW(read(fd, text, 15)), printf("%s\n", text), close(fd);
    }
    waitpid(pid, &status, 0), show_end("server", status);
    struct sockaddr_in a = loopback(port);
    SHOW(connect(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a));
    return 0;
}
