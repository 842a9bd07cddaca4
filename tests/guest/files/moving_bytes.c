// splice, tee, sendfile and copy_file_range move bytes with and without explicit offsets.
#include "check.h"
#include <sys/sendfile.h>
int main(void) {
    enter_scratch();
    put_file("in", "0123456789abcdef");
    int in = NEED(open("in", O_RDONLY)), out = NEED(open("out", O_RDWR | O_CREAT, 0644));
    int p[2], q[2];
    NEED(pipe2(p, O_NONBLOCK));
    NEED(pipe2(q, O_NONBLOCK));
    loff_t at = 4;
    SHOW(splice(in, &at, p[1], NULL, 6, 0));
    printf("at %ld offset %ld\n", (long)at, (long)lseek(in, 0, SEEK_CUR));
    SHOW(tee(p[0], q[1], 100, 0));
    SHOW(splice(p[0], NULL, out, NULL, 100, 0));
    SHOW(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK));
    show_file("out");
    char bytes[16] = {0};
    SHOW(read(q[0], bytes, 16));
    puts(bytes);
    SHOW(splice(in, NULL, out, NULL, 4, 0));
    SHOW(splice(p[0], NULL, p[1], NULL, 4, 0));
    SHOW(splice(in, &at, p[1], &at, 4, 0));
    off_t off = 10;
    SHOW(sendfile(out, in, &off, 100));
    printf("off %ld\n", (long)off);
    SHOW(sendfile(out, in, NULL, 3));
    printf("offset %ld\n", (long)lseek(in, 0, SEEK_CUR));
    show_file("out");
    SHOW(sendfile(out, p[0], NULL, 3));
    SHOW(sendfile(p[1], in, NULL, 3));
    SHOW(read(p[0], bytes, 16));
    loff_t from = 0, to = 2;
    SHOW(copy_file_range(in, &from, out, &to, 4, 0));
    printf("from %ld to %ld\n", (long)from, (long)to);
    show_file("out");
    SHOW(copy_file_range(in, &from, out, &to, 4, 1));
    from = 0, to = 2;
    SHOW(copy_file_range(out, &from, out, &to, 4, 0));
    from = 100;
    SHOW(copy_file_range(in, &from, out, &to, 4, 0));
    SHOW(copy_file_range(in, NULL, p[1], NULL, 4, 0));
    int append = NEED(open("out", O_WRONLY | O_APPEND));
    SHOW(sendfile(append, in, NULL, 3));
    SHOW(copy_file_range(in, NULL, append, NULL, 4, 0));
    SHOW(sendfile(in, in, NULL, 3));
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    lseek(in, 0, SEEK_SET);
    SHOW(splice(in, NULL, p[1], NULL, 4, 0));
    unlink("in"), unlink("out");
    return 0;
}
