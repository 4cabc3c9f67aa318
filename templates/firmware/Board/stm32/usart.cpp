// Clock, pins and baud rate of a UART (RM0385 section 31.5.4; RM0390 section 25.4.4 for the older
// kind, which counts the same way).
#include "usart.hpp"

#include "family.hpp"
#include "gpio.hpp"

namespace board::stm32 {

void prepare(const config::Uart& uart) {
    Register& enable = uart_clock_enable(uart.on_apb2);
    set_bits(enable, 1U << uart.clock_enable_bit);
    read_back(enable);  // reading back waits until the clock has arrived
    use_alternate_function(uart.tx, uart.alternate_function);
    use_alternate_function(uart.rx, uart.alternate_function);
    usart(uart).cr1 = 0;
}

bool set_baud_rate(Usart& port, uint32_t clock_hz, uint32_t baud) {
    constexpr uint32_t kLeastDivider = 16, kGreatestDivider = 0xFFFF;
    const bool over8 = clock_hz / baud < kLeastDivider;
    const uint32_t sampled_hz = over8 ? 2 * clock_hz : clock_hz;
    const uint32_t divider = (sampled_hz + baud / 2) / baud;
    if (divider < kLeastDivider || divider > kGreatestDivider) {
        return false;
    }
    const uint32_t actual = sampled_hz / divider;
    const uint32_t error = actual > baud ? actual - baud : baud - actual;
    if (error > baud / 50) {
        return false;
    }
    // With 8 samples a bit, the fraction has three bits.
    port.brr = over8 ? (divider & ~0xFU) | ((divider & 0xFU) >> 1) : divider;
    port.cr1 = over8 ? Usart::kOver8 : 0;
    return true;
}

}  // namespace board::stm32
