// mkstemp and its relatives: templates, suffixes, flags, what cannot be.
#include "check.h"
int main(void) {
    enter_scratch();
    char a[] = "one-XXXXXX", b[] = "two-XXXXXX.end", c[] = "short-XXX", d[] = "dir-XXXXXX", e[] = "none/XXXXXX";
    int fd = NEED(mkstemp(a));
    struct stat s;
    fstat(fd, &s), printf("%o %d\n", s.st_mode & 07777, strncmp(a, "one-XXXXXX", 10) != 0), SHOW(fcntl(fd, F_GETFL) & O_ACCMODE), close(fd), SHOW(unlink(a));
    fd = NEED(mkostemps(b, 4, O_APPEND | O_CLOEXEC)), printf("%s %d %d\n", b + 10, !!(fcntl(fd, F_GETFL) & O_APPEND), fcntl(fd, F_GETFD)), close(fd), SHOW(unlink(b)), SHOW(mkstemp(c)), CHECK(mkdtemp(d) == d), stat(d, &s), printf("%o\n", s.st_mode & 07777), SHOW(rmdir(d)), SHOW(mkstemp(e));
    FILE *f = tmpfile();
    fprintf(f, "text"), rewind(f), fscanf(f, "%3s", a), puts(a), fclose(f);
    return 0;
}
