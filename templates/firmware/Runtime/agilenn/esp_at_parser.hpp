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
    kJoinError,  // +CWJAP:<code>: why joining failed, see join_error(); ERROR or FAIL follows
    kNoise,      // so many bytes that no AT firmware sends: another rate, or a bad line
    kDatagram,   // datagram() holds it
};

// Takes bytes one at a time. Never loses its way for long: a line that is too long or unknown is
// dropped at its end, a datagram that is too long is counted off and dropped.
class EspAtParser {
  public:
    // Datagrams of up to `capacity_bytes` are collected in `buffer`.
    EspAtParser(uint8_t* buffer, uint16_t capacity_bytes)
        : datagram_(buffer), capacity_bytes_(capacity_bytes) {}

    EspAtEvent push(uint8_t byte);

    // The last datagram, until the next one begins.
    Datagram datagram() const { return {datagram_, datagram_count_}; }

    // The code of the last +CWJAP line: 1 time-out, 2 wrong password, 3 no such network, 4 refused.
    uint8_t join_error() const { return join_error_; }

    bool in_datagram() const { return mode_ == Mode::kData; }
    // Forgets an unfinished datagram (its rest was lost) and the present line.
    void reset();

  private:
    enum class Mode : uint8_t { kLine, kLength, kPeer, kData };

    EspAtEvent push_line(uint8_t byte);
    EspAtEvent end_line();
    bool read_join_error();
    EspAtEvent count_noise();
    void push_length(uint8_t byte);
    EspAtEvent push_data(uint8_t byte);

    static constexpr uint8_t kLineCapacity = 32;   // the longest line that matters is shorter
    static constexpr uint32_t kLongestIpd = 8192;  // more is line noise
    static constexpr uint8_t kNoiseBytes = 8;      // since the last line that was understood

    Mode mode_ = Mode::kLine;
    bool line_cut_ = false;
    uint8_t line_length_ = 0;
    uint8_t noise_ = 0;
    uint8_t join_error_ = 0;
    uint32_t announced_ = 0;  // bytes of the datagram
    uint32_t seen_ = 0;       // of them
    uint16_t datagram_count_ = 0;
    char line_[kLineCapacity] = {};
    uint8_t* datagram_;
    uint16_t capacity_bytes_;
};

}  // namespace agilenn
