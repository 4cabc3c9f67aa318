// Pin configuration (RM0385 section 6.4).
#include "gpio.hpp"

#include "registers.hpp"

namespace board {

void use_alternate_function(config::Pin pin, uint32_t function) {
    using namespace stm32f7;
    constexpr uint32_t kAlternate = 2, kVeryHighSpeed = 3, kPullUp = 1;
    set_bits(rcc().ahb1enr, 1U << (pin.port - 'A'));
    // The clock takes two cycles to arrive (section 5.2.12): reading the register back waits for
    // it.
    read_back(rcc().ahb1enr);
    Gpio& port = gpio(pin.port);
    const uint32_t two_bits = 2U * pin.number;
    const uint32_t four_bits = 4U * (pin.number % 8U);
    replace_bits(port.ospeedr, 3U << two_bits, kVeryHighSpeed << two_bits);
    replace_bits(port.pupdr, 3U << two_bits, kPullUp << two_bits);
    replace_bits(port.afr[pin.number / 8U], 0xFU << four_bits, function << four_bits);
    replace_bits(port.moder, 3U << two_bits, kAlternate << two_bits);
}

}  // namespace board
