// Limits can be read and lowered; what makes no sense is refused.
#include "check.h"
#include <sys/resource.h>
int main(void) {
    struct rlimit limit;
    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK(limit.rlim_cur > 100 && limit.rlim_cur <= limit.rlim_max);
    SHOW(getrlimit(RLIMIT_STACK, &limit));
    CHECK(limit.rlim_cur >= 1 << 20);
    struct rlimit lower = {64, 100};
    SHOW(setrlimit(RLIMIT_NOFILE, &lower));
    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    printf("%lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
    struct rlimit odd = {90, 80};
    SHOW(setrlimit(RLIMIT_NOFILE, &odd));
    SHOW(getrlimit(99, &limit));
    SHOW(prlimit(0, RLIMIT_NOFILE, NULL, &limit));
    int count = 0;
    while (dup(1) != -1) count++;
    printf("%s after enough: %s\n", error_name(errno), count > 40 && count < 64 ? "yes" : "NO");
    SHOW(open("/", O_RDONLY));
    int pair[2];
    SHOW(pipe(pair));
    return 0;
}
