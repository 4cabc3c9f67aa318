// DMA controller with channels: G0, L4 (RM0351 section 11).
#include "link_dma.hpp"

#include "board_config.hpp"
#include "dma_request.hpp"
#include "family.hpp"

namespace board::stm32 {
namespace {

// Section 11.6.
struct Channel {
    Register ccr, cndtr, cpar, cmar, reserved;
    static constexpr uint32_t kEnable = 1U << 0, kCompleteInterrupt = 1U << 1;
    static constexpr uint32_t kHalfInterrupt = 1U << 2, kTransferErrorInterrupt = 1U << 3;
    static constexpr uint32_t kMemoryToPeripheral = 1U << 4, kCircular = 1U << 5;
    static constexpr uint32_t kMemoryIncrement = 1U << 7, kPriorityHigh = 2U << 12;
};

struct Controller {
    Register isr, ifcr;  // four flags a channel; writing one to ifcr clears it
    Channel channel[7];  // channel 1 is the first
};
static_assert(sizeof(Channel) == 20 && offsetof(Controller, channel) == 8);

Controller& controller() { return *reinterpret_cast<Controller*>(config::kLinkDma.address); }
Channel& rx() { return controller().channel[config::kLinkDma.rx.channel - 1]; }
Channel& tx() { return controller().channel[config::kLinkDma.tx.channel - 1]; }

void clear_flags(uint32_t channel) { controller().ifcr = 0xFU << (4 * (channel - 1)); }

}  // namespace

void prepare_link_dma() {
    set_bits(dma_clock_enable(), 1U << config::kLinkDma.clock_enable_bit);
    read_back(dma_clock_enable());
    connect_request(config::kLinkDma.rx);
    connect_request(config::kLinkDma.tx);
}

bool start_receive_ring(Register& from, uint8_t* ring, uint16_t bytes) {
    rx().ccr = 0;  // a disabled channel takes new values at once (section 11.4.5)
    clear_flags(config::kLinkDma.rx.channel);
    rx().cpar = address_of(&from);
    rx().cmar = address_of(ring);
    rx().cndtr = bytes;
    rx().ccr = Channel::kPriorityHigh | Channel::kMemoryIncrement | Channel::kCircular |
               Channel::kHalfInterrupt | Channel::kCompleteInterrupt;
    set_bits(rx().ccr, Channel::kEnable);
    return true;
}

bool receiving() { return (rx().ccr & Channel::kEnable) != 0; }

uint32_t receive_ring_remaining() { return rx().cndtr; }

bool start_transmit(Register& to, const uint8_t* bytes, uint16_t count) {
    tx().ccr = 0;
    clear_flags(config::kLinkDma.tx.channel);
    tx().cpar = address_of(&to);
    tx().cmar = address_of(bytes);
    tx().cndtr = count;
    tx().ccr = Channel::kMemoryIncrement | Channel::kMemoryToPeripheral |
               Channel::kCompleteInterrupt | Channel::kTransferErrorInterrupt;
    set_bits(tx().ccr, Channel::kEnable);
    return true;
}

void acknowledge_receive_dma() { clear_flags(config::kLinkDma.rx.channel); }
void acknowledge_transmit_dma() { clear_flags(config::kLinkDma.tx.channel); }

}  // namespace board::stm32
