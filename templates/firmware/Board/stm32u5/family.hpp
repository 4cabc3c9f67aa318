// Reset and clock control, power and flash interface of the STM32U575. Sections of RM0456.
#pragma once

#include "registers.hpp"

namespace board::stm32 {

// Section 11.8, reset and clock control.
struct Rcc {
    Register cr, reserved0, icscr1, icscr2, icscr3, crrcr, reserved1, cfgr1, cfgr2, cfgr3, pll1cfgr,
        pll2cfgr, pll3cfgr, pll1divr, pll1fracr, reserved2[19], ahb1enr, ahb2enr1, ahb2enr2,
        ahb3enr, reserved3, apb1enr1, apb1enr2, apb2enr, apb3enr;
    static constexpr uint32_t kMsiOn = 1U << 0, kMsiReady = 1U << 2;             // cr
    static constexpr uint32_t kPllOn = 1U << 24, kPllReady = 1U << 25;           // cr
    static constexpr uint32_t kSwitchMask = 3U, kSwitchMsi = 0, kSwitchPll = 3;  // cfgr1
    static constexpr uint32_t kSwitchStatusShift = 2;                            // cfgr1
    static constexpr uint32_t kPllSourceMsi = 1U, kPllEnableR = 1U << 18;        // pll1cfgr
    static constexpr uint32_t kPower = 1U << 2;                                  // ahb3enr
};
static_assert(offsetof(Rcc, pll1divr) == 0x34 && offsetof(Rcc, ahb1enr) == 0x88);
static_assert(offsetof(Rcc, apb2enr) == 0xA4);
inline Rcc& rcc() { return *reinterpret_cast<Rcc*>(0x46020C00U); }

// Section 10.10, power controller.
struct Pwr {
    Register cr1, cr2, cr3, vosr, reserved[11], svmsr;
    static constexpr uint32_t kSwitchedRegulator = 1U << 1;                      // cr3, svmsr
    static constexpr uint32_t kBoosterReady = 1U << 14, kScaleReady = 1U << 15;  // vosr
    static constexpr uint32_t kScale1 = 3U << 16, kBooster = 1U << 18;           // vosr
};
static_assert(offsetof(Pwr, svmsr) == 0x3C);
inline Pwr& pwr() { return *reinterpret_cast<Pwr*>(0x46020800U); }

// Section 7.9, embedded flash interface.
struct Flash {
    Register acr;
    static constexpr uint32_t kLatencyMask = 0xFU, kPrefetch = 1U << 8;
};
inline Flash& flash() { return *reinterpret_cast<Flash*>(0x40022000U); }

inline Register& uart_clock_enable(bool on_apb2) {
    return on_apb2 ? rcc().apb2enr : rcc().apb1enr1;
}
inline Register& dma_clock_enable() { return rcc().ahb1enr; }
inline Register& gpio_clock_enable() { return rcc().ahb2enr1; }
inline constexpr uint32_t kGpioAddress = 0x42020000;

}  // namespace board::stm32
