// Drives the network through one frame.
#include "agilenn/engine.hpp"

#include "deployment.hpp"

namespace agilenn {
namespace {

static_assert(deployment::kModelId == network::kModelId,
              "network and deployment do not belong together");
static_assert(network::kSymbolCount == 0, "this network sends features: it needs a link");

constexpr CombinationRule kRule = {network::kAlphaQ15, network::kLocalScaleQ24,
                                   network::kLocalZeroPoint};

void drop_symbols(void*, const uint8_t*, uint16_t) {}  // never called: there are none

}  // namespace

const char* describe(Source) { return "local"; }

void Engine::begin() {
    start_us_ = clock_();
    network::begin_frame();
}

void Engine::push_row(const uint8_t* pixels) { network::push_row(pixels, drop_symbols, nullptr); }

Answer Engine::finish() {
    Answer answer = {};
    answer.device_us = clock_() - start_us_;
    answer.class_index =
        local_answer(kRule, network::local_logits(), network::kClasses, scores_q23_);
    answer.source = Source::kLocal;
    answer.total_us = clock_() - start_us_;
    return answer;
}

}  // namespace agilenn
