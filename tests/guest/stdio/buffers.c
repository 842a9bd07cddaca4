// Streams over files: modes, seeking, pushing back, ends and errors.
#include "check.h"
int main(void) {
    enter_scratch();
    FILE *f = fopen("f", "w+");
    fprintf(f, "line %d\n%s\n", 1, "second");
    rewind(f);
    char line[64];
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "line 1\n") == 0);
    printf("%ld\n", ftell(f));
    ungetc('S', f);
    fgets(line, sizeof line, f);
    printf("%s", line);
    CHECK(fgetc(f) == EOF && feof(f));
    fseek(f, -7, SEEK_END);
    fputs("CHANGE", f);
    fclose(f);
    show_file("f");
    f = fopen("f", "a");
    fputs("more", f);
    fclose(f);
    show_file("f");
    CHECK(fopen("absent", "r") == NULL && errno == ENOENT);
    f = fopen("f", "r");
    CHECK(fputc('x', f) == EOF && ferror(f));
    fclose(f);
    f = tmpfile();
    CHECK(f != NULL);
    fwrite("12345678", 2, 4, f);
    rewind(f);
    SHOW(fread(line, 3, 5, f));
    unlink("f");
    return 0;
}
