// The stack grows down as it is used, over a megabyte in one step.
#include "check.h"
#include <alloca.h>
static int deep(int level) {
    char frame[1000];
    memset(frame, level, sizeof frame);
    return level == 0 ? 0 : deep(level - 1) + (frame[999] == (char)level);
}
int main(void) {
    printf("%d\n", deep(3000));
    char *big = alloca(3 << 20);
    memset(big, 1, 3 << 20);
    printf("%d\n", big[0] + big[(3 << 20) - 1]);
    return 0;
}
