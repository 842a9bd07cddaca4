// nftw: order, depth, links, directories after their entries, and ending early.
#include "check.h"
#include <ftw.h>
static int seen, total;
static int note(const char *path, const struct stat *s, int kind, struct FTW *f) { return (void)path, seen++, total += f->level, kind == FTW_D || kind == FTW_DP ? (void)(total += 100) : (void)0, 0; }
static int leave(const char *path, const struct stat *s, int kind, struct FTW *f) { return kind == FTW_DP ? rmdir(path) : unlink(path); }
static int stop(const char *path, const struct stat *s, int kind, struct FTW *f) { return kind == FTW_SL ? 77 : 0; }
int main(void) {
    enter_scratch();
    char path[64];
    mkdir("t", 0755);
    for (int i = 0; i < 5; i++) {
        snprintf(path, 64, "t/d%d", i), mkdir(path, 0755);
        for (int j = 0; j < 7; j++) snprintf(path, 64, "t/d%d/f%d", i, j), put_file(path, "x");
        snprintf(path, 64, "t/d%d/deep", i), mkdir(path, 0755), snprintf(path, 64, "t/d%d/deep/link", i), symlink("../f0", path);
    }
    SHOW(nftw("t", note, 4, FTW_PHYS)), SHOW(seen), SHOW(total), seen = total = 0, SHOW(nftw("t", note, 1, FTW_DEPTH)), SHOW(seen), SHOW(total), SHOW(nftw("t", stop, 8, FTW_PHYS)), SHOW(nftw("none", note, 8, 0)), SHOW(nftw("t", leave, 8, FTW_DEPTH | FTW_PHYS)), SHOW(access("t", F_OK));
    return 0;
}
