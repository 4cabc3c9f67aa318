// Time from the CMSDK timer 0 (Arm DDI 0479 section 4.2), which counts down at the core's clock. It
// interrupts nobody, so that QEMU's instruction counts hold the program's own instructions only.
#include "time.hpp"

namespace board {
namespace {

using Register = volatile uint32_t;

struct Timer {
    Register control, value, reload, interrupt;
    static constexpr uint32_t kEnable = 1U << 0;  // control
};

uint32_t cycles_per_us = 1;
uint32_t last_cycles = 0;
uint64_t elapsed_cycles = 0;

Timer& timer() { return *reinterpret_cast<Timer*>(0x40000000U); }

}  // namespace

void start_time(uint32_t core_hz) {
    cycles_per_us = core_hz / 1'000'000U;
    timer().reload = 0xFFFFFFFFU;
    timer().value = 0xFFFFFFFFU;
    timer().control = Timer::kEnable;
    last_cycles = cycles();
    elapsed_cycles = 0;
}

// Must be called once in 2^32 cycles at least, and not from interrupts.
uint32_t now_us() {
    const uint32_t now = cycles();
    elapsed_cycles += now - last_cycles;
    last_cycles = now;
    return static_cast<uint32_t>(elapsed_cycles / cycles_per_us);
}

uint32_t cycles() { return ~timer().value; }

}  // namespace board
