// The ESP-AT link while it runs: what the module says, datagrams, the UART. Bring-up: esp_at_setup.
#include "agilenn/esp_at.hpp"

#include "agilenn/esp_at_commands.hpp"
#include "agilenn/small_code.hpp"
#include "agilenn/time.hpp"

namespace agilenn {
namespace {

using State = EspAt::State;
using Problem = EspAt::Problem;

constexpr uint32_t kBusyDelayUs = 2'000;
constexpr uint32_t kDatagramGapUs = 100'000;       // silence within +IPD: the rest was lost
constexpr uint32_t kCheckIntervalUs = 10'000'000;  // without a datagram to send
constexpr uint32_t kNoiseLimitUs = 100'000;        // for an answer that is due, after noise
constexpr uint32_t kUartLimitUs = 2'000'000;       // for the UART to take a command

constexpr bool waits_for_event(State state) {
    return state != State::kPause && state != State::kIdle;
}

// A module that has just been told its rate is not to be spoken to at the old one.
constexpr bool changing_rate(State state) {
    return state == State::kSetBaud || state == State::kVerifyBaud;
}

constexpr Problem join_problem(uint8_t code) {
    switch (code) {
        case 1:
            return Problem::kJoinTimeout;
        case 2:
            return Problem::kWrongPassword;
        case 3:
            return Problem::kNoNetwork;
        default:
            return Problem::kJoinRefused;
    }
}

}  // namespace

Datagram EspAt::poll(uint32_t now_us) {
    now_us_ = now_us;
    note_payload_left();
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
    if (state_ == State::kIdle) {
        if (reached(now_us, due_us_ + kCheckIntervalUs)) {
            enter(State::kCheck);
        }
    } else if (issued_ && reached(now_us, due_us_)) {
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

// The UART is done with the payload's bytes; now the module has to confirm them.
void EspAt::note_payload_left() {
    if (leaving_ == nullptr || uart_.sending()) {
        return;
    }
    leaving_ = nullptr;
    if (state_ == State::kPayload) {
        enter(State::kSendOk);
        issued_ = true;
        due_us_ = now_us_ + limit_us(State::kSendOk);
    }
}

void EspAt::handle(EspAtEvent event) {
    switch (event) {
        case EspAtEvent::kNone:
        case EspAtEvent::kDatagram:
            return;
        case EspAtEvent::kReset:
            // The module has restarted: it is at its first rate and knows nothing.
            finish_datagram(false);
            ++statistics_.restarts;
            set_baud(kBootBaud);
            enter(State::kProbe);
            was_up_ = false;
            fresh_ = true;
            return;
        case EspAtEvent::kWifiDisconnect:
            // While joining this is the module leaving its former network.
            if (state_ > State::kJoin && !changing_rate(state_)) {
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
        case EspAtEvent::kNoise:
            handle_noise();
            return;
        case EspAtEvent::kJoinError:
            if (state_ == State::kJoin) {
                problem_ = join_problem(parser_.join_error());
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

void EspAt::handle_sending(EspAtEvent event) {
    note_payload_left();  // it may have left since poll() looked
    if (state_ == State::kCheck) {
        enter(State::kIdle);  // whatever it says, it is there and hears us
        return;
    }
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

// A module that has restarted talks at its first rate, which sounds like this. So may a line that
// lost characters: whoever still answers in time has not restarted.
void EspAt::handle_noise() {
    if (state_ == State::kIdle) {
        enter(State::kCheck);
    } else if ((state_ == State::kPrompt || state_ == State::kSendOk) && issued_ &&
               !reached(now_us_ + kNoiseLimitUs, due_us_)) {
        due_us_ = now_us_ + kNoiseLimitUs;
    }
}

void EspAt::enter(State state) {
    state_ = state;
    attempt_ = 0;
    issued_ = state == State::kIdle;
    due_us_ = now_us_;
    if (state == State::kIdle) {
        failures_ = 0;
        socket_closed_ = false;
        was_up_ = false;
        problem_ = Problem::kNone;
    }
}

void EspAt::repeat_after(uint32_t delay_us) {
    issued_ = false;
    due_us_ = now_us_ + delay_us;
}

// Something went wrong while the link was up: finds out whether the module is still there.
void EspAt::probe_now() {
    finish_datagram(false);
    ++statistics_.restarts;
    enter(State::kProbe);
    was_up_ = true;
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

void EspAt::issue() {
    bool accepted = false;
    if (state_ == State::kPayload) {
        accepted = uart_.send(payload_, payload_count_);
        leaving_ = accepted ? payload_ : leaving_;
    } else if (!uart_.sending()) {
        accepted = uart_.send(command_, write_command());
    }
    if (accepted) {
        issued_ = true;
        due_us_ = now_us_ + limit_us(state_);
    } else if (reached(now_us_, due_us_ + kUartLimitUs)) {
        restart(Problem::kUart);
    }
}

uint16_t EspAt::write_command() {
    // A module that waits for the rest of a datagram swallows commands until it is full. Line ends
    // mean nothing to one that does not wait.
    const bool flush = state_ == State::kProbe && attempt_ != 0;
    return static_cast<uint16_t>(write_at_command(reinterpret_cast<char*>(command_), kCommandBytes,
                                                  state_, config_, payload_count_, flush));
}

bool EspAt::set_baud(uint32_t baud) {
    if (!uart_.set_baud(baud)) {
        return false;
    }
    baud_ = baud;
    return true;
}

}  // namespace agilenn
