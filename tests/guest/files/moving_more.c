// sendfile, copy_file_range, splice, tee and vmsplice: offsets, kinds, overlaps, errors.
// libc: glibc
#include "check.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
int main(void) {
    enter_scratch();
    put_file("in", "0123456789"), put_file("out", "");
    int in = NEED(open("in", O_RDWR)), out = NEED(open("out", O_RDWR)), app = NEED(open("out", O_WRONLY | O_APPEND)), a[2], b[2], s[2];
    NEED(pipe(a)), NEED(pipe(b)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    off_t at = 3;
    loff_t from = 2, to = 5;
    char text[32] = {0};
    SHOW(sendfile(out, in, &at, 4)), SHOW(at), SHOW(lseek(in, 0, SEEK_CUR)), SHOW(sendfile(out, in, NULL, 3)), SHOW(lseek(in, 0, SEEK_CUR)), show_file("out"), SHOW(sendfile(app, in, NULL, 3)), SHOW(sendfile(out, a[0], NULL, 3)), SHOW(sendfile(in, 99, NULL, 1)), at = -1, SHOW(sendfile(out, in, &at, 1)), at = 20, SHOW(sendfile(out, in, &at, 1)), SHOW(sendfile(s[0], in, NULL, 100)), SHOW(read(s[1], text, 32)), SHOW(sendfile(a[1], in, &(off_t){0}, 5)), SHOW(sendfile(out, in, NULL, -1));
    SHOW(copy_file_range(in, &from, out, &to, 4, 0)), SHOW(from), SHOW(to), show_file("out"), SHOW(copy_file_range(in, NULL, out, NULL, 4, 1)), from = 0, to = 2, SHOW(copy_file_range(in, &from, in, &to, 5, 0)), to = 20, from = 0, SHOW(copy_file_range(in, &from, in, &to, 5, 0)), SHOW(copy_file_range(in, NULL, a[1], NULL, 5, 0)), from = 100, SHOW(copy_file_range(in, &from, out, NULL, 5, 0)), SHOW(copy_file_range(app, NULL, out, NULL, 1, 0)), from = 0, SHOW(copy_file_range(in, &from, app, NULL, 2, 0));
    SHOW(splice(a[0], NULL, b[1], NULL, 3, 0)), SHOW(tee(b[0], a[1], 2, 0)), SHOW(read(a[0], text, 32)), printf("%.4s\n", text), SHOW(read(b[0], text, 32)), to = 0, SHOW(write(a[1], "SPLICE", 6)), SHOW(splice(a[0], NULL, out, &to, 6, 0)), show_file("out"), from = 0, SHOW(splice(in, &from, a[1], NULL, 4, 0)), SHOW(from), SHOW(splice(a[0], NULL, s[0], NULL, 10, 0)), SHOW(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK)), SHOW(splice(in, NULL, out, NULL, 1, 0)), SHOW(splice(a[0], &from, b[1], NULL, 1, 0)), SHOW(splice(a[0], NULL, a[1], NULL, 1, 0)), SHOW(splice(in, NULL, a[1], NULL, 1, 64)), SHOW(splice(a[0], NULL, app, NULL, 1, 0)), SHOW(tee(a[0], a[1], 1, 0)), SHOW(tee(in, a[1], 1, 0)), SHOW(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
    struct iovec v[2] = {{"vm", 2}, {"splice", 6}};
    SHOW(vmsplice(a[1], v, 2, 0)), memset(text, 0, 32), SHOW(read(a[0], text, 32)), printf("%s\n", text), SHOW(vmsplice(in, v, 1, 0)), SHOW(vmsplice(a[1], v, 9999, 0));
    unlink("in"), unlink("out");
    return 0;
}
