// MAP_SHARED memory, anonymous and of a file, is one for parent, child and grandchild.
// libc: glibc
#include "children.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    int fd = NEED(open("f", O_RDWR));
    int *anonymous = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *file = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    IN_CHILD("child", *anonymous = 5; file[0] = 'A'; private[1] = 'B';
             IN_CHILD("grandchild", *anonymous += 10; file[2] = 'C'; printf("%.10s\n", private)));
    printf("%d %.10s %.10s\n", *anonymous, file, private);
    show_file("f");
    SHOW(munmap(file, 4096));
    IN_CHILD("after unmapping", *anonymous = 77);
    printf("%d\n", *anonymous);
    unlink("f");
    return 0;
}
