// Row kernels: each computes one row of a layer from the rows below it, exactly as the integer
// reference does. A layer is described by a struct of constants, so that the compiler sees every
// size. Activations lie in rows as int16 with the zero point already subtracted, so padding is
// zero.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel_math.hpp"

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

template <class Value>
AGILENN_INLINE void clear(Value* values, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        values[i] = 0;
    }
}

// The same where a kernel wants all its rows: those outside the image are cleared in the ring,
// which is deep enough to have them (`padded` in the plan).
template <int kRows, int kTop, int kHeight, int kDepth, int kRowValues, int kStart>
AGILENN_INLINE Window<kRows> padded_window_at(int16_t* ring, int row) {
    Window<kRows> window{};
    window.count = kRows;
    for (int tap = 0; tap < kRows; ++tap) {
        const int y = row - kTop + tap;
        int16_t* place = ring + (y + kDepth) % kDepth * kRowValues;
        if (y < 0 || y >= kHeight) {
            clear(place, kRowValues);
        }
        window.rows[tap] = place + kStart;
    }
    return window;
}

// Input rows that must exist before output row `row` can be computed.
template <int kRows, int kStride, int kTop, int kHeight>
AGILENN_INLINE int rows_needed(int row) {
    const int needed = row * kStride - kTop + kRows;
    return needed < kHeight ? needed : kHeight;
}

template <bool kFirst, class First, class Second>
struct Choice {
    using Type = First;
};

template <class First, class Second>
struct Choice<false, First, Second> {
    using Type = Second;
};

// What turns a layer's sums into values.
template <class Layer>
using ScaleOf = typename Choice<Layer::kLine, Line, ChannelScale>::Type;

// Results of a group of output channels: the first kKept stay on the device as values, the others
// become symbols. All pointers are those of the group's first channel of either kind.
template <class Layer>
struct Group {
    const int16_t* weights;
    const ScaleOf<Layer>* scales;
    const Line* steps;
    typename Layer::Output* out;
    uint8_t* symbols;
    const uint8_t* table;
};

template <int kCountValue, int kKeptValue>
struct GroupShape {
    static constexpr int kCount = kCountValue;
    static constexpr int kKept = kKeptValue;
};

// Levels of a feature value, or of a step of the quantiser: a table for each rate.
constexpr int kLevelValues = 256;

// The group that begins with `channel`; a channel has kChannelWeights weights. `rate` chooses the
// levels of its symbols.
template <class Layer>
AGILENN_INLINE Group<Layer> group_at(typename Layer::Output* out, uint8_t* symbols, int rate,
                                     int channel, int channel_weights) {
    Group<Layer> group{};
    group.weights = Layer::kWeights + channel * channel_weights;
    group.scales = Layer::kScales + channel;
    group.out = out + channel;
    if constexpr (Layer::kStored < Layer::kChannels) {
        const int sent = channel < Layer::kStored ? 0 : channel - Layer::kStored;
        group.symbols = symbols + sent * Layer::kColumns;
        group.table = in_register(Layer::kLevelTable + rate * kLevelValues);
        if constexpr (Layer::kStepped) {
            group.steps = Layer::kSteps + sent;
        }
    }
    return group;
}

// The same group further right.
template <class Layer>
AGILENN_INLINE Group<Layer> moved(const Group<Layer>& group, int columns) {
    Group<Layer> right = group;
    right.out += columns * Layer::kOutputStep;
    right.symbols += columns;
    return right;
}

// Calls visit(GroupShape, first channel) for all output channels: in threes, the rest last.
template <class Layer, class Visitor>
AGILENN_INLINE void for_each_group(Visitor visit) {
    constexpr int kStored = Layer::kStored, kChannels = Layer::kChannels;
    int channel = 0;
    for (; channel + 3 <= kStored; channel += 3) {
        visit(GroupShape<3, 3>{}, channel);
    }
    constexpr int kRest = kStored % 3;
    if constexpr (kRest != 0) {
        constexpr int kCount = kChannels - kStored + kRest < 3 ? kChannels - kStored + kRest : 3;
        visit(GroupShape<kCount, kRest>{}, channel);
        channel += 3;
    }
    constexpr int kLeft = kChannels - (kStored + 2) / 3 * 3;
    if constexpr (kLeft >= 3) {
        for (; channel + 3 <= kChannels; channel += 3) {
            visit(GroupShape<3, 0>{}, channel);
        }
    }
    if constexpr (kLeft > 0 && kLeft % 3 != 0) {
        visit(GroupShape<kLeft % 3, 0>{}, channel);
    }
}

// One channel of a group: its constants, loaded once, and where its results go. kKept: they are
// values; else symbols.
template <class Layer, bool kKept>
struct Channel {
    static constexpr bool kStepped = !kKept && Layer::kStepped;
    typename Choice<kStepped, Line, ScaleOf<Layer>>::Type constants;
    typename Choice<kKept, typename Layer::Output, uint8_t>::Type* place;
    const uint8_t* table;

