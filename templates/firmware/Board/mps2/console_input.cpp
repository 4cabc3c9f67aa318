// Console receiver of the CMSDK UART 0 (Arm DDI 0479 section 4.3), by polling.
#include "console_input.hpp"

#include <stdint.h>

namespace board {
namespace {

using Register = volatile uint32_t;

struct Uart {
    Register data, state, control;
    static constexpr uint32_t kReceiveFull = 1U << 1;  // state
    static constexpr uint32_t kReceiver = 1U << 1;     // control
};

Uart& port() { return *reinterpret_cast<Uart*>(0x40004000U); }

}  // namespace

int console_read() {
    port().control = port().control | Uart::kReceiver;
    if ((port().state & Uart::kReceiveFull) == 0) {
        return -1;
    }
    return static_cast<uint8_t>(port().data);
}

}  // namespace board
