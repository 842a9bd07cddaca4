// A pseudo-terminal edits lines, echoes, turns newlines, and sends signals to the foreground group.
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
static void visible(const char *bytes, ssize_t n) {
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = bytes[i];
        if (c < 32 || c > 126) printf("<%02x>", c); else putchar(c);
    }
    puts("");
}
// Asking the other side whether it has input makes it take in, and echo, all that was written.
static void drain(int fd, int other) {
    char bytes[512];
    struct pollfd p = {other, POLLIN, 0};
    poll(&p, 1, 0);
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n == -1) printf("-1 %s\n", error_name(errno)); else visible(bytes, n);
}
// Reads on until the end of what is expected has come.
static void until(int fd, const char *end) {
    char bytes[512] = {0};
    ssize_t size = 0, n;
    while (!strstr(bytes, end) && (n = read(fd, bytes + size, sizeof bytes - 1 - size)) > 0) size += n;
    visible(bytes, size);
}
static volatile int interrupted;
static void on_int(int signal) { interrupted = signal; }
int main(void) {
    int master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    char *name = ptsname(master);
    CHECK(name && !strncmp(name, "/dev/pts/", 9));
    SHOW(open(name, O_RDWR | O_NOCTTY));
    SHOW(grantpt(master));
    SHOW(unlockpt(master));
    int slave = NEED(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
    SHOW(isatty(slave));
    SHOW(isatty(master));
    char bytes[256];
    SHOW(write(master, "ab\x7f" "c\rrest", 9));
    drain(master, slave);
    SHOW(read(slave, bytes, sizeof bytes));
    visible(bytes, 3);
    SHOW(read(slave, bytes, sizeof bytes));
    SHOW(write(master, "\x15new\x04", 5));
    SHOW(read(slave, bytes, sizeof bytes));
    visible(bytes, 3);
    SHOW(write(master, "\x04", 1));
    SHOW(read(slave, bytes, sizeof bytes));
    SHOW(read(slave, bytes, sizeof bytes));
    drain(master, slave);
    SHOW(write(slave, "one\ntwo\n", 8));
    drain(master, slave);
    struct termios t;
    SHOW(tcgetattr(slave, &t));
    cfmakeraw(&t);
    SHOW(tcsetattr(slave, TCSANOW, &t));
    SHOW(write(master, "\x03raw\r", 5));
    SHOW(read(slave, bytes, sizeof bytes));
    visible(bytes, 5);
    SHOW(write(slave, "x\n", 2));
    drain(master, slave);
    struct winsize size = {.ws_row = 40, .ws_col = 100};
    SHOW(ioctl(master, TIOCSWINSZ, &size));
    memset(&size, 0, sizeof size);
    SHOW(ioctl(slave, TIOCGWINSZ, &size));
    printf("%d %d\n", size.ws_row, size.ws_col);
    SHOW(close(slave));
    drain(master, slave);
    SHOW(close(master));
    SHOW(access(name, F_OK));
    fflush(stdout);
    int fd;
    pid_t pid = forkpty(&fd, NULL, NULL, NULL);
    if (pid == 0) {
        signal(SIGINT, on_int);
        printf("ready %d %d\n", tcgetpgrp(0) == getpgrp(), isatty(open("/dev/tty", O_RDWR)));
        fflush(stdout);
        while (!interrupted) sleep_ms(5);
        puts("interrupted");
        char line[32] = "";
        fgets(line, sizeof line, stdin);
        printf("got %s", line);
        return 7;
    }
    until(fd, "ready 1 1\r\n");
    write(fd, "\x03", 1);
    until(fd, "interrupted\r\n");
    write(fd, "line\r", 5);
    until(fd, "got line\r\n");
    int status;
    waitpid(pid, &status, 0);
    printf("exit %d\n", WEXITSTATUS(status));
    SHOW(read(fd, bytes, sizeof bytes));
    // With the end of its leader a session gives its terminal up; apt has one for all of its children, each a session of its own.
    int shared = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    SHOW(unlockpt(shared));
    name = ptsname(shared);
    NEED(open(name, O_RDWR | O_NOCTTY));
    for (int round = 0; round < 2; round++) {
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            setsid();
            int own = open(name, O_RDWR | O_NOCTTY);
            SHOW(ioctl(own, TIOCSCTTY, 0));
            SHOW(isatty(open("/dev/tty", O_RDWR)));
            fflush(stdout);
            _exit(0);
        }
        waitpid(pid, &status, 0);
    }
    return 0;
}
