// Line discipline: canonical and raw reads, erase, kill, end of file, echo, VMIN and VTIME, window size.
// libc: musl
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
static int master, tty;
static void nothing(const char *what) {
    struct pollfd p = {tty, POLLIN, 0};
    printf("%s: %d\n", what, poll(&p, 1, 50));
}
static void got(const char *what) {
    char b[128] = {0};
    struct pollfd p = {tty, POLLIN, 0};
    if (poll(&p, 1, 10000) != 1) { printf("%s: nothing\n", what); return; }
    int n = read(tty, b, 127);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++) printf(" %02x", b[i]);
    printf("\n");
}
// Who reads a line is woken before all of its echo is written: so many bytes, however long they take.
static void echo(int bytes) {
    char b[256];
    int n = 0;
    struct pollfd p = {master, POLLIN, 0};
    while (n < bytes && poll(&p, 1, 10000) == 1) {
        int more = read(master, b + n, sizeof b - n);
        n += more > 0 ? more : 0;
    }
    printf("echo:");
    for (int i = 0; i < n; i++) printf(" %02x", (unsigned char)b[i]);
    printf("\n");
}
static void type(const char *text) { write(master, text, strlen(text)); }
int main(void) {
    master = NEED(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)), unlockpt(master), tty = NEED(open(ptsname(master), O_RDWR | O_NOCTTY));
    type("ab"), nothing("no line yet"), type("c\n"), got("line"), echo(5), type("xyz\177\177q\n"), got("erased"), echo(12), type("gone\025kept\n"), got("killed"), echo(22), type("half\004"), got("end of file after half"), type("\004"), got("end of file"), type("one\ntwo\n"), got("first"), got("second"), echo(14), type("w1 w2\027w3\n"), got("word erased"), echo(15), type("\026\003\n"), got("quoted"), echo(6);
    struct termios t;
    SHOW(tcgetattr(tty, &t)), printf("%o %o %o %o\n", t.c_iflag, t.c_oflag, t.c_cflag & ~CBAUD, t.c_lflag), write(tty, "a\nb", 3), echo(4);
    cfmakeraw(&t), t.c_cc[VMIN] = 3, t.c_cc[VTIME] = 0, SHOW(tcsetattr(tty, TCSANOW, &t)), type("12"), nothing("two of three"), type("3\r"), got("three"), t.c_cc[VMIN] = 0, tcsetattr(tty, TCSANOW, &t), SHOW(read(tty, (char[1]){0}, 1)), t.c_cc[VTIME] = 1, tcsetattr(tty, TCSANOW, &t), SHOW(read(tty, (char[1]){0}, 1)), type("q"), SHOW(read(tty, (char[1]){0}, 1));
    struct winsize w = {24, 80, 0, 0}, r;
    SHOW(ioctl(master, TIOCSWINSZ, &w)), SHOW(ioctl(tty, TIOCGWINSZ, &r)), printf("%d %d\n", r.ws_row, r.ws_col), SHOW(isatty(tty)), SHOW(isatty(master)), SHOW(ioctl(tty, 0x54ff, 0)), SHOW(tcflush(tty, TCIOFLUSH)), SHOW(tcdrain(tty)), SHOW(tcsendbreak(tty, 0));
    close(tty), SHOW(read(master, (char[1]){0}, 1));
    struct pollfd p = {master, POLLIN, 0};
    SHOW(poll(&p, 1, 0)), SHOW(p.revents);
    return 0;
}
