// Ten processes hand a token round, a hundred times each.
#include "children.h"
int main(void) {
    int rings[10][2], token = 0;
    for (int i = 0; i < 10; i++) NEED(pipe(rings[i]));
    for (int i = 0; i < 10; i++)
        if (NEED(fork()) == 0) {
            int in = rings[i][0], out = rings[(i + 1) % 10][1];
            for (int round = 0; round < 100; round++) {
                if (read(in, &token, 4) != 4) _exit(1);
                token += i;
                if (write(out, &token, 4) != 4) _exit(2);
            }
            _exit(0);
        }
    for (int i = 0; i < 10; i++) if (i != 0) close(rings[i][0]), close(rings[i][1]);
    NEED(write(rings[0][1], &token, 4));
    int status, bad = 0;
    for (int i = 0; i < 10; i++) wait(&status), bad += status != 0;
    SHOW(bad), SHOW(read(rings[0][0], &token, 4)), SHOW(token);
    return 0;
}
