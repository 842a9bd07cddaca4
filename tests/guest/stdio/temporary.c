// tmpfile, mkstemp, mkostemp, tmpnam-like names, freopen, fdopen, popen's absence of a shell.
// libc: glibc
#include "check.h"
int main(void) {
    enter_scratch();
    FILE *f = tmpfile();
    CHECK(f != NULL), fputs("hello", f), rewind(f);
    char text[16] = {0}, name[] = "xXXXXXX", bad[] = "xXX";
    printf("%s\n", fgets(text, 16, f)), fclose(f);
    int fd = mkstemp(name);
    CHECK(fd > 0);
    struct stat s;
    fstat(fd, &s), printf("%o\n", s.st_mode), unlink(name), f = fdopen(fd, "w+"), fprintf(f, "%d %s", 42, "words"), fflush(f), rewind(f);
    int n;
    SHOW(fscanf(f, "%d %15s", &n, text)), printf("%d %s\n", n, text), SHOW(fseek(f, -3, SEEK_END)), SHOW(fgetc(f)), SHOW(ftell(f)), fclose(f), CHECK(fdopen(99, "r") == NULL), CHECK(fopen("none", "r") == NULL), CHECK(fopen("f", "wx") != NULL), CHECK(fopen("f", "wx") == NULL), unlink("f");
    return 0;
}
