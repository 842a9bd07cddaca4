// A signal in the middle of a blocking write: what was moved is returned, not EINTR.
#include "check.h"
#include <sys/socket.h>
static void note(int number) { (void)number; }
static char big[1 << 20];
int main(void) {
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGALRM, &action, NULL);
    int pipes[2], socks[2];
    NEED(pipe(pipes)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
    ualarm(20000, 0);
    SHOW(write(pipes[1], big, sizeof big));
    ualarm(20000, 0);
    SHOW(write(pipes[1], big, sizeof big));
    ualarm(20000, 0);
    ssize_t sent = send(socks[0], big, sizeof big, 0);
    CHECK(sent > 0 && sent < (ssize_t)sizeof big);
    ualarm(20000, 0);
    SHOW(send(socks[0], big, sizeof big, 0));
    NEED(write(socks[1], "abc", 3));
    ualarm(20000, 0);
    SHOW(recv(socks[0], big, 10, MSG_WAITALL));
    ualarm(20000, 0);
    SHOW(recv(socks[0], big, 10, MSG_WAITALL));
    return 0;
}
