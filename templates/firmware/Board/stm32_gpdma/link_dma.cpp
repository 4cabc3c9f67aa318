// General-purpose DMA: U5 (RM0456 section 17). A ring is a list of one node that links to itself.
#include "link_dma.hpp"

#include "board_config.hpp"
#include "family.hpp"
#include "sections.hpp"

namespace board::stm32 {
namespace {

// Section 17.8.
struct Channel {
    Register lbar, reserved0[2], fcr, sr, cr, reserved1[10], tr1, tr2, br1, sar, dar, tr3, br2,
        reserved2[8], llr;
    static constexpr uint32_t kEnable = 1U << 0, kReset = 1U << 1, kSuspend = 1U << 2;  // cr
    static constexpr uint32_t kCompleteInterrupt = 1U << 8, kHalfInterrupt = 1U << 9;   // cr
    static constexpr uint32_t kErrorInterrupts = 7U << 10, kPriorityHigh = 3U << 22;    // cr
    static constexpr uint32_t kSourceIncrement = 1U << 3;                               // tr1
    static constexpr uint32_t kDestinationIncrement = 1U << 19;                         // tr1
    static constexpr uint32_t kPeripheralIsDestination = 1U << 10;                      // tr2
    static constexpr uint32_t kByteCountMask = 0xFFFFU;                                 // br1
    static constexpr uint32_t kUpdateLink = 1U << 16, kUpdateDestination = 1U << 27;    // llr
    static constexpr uint32_t kUpdateByteCount = 1U << 29;                              // llr
    static constexpr uint32_t kLinkOffsetMask = 0xFFFCU;                                // llr
    static constexpr uint32_t kAllFlags = 0x7FU << 8;                                   // fcr
    static constexpr uint32_t kIdle = 1U << 0, kSuspended = 1U << 13;                   // sr
};
static_assert(offsetof(Channel, tr1) == 0x40 && offsetof(Channel, llr) == 0x7C);

// What the link loads into the registers, in their order (section 17.4.9).
struct RingNode {
    uint32_t br1, dar, llr;
};

constexpr uint32_t kFirstChannelOffset = 0x50, kPollLimit = 200'000;

alignas(16) BOARD_DMA_BSS RingNode ring_node;

Channel& channel(uint32_t number) {
    return *reinterpret_cast<Channel*>(config::kLinkDma.address + kFirstChannelOffset +
                                       sizeof(Channel) * number);
}
Channel& rx() { return channel(config::kLinkDma.rx.channel); }
Channel& tx() { return channel(config::kLinkDma.tx.channel); }

// A running channel is suspended before it is reset (section 17.4.3).
bool stop(Channel& channel) {
    if ((channel.cr & Channel::kEnable) != 0) {
        set_bits(channel.cr, Channel::kSuspend);
        uint32_t poll = 0;
        while ((channel.sr & (Channel::kSuspended | Channel::kIdle)) == 0) {
            if (++poll == kPollLimit) {
                return false;
            }
        }
    }
    channel.cr = Channel::kReset;
    channel.fcr = Channel::kAllFlags;
    return true;
}

}  // namespace

void prepare_link_dma() {
    set_bits(dma_clock_enable(), 1U << config::kLinkDma.clock_enable_bit);
    read_back(dma_clock_enable());
}

bool start_receive_ring(Register& from, uint8_t* ring, uint16_t bytes) {
    if (!stop(rx())) {
        return false;
    }
    const uint32_t node = address_of(&ring_node);
    ring_node.br1 = bytes;
    ring_node.dar = address_of(ring);
    ring_node.llr = (node & Channel::kLinkOffsetMask) | Channel::kUpdateByteCount |
                    Channel::kUpdateDestination | Channel::kUpdateLink;
    rx().lbar = node & ~0xFFFFU;
    rx().tr1 = Channel::kDestinationIncrement;
    rx().tr2 = config::kLinkDma.rx.request;
    rx().br1 = ring_node.br1;
    rx().sar = address_of(&from);
    rx().dar = ring_node.dar;
    rx().llr = ring_node.llr;
    asm volatile("dsb" ::: "memory");  // the node is in memory before the DMA reads it
    rx().cr = Channel::kPriorityHigh | Channel::kHalfInterrupt | Channel::kCompleteInterrupt |
              Channel::kEnable;
    return true;
}

bool receiving() { return (rx().cr & Channel::kEnable) != 0; }

uint32_t receive_ring_remaining() { return rx().br1 & Channel::kByteCountMask; }

bool start_transmit(Register& to, const uint8_t* bytes, uint16_t count) {
    if (!stop(tx())) {
        return false;
    }
    tx().tr1 = Channel::kSourceIncrement;
    tx().tr2 = config::kLinkDma.tx.request | Channel::kPeripheralIsDestination;
    tx().br1 = count;
    tx().sar = address_of(bytes);
    tx().dar = address_of(&to);
    tx().llr = 0;
    tx().cr = Channel::kCompleteInterrupt | Channel::kErrorInterrupts | Channel::kEnable;
    return true;
}

void acknowledge_receive_dma() { rx().fcr = Channel::kAllFlags; }
void acknowledge_transmit_dma() { tx().fcr = Channel::kAllFlags; }

}  // namespace board::stm32
