// scandir, telldir, seekdir and rewinddir, while entries come and go.
#include "check.h"
#include <dirent.h>
static int wanted(const struct dirent *e) { return e->d_name[0] == 'f'; }
int main(void) {
    enter_scratch();
    char name[16];
    for (int i = 0; i < 300; i++) snprintf(name, 16, "f%03d", i), put_file(name, "");
    struct dirent **list, *e;
    SHOW(scandir(".", &list, wanted, alphasort));
    printf("%s %s\n", list[0]->d_name, list[299]->d_name);
    DIR *d = opendir(".");
    int count = 0, gone = 0;
    long at = 0;
    while ((e = readdir(d))) {
        if (++count == 100) at = telldir(d);
        if (e->d_name[0] == 'f' && atoi(e->d_name + 1) % 2) unlink(e->d_name), gone++;
    }
    SHOW(count), SHOW(gone), seekdir(d, at), count = 0;
    while ((e = readdir(d))) count++;
    CHECK(count > 50 && count <= 202), rewinddir(d), count = 0;
    while ((e = readdir(d))) count++;
    SHOW(count), closedir(d);
    for (int i = 0; i < 300; i++) snprintf(name, 16, "f%03d", i), unlink(name);
    SHOW(scandir(".", &list, wanted, alphasort)), SHOW(scandir("none", &list, wanted, alphasort));
    return 0;
}
