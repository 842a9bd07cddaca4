// Files replaced by rename are whole for readers at every time, by name and by descriptor.
#include "children.h"
int main(void) {
    enter_scratch();
    char text[4096], got[4096];
    memset(text, '0', 4096);
    int fd = NEED(open("f", O_WRONLY | O_CREAT, 0644));
    write(fd, text, 4096), close(fd);
    pid_t writer = NEED(fork());
    if (writer == 0) {
        for (int round = 1; round <= 200; round++) {
            memset(text, '0' + round % 10, 4096);
            int fd = NEED(open("new", O_WRONLY | O_CREAT | O_TRUNC, 0644));
            write(fd, text, 2000), sched_yield(), write(fd, text, 2096), close(fd), NEED(rename("new", "f"));
        }
        _exit(0);
    }
    int reads = 0, torn = 0, missing = 0, status;
    do {
        int fd = open("f", O_RDONLY);
        if (fd == -1) { missing++; continue; }
        ssize_t n = read(fd, got, 4096);
        torn += n != 4096 || memcmp(got, got + 1, 4095), reads++, close(fd);
    } while (waitpid(writer, &status, WNOHANG) == 0);
    printf("%d torn, %d missing\n", torn, missing), CHECK(reads > 0), show_file("new"), unlink("f");
    return 0;
}
