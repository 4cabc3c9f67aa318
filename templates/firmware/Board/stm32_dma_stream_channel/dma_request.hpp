// A stream's request is a field of its own configuration: F4, F7 (RM0385 section 8.3.3).
#pragma once

#include "board_config.hpp"

namespace board::stm32 {

inline void connect_request(const config::DmaChannel&) {}
constexpr uint32_t stream_request_bits(const config::DmaChannel& channel) {
    return static_cast<uint32_t>(channel.request) << 25;
}

}  // namespace board::stm32
