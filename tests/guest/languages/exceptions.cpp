// C++ exceptions across frames and threads, with destructors on the way.
#include <cstdio>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
struct Noisy {
    std::string name;
    explicit Noisy(std::string n) : name(std::move(n)) {}
    ~Noisy() { std::printf("drop %s\n", name.c_str()); }
};
static int fail(int depth) {
    Noisy here("level " + std::to_string(depth));
    if (depth == 0) throw std::runtime_error("deep inside");
    return fail(depth - 1) + 1;
}
int main() {
    try {
        fail(3);
    } catch (const std::exception &error) {
        std::printf("caught %s\n", error.what());
    }
    auto later = std::async(std::launch::async, [] { return fail(1); });
    try {
        later.get();
    } catch (const std::runtime_error &error) {
        std::printf("caught from a thread: %s\n", error.what());
    }
    try {
        std::vector<int>().at(3);
    } catch (const std::out_of_range &) {
        std::puts("out of range");
    }
    throw 7;
}
