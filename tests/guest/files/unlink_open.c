// An unlinked file lives as long as it is open; its name is free at once.
#include "check.h"
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(write(fd, "still here", 10));
    SHOW(unlink("f"));
    SHOW(access("f", F_OK));
    char bytes[16] = {0};
    SHOW(pread(fd, bytes, 15, 0));
    puts(bytes);
    struct stat s;
    SHOW(fstat(fd, &s));
    printf("links %ld\n", (long)s.st_nlink);
    put_file("f", "another");
    SHOW(pread(fd, bytes, 15, 0));
    puts(bytes);
    SHOW(unlink("absent"));
    mkdir("d", 0755);
    SHOW(unlink("d"));
    SHOW(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    SHOW(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
    SHOW(unlinkat(AT_FDCWD, "f", 0));
    SHOW(unlinkat(AT_FDCWD, "f", 0x40000000));
    return 0;
}
