// Four processes accept on one listener; forty clients are all answered, and a worker that dies costs nobody else.
#include "sockets.h"
#include "children.h"
int main(void) {
    int port, l = listener(&port, 64), status;
    pid_t workers[4];
    for (int i = 0; i < 4; i++)
        if ((workers[i] = NEED(fork())) == 0)
            for (;;) {
                char in[32] = {0};
                int fd = NEED(accept(l, NULL, NULL));
                if (read(fd, in, 31) > 0 && !strcmp(in, "die")) _exit(3);
                for (char *c = in; *c; c++) *c ^= 0x20;
                write(fd, in, strlen(in)), close(fd);
            }
    int answered = 0, ended = 0;
    for (int i = 0; i < 40; i++) {
        int fd = dial(port);
        char text[32], got[32] = {0};
        snprintf(text, 32, i == 17 ? "die" : "hello %d", i), write(fd, text, strlen(text));
        ssize_t n = read(fd, got, 31);
        for (char *c = got; *c; c++) *c ^= 0x20;
        answered += n > 0 && !strcmp(got, text), ended += n <= 0, close(fd);
    }
    SHOW(answered), SHOW(ended);
    pid_t dead = wait(&status);
    show_end("worker", status);
    for (int i = 0; i < 4; i++) if (workers[i] != dead) kill(workers[i], SIGTERM), waitpid(workers[i], &status, 0), show_end("worker", status);
    return 0;
}
