// Row kernels: each computes one row of a layer from the rows below it, exactly as the integer
// reference does. A layer is described by a struct of constants, so that the compiler sees every
// size. Activations lie in rows as int16 with the zero point already subtracted, so padding is zero.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#endif

// Stage functions stay real symbols with their own arguments: profilers and tests find them by name.
#define AGILENN_STAGE [[gnu::noipa]]
#define AGILENN_INLINE [[gnu::always_inline]] inline

namespace agilenn::kernels {

// The valid rows below a sliding window: rows above or below the image are left out.
template <int kRows>
struct Window {
    const std::int16_t* rows[kRows];
    std::uint8_t first;  // kernel row that rows[0] belongs to
    std::uint8_t count;  // number of valid rows
};

// The window over a ring of kDepth rows for output row `row`; kStart skips columns of the margin.
template <int kRows, int kStride, int kTop, int kHeight, int kDepth, int kRowValues, int kStart>
AGILENN_INLINE Window<kRows> window_at(const std::int16_t* ring, int row) {
    Window<kRows> window{};
    for (int tap = 0; tap < kRows; ++tap) {
        const int y = row * kStride - kTop + tap;
        if (y < 0 || y >= kHeight) {
            continue;
        }
        if (window.count == 0) {
            window.first = static_cast<std::uint8_t>(tap);
        }
        window.rows[window.count] = ring + y % kDepth * kRowValues + kStart;
        ++window.count;
    }
    return window;
}

// Input rows that must exist before output row `row` can be computed.
template <int kRows, int kStride, int kTop, int kHeight>
AGILENN_INLINE int rows_needed(int row) {
    const int needed = row * kStride - kTop + kRows;
    return needed < kHeight ? needed : kHeight;
}

// Per output channel: int32 accumulator to int8.
struct ChannelScale {
    std::int32_t bias;        // initial accumulator, doubled where the layer's kLean is set
    std::int32_t multiplier;  // Q31
    std::int32_t offset;      // rounding term of the shift, and the zero point above it
    std::int32_t shift;       // right shift; left if negative (never with kLean)
};

AGILENN_INLINE std::int32_t wrapping_add(std::int32_t a, std::int32_t b) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}

template <std::int32_t kLow, std::int32_t kHigh>
AGILENN_INLINE std::int32_t clamp(std::int32_t value) {
#if defined(__ARM_FEATURE_SAT)
    if constexpr (kLow == 0 && kHigh == 255) {
        return static_cast<std::int32_t>(__usat(value, 8));
    } else if constexpr (kLow == -128 && kHigh == 127) {
        return __ssat(value, 8);
    }
#endif
    return value < kLow ? kLow : value > kHigh ? kHigh : value;
}

