// Adds, with a thread and without, and crashes if it is told to.
#include <pthread.h>
#include <stdio.h>

static int total;

int add(int first, int second) {
    int sum = first + second;
    total += sum;
    return sum;
}

static void *other(void *argument) {
    add(30, 40);
    return argument;
}

int main(int count, char **arguments) {
    pthread_t thread;
    printf("sum %d\n", add(3, 4));
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
    printf("total %d\n", total);
    if (count > 1) *(volatile int *)8 = total;
    return 5;
}