    // Stores the result of a sum, `column` columns right of the group and `row` rows below it.
    AGILENN_INLINE void store(int column, int32_t sum, int row = 0) const {
        auto& result = place[kKept ? row * Layer::kOutputRow + column * Layer::kOutputStep
                                   : row * Layer::kSymbolRow + column];
        if constexpr (kKept) {
            result = rescale<Layer>(sum, constants);
        } else if constexpr (kStepped) {
            result = symbol_of<Layer>(sum, constants, table);
        } else {
            const auto value = rescale<Layer>(sum, constants);
            result = table[static_cast<uint8_t>(value + Layer::kTableOffset)];
        }
    }
};

template <class Layer, int kKept, int kIndex>
AGILENN_INLINE auto channel_of(const Group<Layer>& group) {
    if constexpr (kIndex < kKept) {
        return Channel<Layer, true>{group.scales[kIndex], group.out + kIndex, nullptr};
    } else {
        uint8_t* symbols = group.symbols + (kIndex - kKept) * Layer::kColumns;
        if constexpr (Layer::kStepped) {
            return Channel<Layer, false>{group.steps[kIndex - kKept], symbols, group.table};
        } else {
            return Channel<Layer, false>{group.scales[kIndex], symbols, group.table};
        }
    }
}

// Calls visit(channel, index) for the channels of a group.
template <class Layer, int kCount, int kKept, class Visitor, int kIndex = 0>
AGILENN_INLINE void for_each_channel(const Group<Layer>& group, Visitor visit) {
    if constexpr (kIndex < kCount) {
        visit(channel_of<Layer, kKept, kIndex>(group), kIndex);
        for_each_channel<Layer, kCount, kKept, Visitor, kIndex + 1>(group, visit);
    }
}

template <class Layer, int kCount, int kKept, int kPixels>
AGILENN_INLINE void convolve_pixels(const Group<Layer>& group, const Window<Layer::kRows>& window,
                                    int column) {
    constexpr int kPixelStep = Layer::kStride * Layer::kPixelValues;
    int32_t sums[kCount][kPixels];
    for_each_channel<Layer, kCount, kKept>(group, [&](const auto& channel, int i) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            sums[i][pixel] = channel.constants.start;
        }
    });
    const int16_t* weights = group.weights;
    const int rows = Layer::kRows == 1 ? 1 : window.count;
    for (int row = 0; row < rows; ++row) {
        multiply_run<kCount, kPixels, Layer::kRunValues, kPixelStep>(
            window.rows[row] + column * kPixelStep, weights, sums);
        weights += kCount * Layer::kRunValues;
    }
    for_each_channel<Layer, kCount, kKept>(group, [&](const auto& channel, int i) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            channel.store(pixel, sums[i][pixel]);
        }
    });
}

// One row of a convolution, three output channels by two columns at a time.
template <class Layer>
AGILENN_INLINE void convolve_row(typename Layer::Output* out, uint8_t* symbols,
                                 const Window<Layer::kRows>& window, int rate = 0) {
    for_each_group<Layer>([&](auto shape, int channel) {
        constexpr int kCount = decltype(shape)::kCount, kKept = decltype(shape)::kKept;
        Group<Layer> group =
            group_at<Layer>(out, symbols, rate, channel, Layer::kRows * Layer::kRunValues);
        group.weights += window.first * kCount * Layer::kRunValues;
        int column = 0;
        for (; column + 2 <= Layer::kColumns; column += 2) {
            convolve_pixels<Layer, kCount, kKept, 2>(moved(group, column), window, column);
        }
        if constexpr (Layer::kColumns % 2 != 0) {
            convolve_pixels<Layer, kCount, kKept, 1>(moved(group, column), window, column);
        }
    });
}

// One row of a depthwise convolution. Weights: [kernel row][kernel column][channel].
template <class Layer>
AGILENN_INLINE void convolve_depthwise_row(typename Layer::Output* out,
                                           const Window<Layer::kRows>& window) {
    const int16_t* first = Layer::kWeights + window.first * Layer::kTaps * Layer::kChannels;
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        const auto scale = Layer::kScales[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            const int16_t* weights = first + channel;
            int32_t sum = scale.start;
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

// One row of a depthwise convolution with an even number of channels: a word holds two of them, and
// two columns share each weight.
template <class Layer, int kPixels>
AGILENN_INLINE void convolve_depthwise_pixels(typename Layer::Output* out,
                                              const Window<Layer::kRows>& window, int column,
                                              int channel) {
    constexpr int kStep = Layer::kStride * Layer::kPixelValues;
    const auto* scales = Layer::kScales + channel;
    const int16_t* weights =
        Layer::kWeights + window.first * Layer::kTaps * Layer::kChannels + channel;
    int32_t sums[kPixels][2];
    for (int pixel = 0; pixel < kPixels; ++pixel) {
        sums[pixel][0] = scales[0].start;
        sums[pixel][1] = scales[1].start;
    }
    for (int row = 0; row < window.count; ++row) {
        const int16_t* values = window.rows[row] + column * kStep + channel;
#pragma GCC unroll 8
        for (int tap = 0; tap < Layer::kTaps; ++tap) {
            const uint32_t weight = load_pair(weights);
            weights += Layer::kChannels;
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                const uint32_t value =
                    load_pair(values + pixel * kStep + tap * Layer::kPixelValues);
                sums[pixel][0] += static_cast<int16_t>(value) * static_cast<int16_t>(weight);
                sums[pixel][1] +=
                    static_cast<int16_t>(value >> 16) * static_cast<int16_t>(weight >> 16);
            }
        }
    }
    for (int i = 0; i < 2; ++i) {
        const auto scale = scales[i];
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            out[(column + pixel) * Layer::kOutputStep + channel + i] =
                rescale<Layer>(sums[pixel][i], scale);
        }
    }
}

