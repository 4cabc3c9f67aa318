// Row kernels in plain C++ for cores without DSP instructions: products one by one, weights in one
// byte each, and no 64-bit multiply where the core has none. Same results as every other kernel.
#pragma once

#include <stdint.h>

#include "row_kernels.hpp"

namespace agilenn::kernels::portable {

// Output columns that share each weight: as many sums as the registers hold beside two channels.
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
inline constexpr int kPixelBlock = 1;
#else
inline constexpr int kPixelBlock = 3;
#endif

// round(value * multiplier / 2^32) with ties up; multiplier >= 0.
AGILENN_INLINE int32_t multiply_high(int32_t value, int32_t multiplier) {
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
    // These cores multiply 32 by 32 to 32 bits only. Each product of halves fits.
    const int32_t value_low = value & 0xFFFF, value_high = value >> 16;
    const int32_t factor_low = multiplier & 0xFFFF, factor_high = multiplier >> 16;
    const uint32_t lowest = static_cast<uint32_t>(value_low) * static_cast<uint32_t>(factor_low);
    const int32_t first = value_high * factor_low + static_cast<int32_t>(lowest >> 16);
    const int32_t second = value_low * factor_high + (first & 0xFFFF);
    return value_high * factor_high + (first >> 16) + (second >> 16) + ((second >> 15) & 1);
#else
    const int64_t product = static_cast<int64_t>(value) * multiplier;
    return static_cast<int32_t>((product + (int64_t{1} << 31)) >> 32);
#endif
}

// Turns the sum of products of `Layer` into its output value. With kLean, bias and offset are those
// of twice the sum; see kernels::rescale.
template <class Layer>
AGILENN_INLINE typename Layer::Output rescale_sum(int32_t sum, const ChannelScale& scale) {
    int32_t value;
    if constexpr (Layer::kLean) {
        value = multiply_high(wrapping_add(2 * sum, scale.start), scale.multiplier);
        if constexpr (!Layer::kRectified) {
            value = wrapping_add(value, value >> 31);
        }
        value = wrapping_add(value, scale.offset) >> scale.shift;
    } else {
        value = rescale_exactly(wrapping_add(sum, scale.start), scale.multiplier, scale.shift) +
                scale.offset;
    }
    return static_cast<typename Layer::Output>(clamp<Layer::kLow, Layer::kHigh>(value));
}

// A centred activation. Where none is negative, an unsigned load serves: Cortex-M0+ has signed
// loads without an immediate offset only, which would cost an instruction more for every product.
template <class Layer>
AGILENN_INLINE uint32_t load_activation(const int16_t* value) {
    if constexpr (Layer::kNonNegative) {
        return static_cast<uint16_t>(*value);
    } else {
        return static_cast<uint32_t>(static_cast<int32_t>(*value));
    }
}

// What the weights' excess of 128 adds to every channel's sum.
template <class Layer, int kPixels>
AGILENN_INLINE void sum_windows(uint32_t (&excess)[kPixels], const Window<Layer::kRows>& window,
                                int start) {
    constexpr int kPixelStep = Layer::kStride * Layer::kPixelValues;
    for (int row = 0; row < window.count; ++row) {
        const int16_t* values = window.rows[row] + start;
        for (int i = 0; i < Layer::kRunValues; ++i) {
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                excess[pixel] += load_activation<Layer>(values + pixel * kPixelStep);
            }
            ++values;
        }
    }
    for (int pixel = 0; pixel < kPixels; ++pixel) {
        excess[pixel] *= 128;
    }
}

