// The status is the low byte of what main returns.
#include "check.h"
int main(void) {
    puts("leaving");
    return 0x1234;
}
