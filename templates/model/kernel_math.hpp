// Arithmetic of the kernels: requantisation, level steps, and products of int16 pairs.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_SAT)
#include <arm_acle.h>
#endif

// Stage functions stay real symbols with their own arguments: profilers and tests find them by
// name.
#define AGILENN_STAGE [[gnu::noipa]]
#define AGILENN_INLINE [[gnu::always_inline]] inline
// Inner loops that need all registers for themselves.
#define AGILENN_LOOP [[gnu::noinline]]

namespace agilenn::kernels {

// Per output channel: int32 accumulator to int8.
struct ChannelScale {
    int32_t start;       // initial accumulator: the bias, doubled where the layer's kLean is set
    int32_t multiplier;  // Q31
    int32_t offset;      // rounding term of the shift, and the zero point above it
    int32_t shift;       // right shift; left if negative (never with kLean)
};

AGILENN_INLINE int32_t wrapping_add(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

AGILENN_INLINE int32_t wrapping_subtract(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

template <int32_t kLow, int32_t kHigh>
AGILENN_INLINE int32_t clamp(int32_t value) {
#if defined(__ARM_FEATURE_SAT)
    if constexpr (kLow == 0 && kHigh == 255) {
        return static_cast<int32_t>(__usat(value, 8));
    } else if constexpr (kLow == -128 && kHigh == 127) {
        return __ssat(value, 8);
    }
#endif
    return value < kLow ? kLow : value > kHigh ? kHigh : value;
}

// round(a * b / 2^32) + addend, ties up.
AGILENN_INLINE int32_t multiply_high_add(int32_t a, int32_t b, int32_t addend) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    asm("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
    return result;
#else
    const int64_t product = static_cast<int64_t>(a) * b + (int64_t{1} << 31);
    return wrapping_add(static_cast<int32_t>(product >> 32), addend);
#endif
}

// Saturating rounding doubling high multiply, then rounding shift with ties away from zero.
AGILENN_INLINE int32_t rescale_exactly(int32_t value, int32_t multiplier, int32_t shift) {
    if (shift < 0) {
        value = static_cast<int32_t>(static_cast<uint32_t>(value) << -shift);
    }
    const int64_t product = static_cast<int64_t>(value) * multiplier;
    const int32_t high = static_cast<int32_t>((product + (int64_t{1} << 30)) >> 31);
    if (shift <= 0) {
        return high;
    }
    const int64_t half = int64_t{1} << (shift - 1);
    return static_cast<int32_t>((high + half - (high < 0 ? 1 : 0)) >> shift);
}

// Turns an accumulator of `Layer` into its output value.
//
// With kLean the accumulator is twice the true one, so that one rounding high multiply is the
// doubling multiply of the reference. With kRectified the output is clamped at real zero or above,
// where ties of negative values no longer matter.
template <class Layer>
AGILENN_INLINE typename Layer::Output rescale(int32_t accumulator, const ChannelScale& scale) {
    int32_t value;
    if constexpr (!Layer::kLean) {
        value = rescale_exactly(accumulator, scale.multiplier, scale.shift) + scale.offset;
    } else if constexpr (Layer::kRectified) {
        value = multiply_high_add(accumulator, scale.multiplier, scale.offset) >> scale.shift;
    } else {
        const int32_t high = multiply_high_add(accumulator, scale.multiplier, 0);
        value = wrapping_add(wrapping_add(high, high >> 31), scale.offset) >> scale.shift;
    }
    return static_cast<typename Layer::Output>(clamp<Layer::kLow, Layer::kHigh>(value));
}

// Per channel: a sum to its value by a straight line whose steps are exactly those of the
// reference.
struct Line {
    int32_t start;       // initial sum
    int32_t multiplier;  // Q32
    int32_t addend;
};

// (a * b >> 32) + addend.
AGILENN_INLINE int32_t multiply_top_add(int32_t a, int32_t b, int32_t addend) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    asm("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
    return result;
#else
    return static_cast<int32_t>(static_cast<int64_t>(a) * b >> 32) + addend;
#endif
}

// value >> kShift, held within kLow and kHigh.
template <int32_t kLow, int32_t kHigh, int kShift>
AGILENN_INLINE int32_t shift_and_clamp(int32_t value) {
#if defined(__ARM_FEATURE_DSP)
    if constexpr (kShift > 0 && kLow == 0 && kHigh == 255) {
        int32_t byte;
        asm("usat %0, #8, %1, asr %2" : "=r"(byte) : "r"(value), "I"(kShift));
        return byte;
    } else if constexpr (kShift > 0 && kLow == -128 && kHigh == 127) {
        int32_t byte;
        asm("ssat %0, #8, %1, asr %2" : "=r"(byte) : "r"(value), "I"(kShift));
        return byte;
    }
#endif
    return clamp<kLow, kHigh>(value >> kShift);
}

// Turns a sum into its output value, where the layer has exact lines.
template <class Layer>
AGILENN_INLINE typename Layer::Output rescale(int32_t sum, const Line& line) {
    const int32_t high = multiply_top_add(sum, line.multiplier, line.addend);
    return static_cast<typename Layer::Output>(
        shift_and_clamp<Layer::kLow, Layer::kHigh, Layer::kLineShift>(high));
}

// The symbol of a sent channel's sum: requantisation and quantiser in one.
template <class Layer>
AGILENN_INLINE uint8_t symbol_of(int32_t sum, const Line& line, const uint8_t* table) {
    const int32_t high = multiply_top_add(sum, line.multiplier, line.addend);
    return table[shift_and_clamp<0, 255, Layer::kStepShift>(high)];
}

// The same pointer, of unknown origin: it is kept in a register, where the compiler would else add
// an offset to a common base at each use.
template <class Value>
AGILENN_INLINE const Value* in_register(const Value* pointer) {
    asm("" : "+r"(pointer));
    return pointer;
}

AGILENN_INLINE uint32_t load_pair(const int16_t* values) {
    uint32_t pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return pair;
}

// Values that a piece of assembly reads or writes, as an operand for it.
template <int kCount>
AGILENN_INLINE const int16_t (&values_at(const int16_t* values))
    [kCount] { return *reinterpret_cast<const int16_t (*)[kCount]>(values); }

template <int kCount>
AGILENN_INLINE int16_t (&values_at(int16_t* values))
    [kCount] { return *reinterpret_cast<int16_t (*)[kCount]>(values); }

AGILENN_INLINE void store_pair(int16_t* values, uint32_t pair) {
    __builtin_memcpy(values, &pair, sizeof pair);
}

// Sums and differences of two int16 in one word; values are small enough not to overflow.
AGILENN_INLINE uint32_t add_pairs(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    return static_cast<uint32_t>(__sadd16(static_cast<int32_t>(a), static_cast<int32_t>(b)));
#else
    return ((a + b) & 0xFFFF) | (((a >> 16) + (b >> 16)) << 16);
#endif
}

AGILENN_INLINE uint32_t subtract_pairs(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    return static_cast<uint32_t>(__ssub16(static_cast<int32_t>(a), static_cast<int32_t>(b)));
#else
    return ((a - b) & 0xFFFF) | (((a >> 16) - (b >> 16)) << 16);
#endif
}

// accumulator + a.low * b.low + a.high * b.high on pairs of int16.
AGILENN_INLINE int32_t multiply_pairs(uint32_t a, uint32_t b, int32_t accumulator) {
#if defined(__ARM_FEATURE_DSP)
    return __smlad(static_cast<int32_t>(a), static_cast<int32_t>(b), accumulator);
#else
    const auto low = static_cast<int16_t>(a) * static_cast<int16_t>(b);
    const auto high = static_cast<int16_t>(a >> 16) * static_cast<int16_t>(b >> 16);
    return wrapping_add(accumulator, wrapping_add(low, high));
#endif
}

// Four products for each of kChannels x kPixels accumulators. Weights are interleaved: four values
// of the first output channel, four of the second, ...
template <int kChannels, int kPixels, int kOffset, int kPixelStep>
AGILENN_INLINE void multiply_four(const int16_t* activations, const int16_t* weights,
                                  int32_t (&sums)[kChannels][kPixels]) {
    constexpr int kWeightOffset = kOffset * kChannels;
    for (int half = 0; half < 4; half += 2) {
        uint32_t pairs[kPixels];
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            pairs[pixel] = load_pair(activations + kOffset + pixel * kPixelStep + half);
        }
        for (int channel = 0; channel < kChannels; ++channel) {
            const uint32_t weight = load_pair(weights + kWeightOffset + channel * 4 + half);
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                sums[channel][pixel] = multiply_pairs(pairs[pixel], weight, sums[channel][pixel]);
            }
        }
    }
}

#if defined(__ARM_FEATURE_DSP) && defined(__OPTIMIZE__)
// The compiler does not keep six sums, two pixels and a weight in the fourteen registers there are;
// this order of seventeen instructions does (measured: 0.7 instead of 1.2 instructions a product).
template <int kOffset, int kPixelStep>
AGILENN_INLINE void multiply_four_3x2(const int16_t* activations, const int16_t* weights,
                                      int32_t (&sums)[3][2]) {
    static_assert((kOffset + kPixelStep) * 2 <= 1020 && (kOffset * 3 + 8) * 2 <= 1020);
    uint32_t a, b, c, d, w, v;
    asm("ldrd %[a], %[b], [%[x], %[x0]]\n\t"
        "ldrd %[c], %[d], [%[x], %[x1]]\n\t"
        "ldrd %[w], %[v], [%[k], %[k0]]\n\t"
        "smlad %[s00], %[a], %[w], %[s00]\n\t"
        "smlad %[s01], %[c], %[w], %[s01]\n\t"
        "smlad %[s00], %[b], %[v], %[s00]\n\t"
        "smlad %[s01], %[d], %[v], %[s01]\n\t"
        "ldrd %[w], %[v], [%[k], %[k1]]\n\t"
        "smlad %[s10], %[a], %[w], %[s10]\n\t"
        "smlad %[s11], %[c], %[w], %[s11]\n\t"
        "smlad %[s10], %[b], %[v], %[s10]\n\t"
        "smlad %[s11], %[d], %[v], %[s11]\n\t"
        "ldrd %[w], %[v], [%[k], %[k2]]\n\t"
        "smlad %[s20], %[a], %[w], %[s20]\n\t"
        "smlad %[s21], %[c], %[w], %[s21]\n\t"
        "smlad %[s20], %[b], %[v], %[s20]\n\t"
        "smlad %[s21], %[d], %[v], %[s21]"
        : [s00] "+r"(sums[0][0]), [s01] "+r"(sums[0][1]), [s10] "+r"(sums[1][0]),
          [s11] "+r"(sums[1][1]), [s20] "+r"(sums[2][0]), [s21] "+r"(sums[2][1]), [a] "=&r"(a),
          [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [w] "=&r"(w), [v] "=&r"(v)
        : [x] "r"(activations), [k] "r"(weights), [x0] "n"(kOffset * 2),
          [x1] "n"((kOffset + kPixelStep) * 2), [k0] "n"(kOffset * 6), [k1] "n"(kOffset * 6 + 8),
          [k2] "n"(kOffset * 6 + 16)
        : "memory");
}
#endif

// kValues (a multiple of four) products for each of kChannels x kPixels sums.
template <int kChannels, int kPixels, int kValues, int kPixelStep, int kOffset = 0>
AGILENN_INLINE void multiply_run(const int16_t* activations, const int16_t* weights,
                                 int32_t (&sums)[kChannels][kPixels]) {
    if constexpr (kOffset < kValues) {
#if defined(__ARM_FEATURE_DSP) && defined(__OPTIMIZE__)
        if constexpr (kChannels == 3 && kPixels == 2 && (kOffset + kPixelStep) * 2 <= 1020 &&
                      (kOffset * 3 + 8) * 2 <= 1020) {
            multiply_four_3x2<kOffset, kPixelStep>(activations, weights, sums);
        } else
#endif
        {
            multiply_four<kChannels, kPixels, kOffset, kPixelStep>(activations, weights, sums);
        }
        multiply_run<kChannels, kPixels, kValues, kPixelStep, kOffset + 4>(activations, weights,
                                                                           sums);
    }
}

}  // namespace agilenn::kernels
