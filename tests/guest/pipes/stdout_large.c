// A megabyte to standard output, in order and complete.
#include "check.h"
int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 65536);
    for (int i = 0; i < 65536; i++) printf("line number %03x\n", i & 0xfff);
    return 0;
}
