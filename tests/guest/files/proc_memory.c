// /proc/PID/mem and /proc/PID/pagemap: memory by address, of its own and of a child.
#include "children.h"
#include <sys/mman.h>
static const char constant[] = "a constant";
static uint64_t state(int fd, void *address) {
    uint64_t word = 0;
    pread(fd, &word, 8, (uintptr_t)address / 4096 * 8);
    return word >> 63;
}
int main(void) {
    char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), bytes[8200] = {0};
    munmap(p + 3 * 4096, 4096);
    strcpy(p, "first"), strcpy(p + 4096, "second");
    int fd = NEED(open("/proc/self/mem", O_RDWR)), map = NEED(open("/proc/self/pagemap", O_RDONLY));
    SHOW(pread(fd, bytes, 6, (long)p)), puts(bytes);
    SHOW(lseek(fd, (long)p + 4096, SEEK_SET) == (long)p + 4096), SHOW(read(fd, bytes, 7)), puts(bytes), SHOW(lseek(fd, 0, SEEK_CUR) == (long)p + 4103);
    SHOW(pread(fd, bytes, 8192, (long)p + 2 * 4096)), SHOW(pread(fd, bytes, 10, (long)p + 3 * 4096)), SHOW(pread(fd, bytes, 10, 8)), SHOW(pread(fd, bytes, 0, 8));
    SHOW(pwrite(fd, "FIRST", 5, (long)p)), puts(p), SHOW(pwrite(fd, "x", 1, 8));
    // What may not be written is written all the same, by a copy.
    SHOW(pwrite(fd, "A", 1, (long)constant)), puts((const char *)(volatile const char *)constant);
    SHOW(read(fd, (void *)8, 4));
    SHOW(state(map, p)), SHOW(state(map, p + 3 * 4096)), SHOW(state(map, main)), SHOW(state(map, bytes));
    SHOW(pread(map, bytes, 5, 0)), SHOW(pread(map, bytes, 8, 3)), SHOW(pread(map, bytes, 8, 1L << 50));
    int go[2];
    NEED(pipe(go));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(go[0]);
        puts(p);
        _exit(0);
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int other = NEED(open(path, O_RDWR));
    SHOW(pwrite(other, "child", 6, (long)p)), puts(p), write(go[1], "x", 1), waitpid(pid, NULL, 0);
    SHOW(pread(other, bytes, 4, (long)p)), SHOW(open(path, O_RDONLY));
    struct stat st;
    NEED(stat("/proc/self/mem", &st)), printf("%o\n", st.st_mode), NEED(stat("/proc/self/pagemap", &st)), printf("%o\n", st.st_mode);
    return 0;
}
