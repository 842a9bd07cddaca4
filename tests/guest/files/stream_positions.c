// Streams in r+, w+ and a+ mode: positions, ungetc, switching between reading and writing.
#include "check.h"
int main(void) {
    enter_scratch();
    put_file("f", "0123456789");
    char b[32] = {0};
    fpos_t at;
    FILE *f = fopen("f", "r+");
    SHOW(fread(b, 1, 4, f)), SHOW(ftell(f)), fseek(f, 0, SEEK_CUR), SHOW(fwrite("AB", 1, 2, f)), SHOW(ftell(f)), SHOW(fseek(f, -2, SEEK_END)), SHOW(fgetc(f)), SHOW(ungetc('z', f)), SHOW(fgetc(f)), fgetpos(f, &at), SHOW(fgetc(f)), SHOW(fgetc(f)), SHOW(feof(f) != 0), fsetpos(f, &at), SHOW(fgetc(f)), SHOW(fseek(f, -100, SEEK_SET)), fclose(f), show_file("f");
    f = fopen("f", "a+"), SHOW(fread(b, 1, 2, f)), fseek(f, 0, SEEK_SET), SHOW(fputs("end", f)), SHOW(ftell(f)), rewind(f), SHOW(fgetc(f)), fclose(f), show_file("f"), f = fopen("f", "w+"), SHOW(fgetc(f)), fputs("new", f), rewind(f), SHOW(fgetc(f)), fclose(f), show_file("f"), SHOW(fopen("f", "x") != NULL), SHOW(fopen("f", "wx") != NULL), SHOW(fopen("none/f", "w") != NULL);
    f = fopen("f", "r"), SHOW(fputc('x', f)), SHOW(ferror(f) != 0), fclose(f), unlink("f");
    return 0;
}
