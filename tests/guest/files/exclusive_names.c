// A file created with O_EXCL, and a directory, as locks among processes.
#include "children.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    volatile int *inside = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 8; i++)
        if (NEED(fork()) == 0) {
            for (int j = 0; j < 10; j++) {
                int dir = j % 2, fd = -1;
                while (dir ? mkdir("lock", 0700) == -1 : (fd = open("lock", O_CREAT | O_EXCL, 0600)) == -1) {
                    if (errno != EEXIST) _exit(2);
                    sched_yield();
                }
                if (inside[0]++) inside[2]++;
                sched_yield(), inside[1]++, inside[0]--;
                dir ? rmdir("lock") : (close(fd), unlink("lock"));
            }
            _exit(0);
        }
    int status, bad = 0;
    for (int i = 0; i < 8; i++) wait(&status), bad += status;
    printf("%d entries, %d together, %d errors\n", inside[1], inside[2], bad);
    return 0;
}
