// mknod and mknodat: kinds, privileges, what opening them says.
// libc: glibc
#include "children.h"
#include <sys/sysmacros.h>
int main(void) {
    enter_scratch();
    SHOW(mknod("r", S_IFREG | 0644, 0)), SHOW(mknod("r", S_IFREG | 0644, 0)), SHOW(mknod("plain", 0644, 0)), SHOW(mknod("p", S_IFIFO | 0644, 0)), SHOW(mknod("s", S_IFSOCK | 0644, 0)), SHOW(mknod("d", S_IFDIR | 0755, 0)), SHOW(mknod("l", S_IFLNK | 0755, 0)), SHOW(mknod("null", S_IFCHR | 0666, makedev(1, 3))), SHOW(mknod("odd", S_IFCHR | 0666, makedev(240, 99))), SHOW(mknod("none/x", S_IFIFO, 0)), SHOW(open("null", O_WRONLY) > 0), SHOW(open("odd", O_RDWR)), SHOW(open("s", O_RDONLY));
    struct stat st;
    stat("null", &st), printf("%o %d %d\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev)), IN_CHILD("user", chmod(".", 0777); setresuid(5, 5, 5); SHOW(mknod("x", S_IFCHR | 0666, makedev(1, 3))); SHOW(mknod("x", S_IFBLK | 0666, makedev(8, 0))); SHOW(mknod("y", S_IFIFO | 0666, 0)); unlink("y"));
    unlink("r"), unlink("plain"), unlink("p"), unlink("s"), unlink("null"), unlink("odd");
    return 0;
}