// round(a * b / 2^32) + addend, ties up.
AGILENN_INLINE std::int32_t multiply_high_add(std::int32_t a, std::int32_t b, std::int32_t addend) {
#if defined(__ARM_FEATURE_DSP)
    std::int32_t result;
    asm("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
    return result;
#else
    const std::int64_t product = static_cast<std::int64_t>(a) * b + (std::int64_t{1} << 31);
    return wrapping_add(static_cast<std::int32_t>(product >> 32), addend);
#endif
}

// Saturating rounding doubling high multiply, then rounding shift with ties away from zero.
AGILENN_INLINE std::int32_t rescale_exactly(std::int32_t value, std::int32_t multiplier,
                                            std::int32_t shift) {
    if (shift < 0) {
        value = static_cast<std::int32_t>(static_cast<std::uint32_t>(value) << -shift);
    }
    const std::int64_t product = static_cast<std::int64_t>(value) * multiplier;
    const std::int32_t high =
        static_cast<std::int32_t>((product + (std::int64_t{1} << 30)) >> 31);
    if (shift <= 0) {
        return high;
    }
    const std::int64_t half = std::int64_t{1} << (shift - 1);
    return static_cast<std::int32_t>((high + half - (high < 0 ? 1 : 0)) >> shift);
}

// Turns an accumulator of `Layer` into its output value.
//
// With kLean the accumulator is twice the true one, so that one rounding high multiply is the
// doubling multiply of the reference. With kRectified the output is clamped at real zero or above,
// where ties of negative values no longer matter.
template <class Layer>
AGILENN_INLINE typename Layer::Output rescale(std::int32_t accumulator, const ChannelScale& scale) {
    std::int32_t value;
    if constexpr (!Layer::kLean) {
        value = rescale_exactly(accumulator, scale.multiplier, scale.shift) + scale.offset;
    } else if constexpr (Layer::kRectified) {
        value = multiply_high_add(accumulator, scale.multiplier, scale.offset) >> scale.shift;
    } else {
        const std::int32_t high = multiply_high_add(accumulator, scale.multiplier, 0);
        value = wrapping_add(wrapping_add(high, high >> 31), scale.offset) >> scale.shift;
    }
    return static_cast<typename Layer::Output>(clamp<Layer::kLow, Layer::kHigh>(value));
}

AGILENN_INLINE std::uint32_t load_pair(const std::int16_t* values) {
    std::uint32_t pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return pair;
}

// accumulator + a.low * b.low + a.high * b.high on pairs of int16.
AGILENN_INLINE std::int32_t multiply_pairs(std::uint32_t a, std::uint32_t b,
                                           std::int32_t accumulator) {
#if defined(__ARM_FEATURE_DSP)
    return __smlad(static_cast<std::int32_t>(a), static_cast<std::int32_t>(b), accumulator);
#else
    const auto low = static_cast<std::int16_t>(a) * static_cast<std::int16_t>(b);
    const auto high = static_cast<std::int16_t>(a >> 16) * static_cast<std::int16_t>(b >> 16);
    return wrapping_add(accumulator, wrapping_add(low, high));
#endif
}

// Four products for each of kChannels x kPixels accumulators. Weights are interleaved: four values
// of the first output channel, four of the second, ...
template <int kChannels, int kPixels, int kOffset, int kPixelStep>
AGILENN_INLINE void multiply_four(const std::int16_t* activations, const std::int16_t* weights,
                                  std::int32_t (&sums)[kChannels][kPixels]) {
    constexpr int kWeightOffset = kOffset * kChannels;
    for (int half = 0; half < 4; half += 2) {
        std::uint32_t pairs[kPixels];
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            pairs[pixel] = load_pair(activations + kOffset + pixel * kPixelStep + half);
        }
        for (int channel = 0; channel < kChannels; ++channel) {
            const std::uint32_t weight = load_pair(weights + kWeightOffset + channel * 4 + half);
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
AGILENN_INLINE void multiply_four_3x2(const std::int16_t* activations, const std::int16_t* weights,
                                      std::int32_t (&sums)[3][2]) {
    static_assert((kOffset + kPixelStep) * 2 <= 1020 && (kOffset * 3 + 8) * 2 <= 1020);
    std::uint32_t a, b, c, d, w, v;
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
AGILENN_INLINE void multiply_run(const std::int16_t* activations, const std::int16_t* weights,
                                 std::int32_t (&sums)[kChannels][kPixels]) {
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

template <class Layer, int kChannels, int kPixels>
AGILENN_INLINE void convolve_pixels(typename Layer::Output* out, const Window<Layer::kRows>& window,
                                    int column, const std::int16_t* weights,
                                    const ChannelScale* scales) {
    constexpr int kPixelStep = Layer::kStride * Layer::kPixelValues;
    std::int32_t sums[kChannels][kPixels];
    for (int channel = 0; channel < kChannels; ++channel) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            sums[channel][pixel] = scales[channel].bias;
        }
    }
    for (int row = 0; row < window.count; ++row) {
        multiply_run<kChannels, kPixels, Layer::kRunValues, kPixelStep>(
            window.rows[row] + column * kPixelStep, weights, sums);
        weights += kChannels * Layer::kRunValues;
    }
    for (int channel = 0; channel < kChannels; ++channel) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            out[pixel * Layer::kOutputStep + channel] =
                rescale<Layer>(sums[channel][pixel], scales[channel]);
        }
    }
}

template <class Layer, int kChannels>
AGILENN_INLINE void convolve_channels(typename Layer::Output* out,
                                      const Window<Layer::kRows>& window, int channel) {
    const std::int16_t* weights = Layer::kWeights + channel * Layer::kRows * Layer::kRunValues +
                                  window.first * kChannels * Layer::kRunValues;
    const ChannelScale* scales = Layer::kScales + channel;
    out += channel;
    int column = 0;
    for (; column + 2 <= Layer::kColumns; column += 2) {
        convolve_pixels<Layer, kChannels, 2>(out + column * Layer::kOutputStep, window, column,
                                             weights, scales);
    }
    if constexpr (Layer::kColumns % 2 != 0) {
        convolve_pixels<Layer, kChannels, 1>(out + column * Layer::kOutputStep, window, column,
                                             weights, scales);
    }
}

// One row of a convolution, three output channels by two columns at a time.
template <class Layer>
AGILENN_INLINE void convolve_row(typename Layer::Output* out, const Window<Layer::kRows>& window) {
    int channel = 0;
    for (; channel + 3 <= Layer::kChannels; channel += 3) {
        convolve_channels<Layer, 3>(out, window, channel);
    }
    if constexpr (Layer::kChannels % 3 != 0) {
        convolve_channels<Layer, Layer::kChannels % 3>(out, window, channel);
    }
}

// One row of a depthwise convolution. Weights: [kernel row][kernel column][channel].
template <class Layer>
AGILENN_INLINE void convolve_depthwise_row(typename Layer::Output* out,
                                           const Window<Layer::kRows>& window) {
    const std::int16_t* first = Layer::kWeights + window.first * Layer::kTaps * Layer::kChannels;
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        const ChannelScale scale = Layer::kScales[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            const std::int16_t* weights = first + channel;
            std::int32_t sum = scale.bias;
            for (int row = 0; row < window.count; ++row) {
                const std::int16_t* pixel =
                    window.rows[row] + column * Layer::kStride * Layer::kPixelValues + channel;
#pragma GCC unroll 8
                for (int tap = 0; tap < Layer::kTaps; ++tap) {
                    sum += pixel[tap * Layer::kPixelValues] * weights[tap * Layer::kChannels];
                }
                weights += Layer::kTaps * Layer::kChannels;
            }
            out[column * Layer::kOutputStep + channel] = rescale<Layer>(sum, scale);
        }
    }
}

