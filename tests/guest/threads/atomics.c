// Atomic counters, compare-and-swap lists and fences among threads.
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
struct node { struct node *next; int value; };
static _Atomic(struct node *) head;
static atomic_long sum;
static struct node nodes[8][2000];
static void *body(void *number) {
    for (int i = 0; i < 2000; i++) {
        struct node *n = &nodes[(long)number][i];
        n->value = (long)number * 2000 + i, n->next = atomic_load(&head);
        while (!atomic_compare_exchange_weak(&head, &n->next, n)) {
        }
        atomic_fetch_add(&sum, n->value);
        if (i % 500 == 0) sched_yield();
    }
    return NULL;
}
int main(void) {
    pthread_t t[8];
    for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, body, (void *)i);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    long count = 0, total = 0;
    for (struct node *n = head; n; n = n->next) count++, total += n->value;
    printf("%ld nodes, %ld %ld\n", count, total, (long)sum);
    return 0;
}
