// Name lookups end at once: localhost is known, others are not, and numbers need none.
// libc: glibc
#include "sockets.h"
#include <netdb.h>
#include <net/if.h>
#include <ifaddrs.h>
int main(void) {
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *r;
    SHOW(getaddrinfo("127.0.0.1", "80", &hint, &r)), SHOW(getaddrinfo("::1", "80", &hint, &r)), SHOW(getaddrinfo("not a number", "80", &hint, &r) != 0), hint.ai_flags = AI_PASSIVE, SHOW(getaddrinfo(NULL, "8080", &hint, &r));
    SHOW(if_nametoindex("lo")), SHOW(if_nametoindex("nothing0"));
    char name[IF_NAMESIZE];
    printf("%s\n", if_indextoname(1, name) ? name : "none");
    struct ifaddrs *list;
    int loopbacks = 0;
    SHOW(getifaddrs(&list));
    for (struct ifaddrs *i = list; i; i = i->ifa_next) loopbacks += !strcmp(i->ifa_name, "lo") && i->ifa_addr && i->ifa_addr->sa_family == AF_INET;
    SHOW(loopbacks);
    return 0;
}
