// UART to the WiFi module, both directions by DMA.
#pragma once

#include <cstdint>

#include "agilenn/uart.hpp"

namespace board {

class LinkUart final : public agilenn::Uart {
  public:
    // Starts at the module's rate after reset; false if the clock cannot give it.
    bool start(std::uint32_t clock_hz);

    bool set_baud(std::uint32_t baud) override;
    bool send(const std::uint8_t* bytes, std::uint16_t count) override;
    bool sending() const override;
    std::uint16_t receive(std::uint8_t* bytes, std::uint16_t capacity) override;
    void wait() override;

  private:
    std::uint32_t clock_hz_ = 0;
    std::uint32_t read_position_ = 0;  // in the receive ring
};

}  // namespace board
