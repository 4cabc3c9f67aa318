// Console on the CMSDK UART 0 (Arm DDI 0479 section 4.3), by polling.
#include "console_uart.hpp"

namespace board {
namespace {

using Register = volatile uint32_t;

struct Uart {
    Register data, state, control, interrupt, baud_divider;
    static constexpr uint32_t kTransmitFull = 1U << 0;  // state
    static constexpr uint32_t kTransmitter = 1U << 0;   // control
};

constexpr uint32_t kBaud = 115'200;
constexpr uint32_t kPollLimit = 1'000'000;

bool started = false;
uint32_t dropped = 0;

Uart& port() { return *reinterpret_cast<Uart*>(0x40004000U); }

}  // namespace

void start_console(uint32_t clock_hz) {
    port().baud_divider = clock_hz / kBaud;
    port().control = Uart::kTransmitter;
    started = true;
}

void console_write(const char* text) { console_write_polled(text); }

bool console_wait_for_room(uint32_t, uint32_t) { return started; }

uint32_t console_dropped_bytes() { return dropped; }

void console_write_polled(const char* text) {
    if (!started) {
        return;
    }
    for (; *text != '\0'; ++text) {
        uint32_t poll = 0;
        while ((port().state & Uart::kTransmitFull) != 0 && poll < kPollLimit) {
            ++poll;
        }
        if (poll == kPollLimit) {
            ++dropped;
        } else {
            port().data = static_cast<uint8_t>(*text);
        }
    }
}

}  // namespace board
