// Symbolic and hard links: reading, loops, dangling ones, counts.
#include "check.h"
int main(void) {
    enter_scratch();
    put_file("file", "text");
    char target[16] = {0};
    SHOW(symlink("file", "soft"));
    SHOW(symlink("other", "soft"));
    SHOW(readlink("soft", target, sizeof target));
    puts(target);
    memset(target, 0, sizeof target);
    SHOW(readlink("soft", target, 2));
    puts(target);
    SHOW(readlink("file", target, sizeof target));
    SHOW(readlink("absent", target, sizeof target));
    SHOW(readlink("soft", target, 0));
    show_file("soft");
    SHOW(symlink("loop2", "loop1"));
    SHOW(symlink("loop1", "loop2"));
    SHOW(open("loop1", O_RDONLY));
    SHOW(symlink("nowhere", "dangling"));
    SHOW(open("dangling", O_RDONLY));
    TRY(open("dangling", O_WRONLY | O_CREAT, 0644));
    SHOW(access("nowhere", F_OK));
    SHOW(open("soft", O_RDONLY | O_NOFOLLOW));
    SHOW(link("file", "hard"));
    SHOW(link("file", "hard"));
    SHOW(link("absent", "x"));
    SHOW(link(".", "x"));
    struct stat s;
    stat("file", &s);
    printf("links %ld\n", (long)s.st_nlink);
    put_file("hard", "changed");
    show_file("file");
    SHOW(unlink("file"));
    show_file("hard");
    SHOW(symlink("", "empty"));
    unlink("hard"), unlink("soft"), unlink("loop1"), unlink("loop2"), unlink("dangling"), unlink("nowhere");
    return 0;
}
