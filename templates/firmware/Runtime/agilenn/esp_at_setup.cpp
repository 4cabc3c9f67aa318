// Bring-up of an ESP-AT module, step by step, and what to do when a step fails.
#include "agilenn/esp_at.hpp"
#include "agilenn/small_code.hpp"

namespace agilenn {
namespace {

using State = EspAt::State;
using Problem = EspAt::Problem;

constexpr uint32_t kShortestPauseUs = 100'000;
constexpr uint8_t kLongestPauseShift = 6;
constexpr uint32_t kRetryDelayUs = 50'000;
constexpr uint8_t kSetupAttempts = 3;
constexpr uint8_t kProbesPerRate = 2;
constexpr uint8_t kProbes = 2 * kProbesPerRate;
constexpr uint8_t kFailuresBeforeRestart = 3;

// Steps that older AT firmware does not know, or that have nothing to do.
constexpr bool may_fail(State state) {
    return state == State::kKeepFlash || state == State::kStayAwake || state == State::kClose;
}

constexpr bool is_join_problem(Problem problem) {
    return problem >= Problem::kJoinTimeout && problem <= Problem::kJoinRefused;
}

}  // namespace

void EspAt::handle_setup(EspAtEvent event) {
    switch (event) {
        case EspAtEvent::kOk:
            step_after(state_);
            return;
        case EspAtEvent::kBusy:
            if (++attempt_ < kBusyAttempts) {
                repeat_after(kRetryDelayUs);
            } else {
                restart(Problem::kModuleErrors);
            }
            return;
        case EspAtEvent::kError:
            handle_setup_error();
            return;
        default:
            return;
    }
}

void EspAt::handle_setup_error() {
    if (may_fail(state_)) {
        step_after(state_);
        return;
    }
    switch (state_) {
        case State::kProbe:  // an answer all the same: what came before AT spoilt the line
            repeat_after(0);
            return;
        case State::kJoin:
            restart(is_join_problem(problem_) ? problem_ : Problem::kJoinRefused);
            return;
        case State::kSetBaud:  // the module stays at the rate that works
            enter(State::kOpen);
            return;
        case State::kOpen:
            if (socket_closed_) {
                restart(Problem::kNoSocket);
            } else {
                enter(State::kClose);
            }
            return;
        default:
            retry_or_restart(Problem::kModuleErrors);
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
        case State::kRestart:  // its `ready` was not heard
            fresh_ = true;
            enter(State::kProbe);
            return;
        case State::kJoin:
            restart(Problem::kJoinTimeout);
            return;
        case State::kVerifyBaud:
            if (++attempt_ < kSetupAttempts) {
                repeat_after(0);
            } else {
                // The line does not carry the new rate: stay with the first one from now on.
                baud_switch_works_ = false;
                restart(Problem::kModuleErrors);
            }
            return;
        case State::kCheck:
        case State::kPrompt:
        case State::kPayload:
        case State::kSendOk:
            probe_now();
            return;
        case State::kOpen:
            retry_or_restart(Problem::kNoSocket);
            return;
        default:
            retry_or_restart(Problem::kModuleErrors);
            return;
    }
}

void EspAt::step_after(State state) {
    switch (state) {
        case State::kProbe:
            step_after_probe();
            return;
        case State::kRestart:
            // It obeys and will say `ready` at its first rate; until then there is nothing to do.
            set_baud(kBootBaud);
            return;
        case State::kEchoOff:
            enter(State::kKeepFlash);
            return;
        case State::kKeepFlash:
            enter(State::kStation);
            return;
        case State::kStation:
            enter(State::kStayAwake);
            return;
        case State::kStayAwake:
            enter(State::kJoin);
            return;
        case State::kJoin:
            problem_ = Problem::kNone;
            enter(State::kClose);
            return;
        case State::kClose:
            socket_closed_ = true;
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
                restart(Problem::kUart);
            }
            return;
        case State::kVerifyBaud:
            enter(State::kOpen);
            return;
        case State::kOpen:
            lost_in_row_ = 0;
            enter(State::kIdle);
            return;
        default:
            return;
    }
}

void EspAt::step_after_probe() {
    if (problem_ == Problem::kNoModule) {
        problem_ = Problem::kNone;
    }
    if (was_up_ && lost_in_row_ < kLostInRow) {
        enter(State::kIdle);  // only characters were lost; WiFi and socket are as before
    } else if (failures_ >= kFailuresBeforeRestart && !fresh_) {
        enter(State::kRestart);
    } else {
        enter(State::kEchoOff);
    }
}

void EspAt::probe_failed() {
    ++attempt_;
    if (attempt_ >= kProbes) {
        restart(Problem::kNoModule);
        return;
    }
    if (attempt_ % kProbesPerRate == 0) {
        // Perhaps only one side was reset, and the module talks at the other rate.
        was_up_ = false;
        set_baud(baud_ == kBootBaud ? config_.baud : kBootBaud);
    }
    repeat_after(0);
}

void EspAt::retry_or_restart(Problem problem) {
    if (++attempt_ < kSetupAttempts) {
        repeat_after(kRetryDelayUs);
    } else {
        restart(problem);
    }
}

void EspAt::restart(Problem problem) {
    finish_datagram(false);
    problem_ = problem;
    ++statistics_.restarts;
    ++statistics_.failures;
    const uint8_t shift = failures_ < kLongestPauseShift ? failures_ : kLongestPauseShift;
    if (failures_ < kLongestPauseShift) {
        ++failures_;
    }
    was_up_ = false;
    fresh_ = false;
    socket_closed_ = false;
    enter(State::kPause);
    issued_ = true;  // nothing to say, only time to pass
    due_us_ = now_us_ + (kShortestPauseUs << shift);
}

}  // namespace agilenn
