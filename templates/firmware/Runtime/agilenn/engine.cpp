// Drives network, payload and link through one frame.
#include "agilenn/engine.hpp"

#include "deployment.hpp"

namespace agilenn {
namespace {

static_assert(deployment::kModelId == network::kModelId,
              "network and deployment do not belong together");

constexpr uint16_t kOneQ15 = 32768;
constexpr uint32_t kLongestSleepUs = 1'000;  // a tick, see DatagramLink::wait

void drop_symbols(void*, const uint8_t*, uint16_t) {}

}  // namespace

const char* describe(Source source) {
    switch (source) {
        case Source::kCombined:
            return "combined";
        case Source::kLocalDeadline:
            return "local-deadline";
        case Source::kLocalRefused:
            return "local-refused";
        case Source::kLocalLinkDown:
            return "local-link-down";
    }
    return "unknown";
}

Engine::Engine(DatagramLink& link, MicrosecondClock clock, FragmentBuffers& buffers)
    : link_(link),
      clock_(clock),
      buffers_(buffers),
      alpha_q15_(network::kAlphaQ15),
      deadline_us_(deployment::kDeadlineUs) {}

void Engine::set_alpha_q15(uint16_t alpha_q15) {
    alpha_q15_ = alpha_q15 < kOneQ15 ? alpha_q15 : kOneQ15;
}

bool Engine::set_rate(uint8_t rate) {
    if (rate >= network::kRates) {
        return false;
    }
    rate_ = rate;
    return true;
}

void Engine::begin(uint32_t sequence) {
    start_us_ = clock_();
    service_link();  // takes what arrived for earlier frames before the new one can be meant
    request_ = {deployment::kModelId, device_id_, sequence_base_ + sequence, rate_};
    refusal_ = RefusalReason::kNone;
    offload_ = link_.up() ? Offload::kRunning : Offload::kLinkDown;
    network::begin_frame(rate_);
    if (offload_ == Offload::kRunning) {
        writer_.begin(request_, free_fragment(), take_fragment, this);
    }
}

void Engine::push_row(const uint8_t* pixels) {
    service_link();
    if (offload_ == Offload::kRunning) {
        network::push_row(pixels, payload::Writer::push_symbols, &writer_);
    } else {
        network::push_row(pixels, drop_symbols, nullptr);
    }
}

Answer Engine::finish() {
    if (offload_ == Offload::kRunning) {
        writer_.finish();
    }
    const uint32_t device_us = clock_() - start_us_;
    while (still_worth_waiting()) {
        rest();
    }
    Answer answer = judge();
    answer.device_us = device_us;
    answer.total_us = clock_() - start_us_;
    return answer;
}

// Class and source from what there is when the waiting is over.
Answer Engine::judge() {
    const int8_t* local = network::local_logits();
    const CombinationRule rule = {alpha_q15_, network::kLocalScaleQ24, network::kLocalZeroPoint};
    Answer answer = {};
    answer.rate = request_.rate;
    if (offload_ == Offload::kAnswered) {
        answer.source = Source::kCombined;
        answer.class_index =
            combine(rule, local, remote_logits_q8_, network::kClasses, scores_q23_);
        return answer;
    }
    answer.class_index = local_answer(rule, local, network::kClasses, scores_q23_);
    answer.refusal = refusal_;
    if (offload_ == Offload::kRefused) {
        answer.source = Source::kLocalRefused;
    } else if (offload_ == Offload::kLinkDown) {
        answer.source = Source::kLocalLinkDown;
    } else {
        answer.source = Source::kLocalDeadline;
    }
    return answer;
}

void Engine::idle() {
    service_link();
    link_.wait();
}

uint8_t* Engine::take_fragment(void* engine, uint8_t* datagram, uint16_t count) {
    return static_cast<Engine*>(engine)->send_fragment(datagram, count);
}

// Hands a full fragment to the link as soon as the one before has left; returns the buffer for the
// next one, or nullptr if this frame is not worth sending any more.
uint8_t* Engine::send_fragment(uint8_t* datagram, uint16_t count) {
    while (still_worth_waiting()) {
        if (link_.ready()) {
            link_.send(datagram, count);
            return free_fragment();
        }
        rest();
    }
    return nullptr;
}

uint8_t* Engine::free_fragment() const {
    return link_.held() == buffers_.fragments[0] ? buffers_.fragments[1] : buffers_.fragments[0];
}

// Polls until nothing more has arrived; returns the time of the last look.
uint32_t Engine::service_link() {
    for (;;) {
        const uint32_t now_us = clock_();
        const Datagram datagram = link_.poll(now_us);
        if (datagram.count == 0) {
            return now_us;
        }
        handle(datagram);
    }
}

void Engine::handle(const Datagram& datagram) {
    if (offload_ != Offload::kRunning) {
        return;
    }
    const AnswerReport report = parse_answer(datagram.bytes, datagram.count, request_,
                                             network::kClasses, remote_logits_q8_);
    if (report.status == AnswerStatus::kAnswer) {
        offload_ = Offload::kAnswered;
    } else if (report.status == AnswerStatus::kRefused) {
        offload_ = Offload::kRefused;
        refusal_ = report.reason;
    }
}

// Looks at link and time; false once the frame has its answer, or will not get one.
bool Engine::still_worth_waiting() {
    const uint32_t now_us = service_link();
    if (offload_ == Offload::kRunning) {
        if (!link_.up()) {
            offload_ = Offload::kLinkDown;
        } else if (reached(now_us, start_us_ + deadline_us_)) {
            offload_ = Offload::kDeadline;
        }
    }
    return offload_ == Offload::kRunning;
}

// Sleeps, unless that could last beyond the deadline: then the caller goes on looking.
void Engine::rest() {
    if (!reached(clock_() + kLongestSleepUs, start_us_ + deadline_us_)) {
        link_.wait();
    }
}

}  // namespace agilenn