// Columns of a pooling window that lie inside the image: [begin, end).
template <class Layer>
AGILENN_INLINE void clip_columns(int column, int& begin, int& end) {
    begin = column * Layer::kStride - Layer::kLeft;
    end = begin + Layer::kTaps;
    begin = begin < 0 ? 0 : begin;
    end = end > Layer::kInputColumns ? Layer::kInputColumns : end;
}

// One row of a max pool.
template <class Layer>
AGILENN_INLINE void pool_maximum_row(typename Layer::Output* out,
                                     const Window<Layer::kRows>& window) {
    for (int column = 0; column < Layer::kColumns; ++column) {
        int begin, end;
        clip_columns<Layer>(column, begin, end);
        for (int channel = 0; channel < Layer::kChannels; ++channel) {
            std::int32_t best = -256;
            for (int row = 0; row < window.count; ++row) {
                for (int x = begin; x < end; ++x) {
                    const std::int32_t value =
                        window.rows[row][(x + Layer::kMargin) * Layer::kPixelValues + channel];
                    best = value > best ? value : best;
                }
            }
            out[column * Layer::kOutputStep + channel] = static_cast<typename Layer::Output>(
                clamp<Layer::kLow, Layer::kHigh>(best + Layer::kOffset));
        }
    }
}

// One row of an average pool; the mean is rounded with ties away from zero and counts no padding.
template <class Layer>
AGILENN_INLINE void pool_average_row(typename Layer::Output* out,
                                     const Window<Layer::kRows>& window) {
    for (int column = 0; column < Layer::kColumns; ++column) {
        int begin, end;
        clip_columns<Layer>(column, begin, end);
        const std::int32_t count = window.count * (end - begin);
        for (int channel = 0; channel < Layer::kChannels; ++channel) {
            std::int32_t sum = count * Layer::kInputZeroPoint;
            for (int row = 0; row < window.count; ++row) {
                for (int x = begin; x < end; ++x) {
                    sum += window.rows[row][(x + Layer::kMargin) * Layer::kPixelValues + channel];
                }
            }
            const std::int32_t mean =
                sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
            out[column * Layer::kOutputStep + channel] = static_cast<typename Layer::Output>(
                clamp<Layer::kLow, Layer::kHigh>(mean - Layer::kOutputZeroPoint));
        }
    }
}