template <class Layer>
AGILENN_INLINE void convolve_depthwise_pairs_row(typename Layer::Output* out,
                                                 const Window<Layer::kRows>& window) {
    for (int channel = 0; channel < Layer::kChannels; channel += 2) {
        int column = 0;
        for (; column + 2 <= Layer::kColumns; column += 2) {
            convolve_depthwise_pixels<Layer, 2>(out, window, column, channel);
        }
        if constexpr (Layer::kColumns % 2 != 0) {
            convolve_depthwise_pixels<Layer, 1>(out, window, column, channel);
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
#pragma GCC unroll 16
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
        int32_t sum = scale.start;
        for (int i = 0; i < Layer::kInputs; ++i) {
            sum += values[i] * weights[i];
        }
        out[unit] = rescale<Layer>(sum, scale);
    }
}

// The quantiser: features of one row to symbols, channel after channel. The table of the rate is
// indexed by the feature's byte.
template <class Layer, class Value>
AGILENN_INLINE void quantise_row(uint8_t* symbols, const Value* features, int rate = 0) {
    const uint8_t* table = Layer::kIndexTable + rate * kLevelValues;
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        for (int column = 0; column < Layer::kColumns; ++column) {
            const auto byte =
                static_cast<uint8_t>(features[column * Layer::kPixelValues] + Layer::kZero);
            *symbols++ = table[byte];
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

// Four pixels less kZero: the first and the third, the second and the fourth.
struct SpreadPixels {
    uint32_t even;
    uint32_t odd;
};

template <int kZero>
AGILENN_INLINE SpreadPixels spread_pixels(const uint8_t* pixels) {
    constexpr uint32_t kMinusZero = static_cast<uint32_t>(0x10000 - kZero) % 0x10000 * 0x10001;
    uint32_t bytes;
    __builtin_memcpy(&bytes, pixels, sizeof bytes);
    SpreadPixels spread;
#if defined(__ARM_FEATURE_DSP)
    asm("uxtab16 %0, %1, %2" : "=r"(spread.even) : "r"(kMinusZero), "r"(bytes));
    asm("uxtab16 %0, %1, %2, ror #8" : "=r"(spread.odd) : "r"(kMinusZero), "r"(bytes));
#else
    spread.even = add_pairs(bytes & 0x00FF00FF, kMinusZero);
    spread.odd = add_pairs(bytes >> 8 & 0x00FF00FF, kMinusZero);
#endif
    return spread;
}

// Raw pixels to centred values: kZero is the byte of real zero. Groups of kGroup values lie
// kGroupStep apart.
template <int kPixelBytes, int kGroup, int kGroupStep, int kZero = 128, class Output>
AGILENN_INLINE void expand_pixels(Output* out, const uint8_t* pixels) {
    for (int group = 0; group < kPixelBytes / kGroup; ++group) {
        int i = 0;
        if constexpr (sizeof(Output) == sizeof(int16_t)) {
            for (; i + 4 <= kGroup; i += 4) {
                const SpreadPixels spread = spread_pixels<kZero>(pixels + i);
                store_pair(out + i, (spread.even & 0xFFFF) | spread.odd << 16);
                store_pair(out + i + 2, spread.even >> 16 | (spread.odd & 0xFFFF0000));
            }
        }
        for (; i < kGroup; ++i) {
            out[i] = static_cast<Output>(pixels[i] - kZero);
        }
        pixels += kGroup;
        out += kGroupStep;
    }
}

// The same for windows that do not overlap: each whole four of a group as 0, 2, 1, 3, to which the
// weights are ordered.
template <int kPixelBytes, int kGroup, int kGroupStep, int kZero = 128>
AGILENN_INLINE void expand_windows(int16_t* out, const uint8_t* pixels) {
#pragma GCC unroll 4
    for (int group = 0; group < kPixelBytes / kGroup; ++group) {
#pragma GCC unroll 4
        for (int i = 0; i + 4 <= kGroup; i += 4) {
            const SpreadPixels spread = spread_pixels<kZero>(pixels + i);
            store_pair(out + i, spread.even);
            store_pair(out + i + 2, spread.odd);
        }
        for (int i = kGroup / 4 * 4; i < kGroup; ++i) {
            out[i] = static_cast<int16_t>(pixels[i] - kZero);
        }
        pixels += kGroup;
        out += kGroupStep;
    }
}

}  // namespace agilenn::kernels
