// F_NOTIFY: signals for changes of a directory, once or until they are taken back.
// libc: musl
#include "check.h"
#include <sys/wait.h>
static volatile int count, last_fd, last_code, last_band;
static void note(int signal, siginfo_t *info, void *context) { count++, last_fd = info->si_fd, last_code = info->si_code, last_band = info->si_band; }
static void told(const char *what, int dir) {
    printf("%-28s %s", what, count == 0 ? "nothing" : "told");
    if (count && last_code != SI_KERNEL) printf(", its descriptor %d, code %d, band %#x", last_fd == dir, last_code, last_band);
    puts(""), count = 0;
}
static void change(const char *what, int dir) {
    if (strcmp(what, "create") == 0) put_file("d/f", "x");
    if (strcmp(what, "modify") == 0) { int fd = NEED(open("d/f", O_WRONLY)); NEED(write(fd, "more", 4)), close(fd); }
    if (strcmp(what, "access") == 0) { char c; int fd = NEED(open("d/f", O_RDONLY)); NEED(read(fd, &c, 1)), close(fd); }
    if (strcmp(what, "attrib") == 0) NEED(chmod("d/f", 0600));
    if (strcmp(what, "rename") == 0) NEED(rename("d/f", "d/g"));
    if (strcmp(what, "move out") == 0) NEED(rename("d/g", "away"));
    if (strcmp(what, "move in") == 0) NEED(rename("away", "d/f"));
    if (strcmp(what, "delete") == 0) NEED(unlink("d/f"));
    told(what, dir);
}
int main(void) {
    static const char *const changes[] = {"create", "modify", "access", "attrib", "rename", "move out", "move in", "delete"};
    static const struct { const char *name; int mask; } masks[] = {{"DN_ACCESS", DN_ACCESS}, {"DN_MODIFY", DN_MODIFY}, {"DN_CREATE", DN_CREATE}, {"DN_DELETE", DN_DELETE}, {"DN_RENAME", DN_RENAME}, {"DN_ATTRIB", DN_ATTRIB}, {"all", 0x3f}};
    enter_scratch(), mkdir("d", 0755);
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL), sigaction(SIGIO, &action, NULL);
    int dir = NEED(open("d", O_RDONLY)), file = NEED(open("plain", O_RDWR | O_CREAT, 0600));
    SHOW(fcntl(file, F_NOTIFY, DN_CREATE)), SHOW(fcntl(99, F_NOTIFY, DN_CREATE)), SHOW(fcntl(dir, F_NOTIFY, 0)), SHOW(fcntl(dir, F_GETOWN));
    for (int plain = 0; plain < 2; plain++)
        for (int i = 0; i < 7; i++)
            for (int many = 0; many < 2; many++) {
                printf("%s%s, signal %s\n", masks[i].name, many ? ", each" : ", once", plain ? "SIGIO" : "of F_SETSIG");
                SHOW(fcntl(dir, F_SETSIG, plain ? 0 : SIGRTMIN)), SHOW(fcntl(dir, F_NOTIFY, masks[i].mask | (many ? DN_MULTISHOT : 0)));
                CHECK(fcntl(dir, F_GETOWN) == getpid());
                for (int c = 0; c < 8; c++) change(changes[c], dir);
                SHOW(fcntl(dir, F_NOTIFY, 0));
            }
    // What is asked for adds up; a closed descriptor tells nothing.
    SHOW(fcntl(dir, F_NOTIFY, DN_CREATE | DN_MULTISHOT)), SHOW(fcntl(dir, F_NOTIFY, DN_ATTRIB));
    for (int c = 0; c < 8; c++) change(changes[c], dir);
    close(dir), change("create", dir), change("delete", dir);
    return 0;
}
