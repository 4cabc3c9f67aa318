// Reset and clock control and flash interface of the STM32G0B1. Sections of RM0444.
#pragma once

#include "registers.hpp"

namespace board::stm32 {

// Section 5.4, reset and clock control.
struct Rcc {
    Register cr, icscr, cfgr, pllcfgr, reserved0, crrcr, cier, cifr, cicr, ioprstr, ahbrstr,
        apbrstr1, apbrstr2, iopenr, ahbenr, apbenr1, apbenr2;
    static constexpr uint32_t kSourceOn = 1U << 8, kSourceReady = 1U << 10;  // cr: HSI16
    static constexpr uint32_t kPllOn = 1U << 24, kPllReady = 1U << 25;       // cr
    static constexpr uint32_t kPllSource = 2U << 0;                          // pllcfgr: HSI16
    static constexpr uint32_t kPllEnableR = 1U << 28;                        // pllcfgr
    static constexpr uint32_t kSwitchMask = 7U, kSwitchSource = 0, kSwitchPll = 2;  // cfgr
    static constexpr uint32_t kSwitchStatusShift = 3;                               // cfgr
    // One peripheral bus: its divider is written twice, with the same value.
    static constexpr uint32_t kAhbShift = 8, kApb1Shift = 12, kApb2Shift = 12;  // cfgr

    // Divider R in pllcfgr: 2 to 8.
    static constexpr uint32_t divider_field(uint32_t divider) { return (divider - 1) << 29; }
};
static_assert(offsetof(Rcc, iopenr) == 0x34 && offsetof(Rcc, apbenr2) == 0x40);
inline Rcc& rcc() { return *reinterpret_cast<Rcc*>(0x40021000U); }

// Section 3.7, embedded flash interface.
struct Flash {
    Register acr;
    static constexpr uint32_t kLatencyMask = 7U;
    static constexpr uint32_t kPrefetch = 1U << 8, kCaches = 1U << 9;  // instructions only
};
inline Flash& flash() { return *reinterpret_cast<Flash*>(0x40022000U); }

// After reset the core runs from the HSI16, at voltage scale 1.
inline constexpr uint32_t kWakeUpHz = 16'000'000;

inline Register& uart_clock_enable(bool second) { return second ? rcc().apbenr2 : rcc().apbenr1; }
inline Register& dma_clock_enable() { return rcc().ahbenr; }
inline Register& gpio_clock_enable() { return rcc().iopenr; }
inline constexpr uint32_t kGpioAddress = 0x50000000;

}  // namespace board::stm32
