// Bring-up, sending and recovery of an ESP-AT module.
#include "agilenn/esp_at.hpp"

#include "agilenn/text.hpp"
#include "agilenn/time.hpp"

namespace agilenn {
namespace {

using State = EspAt::State;

constexpr uint32_t kShortestPauseUs = 100'000;
constexpr uint8_t kLongestPauseShift = 6;
constexpr uint32_t kBusyDelayUs = 2'000;
constexpr uint32_t kRetryDelayUs = 50'000;
constexpr uint32_t kDatagramGapUs = 100'000;  // silence within +IPD: the rest was lost
constexpr uint8_t kSetupAttempts = 3;
constexpr uint8_t kBusyAttempts = 100;
constexpr uint8_t kProbesPerRate = 2;
constexpr uint8_t kProbes = 2 * kProbesPerRate;
constexpr uint8_t kLostInRow = 3;  // then the socket is opened anew

// How long a state may last before it counts as failed.
constexpr uint32_t limit_us(State state) {
    switch (state) {
        case State::kProbe:
        case State::kVerifyBaud:
            return 200'000;
        case State::kJoin:
            return 20'000'000;  // the module itself gives up after 15 s
        case State::kOpen:
            return 10'000'000;  // with a host name to resolve
        case State::kPayload:
            return 2'000'000;  // 1460 bytes at 9600 baud take 1.5 s
        default:
            return 1'000'000;
    }
}

constexpr bool waits_for_event(State state) {
    return state != State::kPause && state != State::kIdle;
}

// Writes a quoted parameter; the module wants quotes, commas and backslashes escaped.
void add_quoted(TextWriter& text, const char* parameter) {
    text.add('"');
    for (; *parameter != '\0'; ++parameter) {
        if (*parameter == '"' || *parameter == ',' || *parameter == '\\') {
            text.add('\\');
        }
        text.add(*parameter);
    }
    text.add('"');
}

}  // namespace

Datagram EspAt::poll(uint32_t now_us) {
    now_us_ = now_us;
    if (state_ == State::kPayload && issued_ && !uart_.sending()) {
        enter(State::kSendOk);
    }
    for (;;) {
        if (received_next_ == received_count_) {
            received_next_ = 0;
            received_count_ = static_cast<uint8_t>(uart_.receive(received_, sizeof received_));
            if (received_count_ == 0) {
                break;
            }
            data_us_ = now_us;
        }
        while (received_next_ < received_count_) {
            const EspAtEvent event = parser_.push(received_[received_next_++]);
            if (event == EspAtEvent::kDatagram) {
                return parser_.datagram();
            }
            handle(event);
        }
    }
    if (parser_.in_datagram() && reached(now_us, data_us_ + kDatagramGapUs)) {
        parser_.reset();
    }
    if (issued_ && state_ != State::kIdle && reached(now_us, due_us_)) {
        handle_timeout();
    }
    if (!issued_ && reached(now_us, due_us_)) {
        issue();
    }
    return {nullptr, 0};
}

bool EspAt::send(const uint8_t* bytes, uint16_t count) {
    if (!ready() || count == 0) {
        return false;
    }
    payload_ = bytes;
    payload_count_ = count;
    enter(State::kPrompt);
    issue();
    return true;
}

void EspAt::handle(EspAtEvent event) {
    switch (event) {
        case EspAtEvent::kNone:
        case EspAtEvent::kDatagram:
            return;
        case EspAtEvent::kReset:
            // The module has restarted by itself: it is at its first rate and knows nothing.
            finish_datagram(false);
            ++statistics_.restarts;
            set_baud(kBootBaud);
            enter(State::kProbe);
            return;
        case EspAtEvent::kWifiDisconnect:
            // While joining this is the module leaving its former network.
            if (state_ > State::kJoin) {
                finish_datagram(false);
                enter(State::kJoin);
            }
            return;
        case EspAtEvent::kClosed:
            if (up()) {
                finish_datagram(false);
                enter(State::kOpen);
            }
            return;
        default:
            break;
    }
    if (state_ > State::kIdle) {
        handle_sending(event);
    } else if (waits_for_event(state_) && issued_) {
        handle_setup(event);
    }
}

void EspAt::handle_setup(EspAtEvent event) {
    switch (event) {
        case EspAtEvent::kOk:
            next_after(state_);
            return;
        case EspAtEvent::kBusy:
            if (++attempt_ < kBusyAttempts) {
                repeat_after(kRetryDelayUs);
            } else {
                restart();
            }
            return;
        case EspAtEvent::kError:
            break;
        default:
            return;
    }
    switch (state_) {
        case State::kProbe:  // an answer all the same: what came before AT spoilt the line
            repeat_after(0);
            return;
        case State::kJoin:
            restart();
            return;
        case State::kSetBaud:  // the module stays at the rate that works
            enter(State::kOpen);
            return;
        case State::kClose:  // there was no socket to close
            enter(State::kOpen);
            attempt_ = 1;
            return;
        case State::kOpen:
            if (attempt_ == 0) {
                enter(State::kClose);
            } else {
                restart();
            }
            return;
        default:
            retry_or_restart();
            return;
    }
}

void EspAt::handle_sending(EspAtEvent event) {
    switch (event) {
        case EspAtEvent::kPrompt:
            if (state_ == State::kPrompt && issued_) {
                enter(State::kPayload);
                issue();
            }
            return;
        case EspAtEvent::kBusy:
            if (state_ == State::kPrompt) {
                if (++attempt_ < kBusyAttempts) {
                    repeat_after(kBusyDelayUs);
                } else {
                    finish_datagram(false);
                    probe_now();
                }
            }
            return;
        case EspAtEvent::kSendOk:
            if (state_ == State::kSendOk) {
                finish_datagram(true);
                enter(State::kIdle);
            }
            return;
        case EspAtEvent::kError:
        case EspAtEvent::kSendFail:
            if (state_ == State::kPayload) {
                return;  // the rest still has to leave; what follows decides
            }
            finish_datagram(false);
            enter(lost_in_row_ < kLostInRow ? State::kIdle : State::kClose);
            return;
        default:
            return;
    }
}

void EspAt::handle_timeout() {
    switch (state_) {
        case State::kPause:
            enter(State::kProbe);
            return;
        case State::kProbe:
            probe_failed();
            return;
        case State::kVerifyBaud:
            if (++attempt_ < kSetupAttempts) {
                repeat_after(0);
            } else {
                // The line does not carry the new rate: stay with the first one from now on.
                baud_switch_works_ = false;
                restart();
            }
            return;
        case State::kPrompt:
        case State::kPayload:
        case State::kSendOk:
            finish_datagram(false);
            probe_now();
            return;
        default:
            retry_or_restart();
            return;
    }
}

void EspAt::probe_failed() {
    ++attempt_;
    if (attempt_ >= kProbes) {
        restart();
        return;
    }
    if (attempt_ % kProbesPerRate == 0) {
        // Perhaps only this side was reset, and the module still talks at the other rate.
        set_baud(baud_ == kBootBaud ? config_.baud : kBootBaud);
    }
    repeat_after(0);
}

void EspAt::enter(State state) {
    state_ = state;
    attempt_ = 0;
    issued_ = state == State::kIdle;
    due_us_ = now_us_;
    if (state == State::kIdle) {
        failures_ = 0;
    }
}

void EspAt::repeat_after(uint32_t delay_us) {
    issued_ = false;
    due_us_ = now_us_ + delay_us;
}

void EspAt::retry_or_restart() {
    if (++attempt_ < kSetupAttempts) {
        repeat_after(kRetryDelayUs);
    } else {
        restart();
    }
}

void EspAt::restart() {
    ++statistics_.restarts;
    const uint8_t shift = failures_ < kLongestPauseShift ? failures_ : kLongestPauseShift;
    if (failures_ < kLongestPauseShift) {
        ++failures_;
    }
    enter(State::kPause);
    issued_ = true;  // nothing to say, only time to pass
    due_us_ = now_us_ + (kShortestPauseUs << shift);
}

void EspAt::probe_now() {
    ++statistics_.restarts;
    enter(State::kProbe);
    attempt_ = 1;  // the module may still wait for the rest of a datagram: fill it up first
}

void EspAt::finish_datagram(bool taken) {
    if (payload_ == nullptr) {
        return;
    }
    payload_ = nullptr;
    if (taken) {
        ++statistics_.sent;
        lost_in_row_ = 0;
    } else {
        ++statistics_.lost;
        ++lost_in_row_;
    }
}

void EspAt::next_after(State state) {
    switch (state) {
        case State::kProbe:
            enter(State::kEchoOff);
            return;
        case State::kEchoOff:
            enter(State::kStation);
            return;
        case State::kStation:
            enter(State::kJoin);
            return;
        case State::kJoin:
            enter(State::kSingle);
            return;
        case State::kSingle:
            enter(baud_ != config_.baud && baud_switch_works_ ? State::kSetBaud : State::kOpen);
            return;
        case State::kSetBaud:
            // The module answers at the old rate and then changes; so do we.
            if (set_baud(config_.baud)) {
                enter(State::kVerifyBaud);
            } else {
                baud_switch_works_ = false;
                restart();
            }
            return;
        case State::kVerifyBaud:
            enter(State::kOpen);
            return;
        case State::kClose:
            enter(State::kOpen);
            attempt_ = 1;
            return;
        case State::kOpen:
            lost_in_row_ = 0;
            enter(State::kIdle);
            return;
        default:
            return;
    }
}

void EspAt::issue() {
    bool accepted = false;
    if (state_ == State::kPayload) {
        accepted = uart_.send(payload_, payload_count_);
    } else if (!uart_.sending()) {
        accepted = uart_.send(command_, write_command());
    }
    if (accepted) {
        issued_ = true;
        due_us_ = now_us_ + limit_us(state_);
    }
}

uint16_t EspAt::write_command() {
    TextWriter text(reinterpret_cast<char*>(command_), kCommandBytes);
    switch (state_) {
        case State::kProbe:
            // A module that waits for the rest of a datagram swallows commands until it is full.
            // Line ends mean nothing to one that does not wait.
            if (attempt_ != 0) {
                while (text.length() + 8 < kCommandBytes) {
                    text.add("\r\n");
                }
            }
            text.add("AT");
            break;
        case State::kVerifyBaud:
            text.add("AT");
            break;
        case State::kEchoOff:
            text.add("ATE0");
            break;
        case State::kStation:
            text.add("AT+CWMODE=1");
            break;
        case State::kJoin:
            text.add("AT+CWJAP=");
            add_quoted(text, config_.ssid);
            text.add(',');
            add_quoted(text, config_.password);
            break;
        case State::kSingle:
            text.add("AT+CIPMUX=0");
            break;
        case State::kSetBaud:
            text.add("AT+UART_CUR=").add_decimal(config_.baud).add(",8,1,0,0");
            break;
        case State::kClose:
            text.add("AT+CIPCLOSE");
            break;
        case State::kOpen:
            text.add("AT+CIPSTART=\"UDP\",");
            add_quoted(text, config_.server_host);
            text.add(',').add_decimal(config_.server_port);
            text.add(',').add_decimal(config_.local_port).add(",0");
            break;
        case State::kPrompt:
            text.add("AT+CIPSEND=").add_decimal(payload_count_);
            break;
        default:
            break;
    }
    text.add("\r\n");
    return static_cast<uint16_t>(text.length());
}

bool EspAt::set_baud(uint32_t baud) {
    if (!uart_.set_baud(baud)) {
        return false;
    }
    baud_ = baud;
    return true;
}

const char* describe(EspAt::State state) {
    switch (state) {
        case State::kPause:
            return "waiting before the next attempt";
        case State::kProbe:
        case State::kEchoOff:
        case State::kStation:
            return "looking for the module";
        case State::kJoin:
            return "joining the WiFi network";
        case State::kSingle:
        case State::kSetBaud:
        case State::kVerifyBaud:
            return "setting up the module";
        case State::kClose:
        case State::kOpen:
            return "opening the socket";
        default:
            return "connected";
    }
}

}  // namespace agilenn
