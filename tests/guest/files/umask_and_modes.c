// umask and the modes of everything that is made; set-group-id on directories; chmod's bits.
// libc: musl
#include "check.h"
#include <sys/socket.h>
#include <sys/un.h>
static void mode(const char *path) {
    struct stat s;
    lstat(path, &s), printf("%s %o %d %d\n", path, s.st_mode, s.st_uid, s.st_gid);
}
int main(void) {
    enter_scratch();
    int masks[] = {0, 022, 077, 0777};
    for (int i = 0; i < 4; i++) {
        umask(masks[i]), close(open("f", O_CREAT | O_WRONLY, 07777)), mkdir("d", 07777), mkfifo("p", 06666), symlink("x", "l"), mknod("n", S_IFREG | 04755, 0);
        struct sockaddr_un a = {AF_UNIX, "s"};
        int s = socket(AF_UNIX, SOCK_STREAM, 0);
        bind(s, (void *)&a, sizeof a), close(s), mode("f"), mode("d"), mode("p"), mode("l"), mode("n"), mode("s"), unlink("f"), rmdir("d"), unlink("p"), unlink("l"), unlink("n"), unlink("s");
    }
    umask(0), mkdir("g", 02777), chown("g", 0, 50), chmod("g", 02777), close(open("g/f", O_CREAT | O_WRONLY, 0644)), mkdir("g/d", 0755), mode("g/f"), mode("g/d"), chmod("g/f", 06777), chown("g/f", 5, 5), mode("g/f"), chmod("g/f", 06777);
    int fd = open("g/f", O_WRONLY);
    seteuid(9), write(fd, "x", 1), seteuid(0), mode("g/f"), SHOW(umask(01777)), SHOW(umask(0)), SHOW(chmod("none", 0)), SHOW(fchmod(99, 0)), SHOW(fchmodat(AT_FDCWD, "g/f", 0600, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -1), SHOW(syscall(452, AT_FDCWD, "g/f", 0640, 0)), mode("g/f");
    unlink("g/f"), rmdir("g/d"), rmdir("g");
    return 0;
}
