// Reset and clock control, power and flash interface of the STM32F74x. Sections of RM0385.
#pragma once

#include "registers.hpp"

namespace board::stm32 {

// Section 5.3, reset and clock control.
struct Rcc {
    Register cr, pllcfgr, cfgr, cir, ahb1rstr, ahb2rstr, ahb3rstr, reserved0, apb1rstr, apb2rstr,
        reserved1[2], ahb1enr, ahb2enr, ahb3enr, reserved2, apb1enr, apb2enr;
    static constexpr uint32_t kHsiOn = 1U << 0, kHsiReady = 1U << 1;             // cr
    static constexpr uint32_t kHseOn = 1U << 16, kHseReady = 1U << 17;           // cr
    static constexpr uint32_t kHseBypass = 1U << 18;                             // cr
    static constexpr uint32_t kPllOn = 1U << 24, kPllReady = 1U << 25;           // cr
    static constexpr uint32_t kPllSourceHse = 1U << 22;                          // pllcfgr
    static constexpr uint32_t kSwitchMask = 3U, kSwitchHsi = 0, kSwitchPll = 2;  // cfgr
    static constexpr uint32_t kSwitchStatusShift = 2;                            // cfgr
    static constexpr uint32_t kPowerInterface = 1U << 28;                        // apb1enr
};
static_assert(offsetof(Rcc, apb2enr) == 0x44);
inline Rcc& rcc() { return *reinterpret_cast<Rcc*>(0x40023800U); }

// Section 4.4, power controller.
struct Pwr {
    Register cr1, csr1, cr2, csr2;
    static constexpr uint32_t kScale1 = 3U << 14;           // cr1
    static constexpr uint32_t kOverDrive = 1U << 16;        // cr1, csr1
    static constexpr uint32_t kOverDriveSwitch = 1U << 17;  // cr1, csr1
};
inline Pwr& pwr() { return *reinterpret_cast<Pwr*>(0x40007000U); }

// Section 3.7, embedded flash interface.
struct Flash {
    Register acr;
    static constexpr uint32_t kLatencyMask = 0xFU;
    static constexpr uint32_t kPrefetch = 1U << 8;
    static constexpr uint32_t kAccelerator = 1U << 9, kAcceleratorReset = 1U << 11;
};
inline Flash& flash() { return *reinterpret_cast<Flash*>(0x40023C00U); }

inline Register& uart_clock_enable(bool on_apb2) { return on_apb2 ? rcc().apb2enr : rcc().apb1enr; }
inline Register& dma_clock_enable() { return rcc().ahb1enr; }
inline Register& gpio_clock_enable() { return rcc().ahb1enr; }
inline constexpr uint32_t kGpioAddress = 0x40020000;

}  // namespace board::stm32