// Adds a row of values to running sums, one a channel.
template <class Layer, class Value>
AGILENN_INLINE void accumulate_channels(std::int32_t* sums, const Value* row) {
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        std::int32_t sum = sums[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            sum += row[column * Layer::kPixelValues + channel];
        }
        sums[channel] = sum;
    }
}

// A dense layer on a vector; zero points are folded into the bias.
template <class Layer>
AGILENN_INLINE void multiply_vector(std::int8_t* out, const std::int8_t* values) {
    for (int unit = 0; unit < Layer::kChannels; ++unit) {
        const std::int8_t* weights = Layer::kWeights + unit * Layer::kInputs;
        const ChannelScale& scale = Layer::kScales[unit];
        std::int32_t sum = scale.bias;
        for (int i = 0; i < Layer::kInputs; ++i) {
            sum += values[i] * weights[i];
        }
        out[unit] = rescale<Layer>(sum, scale);
    }
}

// The quantiser: features of one row to symbols, channel after channel. The table is indexed by the
// feature's byte.
template <class Layer, class Value>
AGILENN_INLINE void quantise_row(std::uint8_t* symbols, const Value* features) {
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        for (int column = 0; column < Layer::kColumns; ++column) {
            const auto byte =
                static_cast<std::uint8_t>(features[column * Layer::kPixelValues] + Layer::kZero);
            *symbols++ = Layer::kIndexTable[byte];
        }
        ++features;
    }
}

// A dense layer on an image: adds the products of one row to every unit's sum.
template <class Layer, class Value>
AGILENN_INLINE void multiply_image_row(std::int32_t* sums, const Value* values, int row) {
    for (int unit = 0; unit < Layer::kChannels; ++unit) {
        const std::int8_t* weights =
            Layer::kWeights + (unit * Layer::kInputRows + row) * Layer::kInputColumns * Layer::kTaps;
        std::int32_t sum = sums[unit];
        for (int column = 0; column < Layer::kInputColumns; ++column) {
            for (int channel = 0; channel < Layer::kTaps; ++channel) {
                sum += values[column * Layer::kPixelValues + channel] * *weights++;
            }
        }
        sums[unit] = sum;
    }
}

// Sum of two rows, element by element, in the scale of the output.
template <class Layer, class First, class Second>
AGILENN_INLINE void add_row(typename Layer::Output* out, const First* a, const Second* b) {
    for (int column = 0; column < Layer::kColumns; ++column) {
        for (int channel = 0; channel < Layer::kChannels; ++channel) {
            const std::int32_t first = a[column * Layer::kFirstStep + channel] - Layer::kFirstZero;
            const std::int32_t second =
                b[column * Layer::kSecondStep + channel] - Layer::kSecondZero;
            const std::int32_t sum =
                rescale_exactly(first * (1 << Layer::kLeftShift), Layer::kScales[0].multiplier,
                                Layer::kScales[0].shift) +
                rescale_exactly(second * (1 << Layer::kLeftShift), Layer::kScales[1].multiplier,
                                Layer::kScales[1].shift);
            out[column * Layer::kOutputStep + channel] = rescale<Layer>(sum, Layer::kScales[2]);
        }
    }
}

// Copies channels of a row; `kOffset` is added, for the two rows may be centred differently.
template <int kColumns, int kChannels, int kOutputStep, int kInputStep, int kOffset, class Output,
          class Input>
AGILENN_INLINE void copy_channels(Output* out, const Input* row) {
    for (int column = 0; column < kColumns; ++column) {
        for (int channel = 0; channel < kChannels; ++channel) {
            out[column * kOutputStep + channel] =
                static_cast<Output>(row[column * kInputStep + channel] + kOffset);
        }
    }
}

// Raw pixels to centred values; groups of kGroup values lie kGroupStep apart.
template <int kPixelBytes, int kGroup, int kGroupStep>
AGILENN_INLINE void expand_pixels(std::int16_t* out, const std::uint8_t* pixels) {
    for (int group = 0; group < kPixelBytes / kGroup; ++group) {
        for (int i = 0; i < kGroup; ++i) {
            out[i] = static_cast<std::int16_t>(*pixels++ - 128);
        }
        out += kGroupStep;
    }
}

template <class Value>
AGILENN_INLINE void clear(Value* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = 0;
    }
}

}  // namespace agilenn::kernels
