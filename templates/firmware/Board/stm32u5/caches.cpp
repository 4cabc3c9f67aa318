// Enables the instruction cache of the STM32U5 (RM0456 section 8.7).
#include "caches.hpp"

#include "clock_steps.hpp"
#include "registers.hpp"

namespace board {

void enable_caches() {
    using namespace stm32;
    constexpr uint32_t kEnable = 1U << 0, kInvalidate = 1U << 1;  // control
    constexpr uint32_t kBusy = 1U << 0;                           // status
    struct InstructionCache {
        Register control, status;
    };
    auto& cache = *reinterpret_cast<InstructionCache*>(0x40030400U);
    // It invalidates itself at reset, too, and may not be enabled before that is done.
    set_bits(cache.control, kInvalidate);
    if (wait_until(cache.status, kBusy, 0)) {
        set_bits(cache.control, kEnable);
    }
}

}  // namespace board
