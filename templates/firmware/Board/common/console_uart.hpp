// Console: text out over the debug probe's virtual serial port.
#pragma once

#include <stdint.h>

namespace board {

// Starts the console; `clock_hz` is that of its UART, 0 where it has none.
void start_console(uint32_t clock_hz);

// Queues text and returns at once; what does not fit into the ring is dropped and counted.
void console_write(const char* text);

// Sleeps until the ring can take `bytes` more, at most `limit_us`.
bool console_wait_for_room(uint32_t bytes, uint32_t limit_us);

uint32_t console_dropped_bytes();

// Writes without interrupts, for the fault handler. Every wait is bounded.
void console_write_polled(const char* text);

}  // namespace board
