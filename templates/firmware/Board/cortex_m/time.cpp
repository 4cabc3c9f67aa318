// Time from SysTick at 1 kHz (PM0253 section 4.4), which runs on while the core sleeps, and cycles
// from the DWT, where the core has one.
#include "time.hpp"

#include "core_registers.hpp"
#include "interrupts.hpp"

namespace board {
namespace {

constexpr uint32_t kTicksPerSecond = 1000;
constexpr uint32_t kUsPerTick = 1000;

volatile uint32_t tick_count = 0;
uint32_t cycles_per_us = 1;
uint32_t reload_value = 0;

// SysTick as one number: ticks and the cycles since the last of them.
struct Instant {
    uint32_t ticks, cycles;
};

Instant instant() {
    const InterruptLock lock;
    uint32_t ticks = tick_count;
    uint32_t value = core::systick().value;
    if ((core::scb().interrupt_control & core::SystemControl::kSysTickPending) != 0) {
        // The counter wrapped but its handler has not run yet: read again behind the wrap.
        value = core::systick().value;
        ++ticks;
    }
    return {ticks, reload_value - value};
}

// ARMv6-M has no cycle counter.
#ifdef __ARM_ARCH_6M__

void start_cycle_counter() {}

#else

void start_cycle_counter() {
    constexpr uint32_t kTraceEnable = 1U << 24;  // DEMCR.TRCENA
    constexpr uint32_t kLockKey = 0xC5ACCE55U;   // the Cortex-M7 locks its DWT
    core::debug_exception_monitor() = core::debug_exception_monitor() | kTraceEnable;
    core::dwt_lock_access() = kLockKey;
    core::dwt().cycle_count = 0;
    core::dwt().control = core::dwt().control | core::Dwt::kCycleCounter;
}

#endif

}  // namespace

void start_time(uint32_t core_hz) {
    start_cycle_counter();
    cycles_per_us = core_hz / 1'000'000U;
    reload_value = core_hz / kTicksPerSecond - 1;
    tick_count = 0;
    core::systick().reload = reload_value;
    core::systick().value = 0;
    core::systick().control =
        core::SysTick::kEnable | core::SysTick::kInterrupt | core::SysTick::kCoreClock;
}

uint32_t now_us() {
    const Instant now = instant();
    return now.ticks * kUsPerTick + now.cycles / cycles_per_us;
}

#ifdef __ARM_ARCH_6M__

uint32_t cycles() {
    const Instant now = instant();
    return now.ticks * (reload_value + 1) + now.cycles;
}

#else

uint32_t cycles() { return core::dwt().cycle_count; }

#endif

}  // namespace board

extern "C" void SysTick_Handler() { board::tick_count = board::tick_count + 1; }
