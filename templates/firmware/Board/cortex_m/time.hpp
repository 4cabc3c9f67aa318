// Time since start: microseconds from SysTick, cycles from the DWT.
#pragma once

#include <stdint.h>

namespace board {

// Starts SysTick at 1 kHz and the cycle counter. `core_hz` must be a multiple of 1 MHz.
void start_time(uint32_t core_hz);

// Microseconds since start_time; wraps after 71 minutes, so compare differences only. It comes from
// SysTick because SysTick runs on while the core sleeps; the cycle counter does not.
// May be called from interrupts, and with interrupts masked for less than 1 ms.
uint32_t now_us();

// Processor cycles, without those spent asleep; wraps after 2^32.
uint32_t cycles();

}  // namespace board
