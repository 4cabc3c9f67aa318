// Combines the answers; bit-equal to agilenn_cc.ir.combine.
#include "agilenn/combine.hpp"

namespace agilenn {

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
                 uint16_t classes) {
    // The weights add up to 2^15, so a score stays within 2^15 x 2^15 = 2^30.
    const int32_t alpha = rule.alpha_q15;
    const int32_t rest = 32768 - alpha;
    uint16_t best_class = 0;
    int32_t best_score = INT32_MIN;
    for (uint16_t i = 0; i < classes; ++i) {
        const int32_t score = alpha * local_logit_q8(rule, local[i]) + rest * remote_q8[i];
        if (score > best_score) {
            best_score = score;
            best_class = i;
        }
    }
    return best_class;
}

uint16_t local_answer(const int8_t* local, uint16_t classes) {
    uint16_t best = 0;
    for (uint16_t i = 1; i < classes; ++i) {
        if (local[i] > local[best]) {
            best = i;
        }
    }
    return best;
}

}  // namespace agilenn
