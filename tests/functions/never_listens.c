// A function for tests: says something, then sleeps and never listens.
#include <stdio.h>
#include <unistd.h>
int main(void) {
    puts("waiting for something that does not come");
    fflush(stdout);
    pause();
}
