// A chat server on epoll: twenty clients, every line goes to all the others.
#include "sockets.h"
#include <pthread.h>
#include <sys/epoll.h>
enum { CLIENTS = 20, LINES = 10 };
static int port;
static long received[CLIENTS];
static void *client(void *number) {
    int fd = dial(port), left = (CLIENTS - 1) * LINES * 8, sent = 0;
    char line[16], in[4096];
    NEED(read(fd, in, 1));
    for (; sent < LINES; sent++) snprintf(line, 16, "%03ld-%02d;\n", (long)number, sent), NEED(send(fd, line, 8, 0));
    while (left > 0) {
        ssize_t n = read(fd, in, sizeof in);
        if (n <= 0) break;
        for (int i = 0; i < n; i++) received[(long)number] += in[i];
        left -= n;
    }
    close(fd);
    return (void *)(long)left;
}
int main(void) {
    int l = listener(&port, 64), e = NEED(epoll_create1(0)), fds[CLIENTS], open = 0, gone = 0;
    pthread_t t[CLIENTS];
    for (long i = 0; i < CLIENTS; i++) pthread_create(&t[i], NULL, client, (void *)i);
    struct epoll_event v = {.events = EPOLLIN};
    while (open < CLIENTS) v.data.u32 = open, fds[open] = NEED(accept(l, NULL, NULL)), epoll_ctl(e, EPOLL_CTL_ADD, fds[open++], &v);
    for (int i = 0; i < CLIENTS; i++) write(fds[i], "!", 1);
    while (gone < CLIENTS) {
        struct epoll_event got[8];
        int n = epoll_wait(e, got, 8, -1);
        for (int i = 0; i < n; i++) {
            char in[4096];
            ssize_t size = read(fds[got[i].data.u32], in, sizeof in);
            if (size <= 0) { gone++, close(fds[got[i].data.u32]), fds[got[i].data.u32] = -1; continue; }
            for (int j = 0; j < CLIENTS; j++) if (j != got[i].data.u32 && fds[j] >= 0) send(fds[j], in, size, MSG_NOSIGNAL);
        }
    }
    long sum = 0, left = 0;
    void *result;
    for (int i = 0; i < CLIENTS; i++) pthread_join(t[i], &result), left += (long)result, sum += received[i];
    printf("%ld, %ld left\n", sum, left);
    return 0;
}
