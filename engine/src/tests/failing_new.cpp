// Preloaded into a process: has its calls of operator new numbered VINEDB_FAIL_FIRST to VINEDB_FAIL_LAST fail, as they do
// when memory runs out. At the end it writes how many there were to the file VINEDB_FAIL_COUNT.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

long number(const char* name) {
    const char* value = std::getenv(name);
    return value ? std::atol(value) : 0;
}

std::atomic<long> calls{0};

void* allocate(std::size_t size) {
    static const long first = number("VINEDB_FAIL_FIRST"), last = number("VINEDB_FAIL_LAST");
    const long call = ++calls;
    void* const memory = call >= first && call <= last ? nullptr : std::malloc(size ? size : 1);
    if (!memory) {
        throw std::bad_alloc();
    }
    return memory;
}

__attribute__((destructor)) void write_count() {
    const char* path = std::getenv("VINEDB_FAIL_COUNT");
    if (std::FILE* file = path ? std::fopen(path, "w") : nullptr) {
        std::fprintf(file, "%ld", calls.load());
        std::fclose(file);
    }
}

} // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}

void* operator new[](std::size_t size) {
    return allocate(size);
}
