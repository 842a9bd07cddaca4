// Containers, strings, streams and atomics of the C++ library.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>
int main() {
    std::map<std::string, int> words;
    std::istringstream text("to be or not to be that is the question");
    for (std::string word; text >> word;) words[word]++;
    for (const auto &[word, count] : words) std::cout << word << ' ' << count << '\n';
    std::vector<int> numbers(100000);
    unsigned state = 1;
    for (int &n : numbers) n = (state = state * 1664525 + 1013904223) >> 8;
    std::sort(numbers.begin(), numbers.end());
    std::cout << std::is_sorted(numbers.begin(), numbers.end()) << ' ' << numbers[50000] << std::endl;
    std::atomic<long> sum{0};
    std::mutex lock;
    long guarded = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 10000; i++) {
                sum++;
                std::lock_guard<std::mutex> hold(lock);
                guarded++;
            }
        });
    for (auto &thread : threads) thread.join();
    std::cout << sum << ' ' << guarded << std::endl;
    auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::cout << (std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(20)) << std::endl;
}
