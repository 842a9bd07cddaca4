// utimensat sets times to the nanosecond; NOW and OMIT mean what they say.
#include "check.h"
#include <sys/time.h>
int main(void) {
    enter_scratch();
    put_file("f", "");
    struct timespec set[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    struct stat s;
    SHOW(utimensat(AT_FDCWD, "f", set, 0));
    stat("f", &s);
    printf("%ld.%09ld %ld.%09ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    struct timespec some[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    SHOW(utimensat(AT_FDCWD, "f", some, 0));
    stat("f", &s);
    CHECK(s.st_atim.tv_sec == 1000000000);
    CHECK(labs((long)(s.st_mtim.tv_sec - time(NULL))) < 5);
    struct timespec bad[2] = {{0, 2000000000}, {0, 0}};
    SHOW(utimensat(AT_FDCWD, "f", bad, 0));
    SHOW(utimensat(AT_FDCWD, "absent", NULL, 0));
    int fd = open("f", O_RDWR);
    SHOW(futimens(fd, set));
    SHOW(write(fd, "x", 1));
    fstat(fd, &s);
    CHECK(labs((long)(s.st_mtim.tv_sec - time(NULL))) < 5);
    unlink("f");
    return 0;
}
