// fmemopen, open_memstream, and reading a stream by lines of any length.
#include "check.h"
int main(void) {
    char *text = NULL, buffer[16] = "0123456789", *line = NULL;
    size_t size = 0, room = 0;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < 1000; i++) fprintf(f, "%d,", i);
    fclose(f), printf("%zu %.12s\n", size, text);
    f = fmemopen(buffer, 10, "r+"), SHOW(fgetc(f)), fseek(f, 5, SEEK_SET), fputs("AB", f), fflush(f), printf("%.10s\n", buffer), fclose(f);
    int pair[2];
    pipe(pair), f = fdopen(pair[1], "w");
    for (int i = 0; i < 3; i++) fprintf(f, "%0*d\n", i * 700 + 1, i);
    fclose(f), f = fdopen(pair[0], "r");
    for (ssize_t n; (n = getline(&line, &room, f)) != -1;) printf("%zd %c\n", n, line[n - 2]);
    SHOW(feof(f) != 0), fclose(f), free(line), free(text);
    return 0;
}
