// The board as the application sees it.
#pragma once

#include <stdint.h>

#include "clock.hpp"
#include "link_uart.hpp"

namespace board {

struct StartReport {
    ClockTree clock;
    bool link_uart_ready;
};

// Clock, caches, stack guard, fault handlers, time, console and link UART; first call in main.
StartReport start(LinkUart& link_uart);

// A number that differs from part to part (RM0385 section 41.1, unique device ID).
uint32_t device_id();

}  // namespace board
