// Starts the board in the order in which its parts depend on each other.
#include "board.hpp"

#include "board_config.hpp"
#include "caches.hpp"
#include "console_uart.hpp"
#include "core_registers.hpp"
#include "fault.hpp"
#include "stack.hpp"
#include "time.hpp"

extern "C" const uint32_t _vectors[];  // set by the linker script

namespace board {

StartReport start(LinkUart& link_uart) {
    core::scb().vector_table = reinterpret_cast<uint32_t>(&_vectors[0]);
    enable_fault_handlers();
    guard_stack();
    const ClockTree clock = start_clock();
    enable_caches();
    start_time(clock.core_hz);
    start_console(config::kConsole.on_apb2 ? clock.apb2_hz : clock.apb1_hz);
    const bool ready = link_uart.start(config::kLinkUart.on_apb2 ? clock.apb2_hz : clock.apb1_hz);
    return {clock, ready};
}

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
