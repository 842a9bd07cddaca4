// A server on one epoll descriptor answers twenty clients in threads, each five times.
#include "sockets.h"
#include <pthread.h>
#include <sys/epoll.h>
static int port;
static void *client(void *n) {
    int fd = dial(port);
    long right = 0;
    for (int i = 0; i < 5; i++) {
        char out[32], in[32] = {0};
        int size = sprintf(out, "client %ld message %d", (long)n, i);
        NEED(write(fd, out, size));
        for (int got = 0; got < size;) got += NEED(read(fd, in + got, sizeof in - got));
        right += strcmp(in, out) == 0;
    }
    close(fd);
    return (void *)right;
}
int main(void) {
    int server = listener(&port, 64), ep = NEED(epoll_create1(0)), closed = 0, served = 0;
    fcntl(server, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {EPOLLIN, {.fd = server}}, got[8];
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, server, &event));
    pthread_t t[20];
    for (long i = 0; i < 20; i++) pthread_create(&t[i], NULL, client, (void *)i);
    while (closed < 20) {
        int count = NEED(epoll_wait(ep, got, 8, 5000));
        if (count == 0) return 1;
        for (int i = 0; i < count; i++) {
            int fd = got[i].data.fd;
            if (fd == server) {
                for (int peer; (peer = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                    event = (struct epoll_event){EPOLLIN | EPOLLRDHUP, {.fd = peer}};
                    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, peer, &event));
                }
                continue;
            }
            char bytes[64];
            ssize_t size = read(fd, bytes, sizeof bytes);
            if (size > 0) served++, write(fd, bytes, size);
            else if (size == 0) closed++, close(fd);
        }
    }
    long right = 0;
    for (int i = 0; i < 20; i++) {
        void *value;
        pthread_join(t[i], &value);
        right += (long)value;
    }
    printf("%d closed, %ld right, served %s\n", closed, right, served == 100 ? "100" : "other");
    return 0;
}
