// Combines the answers; bit-equal to agilenn_cc.ir.combine.
#include "agilenn/combine.hpp"

namespace agilenn {
namespace {

constexpr int32_t kOneQ15 = 32768;

}  // namespace

int16_t local_logit_q8(const CombinationRule& rule, int8_t logit) {
    constexpr int64_t kHalf = 1 << 15;
    const int64_t centred = static_cast<int64_t>(logit) - rule.local_zero_point;
    const int64_t value = (centred * rule.local_scale_q24 + kHalf) >> 16;
    if (value > INT16_MAX) {
        return INT16_MAX;
    }
    return value < INT16_MIN ? static_cast<int16_t>(INT16_MIN) : static_cast<int16_t>(value);
}

uint16_t combine(const CombinationRule& rule, const int8_t* local, const int16_t* remote_q8,
                 uint16_t classes, int32_t* scores_q23) {
    // The weights add up to 2^15, so a score stays within 2^15 x 2^15 = 2^30.
    const int32_t alpha = rule.alpha_q15;
    const int32_t rest = kOneQ15 - alpha;
    uint16_t best = 0;
    for (uint16_t i = 0; i < classes; ++i) {
        scores_q23[i] = alpha * local_logit_q8(rule, local[i]) + rest * remote_q8[i];
        if (scores_q23[i] > scores_q23[best]) {
            best = i;
        }
    }
    return best;
}

uint16_t local_answer(const CombinationRule& rule, const int8_t* local, uint16_t classes,
                      int32_t* scores_q23) {
    uint16_t best = 0;
    for (uint16_t i = 0; i < classes; ++i) {
        scores_q23[i] = kOneQ15 * local_logit_q8(rule, local[i]);
        // Scores can saturate; the int8 logits cannot, so they decide.
        if (local[i] > local[best]) {
            best = i;
        }
    }
    return best;
}

}  // namespace agilenn
