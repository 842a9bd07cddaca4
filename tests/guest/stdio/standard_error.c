// Standard error is a stream of its own.
#include "check.h"
int main(void) {
    fprintf(stderr, "this goes elsewhere\n");
    puts("this is compared");
    SHOW(dup2(1, 2));
    fprintf(stderr, "this is compared too\n");
    return 0;
}
