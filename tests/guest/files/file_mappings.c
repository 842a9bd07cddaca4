// Mappings of a file see writes, truncation takes their pages away, and private ones keep their own.
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
static sigjmp_buf back;
static void on_bus(int signal) { siglongjmp(back, signal); }
int main(void) {
    enter_scratch();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    ftruncate(fd, 8192);
    char *shared = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("%d %d\n", shared[0], private[0]);
    pwrite(fd, "hello", 5, 0);
    printf("%.5s %.5s\n", shared, private);
    memcpy(shared + 4096, "shared", 6);
    char bytes[8] = {0};
    pread(fd, bytes, 6, 4096);
    puts(bytes);
    private[0] = 'P';
    pwrite(fd, "HELLO", 5, 0);
    printf("%.5s %.5s\n", shared, private);
    SHOW(msync(shared, 8192, MS_SYNC));
    signal(SIGBUS, on_bus);
    if (sigsetjmp(back, 1) == 0) { printf("%d\n", shared[8192]); } else puts("SIGBUS beyond the end");
    ftruncate(fd, 4096);
    if (sigsetjmp(back, 1) == 0) { printf("%d\n", shared[4096]); } else puts("SIGBUS after truncation");
    ftruncate(fd, 8192);
    if (sigsetjmp(back, 1) == 0) { printf("%d\n", shared[4096]); } else puts("SIGBUS after growth");
    printf("%.5s\n", private);
    unlink("f");
    close(fd);
    printf("%.5s\n", shared);
    int ro = NEED(open("/proc/self/exe", O_RDONLY));
    char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
    printf("%d%.3s\n", text[0], text + 1);
    text[1] = 'X';
    printf("%d%.3s\n", text[0], text + 1);
    SHOW((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
    int zero = NEED(open("/dev/zero", O_RDWR));
    char *zeros = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    printf("%d\n", zeros[100]);
    SHOW((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, NEED(open("/dev/null", O_RDONLY)), 0));
    return 0;
}
