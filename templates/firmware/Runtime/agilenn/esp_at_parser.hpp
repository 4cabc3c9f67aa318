// Understands what an ESP-AT module says: result lines, the send prompt, received datagrams.
#pragma once

#include <stdint.h>

#include "agilenn/datagram_link.hpp"

namespace agilenn {

enum class EspAtEvent : uint8_t {
    kNone,
    kOk,
    kError,  // ERROR or FAIL
    kSendOk,
    kSendFail,
    kBusy,    // busy p... or busy s...
    kPrompt,  // '>': send the bytes now
    kReset,   // ready: the module has started
    kWifiDisconnect,
    kClosed,
    kDatagram,  // datagram() holds it
};

// Takes bytes one at a time. Never loses its way for long: a line that is too long or unknown is
// dropped at its end, a datagram that is too long is counted off and dropped.
class EspAtParser {
  public:
    static constexpr uint16_t kDatagramCapacity = 1460;

    EspAtEvent push(uint8_t byte);

    // The last datagram, until the next one begins.
    Datagram datagram() const { return {datagram_, datagram_count_}; }

    bool in_datagram() const { return mode_ == Mode::kData; }
    // Forgets an unfinished datagram (its rest was lost) and the present line.
    void reset();

  private:
    enum class Mode : uint8_t { kLine, kLength, kPeer, kData };

    EspAtEvent push_line(uint8_t byte);
    EspAtEvent end_line();
    void push_length(uint8_t byte);
    EspAtEvent push_data(uint8_t byte);

    static constexpr uint8_t kLineCapacity = 32;   // the longest line that matters is shorter
    static constexpr uint32_t kLongestIpd = 8192;  // more is line noise

    Mode mode_ = Mode::kLine;
    bool line_cut_ = false;
    uint8_t line_length_ = 0;
    uint32_t announced_ = 0;  // bytes of the datagram
    uint32_t seen_ = 0;       // of them
    uint16_t datagram_count_ = 0;
    char line_[kLineCapacity] = {};
    uint8_t datagram_[kDatagramCapacity] = {};
};

}  // namespace agilenn
