// Appends of several processes never overwrite each other; offsets after them; pwrite on O_APPEND.
// libc: glibc
#include "children.h"
int main(void) {
    enter_scratch();
    put_file("f", "");
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        if ((pids[i] = NEED(fork())) == 0) {
            int fd = NEED(open("f", O_WRONLY | O_APPEND));
            char line[17];
            for (int n = 0; n < 200; n++) snprintf(line, 17, "%d-%013d\n", i, n), write(fd, line, 16);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) waitpid(pids[i], NULL, 0);
    FILE *f = fopen("f", "r");
    int next[4] = {0}, id, n, wrong = 0, lines = 0;
    while (fscanf(f, "%d-%d\n", &id, &n) == 2) wrong += n != next[id]++, lines++;
    SHOW(lines), SHOW(wrong), fclose(f);
    int fd = NEED(open("f", O_RDWR | O_APPEND | O_TRUNC));
    SHOW(write(fd, "abc", 3)), SHOW(lseek(fd, 0, SEEK_SET)), SHOW(write(fd, "d", 1)), SHOW(lseek(fd, 0, SEEK_CUR)), SHOW(pwrite(fd, "X", 1, 0)), show_file("f"), SHOW(fcntl(fd, F_SETFL, 0)), SHOW(pwrite(fd, "Y", 1, 0)), show_file("f");
    unlink("f");
    return 0;
}
