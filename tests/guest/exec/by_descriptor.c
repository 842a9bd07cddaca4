// execveat and fexecve: a path below a descriptor, the descriptor itself, links not followed, a script by descriptor.
// libc: musl
#include "children.h"
static char *args[] = {"x", "inner", NULL}, *env[] = {NULL};
int main(int argc, char **argv) {
    if (argc > 1) {
        printf("argv:");
        for (int i = 0; i < argc; i++) printf(" %s", strncmp(argv[i], "/dev/fd/", 8) ? argv[i] : "/dev/fd/N");
        printf("\n");
        return 21;
    }
    enter_scratch();
    mkdir("d", 0755), copy_self("d/prog"), symlink("prog", "d/link"), put_file("d/script", "#!d/prog\n"), chmod("d/script", 0755);
    int dir = NEED(open("d", O_RDONLY | O_DIRECTORY)), path = NEED(open("d/prog", O_PATH)), file = NEED(open("d/prog", O_RDONLY | O_CLOEXEC));
    int script = NEED(open("d/script", O_RDONLY)), closing = NEED(open("d/script", O_RDONLY | O_CLOEXEC));
    IN_CHILD("below", syscall(SYS_execveat, dir, "prog", args, env, 0));
    IN_CHILD("link", syscall(SYS_execveat, dir, "link", args, env, 0));
    IN_CHILD("nofollow", SHOW(syscall(SYS_execveat, dir, "link", args, env, AT_SYMLINK_NOFOLLOW)));
    IN_CHILD("path", syscall(SYS_execveat, path, "", args, env, AT_EMPTY_PATH));
    IN_CHILD("file", syscall(SYS_execveat, file, "", args, env, AT_EMPTY_PATH));
    IN_CHILD("script", syscall(SYS_execveat, script, "", args, env, AT_EMPTY_PATH));
    IN_CHILD("closing script", SHOW(syscall(SYS_execveat, closing, "", args, env, AT_EMPTY_PATH)));
    IN_CHILD("no flag", SHOW(syscall(SYS_execveat, path, "", args, env, 0)));
    IN_CHILD("odd flag", SHOW(syscall(SYS_execveat, path, "", args, env, 1)));
    IN_CHILD("no directory", SHOW(syscall(SYS_execveat, file, "prog", args, env, 0)));
    IN_CHILD("bad descriptor", SHOW(syscall(SYS_execveat, 99, "prog", args, env, 0)));
    IN_CHILD("directory", SHOW(syscall(SYS_execveat, dir, "", args, env, AT_EMPTY_PATH)));
    unlink("d/prog"), unlink("d/link"), unlink("d/script"), rmdir("d");
    return 0;
}
