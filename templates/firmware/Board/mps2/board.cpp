// Starts the MPS2 board as QEMU models it: no clock to set, no caches, no module.
#include "board.hpp"

#include "board_config.hpp"
#include "console_uart.hpp"
#include "core_registers.hpp"
#include "fault.hpp"
#include "server_link.hpp"
#include "stack.hpp"
#include "time.hpp"

extern "C" const uint32_t _vectors[];  // set by the linker script

namespace board {

StartReport start() {
    core::scb().vector_table = reinterpret_cast<uint32_t>(&_vectors[0]);
    enable_fault_handlers();
    guard_stack();
    start_time(config::kCoreHz);
    start_console(config::kCoreHz);
    return {config::kCoreHz, nullptr, start_server_link(0)};
}

// The boards have no number of their own.
uint32_t device_id() { return 0; }

}  // namespace board
