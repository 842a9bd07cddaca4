// Standard input is read to its end, then again the end.
// stdin: three lines\nof input\nwithout a last newline
#include "check.h"
int main(void) {
    char line[64];
    int count = 0;
    while (fgets(line, sizeof line, stdin)) printf("%d %s", ++count, line);
    puts("");
    printf("%d lines, end %d\n", count, feof(stdin) != 0);
    SHOW(read(0, line, sizeof line));
    return 0;
}
