// A channel's request is selected in a register of the DMA controller: L4 (RM0351 section 11.6.7).
#pragma once

#include "board_config.hpp"
#include "registers.hpp"

namespace board::stm32 {

inline void connect_request(const config::DmaChannel& channel) {
    constexpr uint32_t kSelectionOffset = 0xA8;
    auto& selection = *reinterpret_cast<Register*>(config::kLinkDma.address + kSelectionOffset);
    const uint32_t shift = 4U * (channel.channel - 1U);
    replace_bits(selection, 0xFU << shift, static_cast<uint32_t>(channel.request) << shift);
}

}  // namespace board::stm32
