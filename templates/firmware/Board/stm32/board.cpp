// Starts the board in the order in which its parts depend on each other.
#include "board.hpp"

#include "board_config.hpp"
#include "caches.hpp"
#include "clock.hpp"
#include "console_uart.hpp"
#include "core_registers.hpp"
#include "fault.hpp"
#include "server_link.hpp"
#include "stack.hpp"
#include "time.hpp"

extern "C" const uint32_t _vectors[];  // set by the linker script

namespace board {
namespace {

uint32_t clock_of(const config::Uart& uart, const ClockTree& clock) {
    return uart.on_apb2 ? clock.apb2_hz : clock.apb1_hz;
}

}  // namespace

StartReport start() {
    core::scb().vector_table = reinterpret_cast<uint32_t>(&_vectors[0]);
    enable_fault_handlers();
    guard_stack();
    const ClockTree clock = start_clock();
    enable_caches();
    start_time(clock.core_hz);
    start_console(clock_of(config::kConsole, clock));
    const bool link_started = start_server_link(clock_of(config::kLinkUart, clock));
    return {clock.core_hz, clock.status == ClockStatus::kOk ? nullptr : describe(clock.status),
            link_started};
}

// From the part's unique device ID, 96 bits.
uint32_t device_id() {
    const auto* words = reinterpret_cast<const volatile uint32_t*>(config::kUniqueIdAddress);
    constexpr uint32_t kPrime = 0x01000193U;  // FNV-1a, a word at a time
    uint32_t hash = 0x811C9DC5U;
    for (int word = 0; word < 3; ++word) {
        hash = (hash ^ words[word]) * kPrime;
    }
    return hash;
}

}  // namespace board
