// Numbers in every format.
#include "check.h"
#include <locale.h>
int main(void) {
    setlocale(LC_ALL, "C");
    printf("%d %5d|%-5d|%05d %+d %x %X %o %#x\n", -42, 42, 42, 42, 42, 255, 255, 8, 255);
    printf("%lu %lld %zu %hhd\n", ~0UL, (long long)INT64_MIN, sizeof(int), (signed char)300);
    printf("%f %.0f %.10f %e %g %g %a\n", 3.14159265358979, 2.5, 1.0 / 3, 12345.678, 1e20, 1e-5, 1.0);
    printf("%f %f %g\n", 1.0 / 0.0, -1.0 / 0.0, 1e308 * 10);
    printf("[%s] [%10s] [%-10s] [%.2s] %c %%\n", "text", "right", "left", "cut", 'c');
    int n;
    printf("count%n", &n);
    printf(" %d\n", n);
    double value;
    int whole;
    char word[16];
    SHOW(sscanf("12 3.5e2 hello", "%d %lf %15s", &whole, &value, word));
    printf("%d %g %s\n", whole, value, word);
    printf("%g %g\n", strtod("0x1p-3", NULL), strtod("1e400", NULL));
    printf("%ld %s\n", strtol("99999999999999999999", NULL, 10), error_name(errno));
    return 0;
}
