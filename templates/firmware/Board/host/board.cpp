// A program of this machine instead of a board. The only part that may call the operating system
// lies in this folder.
#include "board.hpp"

#include <unistd.h>

#include "console_uart.hpp"
#include "server_link.hpp"
#include "time.hpp"

namespace board {
namespace {

constexpr uint32_t kClockHz = 1'000'000'000;  // cycles are nanoseconds here

}  // namespace

StartReport start() {
    start_time(kClockHz);
    start_console(0);
    return {kClockHz, nullptr, start_server_link(0)};
}

// From the machine and the process: two programs on one machine are two devices.
uint32_t device_id() {
    constexpr uint32_t kPrime = 0x01000193U;  // FNV-1a, a word at a time
    uint32_t hash = 0x811C9DC5U;
    hash = (hash ^ static_cast<uint32_t>(gethostid())) * kPrime;
    return (hash ^ static_cast<uint32_t>(getpid())) * kPrime;
}

}  // namespace board
