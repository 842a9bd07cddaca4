// A named pipe: opening for both sides, ENXIO without a reader, bytes through it.
#include "check.h"
int main(void) {
    enter_scratch();
    SHOW(mkfifo("p", 0600));
    SHOW(mkfifo("p", 0600));
    SHOW(open("p", O_WRONLY | O_NONBLOCK));
    int reader = open("p", O_RDONLY | O_NONBLOCK);
    CHECK(reader >= 0);
    int writer = open("p", O_WRONLY);
    CHECK(writer >= 0);
    char bytes[8] = {0};
    SHOW(read(reader, bytes, 8));
    SHOW(write(writer, "through", 7));
    SHOW(read(reader, bytes, 8));
    puts(bytes);
    close(writer);
    SHOW(read(reader, bytes, 8));
    unlink("p");
    return 0;
}
