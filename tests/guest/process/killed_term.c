// SIGTERM sent to oneself: 128 + 15.
#include "check.h"
int main(void) {
    puts("before");
    kill(getpid(), SIGTERM);
    puts("after");
    return 0;
}
