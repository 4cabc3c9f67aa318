// DMA controller with streams: F4, F7, H7 (RM0385 section 8).
#include "link_dma.hpp"

#include "board_config.hpp"
#include "dma_request.hpp"
#include "family.hpp"

namespace board::stm32 {
namespace {

// Section 8.5.
struct Stream {
    Register cr, ndtr, par, m0ar, m1ar, fcr;
    static constexpr uint32_t kEnable = 1U << 0, kTransferErrorInterrupt = 1U << 2;
    static constexpr uint32_t kHalfInterrupt = 1U << 3, kCompleteInterrupt = 1U << 4;
    static constexpr uint32_t kMemoryToPeripheral = 1U << 6, kCircular = 1U << 8;
    static constexpr uint32_t kMemoryIncrement = 1U << 10, kPriorityHigh = 2U << 16;
};

struct Controller {
    Register isr[2];   // low: streams 0 to 3, high: 4 to 7
    Register ifcr[2];  // writing a flag clears it
    Stream stream[8];
    static constexpr uint32_t kAllFlags = 0x3DU;
};
static_assert(offsetof(Controller, stream) + sizeof(Stream) == 0x28);

// Position of a stream's flags within its word of isr and ifcr.
constexpr uint32_t flag_shift(uint32_t stream) {
    return (stream % 4U) * 6U + ((stream % 4U) >= 2U ? 4U : 0U);
}
static_assert(flag_shift(1) == 6 && flag_shift(6) == 16 && flag_shift(7) == 22);

constexpr uint32_t kPollLimit = 200'000;

Controller& controller() { return *reinterpret_cast<Controller*>(config::kLinkDma.address); }
Stream& rx() { return controller().stream[config::kLinkDma.rx.channel]; }
Stream& tx() { return controller().stream[config::kLinkDma.tx.channel]; }

void clear_flags(uint32_t stream) {
    controller().ifcr[stream / 4] = Controller::kAllFlags << flag_shift(stream);
}

// A stream's registers may be written once its enable bit reads 0 (section 8.3.18).
bool disable(Stream& stream) {
    clear_bits(stream.cr, Stream::kEnable);
    for (uint32_t poll = 0; poll < kPollLimit; ++poll) {
        if ((stream.cr & Stream::kEnable) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

void prepare_link_dma() {
    set_bits(dma_clock_enable(), 1U << config::kLinkDma.clock_enable_bit);
    read_back(dma_clock_enable());
    connect_request(config::kLinkDma.rx);
    connect_request(config::kLinkDma.tx);
}

bool start_receive_ring(Register& from, uint8_t* ring, uint16_t bytes) {
    if (!disable(rx())) {
        return false;
    }
    clear_flags(config::kLinkDma.rx.channel);
    rx().par = address_of(&from);
    rx().m0ar = address_of(ring);
    rx().ndtr = bytes;
    rx().fcr = 0;
    rx().cr = stream_request_bits(config::kLinkDma.rx) | Stream::kPriorityHigh |
              Stream::kMemoryIncrement | Stream::kCircular | Stream::kHalfInterrupt |
              Stream::kCompleteInterrupt;
    set_bits(rx().cr, Stream::kEnable);
    return true;
}

bool receiving() { return (rx().cr & Stream::kEnable) != 0; }

uint32_t receive_ring_remaining() { return rx().ndtr; }

bool start_transmit(Register& to, const uint8_t* bytes, uint16_t count) {
    if (!disable(tx())) {
        return false;
    }
    clear_flags(config::kLinkDma.tx.channel);
    tx().par = address_of(&to);
    tx().m0ar = address_of(bytes);
    tx().ndtr = count;
    tx().fcr = 0;
    tx().cr = stream_request_bits(config::kLinkDma.tx) | Stream::kMemoryIncrement |
              Stream::kMemoryToPeripheral | Stream::kCompleteInterrupt |
              Stream::kTransferErrorInterrupt;
    set_bits(tx().cr, Stream::kEnable);
    return true;
}

void acknowledge_receive_dma() { clear_flags(config::kLinkDma.rx.channel); }
void acknowledge_transmit_dma() { clear_flags(config::kLinkDma.tx.channel); }

}  // namespace board::stm32
