// USART with DMA: a circular receive ring, one transfer at a time out (RM0385 section 31).
#include "link_uart.hpp"

#include "board_config.hpp"
#include "interrupts.hpp"
#include "link_dma.hpp"
#include "sections.hpp"
#include "usart.hpp"

namespace board {
namespace {

using namespace stm32;

constexpr uint32_t kRingBytes = 1024;  // 5 ms at 2 Mbaud; a power of two
constexpr uint32_t kPollLimit = 200'000;

BOARD_DMA_BSS uint8_t ring[kRingBytes];
volatile bool transmitting = false;
volatile bool activity = false;  // something happened since the last receive()

Usart& port() { return usart(config::kLinkUart); }

void enable_port() {
    port().cr3 = Usart::kDmaReceive | Usart::kDmaTransmit | Usart::kOverrunDisable;
    clear_idle_and_errors(port());
    clear_complete(port());
    set_bits(port().cr1, Usart::kTransmitter | Usart::kReceiver | Usart::kIdleInterrupt);
    set_bits(port().cr1, Usart::kEnable);
}

}  // namespace

bool LinkUart::start(uint32_t clock_hz) {
    clock_hz_ = clock_hz;
    prepare(config::kLinkUart);
    prepare_link_dma();
    if (!set_baud_rate(port(), clock_hz, config::kLinkUart.baud) ||
        !start_receive_ring(rx_data(port()), ring, kRingBytes)) {
        return false;
    }
    enable_port();
    enable_interrupt(config::kLinkUart.irq, config::kLinkPriority);
    enable_interrupt(config::kLinkDma.rx.irq, config::kLinkPriority);
    enable_interrupt(config::kLinkDma.tx.irq, config::kLinkPriority);
    return true;
}

bool LinkUart::set_baud(uint32_t baud) {
    if (transmitting) {
        return false;
    }
    // The last stop bit must have left before the port is switched off.
    for (uint32_t poll = 0; poll < kPollLimit && (status(port()) & Usart::kComplete) == 0; ++poll) {
    }
    port().cr1 = 0;
    const bool possible = set_baud_rate(port(), clock_hz_, baud);
    if (possible) {
        baud_ = baud;
    } else {
        set_baud_rate(port(), clock_hz_, baud_);
    }
    // The driver tries another rate when it hears nothing: perhaps because the DMA has stopped.
    if (!receiving() && start_receive_ring(rx_data(port()), ring, kRingBytes)) {
        read_position_ = 0;
    }
    enable_port();
    return possible;
}

bool LinkUart::send(const uint8_t* bytes, uint16_t count) {
    if (transmitting || count == 0) {
        return false;
    }
    clear_complete(port());
    transmitting = true;
    data_barrier();  // what the core has written must be in memory before the DMA reads it
    if (!start_transmit(tx_data(port()), bytes, count)) {
        transmitting = false;
    }
    return transmitting;
}

bool LinkUart::sending() const { return transmitting; }

uint16_t LinkUart::receive(uint8_t* bytes, uint16_t capacity) {
    activity = false;
    const uint32_t write_position = (kRingBytes - receive_ring_remaining()) % kRingBytes;
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
    clear_idle_and_errors(port());
    activity = true;
}

extern "C" void BOARD_LINK_RX_DMA_HANDLER() {
    using namespace board;
    acknowledge_receive_dma();
    activity = true;
}

extern "C" void BOARD_LINK_TX_DMA_HANDLER() {
    using namespace board;
    // After an error the bytes are lost; the module's silence makes the link start anew.
    acknowledge_transmit_dma();
    transmitting = false;
    activity = true;
}
