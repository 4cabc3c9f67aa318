// USART with separate data and flag-clearing registers: F7, G0, H7, L4, U5 (RM0385 section 31.8).
#pragma once

#include "registers.hpp"

namespace board::stm32 {

struct Usart {
    Register cr1, cr2, cr3, brr, gtpr, rtor, rqr, isr, icr, rdr, tdr;
    static constexpr uint32_t kEnable = 1U << 0, kReceiver = 1U << 2;            // cr1
    static constexpr uint32_t kTransmitter = 1U << 3, kIdleInterrupt = 1U << 4;  // cr1
    static constexpr uint32_t kTxEmptyInterrupt = 1U << 7, kOver8 = 1U << 15;    // cr1
    static constexpr uint32_t kDmaReceive = 1U << 6, kDmaTransmit = 1U << 7;     // cr3
    static constexpr uint32_t kOverrunDisable = 1U << 12;                        // cr3
    static constexpr uint32_t kIdle = 1U << 4, kComplete = 1U << 6;              // isr, icr
    static constexpr uint32_t kRxNotEmpty = 1U << 5, kTxEmpty = 1U << 7;         // isr
    static constexpr uint32_t kErrors = 0xFU;  // icr: parity, framing, noise, overrun
};
static_assert(offsetof(Usart, tdr) == 0x28);

inline uint32_t status(const Usart& port) { return port.isr; }
inline Register& rx_data(Usart& port) { return port.rdr; }
inline Register& tx_data(Usart& port) { return port.tdr; }
inline void clear_complete(Usart& port) { port.icr = Usart::kComplete; }
inline void clear_idle_and_errors(Usart& port) { port.icr = Usart::kIdle | Usart::kErrors; }

}  // namespace board::stm32
