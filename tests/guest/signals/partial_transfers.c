// A signal in the middle of a blocking write: what was moved is returned, not EINTR.
#include "asleep.h"
#include <sys/socket.h>
static void note(int number) { (void)number; }
// A timer of its own would now and then ring before the call that it is to interrupt.
static void ring(void) { ualarm(1000, 0); }
static char big[1 << 20];
int main(void) {
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGALRM, &action, NULL);
    pthread_t ringer;
    int pipes[2], socks[2];
    NEED(pipe(pipes)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
    ringer = once_asleep(ring);
    SHOW(write(pipes[1], big, sizeof big));
    pthread_join(ringer, NULL);
    ringer = once_asleep(ring);
    SHOW(write(pipes[1], big, sizeof big));
    pthread_join(ringer, NULL);
    ringer = once_asleep(ring);
    ssize_t sent = send(socks[0], big, sizeof big, 0);
    pthread_join(ringer, NULL);
    CHECK(sent > 0 && sent < (ssize_t)sizeof big);
    ringer = once_asleep(ring);
    SHOW(send(socks[0], big, sizeof big, 0));
    pthread_join(ringer, NULL);
    NEED(write(socks[1], "abc", 3));
    ringer = once_asleep(ring);
    SHOW(recv(socks[0], big, 10, MSG_WAITALL));
    pthread_join(ringer, NULL);
    ringer = once_asleep(ring);
    SHOW(recv(socks[0], big, 10, MSG_WAITALL));
    pthread_join(ringer, NULL);
    return 0;
}
