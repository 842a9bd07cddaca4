// truncate and ftruncate shrink, grow with zeros, and refuse what they must.
#include "check.h"
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    SHOW(truncate("f", 4));
    show_file("f");
    SHOW(truncate("f", 6));
    int fd = open("f", O_RDWR);
    char bytes[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    SHOW(read(fd, bytes, 8));
    for (int i = 0; i < 8; i++) printf("%d ", bytes[i]);
    puts("");
    SHOW(ftruncate(fd, 100000));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pread(fd, bytes, 8, 99998));
    SHOW(ftruncate(fd, 0));
    SHOW(read(fd, bytes, 8));
    SHOW(ftruncate(fd, -1));
    close(fd);
    fd = open("f", O_RDONLY);
    SHOW(ftruncate(fd, 1));
    SHOW(ftruncate(0x7777, 1));
    SHOW(truncate("absent", 1));
    SHOW(truncate(".", 1));
    SHOW(truncate("f", -1));
    unlink("f");
    return 0;
}
