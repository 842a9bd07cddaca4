// exit_group ends the process without flushing, with the low byte as its status.
#include "check.h"
int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 4096);
    printf("never seen");
    syscall(SYS_exit_group, 300);
    return 1;
}
