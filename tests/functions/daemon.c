// A function for tests: goes to the background, as daemons do.
#include <unistd.h>
int main(void) {
    switch (fork()) {
    case -1: return 1;
    case 0: pause();
    }
    return 0;
}
