// Pin configuration (RM0385 section 6.4; the port registers are the same in every family).
#include "gpio.hpp"

#include "family.hpp"

namespace board {

void use_alternate_function(config::Pin pin, uint32_t function) {
    using namespace stm32;
    constexpr uint32_t kAlternate = 2, kVeryHighSpeed = 3, kPullUp = 1;
    const auto index = static_cast<uint32_t>(pin.port - 'A');
    set_bits(gpio_clock_enable(), 1U << index);
    // The clock takes two cycles to arrive: reading the register back waits for it.
    read_back(gpio_clock_enable());
    Gpio& port = *reinterpret_cast<Gpio*>(kGpioAddress + 0x400U * index);
    const uint32_t two_bits = 2U * pin.number;
    const uint32_t four_bits = 4U * (pin.number % 8U);
    replace_bits(port.ospeedr, 3U << two_bits, kVeryHighSpeed << two_bits);
    replace_bits(port.pupdr, 3U << two_bits, kPullUp << two_bits);
    replace_bits(port.afr[pin.number / 8U], 0xFU << four_bits, function << four_bits);
    replace_bits(port.moder, 3U << two_bits, kAlternate << two_bits);
}

}  // namespace board
