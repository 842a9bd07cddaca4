// Directory streams: telldir, seekdir, rewinddir, entries made and removed meanwhile, small buffers.
// libc: musl
#include "check.h"
#include <dirent.h>
int main(void) {
    enter_scratch();
    char name[16], b[4096];
    for (int i = 0; i < 300; i++) snprintf(name, 16, "f%03d", i), close(open(name, O_CREAT | O_WRONLY, 0644));
    DIR *d = opendir(".");
    int n = 0, again = 0;
    long at = 0;
    char marked[256] = "";
    for (struct dirent *e; (e = readdir(d)); n++) if (n == 99) { at = telldir(d); e = readdir(d), strcpy(marked, e->d_name), n++; }
    SHOW(n), seekdir(d, at), CHECK(!strcmp(readdir(d)->d_name, marked)), rewinddir(d);
    for (struct dirent *e; (e = readdir(d));) again += e->d_name[0] == 'f' && e->d_type == DT_REG;
    SHOW(again), rewinddir(d), n = 0;
    for (struct dirent *e; (e = readdir(d));) if (e->d_name[0] == 'f') unlink(e->d_name), n++;
    SHOW(n), rewinddir(d), n = 0;
    while (readdir(d)) n++;
    SHOW(n), closedir(d);
    int fd = NEED(open(".", O_RDONLY));
    SHOW(syscall(SYS_getdents64, fd, b, 10)), SHOW(syscall(SYS_getdents64, fd, b, 4096) > 0), SHOW(syscall(SYS_getdents64, fd, b, 4096)), SHOW(lseek(fd, 0, SEEK_SET)), SHOW(syscall(SYS_getdents64, fd, 8, 4096)), SHOW(syscall(SYS_getdents64, 0, b, 4096)), SHOW(read(fd, b, 10)), SHOW(write(fd, b, 1)), rmdir(scratch_path), SHOW(syscall(SYS_getdents64, fd, b, 4096));
    return 0;
}
