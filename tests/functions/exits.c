// A function for tests: says why and ends while it is baked.
#include <stdio.h>
int main(void) {
    fputs("cannot read the configuration\n", stderr);
    return 3;
}
