// Standard input without anything is at its end at once.
#include "check.h"
int main(void) {
    char c;
    SHOW(read(0, &c, 1));
    SHOW(read(0, &c, 1));
    CHECK(fcntl(0, F_GETFL) != -1);
    return 0;
}
