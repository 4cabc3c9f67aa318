// Reset and clock control, power and flash interface of the STM32H743. Sections of RM0433.
#pragma once

#include "registers.hpp"

namespace board::stm32 {

// Section 8.7, reset and clock control.
struct Rcc {
    Register cr, hsicfgr, crrcr, csicfgr, cfgr, reserved0, d1cfgr, d2cfgr, d3cfgr, reserved1,
        pllckselr, pllcfgr, pll1divr, pll1fracr, reserved2[39], ahb3enr, ahb1enr, ahb2enr, ahb4enr,
        apb3enr, apb1lenr, apb1henr, apb2enr, apb4enr;
    static constexpr uint32_t kHseOn = 1U << 16, kHseReady = 1U << 17;            // cr
    static constexpr uint32_t kHseBypass = 1U << 18;                              // cr
    static constexpr uint32_t kPllOn = 1U << 24, kPllReady = 1U << 25;            // cr
    static constexpr uint32_t kSwitchMask = 7U, kSwitchHsi = 0, kSwitchPll = 3;   // cfgr
    static constexpr uint32_t kSwitchStatusShift = 3;                             // cfgr
    static constexpr uint32_t kPllSourceHse = 2U;                                 // pllckselr
    static constexpr uint32_t kPll1InputRangeShift = 2, kPll1EnableP = 1U << 16;  // pllcfgr
};
static_assert(offsetof(Rcc, pllckselr) == 0x28 && offsetof(Rcc, ahb3enr) == 0xD4);
static_assert(offsetof(Rcc, apb4enr) == 0xF4);
inline Rcc& rcc() { return *reinterpret_cast<Rcc*>(0x58024400U); }

// Section 6.8, power controller.
struct Pwr {
    Register cr1, csr1, cr2, cr3, cpucr, reserved, d3cr;
    static constexpr uint32_t kScaleReady = 1U << 13;                           // csr1, d3cr
    static constexpr uint32_t kSupplyMask = 7U << 0, kSupplyFromLdo = 1U << 1;  // cr3
    static constexpr uint32_t kScaleMask = 3U << 14, kScale1 = 3U << 14;        // d3cr
};
static_assert(offsetof(Pwr, d3cr) == 0x18);
inline Pwr& pwr() { return *reinterpret_cast<Pwr*>(0x58024800U); }

// Section 4.9, embedded flash interface.
struct Flash {
    Register acr;
    static constexpr uint32_t kLatencyMask = 0xFU;
    static constexpr uint32_t kProgrammingDelayShift = 4;
};
inline Flash& flash() { return *reinterpret_cast<Flash*>(0x52002000U); }

inline Register& uart_clock_enable(bool on_apb2) {
    return on_apb2 ? rcc().apb2enr : rcc().apb1lenr;
}
inline Register& dma_clock_enable() { return rcc().ahb1enr; }
inline Register& gpio_clock_enable() { return rcc().ahb4enr; }
inline constexpr uint32_t kGpioAddress = 0x58020000;

}  // namespace board::stm32
