// USART with DMA: a circular receive ring, one transfer at a time out (RM0385 sections 8 and 31).
#include "link_uart.hpp"

#include "board_config.hpp"
#include "interrupts.hpp"
#include "sections.hpp"
#include "usart.hpp"

namespace board {
namespace {

using namespace stm32f7;

constexpr uint32_t kRingBytes = 2048;  // 10 ms at 2 Mbaud; a power of two
constexpr uint8_t kPriority = 4;
constexpr uint32_t kPollLimit = 200'000;

BOARD_DMA_BSS uint8_t ring[kRingBytes];
volatile bool transmitting = false;
volatile bool activity = false;  // something happened since the last receive()

Usart& port() { return usart(config::kLinkUart); }
Dma& dma() { return *reinterpret_cast<Dma*>(config::kLinkDma.address); }
DmaStream& rx_stream() { return dma().stream[config::kLinkDma.rx_stream]; }
DmaStream& tx_stream() { return dma().stream[config::kLinkDma.tx_stream]; }

void clear_flags(uint32_t stream) {
    dma().ifcr[stream / 4] = Dma::kAllFlags << dma_flag_shift(stream);
}

uint32_t address_of(const volatile void* object) { return reinterpret_cast<uint32_t>(object); }

// A stream's registers may be written once its enable bit reads 0 (section 8.3.18).
bool disable(DmaStream& stream) {
    clear_bits(stream.cr, DmaStream::kEnable);
    for (uint32_t poll = 0; poll < kPollLimit; ++poll) {
        if ((stream.cr & DmaStream::kEnable) == 0) {
            return true;
        }
    }
    return false;
}

bool start_receiving() {
    if (!disable(rx_stream())) {
        return false;
    }
    clear_flags(config::kLinkDma.rx_stream);
    rx_stream().par = address_of(&port().rdr);
    rx_stream().m0ar = address_of(ring);
    rx_stream().ndtr = kRingBytes;
    rx_stream().fcr = 0;
    rx_stream().cr = (config::kLinkDma.rx_channel << DmaStream::kChannelShift) |
                     DmaStream::kPriorityHigh | DmaStream::kMemoryIncrement | DmaStream::kCircular |
                     DmaStream::kHalfTransfer | DmaStream::kTransferComplete;
    set_bits(rx_stream().cr, DmaStream::kEnable);
    return true;
}

void enable_port() {
    port().cr3 = Usart::kDmaReceive | Usart::kDmaTransmit | Usart::kOverrunDisable;
    port().icr = Usart::kIdle | Usart::kComplete | Usart::kErrors;
    set_bits(port().cr1, Usart::kTransmitter | Usart::kReceiver | Usart::kIdleInterrupt);
    set_bits(port().cr1, Usart::kEnable);
}

}  // namespace

bool LinkUart::start(uint32_t clock_hz) {
    clock_hz_ = clock_hz;
    prepare(config::kLinkUart);
    set_bits(rcc().ahb1enr, 1U << config::kLinkDma.clock_enable_bit);
    read_back(rcc().ahb1enr);
    if (!set_baud_rate(port(), clock_hz, config::kLinkUart.baud) || !start_receiving()) {
        return false;
    }
    enable_port();
    enable_interrupt(config::kLinkUart.irq, kPriority);
    enable_interrupt(config::kLinkDma.rx_irq, kPriority);
    enable_interrupt(config::kLinkDma.tx_irq, kPriority);
    return true;
}

bool LinkUart::set_baud(uint32_t baud) {
    if (transmitting) {
        return false;
    }
    // The last stop bit must have left before the port is switched off.
    for (uint32_t poll = 0; poll < kPollLimit && (port().isr & Usart::kComplete) == 0; ++poll) {
    }
    port().cr1 = 0;
    const bool possible = set_baud_rate(port(), clock_hz_, baud);
    enable_port();
    return possible;
}

bool LinkUart::send(const uint8_t* bytes, uint16_t count) {
    if (transmitting || count == 0 || !disable(tx_stream())) {
        return false;
    }
    clear_flags(config::kLinkDma.tx_stream);
    port().icr = Usart::kComplete;
    tx_stream().par = address_of(&port().tdr);
    tx_stream().m0ar = address_of(bytes);
    tx_stream().ndtr = count;
    tx_stream().fcr = 0;
    tx_stream().cr = (config::kLinkDma.tx_channel << DmaStream::kChannelShift) |
                     DmaStream::kMemoryIncrement | DmaStream::kMemoryToPeripheral |
                     DmaStream::kTransferComplete | DmaStream::kTransferError;
    transmitting = true;
    data_barrier();  // what the core has written must be in memory before the DMA reads it
    set_bits(tx_stream().cr, DmaStream::kEnable);
    return true;
}

bool LinkUart::sending() const { return transmitting; }

uint16_t LinkUart::receive(uint8_t* bytes, uint16_t capacity) {
    activity = false;
    const uint32_t write_position = (kRingBytes - rx_stream().ndtr) % kRingBytes;
    memory_barrier();  // no byte of the ring may be read before the counter that announces it
    uint16_t count = 0;
    while (read_position_ != write_position && count < capacity) {
        bytes[count++] = ring[read_position_];
        read_position_ = (read_position_ + 1) % kRingBytes;
    }
    return count;
}

void LinkUart::wait() {
    const InterruptLock lock;
    if (!activity) {
        wait_for_interrupt();
    }
}

}  // namespace board

extern "C" void BOARD_LINK_UART_HANDLER() {
    using namespace board;
    port().icr = Usart::kIdle | Usart::kErrors;
    activity = true;
}

extern "C" void BOARD_LINK_RX_DMA_HANDLER() {
    using namespace board;
    clear_flags(config::kLinkDma.rx_stream);
    activity = true;
}

extern "C" void BOARD_LINK_TX_DMA_HANDLER() {
    using namespace board;
    // After an error the bytes are lost; the module's silence makes the link start anew.
    clear_flags(config::kLinkDma.tx_stream);
    transmitting = false;
    activity = true;
}
