// Row kernels: each computes one row of a layer from the rows below it, exactly as the integer
// reference does. A layer is described by a struct of constants, so that the compiler sees every
// size. Activations lie in rows as int16 with the zero point already subtracted, so padding is
// zero.
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

namespace agilenn::kernels {

// The valid rows below a sliding window: rows above or below the image are left out.
template <int kRows, class Value = int16_t>
struct Window {
    const Value* rows[kRows];
    uint8_t first;  // kernel row that rows[0] belongs to
    uint8_t count;  // number of valid rows
};

// The window over a ring of kDepth rows for output row `row`; kStart skips columns of the margin.
template <int kRows, int kStride, int kTop, int kHeight, int kDepth, int kRowValues, int kStart,
          class Value>
AGILENN_INLINE Window<kRows, Value> window_at(const Value* ring, int row) {
    Window<kRows, Value> window{};
    for (int tap = 0; tap < kRows; ++tap) {
        const int y = row * kStride - kTop + tap;
        if (y < 0 || y >= kHeight) {
            continue;
        }
        if (window.count == 0) {
            window.first = static_cast<uint8_t>(tap);
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
    int32_t bias;        // initial accumulator, doubled where the layer's kLean is set
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

AGILENN_INLINE uint32_t load_pair(const int16_t* values) {
    uint32_t pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return pair;
}

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

template <class Layer, int kChannels, int kPixels>
AGILENN_INLINE void convolve_pixels(typename Layer::Output* out, const Window<Layer::kRows>& window,
                                    int column, const int16_t* weights,
                                    const ChannelScale* scales) {
    constexpr int kPixelStep = Layer::kStride * Layer::kPixelValues;
    int32_t sums[kChannels][kPixels];
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
    const int16_t* weights = Layer::kWeights + channel * Layer::kRows * Layer::kRunValues +
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

// Winograd's F(2, 3) along a row: every two columns become four values a channel, so that two
// outputs take four products instead of six. Order: [position][column pair][channel].
template <class Layer>
AGILENN_INLINE void transform_row(int16_t* out, const int16_t* row) {
    constexpr int kPixel = Layer::kPixelValues;
    constexpr int kPosition = Layer::kPairs * kPixel;
    for (int pair = 0; pair < Layer::kPairs; ++pair) {
        for (int i = 0; i < kPixel; i += 2) {
            const uint32_t a = load_pair(row + i), b = load_pair(row + i + kPixel);
            const uint32_t c = load_pair(row + i + 2 * kPixel);
            const uint32_t d = load_pair(row + i + 3 * kPixel);
            store_pair(out + i, subtract_pairs(a, c));
            store_pair(out + i + kPosition, add_pairs(b, c));
            store_pair(out + i + 2 * kPosition, subtract_pairs(c, b));
            store_pair(out + i + 3 * kPosition, subtract_pairs(b, d));
        }
        row += 2 * kPixel;
        out += kPixel;
    }
}

template <class Layer, int kChannels, int kPixels>
AGILENN_INLINE void convolve_pairs(typename Layer::Output* out, const int16_t* const* rows,
                                   int count, int pair, const int16_t* weights,
                                   const ChannelScale* scales) {
    int32_t products[4][kChannels][kPixels];
    for (int position = 0; position < 4; ++position) {
        const int16_t* taps = weights + position * Layer::kRows * kChannels * Layer::kRunValues;
        int32_t sums[kChannels][kPixels] = {};
#pragma GCC unroll 4
        for (int row = 0; row < count; ++row) {
            const int16_t* values =
                rows[row] + (position * Layer::kPairs + pair) * Layer::kPixelValues;
            multiply_run<kChannels, kPixels, Layer::kRunValues, Layer::kPixelValues>(values, taps,
                                                                                     sums);
            taps += kChannels * Layer::kRunValues;
        }
        for (int channel = 0; channel < kChannels; ++channel) {
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                products[position][channel][pixel] = sums[channel][pixel];
            }
        }
    }
    for (int channel = 0; channel < kChannels; ++channel) {
        const ChannelScale& scale = scales[channel];
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            const int32_t plus = products[1][channel][pixel], minus = products[2][channel][pixel];
            // Twice the true sums: the factor that the transform leaves is the one kLean needs.
            const int32_t left =
                wrapping_add(wrapping_add(products[0][channel][pixel], plus), minus);
            const int32_t right =
                wrapping_subtract(wrapping_subtract(plus, minus), products[3][channel][pixel]);
            typename Layer::Output* place = out + 2 * pixel * Layer::kOutputStep + channel;
            place[0] = rescale<Layer>(wrapping_add(left, scale.bias), scale);
            place[Layer::kOutputStep] = rescale<Layer>(wrapping_add(right, scale.bias), scale);
        }
    }
}

template <class Layer, int kChannels, bool kInside>
AGILENN_INLINE void convolve_pair_channels(typename Layer::Output* out, const int16_t* const* rows,
                                           const Window<Layer::kRows>& window, int channel) {
    const int16_t* weights = Layer::kWeights + channel * 4 * Layer::kRows * Layer::kRunValues +
                             window.first * kChannels * Layer::kRunValues;
    const ChannelScale* scales = Layer::kScales + channel;
    // Away from the upper and lower edge the number of rows is known, and the loop over them goes.
    const int count = kInside ? Layer::kRows : window.count;
    out += channel;
    int pair = 0;
    for (; pair + 2 <= Layer::kPairs; pair += 2) {
        convolve_pairs<Layer, kChannels, 2>(out + 2 * pair * Layer::kOutputStep, rows, count, pair,
                                            weights, scales);
    }
    if constexpr (Layer::kPairs % 2 != 0) {
        convolve_pairs<Layer, kChannels, 1>(out + 2 * pair * Layer::kOutputStep, rows, count, pair,
                                            weights, scales);
    }
}

template <class Layer, bool kInside>
AGILENN_INLINE void convolve_all_pairs(typename Layer::Output* out, const int16_t* const* rows,
                                       const Window<Layer::kRows>& window) {
    int channel = 0;
    for (; channel + 3 <= Layer::kChannels; channel += 3) {
        convolve_pair_channels<Layer, 3, kInside>(out, rows, window, channel);
    }
    if constexpr (Layer::kChannels % 3 != 0) {
        convolve_pair_channels<Layer, Layer::kChannels % 3, kInside>(out, rows, window, channel);
    }
}

// One row of a convolution of stride one with three taps a row. `transformed` keeps the last kRows
// input rows in their transformed form; each is transformed when it first appears in a window.
template <class Layer>
AGILENN_INLINE void convolve_pairs_row(typename Layer::Output* out,
                                       const Window<Layer::kRows>& window, int16_t* transformed,
                                       int row) {
    const int16_t* rows[Layer::kRows];
    for (int i = 0; i < window.count; ++i) {
        const int tap = window.first + i;
        int16_t* place = transformed + (row + Layer::kRows - Layer::kTop + tap) % Layer::kRows *
                                           Layer::kRowValues;
        if (row == 0 || tap == Layer::kRows - 1) {
            transform_row<Layer>(place, window.rows[i]);
        }
        rows[i] = place;
    }
    if (window.count == Layer::kRows) {
        convolve_all_pairs<Layer, true>(out, rows, window);
    } else {
        convolve_all_pairs<Layer, false>(out, rows, window);
    }
}

// One row of a depthwise convolution. Weights: [kernel row][kernel column][channel].
template <class Layer>
AGILENN_INLINE void convolve_depthwise_row(typename Layer::Output* out,
                                           const Window<Layer::kRows>& window) {
    const int16_t* first = Layer::kWeights + window.first * Layer::kTaps * Layer::kChannels;
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        const ChannelScale scale = Layer::kScales[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            const int16_t* weights = first + channel;
            int32_t sum = scale.bias;
            for (int row = 0; row < window.count; ++row) {
                const int16_t* pixel =
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
            int32_t best = -256;
            for (int row = 0; row < window.count; ++row) {
                for (int x = begin; x < end; ++x) {
                    const int32_t value =
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
        const int32_t count = window.count * (end - begin);
        for (int channel = 0; channel < Layer::kChannels; ++channel) {
            int32_t sum = count * Layer::kInputZeroPoint;
            for (int row = 0; row < window.count; ++row) {
                for (int x = begin; x < end; ++x) {
                    sum += window.rows[row][(x + Layer::kMargin) * Layer::kPixelValues + channel];
                }
            }
            const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
            out[column * Layer::kOutputStep + channel] = static_cast<typename Layer::Output>(
                clamp<Layer::kLow, Layer::kHigh>(mean - Layer::kOutputZeroPoint));
        }
    }
}

// Adds a row of values to running sums, one a channel.
template <class Layer, class Value>
AGILENN_INLINE void accumulate_channels(int32_t* sums, const Value* row) {
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        int32_t sum = sums[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            sum += row[column * Layer::kPixelValues + channel];
        }
        sums[channel] = sum;
    }
}

// A dense layer on a vector; zero points are folded into the bias.
template <class Layer>
AGILENN_INLINE void multiply_vector(int8_t* out, const int8_t* values) {
    for (int unit = 0; unit < Layer::kChannels; ++unit) {
        const int8_t* weights = Layer::kWeights + unit * Layer::kInputs;
        const ChannelScale& scale = Layer::kScales[unit];
        int32_t sum = scale.bias;
        for (int i = 0; i < Layer::kInputs; ++i) {
            sum += values[i] * weights[i];
        }
        out[unit] = rescale<Layer>(sum, scale);
    }
}

// The quantiser: features of one row to symbols, channel after channel. The table is indexed by the
// feature's byte.
template <class Layer, class Value>
AGILENN_INLINE void quantise_row(uint8_t* symbols, const Value* features) {
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        for (int column = 0; column < Layer::kColumns; ++column) {
            const auto byte =
                static_cast<uint8_t>(features[column * Layer::kPixelValues] + Layer::kZero);
            *symbols++ = Layer::kIndexTable[byte];
        }
        ++features;
    }
}

// A dense layer on an image: adds the products of one row to every unit's sum.
template <class Layer, class Value>
AGILENN_INLINE void multiply_image_row(int32_t* sums, const Value* values, int row) {
    for (int unit = 0; unit < Layer::kChannels; ++unit) {
        const int8_t* weights = Layer::kWeights + (unit * Layer::kInputRows + row) *
                                                      Layer::kInputColumns * Layer::kTaps;
        int32_t sum = sums[unit];
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
            const int32_t first = a[column * Layer::kFirstStep + channel] - Layer::kFirstZero;
            const int32_t second = b[column * Layer::kSecondStep + channel] - Layer::kSecondZero;
            const int32_t sum =
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

// Raw pixels to centred values: kZero is the byte of real zero. Groups of kGroup values lie
// kGroupStep apart.
template <int kPixelBytes, int kGroup, int kGroupStep, int kZero = 128, class Output>
AGILENN_INLINE void expand_pixels(Output* out, const uint8_t* pixels) {
    for (int group = 0; group < kPixelBytes / kGroup; ++group) {
        for (int i = 0; i < kGroup; ++i) {
            out[i] = static_cast<Output>(*pixels++ - kZero);
        }
        out += kGroupStep;
    }
}

template <class Value>
AGILENN_INLINE void clear(Value* values, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        values[i] = 0;
    }
}

}  // namespace agilenn::kernels
