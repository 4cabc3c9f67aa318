// Reset and clock control and flash interface of the STM32L47x. Sections of RM0351.
#pragma once

#include "registers.hpp"

namespace board::stm32 {

// Section 6.4, reset and clock control.
struct Rcc {
    Register cr, icscr, cfgr, pllcfgr, pllsai1cfgr, pllsai2cfgr, cier, cifr, cicr, reserved0,
        ahb1rstr, ahb2rstr, ahb3rstr, reserved1, apb1rstr1, apb1rstr2, apb2rstr, reserved2, ahb1enr,
        ahb2enr, ahb3enr, reserved3, apb1enr1, apb1enr2, apb2enr;
    static constexpr uint32_t kSourceOn = 1U << 0, kSourceReady = 1U << 1;          // cr: MSI
    static constexpr uint32_t kPllOn = 1U << 24, kPllReady = 1U << 25;              // cr
    static constexpr uint32_t kPllSource = 1U << 0;                                 // pllcfgr: MSI
    static constexpr uint32_t kPllEnableR = 1U << 24;                               // pllcfgr
    static constexpr uint32_t kSwitchMask = 3U, kSwitchSource = 0, kSwitchPll = 3;  // cfgr
    static constexpr uint32_t kSwitchStatusShift = 2;                               // cfgr
    static constexpr uint32_t kAhbShift = 4, kApb1Shift = 8, kApb2Shift = 11;       // cfgr

    // Divider R in pllcfgr: 2, 4, 6 or 8.
    static constexpr uint32_t divider_field(uint32_t divider) { return (divider / 2 - 1) << 25; }
};
static_assert(offsetof(Rcc, ahb1enr) == 0x48 && offsetof(Rcc, apb2enr) == 0x60);
inline Rcc& rcc() { return *reinterpret_cast<Rcc*>(0x40021000U); }

// Section 3.7, embedded flash interface.
struct Flash {
    Register acr;
    static constexpr uint32_t kLatencyMask = 7U;
    static constexpr uint32_t kPrefetch = 1U << 8, kCaches = 3U << 9;
};
inline Flash& flash() { return *reinterpret_cast<Flash*>(0x40022000U); }

// After reset the core runs from the MSI at 4 MHz, at voltage scale 1.
inline constexpr uint32_t kWakeUpHz = 4'000'000;

inline Register& uart_clock_enable(bool on_apb2) {
    return on_apb2 ? rcc().apb2enr : rcc().apb1enr1;
}
inline Register& dma_clock_enable() { return rcc().ahb1enr; }
inline Register& gpio_clock_enable() { return rcc().ahb2enr; }
inline constexpr uint32_t kGpioAddress = 0x48000000;

}  // namespace board::stm32
