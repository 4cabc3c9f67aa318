// A multiplexer in front of the DMA controllers routes any request to any channel: G0 (RM0444
// section 12), H7 (RM0433 section 17). Its clock runs with that of the controllers.
#pragma once

#include "board_config.hpp"
#include "registers.hpp"

namespace board::stm32 {

inline void connect_request(const config::DmaChannel& channel) {
    constexpr uint32_t kMultiplexer = 0x40020800;
    auto* channels = reinterpret_cast<Register*>(kMultiplexer);
    channels[channel.mux_channel] = channel.request;
}
constexpr uint32_t stream_request_bits(const config::DmaChannel&) { return 0; }

}  // namespace board::stm32
