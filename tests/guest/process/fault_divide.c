// An integer division by zero ends the process by SIGFPE.
#include "check.h"
int main(int argc, char **argv) {
    (void)argv;
    volatile int zero = argc - 1;
    puts("before");
    printf("%d\n", 1 / zero);
    return 0;
}
