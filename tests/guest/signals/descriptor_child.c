// A signalfd that crossed fork reads the signals of whoever reads it.
#include "children.h"
#include <sys/signalfd.h>
int main(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGCHLD), sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = NEED(signalfd(-1, &set, SFD_NONBLOCK));
    struct signalfd_siginfo got;
    IN_CHILD("child", SHOW(read(fd, &got, sizeof got)); raise(SIGUSR1); SHOW(read(fd, &got, sizeof got)); CHECK(got.ssi_pid == getpid()));
    SHOW(read(fd, &got, sizeof got)), SHOW(got.ssi_signo), SHOW(got.ssi_code), SHOW(got.ssi_status);
    SHOW(read(fd, &got, sizeof got));
    return 0;
}
