// Calendar functions of the C library, in UTC.
// env: TZ=UTC
#include "check.h"
int main(void) {
    time_t at = 1700000000;
    struct tm broken;
    char text[64];
    gmtime_r(&at, &broken);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ %a %j", &broken);
    puts(text);
    localtime_r(&at, &broken);
    printf("%ld\n", (long)mktime(&broken));
    printf("%ld\n", (long)timegm(&broken));
    return 0;
}
