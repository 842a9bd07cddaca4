// Two hundred connections at once, each with its own bytes.
#include "sockets.h"
int main(void) {
    int port, server = listener(&port, 256), clients[200], peers[200];
    for (int i = 0; i < 200; i++) {
        clients[i] = dial(port);
        NEED(peers[i] = accept(server, NULL, NULL));
    }
    int right = 0;
    for (int i = 0; i < 200; i++) NEED(write(clients[i], &i, sizeof i));
    for (int i = 199; i >= 0; i--) {
        int value = -1;
        NEED(read(peers[i], &value, sizeof value));
        right += value == i;
    }
    printf("%d\n", right);
    return 0;
}
