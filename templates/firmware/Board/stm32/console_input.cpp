// Console receiver: by polling, without interrupts.
#include "console_input.hpp"

#include "board_config.hpp"
#include "interrupts.hpp"
#include "usart.hpp"

namespace board {

using stm32::Usart;

int console_read() {
    Usart& port = stm32::usart(config::kConsole);
    {
        const InterruptLock lock;  // the transmitter's handler changes the same register
        stm32::set_bits(port.cr1, Usart::kReceiver);
    }
    if ((status(port) & Usart::kRxNotEmpty) == 0) {
        return -1;
    }
    const int character = static_cast<uint8_t>(rx_data(port));
    clear_idle_and_errors(port);  // keys typed during a frame overran: the first one is kept
    return character;
}

}  // namespace board
