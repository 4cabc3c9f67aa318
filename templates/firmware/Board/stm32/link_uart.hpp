// UART to the WiFi module, both directions by DMA.
#pragma once

#include <stdint.h>

#include "agilenn/uart.hpp"
#include "board_config.hpp"

namespace board {

class LinkUart final : public agilenn::Uart {
  public:
    // Starts at the module's rate after reset; false if the clock cannot give it.
    bool start(uint32_t clock_hz);

    bool set_baud(uint32_t baud) override;
    bool send(const uint8_t* bytes, uint16_t count) override;
    bool sending() const override;
    uint16_t receive(uint8_t* bytes, uint16_t capacity) override;
    void wait() override;

  private:
    uint32_t clock_hz_ = 0;
    uint32_t baud_ = config::kLinkUart.baud;
    uint32_t read_position_ = 0;  // in the receive ring
};

}  // namespace board
