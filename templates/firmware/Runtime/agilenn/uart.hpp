// What the link driver needs of a UART.
#pragma once

#include <stdint.h>

namespace agilenn {

class Uart {
  public:
    // Changes the rate between transmissions; false if it cannot be had.
    virtual bool set_baud(uint32_t baud) = 0;

    // Starts sending and returns at once; false while an earlier transmission runs. The bytes must
    // stay as they are until sending() is false, in memory that the board's DMA can read.
    virtual bool send(const uint8_t* bytes, uint16_t count) = 0;
    virtual bool sending() const = 0;

    // Takes up to `capacity` received bytes and returns their count; never waits.
    virtual uint16_t receive(uint8_t* bytes, uint16_t capacity) = 0;

    // Sleeps until something has happened here since the last receive(), at most about 1 ms.
    virtual void wait() = 0;

  protected:
    ~Uart() = default;
};

}  // namespace agilenn
