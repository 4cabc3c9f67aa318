// State machine over the module's output ("ESP-AT User Guide": AT command set, TCP/IP, messages).
#include "agilenn/esp_at_parser.hpp"

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
    if (whole) {
        for (const KnownLine& known : kKnownLines) {
            if (equal(line_, known.text)) {
                return known.event;
            }
        }
    }
    return EspAtEvent::kNone;
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
    if (seen_ < kDatagramCapacity) {
        datagram_[seen_] = byte;
    }
    ++seen_;
    if (seen_ != announced_) {
        return EspAtEvent::kNone;
    }
    const bool fits = announced_ <= kDatagramCapacity;
    reset();
    if (!fits) {
        return EspAtEvent::kNone;
    }
    datagram_count_ = static_cast<uint16_t>(announced_);
    return EspAtEvent::kDatagram;
}

}  // namespace agilenn