template <class Layer, int kChannels, int kPixels>
AGILENN_INLINE void convolve_channel_group(typename Layer::Output* out,
                                           const Window<Layer::kRows>& window, int start,
                                           const uint32_t (&excess)[kPixels],
                                           const uint8_t* weights, const ChannelScale* scales) {
    constexpr int kPixelStep = Layer::kStride * Layer::kPixelValues;
    uint32_t sums[kChannels][kPixels] = {};
    for (int row = 0; row < window.count; ++row) {
        const int16_t* values = window.rows[row] + start;
#pragma GCC unroll 8
        for (int i = 0; i < Layer::kRunValues; ++i) {
            uint32_t activations[kPixels];
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                activations[pixel] = load_activation<Layer>(values + pixel * kPixelStep);
            }
            for (int channel = 0; channel < kChannels; ++channel) {
                const uint32_t weight = weights[channel];
                for (int pixel = 0; pixel < kPixels; ++pixel) {
                    sums[channel][pixel] += activations[pixel] * weight;
                }
            }
            ++values;
            weights += kChannels;
        }
    }
    for (int channel = 0; channel < kChannels; ++channel) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            const auto sum = static_cast<int32_t>(sums[channel][pixel] - excess[pixel]);
            out[pixel * Layer::kOutputStep + channel] = rescale_sum<Layer>(sum, scales[channel]);
        }
    }
}

template <class Layer, int kPixels>
AGILENN_INLINE void convolve_columns(typename Layer::Output* out,
                                     const Window<Layer::kRows>& window, int column,
                                     const uint8_t* weights) {
    constexpr int kChannelWeights = Layer::kRows * Layer::kRunValues;
    const int start = column * Layer::kStride * Layer::kPixelValues;
    const int skipped = window.first * Layer::kRunValues;
    uint32_t excess[kPixels] = {};
    sum_windows<Layer>(excess, window, start);
    int channel = 0;
    for (; channel + 2 <= Layer::kChannels; channel += 2) {
        convolve_channel_group<Layer, 2>(out + channel, window, start, excess,
                                         weights + channel * kChannelWeights + 2 * skipped,
                                         Layer::kScales + channel);
    }
    if constexpr (Layer::kChannels % 2 != 0) {
        convolve_channel_group<Layer, 1>(out + channel, window, start, excess,
                                         weights + channel * kChannelWeights + skipped,
                                         Layer::kScales + channel);
    }
}

// One row of a convolution. Weights, each 128 more than it is: [channel pair][kernel row][value of
// the run][channel].
template <class Layer>
AGILENN_INLINE void convolve_row(typename Layer::Output* out, const Window<Layer::kRows>& window,
                                 const uint8_t* weights) {
    int column = 0;
    for (; column + kPixelBlock <= Layer::kColumns; column += kPixelBlock) {
        convolve_columns<Layer, kPixelBlock>(out + column * Layer::kOutputStep, window, column,
                                             weights);
    }
    if constexpr (Layer::kColumns % kPixelBlock != 0) {
        convolve_columns<Layer, Layer::kColumns % kPixelBlock>(out + column * Layer::kOutputStep,
                                                               window, column, weights);
    }
}

// One row of a depthwise convolution. Weights: [kernel row][kernel column][channel].
template <class Layer>
AGILENN_INLINE void convolve_depthwise_row(typename Layer::Output* out,
                                           const Window<Layer::kRows>& window) {
    const int8_t* first = Layer::kWeights + window.first * Layer::kTaps * Layer::kChannels;
    for (int channel = 0; channel < Layer::kChannels; ++channel) {
        const ChannelScale scale = Layer::kScales[channel];
        for (int column = 0; column < Layer::kColumns; ++column) {
            const int8_t* weights = first + channel;
            int32_t sum = 0;
            for (int row = 0; row < window.count; ++row) {
                const int16_t* pixel =
                    window.rows[row] + column * Layer::kStride * Layer::kPixelValues + channel;
                for (int tap = 0; tap < Layer::kTaps; ++tap) {
                    sum += pixel[tap * Layer::kPixelValues] * *weights;
                    weights += Layer::kChannels;
                }
            }
            out[column * Layer::kOutputStep + channel] = rescale_sum<Layer>(sum, scale);
        }
    }
}

}  // namespace agilenn::kernels::portable
