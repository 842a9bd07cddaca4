"""CPU-bound work: objects, dictionaries, strings, big numbers. Prints its name and nanoseconds for each byte it reads."""
import json
import os
import time


class Body:
    def __init__(self, place, speed):
        self.place, self.speed = place, speed


def work():
    bodies = [Body(float(i), float(-i)) for i in range(400)]
    for _ in range(60):
        for body in bodies:
            body.place += body.speed * 0.01
            body.speed -= body.place * 0.01
    words = {}
    for i in range(60000):
        word = "w%d" % (i * 7919 % 5003)
        words[word] = words.get(word, 0) + 1
    text = json.dumps(words)
    for _ in range(12):
        assert len(json.loads(text)) == len(words)
    return pow(3, 20000) % 1000007 + sum(words.values())


while os.read(0, 1):
    before = time.perf_counter_ns()
    work()
    print("python", time.perf_counter_ns() - before, flush=True)
