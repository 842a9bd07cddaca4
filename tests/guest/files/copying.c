// sendfile and copy_file_range move bytes between descriptors.
#include "check.h"
#include <sys/sendfile.h>
int main(void) {
    enter_scratch();
    put_file("from", "0123456789");
    int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644);
    off_t at = 2;
    SHOW(sendfile(to, from, &at, 4));
    printf("%ld\n", (long)at);
    SHOW(lseek(from, 0, SEEK_CUR));
    SHOW(sendfile(to, from, NULL, 100));
    show_file("to");
    SHOW(sendfile(to, from, NULL, 100));
    SHOW(sendfile(0x7777, from, NULL, 1));
    SHOW(sendfile(to, 0x7777, NULL, 1));
    SHOW(sendfile(from, to, NULL, 1));
    int pair[2];
    NEED(pipe(pair));
    at = 0;
    SHOW(sendfile(pair[1], from, &at, 5));
    char bytes[8] = {0};
    SHOW(read(pair[0], bytes, 8));
    puts(bytes);
    unlink("from"), unlink("to");
    return 0;
}
