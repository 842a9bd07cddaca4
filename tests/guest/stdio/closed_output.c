// A program may close its standard output and go on.
#include "check.h"
int main(void) {
    puts("one line");
    SHOW(close(0));
    int fd = open("/dev/null", O_RDONLY);
    SHOW(fd);
    fclose(stdout);
    return write(1, "x", 1) == -1 && errno == EBADF ? 17 : 18;
}
