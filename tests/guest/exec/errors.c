// execve's errors: nothing there, no permission, a directory, no program, too long, loops, bad pointers.
// libc: musl
#include "children.h"
static char *args[] = {"x", NULL}, *env[] = {NULL};
int main(void) {
    enter_scratch();
    put_file("text", "just text\n");
    put_file("plain", "echo\n");
    chmod("plain", 0755);
    mkdir("dir", 0755);
    symlink("loop", "loop");
    put_file("empty", "");
    chmod("empty", 0755);
    put_file("badelf", "\177ELF\2\1\1 nonsense");
    chmod("badelf", 0755);
    put_file("badint", "#!/nowhere/interpreter\n");
    chmod("badint", 0755);
    put_file("noint", "#!\n");
    chmod("noint", 0755);
    SHOW(execve("none", args, env));
    SHOW(execve("text", args, env));
    SHOW(execve("plain", args, env));
    SHOW(execve("dir", args, env));
    SHOW(execve("loop", args, env));
    SHOW(execve("text/below", args, env));
    SHOW(execve("", args, env));
    SHOW(execve("empty", args, env));
    SHOW(execve("badelf", args, env));
    SHOW(execve("badint", args, env));
    SHOW(execve("noint", args, env));
    SHOW(execve((char *)8, args, env));
    SHOW(execve("none", (char **)8, env));
    SHOW(execve("/proc/self/exe", (char **)8, env));
    SHOW(execve("/proc/self/exe", args, (char **)8));
    char *bad[] = {"x", (char *)16, NULL};
    SHOW(execve("/proc/self/exe", bad, env));
    char long_path[5000];
    memset(long_path, 'a', 4999), long_path[4999] = 0;
    SHOW(execve(long_path, args, env));
    long_path[300] = 0;
    SHOW(execve(long_path, args, env));
    system("true");
    unlink("text"), unlink("plain"), rmdir("dir"), unlink("loop"), unlink("empty"), unlink("badelf"), unlink("badint"), unlink("noint");
    return 0;
}
