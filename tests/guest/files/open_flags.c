// open: creation, exclusiveness, truncation, append, directories and what each refuses.
#include "check.h"
int main(void) {
    enter_scratch();
    SHOW(open("absent", O_RDONLY));
    SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(open("new/below", O_RDONLY));
    SHOW(open("new", O_RDONLY | O_DIRECTORY));
    SHOW(open(".", O_WRONLY));
    SHOW(open(".", O_RDONLY | O_DIRECTORY));
    SHOW(open("no/such/dir", O_WRONLY | O_CREAT, 0644));
    SHOW(open("", O_RDONLY));
    SHOW(syscall(SYS_open, 8L, O_RDONLY));
    put_file("new", "0123456789");
    int fd = open("new", O_WRONLY | O_APPEND);
    SHOW(lseek(fd, 2, SEEK_SET));
    SHOW(write(fd, "ab", 2));
    SHOW(lseek(fd, 0, SEEK_CUR));
    close(fd);
    show_file("new");
    fd = open("new", O_WRONLY | O_TRUNC);
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(read(fd, &fd, 1));
    close(fd);
    fd = open("new", O_RDONLY);
    SHOW(write(fd, "x", 1));
    close(fd);
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    SHOW(open(name, O_RDONLY));
    SHOW(creat("new", 0600));
    SHOW(open("new", O_PATH));
    SHOW(unlink("new"));
    return 0;
}
