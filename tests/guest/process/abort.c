// abort raises SIGABRT: 128 + 6.
#include "check.h"
int main(void) {
    puts("before");
    abort();
}
