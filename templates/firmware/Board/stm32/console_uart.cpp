// Console transmitter: a ring emptied by the transmit interrupt.
#include "console_uart.hpp"

#include "board_config.hpp"
#include "interrupts.hpp"
#include "time.hpp"
#include "usart.hpp"

namespace board {
namespace {

using stm32::Usart;

constexpr uint32_t kRingBytes = 512;        // two lines of the greatest length; a power of two
constexpr uint32_t kPollLimit = 2'000'000;  // more than a character takes at 216 MHz

volatile char ring[kRingBytes];  // volatile: a character is written before `head` announces it
volatile uint32_t head = 0;      // next to write; both count on and wrap with 2^32
volatile uint32_t tail = 0;      // next to send
uint32_t dropped = 0;
bool started = false;

Usart& port() { return stm32::usart(config::kConsole); }

}  // namespace

void start_console(uint32_t clock_hz) {
    stm32::prepare(config::kConsole);
    if (!stm32::set_baud_rate(port(), clock_hz, config::kConsole.baud)) {
        return;
    }
    stm32::set_bits(port().cr1, Usart::kTransmitter);
    stm32::set_bits(port().cr1, Usart::kEnable);
    enable_interrupt(config::kConsole.irq, config::kConsolePriority);
    started = true;
}

void console_write(const char* text) {
    if (!started) {
        return;
    }
    for (; *text != '\0'; ++text) {
        if (head - tail == kRingBytes) {
            ++dropped;
            continue;
        }
        ring[head % kRingBytes] = *text;
        head = head + 1;
    }
    const InterruptLock lock;  // the handler changes the same register
    stm32::set_bits(port().cr1, Usart::kTxEmptyInterrupt);
}

bool console_wait_for_room(uint32_t bytes, uint32_t limit_us) {
    const uint32_t start_us = now_us();
    while (kRingBytes - (head - tail) < bytes) {
        if (!started || now_us() - start_us >= limit_us) {
            return false;
        }
        wait_for_interrupt();  // the tick wakes it within 1 ms
    }
    return true;
}

uint32_t console_dropped_bytes() { return dropped; }

void console_write_polled(const char* text) {
    if (!started) {
        return;
    }
    stm32::clear_bits(port().cr1, Usart::kTxEmptyInterrupt);
    for (; *text != '\0'; ++text) {
        for (uint32_t poll = 0; poll < kPollLimit; ++poll) {
            if ((status(port()) & Usart::kTxEmpty) != 0) {
                break;
            }
        }
        tx_data(port()) = static_cast<uint8_t>(*text);
    }
}

}  // namespace board

extern "C" void BOARD_CONSOLE_HANDLER() {
    using namespace board;
    if (head == tail) {
        stm32::clear_bits(port().cr1, Usart::kTxEmptyInterrupt);
    } else if ((status(port()) & Usart::kTxEmpty) != 0) {
        tx_data(port()) = static_cast<uint8_t>(ring[tail % kRingBytes]);
        tail = tail + 1;
    }
}
