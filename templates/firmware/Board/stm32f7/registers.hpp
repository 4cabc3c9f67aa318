// Registers of the STM32F74x that this board support uses. Sections of RM0385.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace board::stm32f7 {

using Register = volatile uint32_t;

inline void set_bits(Register& reg, uint32_t mask) { reg = reg | mask; }
inline void clear_bits(Register& reg, uint32_t mask) { reg = reg & ~mask; }
inline void replace_bits(Register& reg, uint32_t mask, uint32_t value) {
    reg = (reg & ~mask) | value;
}

// Reads a register for the time that takes: a write before it has then arrived.
inline void read_back(const Register& reg) { [[maybe_unused]] const uint32_t value = reg; }

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
    static constexpr uint32_t kScaleMask = 3U << 14, kScale1 = 3U << 14;  // cr1
    static constexpr uint32_t kOverDrive = 1U << 16;                      // cr1, csr1
    static constexpr uint32_t kOverDriveSwitch = 1U << 17;                // cr1, csr1
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

// Section 6.4, general-purpose I/O.
struct Gpio {
    Register moder, otyper, ospeedr, pupdr, idr, odr, bsrr, lckr, afr[2];
};
static_assert(offsetof(Gpio, afr) == 0x20);
inline Gpio& gpio(char port) {
    return *reinterpret_cast<Gpio*>(0x40020000U + 0x400U * static_cast<uint32_t>(port - 'A'));
}

// Section 31.8, universal synchronous asynchronous receiver transmitter.
struct Usart {
    Register cr1, cr2, cr3, brr, gtpr, rtor, rqr, isr, icr, rdr, tdr;
    static constexpr uint32_t kEnable = 1U << 0, kReceiver = 1U << 2;            // cr1
    static constexpr uint32_t kTransmitter = 1U << 3, kIdleInterrupt = 1U << 4;  // cr1
    static constexpr uint32_t kTxEmptyInterrupt = 1U << 7, kOver8 = 1U << 15;    // cr1
    static constexpr uint32_t kDmaReceive = 1U << 6, kDmaTransmit = 1U << 7;     // cr3
    static constexpr uint32_t kOverrunDisable = 1U << 12;                        // cr3
    static constexpr uint32_t kIdle = 1U << 4, kComplete = 1U << 6;              // isr, icr
    static constexpr uint32_t kTxEmpty = 1U << 7;                                // isr
    static constexpr uint32_t kErrors = 0xFU;  // icr: parity, framing, noise, overrun
};
static_assert(offsetof(Usart, tdr) == 0x28);

// Section 8.5, DMA controller.
struct DmaStream {
    Register cr, ndtr, par, m0ar, m1ar, fcr;
    static constexpr uint32_t kEnable = 1U << 0, kTransferError = 1U << 2;
    static constexpr uint32_t kHalfTransfer = 1U << 3, kTransferComplete = 1U << 4;
    static constexpr uint32_t kMemoryToPeripheral = 1U << 6, kCircular = 1U << 8;
    static constexpr uint32_t kMemoryIncrement = 1U << 10;
    static constexpr uint32_t kPriorityHigh = 2U << 16;
    static constexpr uint32_t kChannelShift = 25;
};
struct Dma {
    Register isr[2];   // low: streams 0 to 3, high: 4 to 7
    Register ifcr[2];  // writing a flag clears it
    DmaStream stream[8];
    static constexpr uint32_t kAllFlags = 0x3DU;
};
static_assert(offsetof(Dma, stream) + sizeof(DmaStream) == 0x28);

// Position of a stream's flags within its word of isr and ifcr.
constexpr uint32_t dma_flag_shift(uint32_t stream) {
    return (stream % 4U) * 6U + ((stream % 4U) >= 2U ? 4U : 0U);
}
static_assert(dma_flag_shift(1) == 6 && dma_flag_shift(6) == 16 && dma_flag_shift(7) == 22);

}  // namespace board::stm32f7
