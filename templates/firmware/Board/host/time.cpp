// Time from the operating system's monotonic clock.
#include "time.hpp"

#include <time.h>

namespace board {
namespace {

uint64_t start_ns = 0;

uint64_t monotonic_ns() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

void start_time(uint32_t) { start_ns = monotonic_ns(); }

uint32_t now_us() { return static_cast<uint32_t>((monotonic_ns() - start_ns) / 1000U); }

uint32_t cycles() { return static_cast<uint32_t>(monotonic_ns()); }

}  // namespace board
