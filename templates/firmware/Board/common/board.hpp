// The board as the application sees it.
#pragma once

#include <stdint.h>

namespace board {

struct StartReport {
    uint32_t core_hz;
    const char* clock_problem;  // nullptr: the clock is as planned
    bool link_started;          // false: frames are answered locally
};

// Clock, caches, stack guard, fault handlers, time, console and link; first call in main.
StartReport start();

// A number that differs from board to board.
uint32_t device_id();

}  // namespace board
