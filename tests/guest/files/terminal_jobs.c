// Job control on a pseudo-terminal: background reads and writes stop, tcsetpgrp, signals of keys, hang-up.
// libc: glibc
#include "children.h"
#include <sys/ioctl.h>
#include <termios.h>
int main(void) {
    int master = NEED(posix_openpt(O_RDWR | O_NOCTTY)), status, up[2];
    NEED(grantpt(master)), NEED(unlockpt(master)), NEED(pipe(up));
    char name[64];
    strcpy(name, ptsname(master));
    pid_t leader = NEED(fork());
    if (leader == 0) {
        setsid();
        int tty = NEED(open(name, O_RDWR));
        SHOW(tcgetpgrp(tty) == getpid()), SHOW(tcgetsid(tty) == getpid());
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            char b;
            read(tty, &b, 1);
            _exit(b == 'k' ? 7 : 8);
        }
        setpgid(job, job);
        waitpid(job, &status, WUNTRACED), show_end("background reader", status);
        SHOW(tcsetpgrp(tty, job)), SHOW(tcgetpgrp(tty) == job), kill(-job, SIGCONT), write(up[1], "r", 1);
        waitpid(job, &status, WUNTRACED), show_end("foreground reader", status);
        signal(SIGTTOU, SIG_IGN), SHOW(tcsetpgrp(tty, getpid())), signal(SIGTTOU, SIG_DFL);
        job = fork();
        if (job == 0) {
            setpgid(0, 0);
            write(tty, "free ", 5);
            struct termios t;
            tcgetattr(tty, &t), t.c_lflag |= TOSTOP, tcsetattr(tty, TCSANOW, &t);
            _exit(9);
        }
        waitpid(job, &status, WUNTRACED), show_end("background setter", status), kill(job, SIGKILL), waitpid(job, &status, 0);
        struct termios t;
        tcgetattr(tty, &t), t.c_lflag |= TOSTOP, tcsetattr(tty, TCSANOW, &t);
        job = fork();
        if (job == 0) { setpgid(0, 0), write(tty, "stopped", 7); _exit(10); }
        waitpid(job, &status, WUNTRACED), show_end("background writer", status), kill(job, SIGKILL), waitpid(job, &status, 0);
        job = fork();
        if (job == 0) { setpgid(0, 0), signal(SIGTTIN, SIG_IGN); char b; SHOW(read(tty, &b, 1)); _exit(11); }
        waitpid(job, &status, WUNTRACED), show_end("ignoring reader", status);
        SHOW(tcsetpgrp(tty, 4999999)), SHOW(tcsetpgrp(0, getpid()));
        job = fork();
        if (job == 0) { write(up[1], "i", 1); for (;;) pause(); }
        waitpid(job, &status, 0), show_end("interrupted", status);
        _exit(5);
    }
    await_byte(up[0]), write(master, "k\n", 2);
    signal(SIGINT, SIG_IGN);
    await_byte(up[0]), sleep_ms(20), write(master, "\003", 1);
    waitpid(leader, &status, 0), show_end("leader", status);
    return 0;
}
