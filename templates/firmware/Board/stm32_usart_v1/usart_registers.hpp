// USART with one status and one data register: F4 (RM0390 section 25.6).
#pragma once

#include "registers.hpp"

namespace board::stm32 {

struct Usart {
    Register sr, dr, brr, cr1, cr2, cr3, gtpr;
    static constexpr uint32_t kEnable = 1U << 13, kReceiver = 1U << 2;           // cr1
    static constexpr uint32_t kTransmitter = 1U << 3, kIdleInterrupt = 1U << 4;  // cr1
    static constexpr uint32_t kTxEmptyInterrupt = 1U << 7, kOver8 = 1U << 15;    // cr1
    static constexpr uint32_t kDmaReceive = 1U << 6, kDmaTransmit = 1U << 7;     // cr3
    static constexpr uint32_t kOverrunDisable = 0;                               // not there
    static constexpr uint32_t kRxNotEmpty = 1U << 5;                             // sr
    static constexpr uint32_t kComplete = 1U << 6, kTxEmpty = 1U << 7;           // sr
};
static_assert(offsetof(Usart, gtpr) == 0x18);

inline uint32_t status(const Usart& port) { return port.sr; }
inline Register& rx_data(Usart& port) { return port.dr; }
inline Register& tx_data(Usart& port) { return port.dr; }
inline void clear_complete(Usart& port) { port.sr = ~Usart::kComplete; }

// Reading status, then data, clears the idle flag and the errors. The DMA has taken the byte by
// then: an idle line has been silent for a character.
inline void clear_idle_and_errors(Usart& port) {
    read_back(port.sr);
    read_back(port.dr);
}

}  // namespace board::stm32
