// What either side writes after fork stays its own: globals, stack, heap, private mappings.
// libc: musl
#include "children.h"
#include <sys/mman.h>
static int global = 1;
int main(void) {
    int local = 2, *heap = malloc(sizeof *heap);
    int *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *heap = 3, *mapped = 4;
    IN_CHILD("child", printf("child sees %d %d %d %d\n", global, local, *heap, *mapped); global = local = *heap = *mapped = 9;
             printf("child has %d %d %d %d\n", global, local, *heap, *mapped));
    printf("parent has %d %d %d %d\n", global, local, *heap, *mapped);
    int up[2], down[2];
    NEED(pipe(up)), NEED(pipe(down));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        await_byte(down[0]);
        printf("child still sees %d %d %d %d\n", global, local, *heap, *mapped);
        _exit(0);
    }
    global = local = *heap = *mapped = 7;
    NEED(write(down[1], "x", 1));
    int status;
    SHOW(waitpid(pid, &status, 0) == pid);
    printf("parent keeps %d %d %d %d\n", global, local, *heap, *mapped);
    return 0;
}
