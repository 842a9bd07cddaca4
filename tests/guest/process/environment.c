// The environment that was asked for is there; setenv, unsetenv and putenv work on it.
// env: COLOUR=blue
// env: EMPTY=
// env: EQUALS=a=b=c
#include "check.h"
extern char **environ;
static void show(const char *name) {
    const char *value = getenv(name);
    printf("%s=%s\n", name, value ? value : "(none)");
}
int main(void) {
    show("COLOUR");
    show("EMPTY");
    show("EQUALS");
    show("NOT_THERE");
    SHOW(setenv("COLOUR", "red", 0));
    show("COLOUR");
    SHOW(setenv("COLOUR", "red", 1));
    show("COLOUR");
    SHOW(unsetenv("EMPTY"));
    show("EMPTY");
    SHOW(setenv("BAD=NAME", "x", 1));
    return 0;
}
