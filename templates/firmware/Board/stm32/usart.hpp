// What both UARTs of the board have in common: clock, pins, baud rate.
#pragma once

#include <stdint.h>

#include "board_config.hpp"
#include "usart_registers.hpp"

namespace board::stm32 {

inline Usart& usart(const config::Uart& uart) { return *reinterpret_cast<Usart*>(uart.address); }

// Enables clock and pins of a UART and leaves it disabled.
void prepare(const config::Uart& uart);

// Sets the rate of a disabled UART; false if the clock cannot give it within 2 %.
bool set_baud_rate(Usart& port, uint32_t clock_hz, uint32_t baud);

}  // namespace board::stm32
