// Softmax over a vector in fixed point, as the integer reference computes it.
#pragma once

#include <stdint.h>

#include "row_kernels.hpp"

namespace agilenn::kernels::softmax {

// round(a * b / 2^31), ties up; the result of -1 * -1 saturates.
inline int32_t multiply_q31(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    const int64_t product = static_cast<int64_t>(a) * b + (int64_t{1} << 30);
    return static_cast<int32_t>(product >> 31);
}

// value / 2^exponent, ties away from zero.
inline int32_t divide_by_power(int32_t value, int32_t exponent) {
    const auto mask = static_cast<int32_t>((uint32_t{1} << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> exponent) + ((value & mask) > threshold ? 1 : 0);
}

// value * 2^exponent, saturated.
inline int32_t multiply_by_power(int32_t value, int32_t exponent) {
    const int64_t result = static_cast<int64_t>(value) * (int64_t{1} << exponent);
    return result > INT32_MAX   ? INT32_MAX
           : result < INT32_MIN ? INT32_MIN
                                : static_cast<int32_t>(result);
}

// exp(a) in Q31 for a in [-1/4, 0), Q31: a Taylor polynomial around -1/8.
inline int32_t exp_on_quarter(int32_t a) {
    constexpr int32_t kExpOfMinusEighth = 1895147668, kThird = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = multiply_q31(x, x);
    const int32_t x3 = multiply_q31(x2, x);
    const int32_t x4_over_4 = divide_by_power(multiply_q31(x2, x2), 2);
    const int32_t tail = divide_by_power(multiply_q31(x4_over_4 + x3, kThird) + x2, 1);
    return kExpOfMinusEighth + multiply_q31(x + tail, kExpOfMinusEighth);
}

// exp(a) in Q31 for a <= 0 in Q5.26.
inline int32_t exp_of_negative(int32_t a) {
    if (a == 0) {
        return INT32_MAX;
    }
    constexpr int32_t kQuarter = 1 << 24;
    const int32_t reduced = (a & (kQuarter - 1)) - kQuarter;
    const int32_t remainder = reduced - a;
    int32_t result = exp_on_quarter(reduced * 32);
    // exp(-2^k) in Q31 for k = -2 .. 4; bit 24 + i of the remainder stands for 2^(i - 2).
    constexpr int32_t kFactors[] = {1672461947, 1302514674, 790015084, 290630308,
                                    39332535,   720401,     242};
    for (int i = 0; i < 7; ++i) {
        if ((remainder & (1 << (24 + i))) != 0) {
            result = multiply_q31(result, kFactors[i]);
        }
    }
    return result;
}

// 1 / (1 + a) in Q31 for a in [0, 1), Q31: three Newton steps.
inline int32_t one_over_one_plus(int32_t a) {
    const auto half_denominator = static_cast<int32_t>((int64_t{a} + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + multiply_q31(half_denominator, -1010580540);
    for (int step = 0; step < 3; ++step) {
        const int32_t correction = (1 << 29) - multiply_q31(half_denominator, x);
        x += multiply_by_power(multiply_q31(x, correction), 2);
    }
    return multiply_by_power(x, 1);
}

// Differences from the largest value, scaled to Q5.26; those below kDiffMin count as nothing.
template <class Layer>
AGILENN_INLINE void compute(int8_t* out, const int8_t* values) {
    int32_t largest = values[0];
    for (int i = 1; i < Layer::kChannels; ++i) {
        largest = values[i] > largest ? values[i] : largest;
    }
    int32_t sum = 0;  // in Q12.19
    for (int i = 0; i < Layer::kChannels; ++i) {
        const int32_t difference = values[i] - largest;
        if (difference >= Layer::kDiffMin) {
            const int32_t scaled = rescale_exactly(difference, Layer::kMultiplier, Layer::kShift);
            sum += divide_by_power(exp_of_negative(scaled), 12);
        }
    }
    // The largest value alone contributes 2^19, so the sum is positive.
    const int32_t headroom = __builtin_clz(static_cast<uint32_t>(sum));
    const uint32_t fraction = (static_cast<uint32_t>(sum) << headroom) - (uint32_t{1} << 31);
    const int32_t inverse = one_over_one_plus(static_cast<int32_t>(fraction));
    for (int i = 0; i < Layer::kChannels; ++i) {
        const int32_t difference = values[i] - largest;
        int32_t value = -128;
        if (difference >= Layer::kDiffMin) {
            const int32_t scaled = rescale_exactly(difference, Layer::kMultiplier, Layer::kShift);
            const int32_t share = multiply_q31(inverse, exp_of_negative(scaled));
            value = clamp<-128, 127>(divide_by_power(share, 12 - headroom + 31 - 8) - 128);
        }
        out[i] = static_cast<int8_t>(value);
    }
}

}  // namespace agilenn::kernels::softmax
