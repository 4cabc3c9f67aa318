// State machine over the module's output ("ESP-AT User Guide": AT messages, Wi-Fi and TCP/IP
// commands; "ESP8266 AT Instruction Set" for firmware 1.x).
#include "agilenn/esp_at_parser.hpp"

#include "agilenn/small_code.hpp"
#include "agilenn/text.hpp"

namespace agilenn {
namespace {

struct KnownLine {
    const char* text;
    EspAtEvent event;
};

constexpr KnownLine kKnownLines[] = {
    {"OK", EspAtEvent::kOk},
    {"ERROR", EspAtEvent::kError},
    {"FAIL", EspAtEvent::kError},
    {"SEND OK", EspAtEvent::kSendOk},
    {"SEND FAIL", EspAtEvent::kSendFail},
    {"busy p...", EspAtEvent::kBusy},
    {"busy s...", EspAtEvent::kBusy},
    {"ready", EspAtEvent::kReset},
    {"WIFI DISCONNECT", EspAtEvent::kWifiDisconnect},
    {"CLOSED", EspAtEvent::kClosed},
};

constexpr char kDatagramPrefix[] = "+IPD,";
constexpr char kJoinErrorPrefix[] = "+CWJAP:";

// AT firmware writes printable ASCII and line ends. Other bytes come from a line whose two ends run
// at different rates, or from a datagram whose announcement was lost.
constexpr bool is_noise(uint8_t byte) {
    return byte >= 0x7F || (byte < ' ' && byte != '\r' && byte != '\n' && byte != '\t');
}

}  // namespace

EspAtEvent EspAtParser::push(uint8_t byte) {
    switch (mode_) {
        case Mode::kLine:
            return push_line(byte);
        case Mode::kLength:
            push_length(byte);
            return EspAtEvent::kNone;
        case Mode::kPeer:  // address and port of the sender, with CIPDINFO=1
            if (byte == ':') {
                mode_ = Mode::kData;
            } else if (byte == '\n') {
                reset();
            }
            return EspAtEvent::kNone;
        case Mode::kData:
            return push_data(byte);
    }
    return EspAtEvent::kNone;
}

void EspAtParser::reset() {
    mode_ = Mode::kLine;
    line_length_ = 0;
    line_cut_ = false;
    datagram_count_ = 0;
}

EspAtEvent EspAtParser::push_line(uint8_t byte) {
    if (byte == '\n') {
        return end_line();
    }
    if (byte == '\r' || (byte == ' ' && line_length_ == 0)) {
        return EspAtEvent::kNone;
    }
    if (is_noise(byte)) {
        line_cut_ = true;  // whatever this line was, it is spoilt
        return count_noise();
    }
    if (byte == '>' && line_length_ == 0 && !line_cut_) {
        return EspAtEvent::kPrompt;
    }
    if (line_length_ + 1U >= kLineCapacity) {
        line_cut_ = true;
        return EspAtEvent::kNone;
    }
    line_[line_length_++] = static_cast<char>(byte);
    line_[line_length_] = '\0';
    if (!line_cut_ && equal(line_, kDatagramPrefix)) {
        mode_ = Mode::kLength;
        announced_ = 0;
        seen_ = 0;
        datagram_count_ = 0;
    }
    return EspAtEvent::kNone;
}

EspAtEvent EspAtParser::end_line() {
    line_[line_length_] = '\0';
    const bool whole = !line_cut_;
    line_length_ = 0;
    line_cut_ = false;
    if (!whole) {
        return EspAtEvent::kNone;
    }
    for (const KnownLine& known : kKnownLines) {
        if (equal(line_, known.text)) {
            noise_ = 0;
            return known.event;
        }
    }
    return read_join_error() ? EspAtEvent::kJoinError : EspAtEvent::kNone;
}

// Reads "+CWJAP:<code>"; false if the line is another one.
bool EspAtParser::read_join_error() {
    constexpr uint8_t kCodeAt = sizeof kJoinErrorPrefix - 1;
    const char code = starts_with(line_, kJoinErrorPrefix) ? line_[kCodeAt] : '\0';
    if (code < '0' || code > '9' || line_[kCodeAt + 1] != '\0') {
        return false;
    }
    join_error_ = static_cast<uint8_t>(code - '0');
    return true;
}

EspAtEvent EspAtParser::count_noise() {
    if (++noise_ < kNoiseBytes) {
        return EspAtEvent::kNone;
    }
    noise_ = 0;
    return EspAtEvent::kNoise;
}

void EspAtParser::push_length(uint8_t byte) {
    if (byte >= '0' && byte <= '9') {
        announced_ = announced_ * 10U + (byte - '0');
        if (announced_ <= kLongestIpd) {
            return;
        }
    } else if (announced_ != 0 && byte == ':') {
        mode_ = Mode::kData;
        return;
    } else if (announced_ != 0 && byte == ',') {
        mode_ = Mode::kPeer;
        return;
    }
    reset();
    line_cut_ = byte != '\n';  // no length: drop the rest of the line
}

EspAtEvent EspAtParser::push_data(uint8_t byte) {
    if (seen_ < capacity_bytes_) {
        datagram_[seen_] = byte;
    }
    ++seen_;
    if (seen_ != announced_) {
        return EspAtEvent::kNone;
    }
    const bool fits = announced_ <= capacity_bytes_;
    reset();
    if (!fits) {
        return EspAtEvent::kNone;
    }
    datagram_count_ = static_cast<uint16_t>(announced_);
    return EspAtEvent::kDatagram;
}

}  // namespace agilenn
