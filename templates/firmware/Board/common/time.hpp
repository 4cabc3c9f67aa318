// Time since start.
#pragma once

#include <stdint.h>

namespace board {

// Starts the time base. `core_hz` must be a multiple of 1 MHz.
void start_time(uint32_t core_hz);

// Microseconds since start_time; wraps after 71 minutes, so compare differences only. Runs on while
// the core sleeps. May be called from interrupts, and with interrupts masked for less than 1 ms.
uint32_t now_us();

// Processor cycles; wraps after 2^32. What is spent asleep may or may not count.
uint32_t cycles();

}  // namespace board
