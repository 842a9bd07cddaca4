// A program that touches more memory than there is gets ENOMEM or is ended; here a limit of its own says when.
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>
int main(void) {
    struct rlimit limit = {1L << 30, 1L << 30};
    SHOW(setrlimit(RLIMIT_AS, &limit));
    CHECK(mmap(NULL, 2UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(NULL, 16UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    return 0;
}
