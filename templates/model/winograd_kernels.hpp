// Convolutions of three taps by Winograd's minimal filtering, in exact integers (Winograd 1980;
// Lavin and Gray 2016, section 4). Filters are transformed ahead of time, multiplied by 2 or 4 so
// that they stay integers. Sums may wrap on the way: results are exact modulo 2^32, and the layer
// was only chosen where they fit.
#pragma once

#include <stdint.h>

#include "kernel_math.hpp"
#include "row_kernels.hpp"

namespace agilenn::kernels {

// F(2, 3) along a row: every two columns become four values a channel, so that two outputs take
// four products instead of six. Order: [position][column pair][channel].
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

template <class Layer, int kCount, int kKept, int kPixels>
AGILENN_INLINE void convolve_pairs(const Group<Layer>& group, const int16_t* const* rows, int count,
                                   int pair) {
    int32_t products[4][kCount][kPixels];
    for (int position = 0; position < 4; ++position) {
        const int16_t* taps = group.weights + position * Layer::kRows * kCount * Layer::kRunValues;
        int32_t sums[kCount][kPixels] = {};
        for (int row = 0; row < count; ++row) {
            const int16_t* values =
                rows[row] + (position * Layer::kPairs + pair) * Layer::kPixelValues;
            multiply_run<kCount, kPixels, Layer::kRunValues, Layer::kPixelValues>(values, taps,
                                                                                  sums);
            taps += kCount * Layer::kRunValues;
        }
        for (int i = 0; i < kCount; ++i) {
            for (int pixel = 0; pixel < kPixels; ++pixel) {
                products[position][i][pixel] = sums[i][pixel];
            }
        }
    }
    for_each_channel<Layer, kCount, kKept>(group, [&](const auto& channel, int i) {
        for (int pixel = 0; pixel < kPixels; ++pixel) {
            const int32_t plus = wrapping_add(products[1][i][pixel], channel.constants.start);
            const int32_t minus = products[2][i][pixel];
            // Twice the true sums: the factor that the transform leaves is the one kLean needs.
            const int32_t left = wrapping_add(wrapping_add(products[0][i][pixel], plus), minus);
            const int32_t right =
                wrapping_subtract(wrapping_subtract(plus, minus), products[3][i][pixel]);
            channel.store(2 * pixel, left);
            channel.store(2 * pixel + 1, right);
        }
    });
}

// One row of a convolution of stride one with three taps a row. `transformed` keeps the last kRows
// input rows in their transformed form; each is transformed when it first appears in a window.
template <class Layer>
AGILENN_INLINE void convolve_pairs_row(typename Layer::Output* out, uint8_t* symbols,
                                       const Window<Layer::kRows>& window, int16_t* transformed,
                                       int row, int rate = 0) {
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
    for_each_group<Layer>([&](auto shape, int channel) {
        constexpr int kCount = decltype(shape)::kCount, kKept = decltype(shape)::kKept;
        Group<Layer> group =
            group_at<Layer>(out, symbols, rate, channel, 4 * Layer::kRows * Layer::kRunValues);
        group.weights += window.first * kCount * Layer::kRunValues;
        int pair = 0;
        for (; pair + 2 <= Layer::kPairs; pair += 2) {
            convolve_pairs<Layer, kCount, kKept, 2>(moved(group, 2 * pair), rows, window.count,
                                                    pair);
        }
        if constexpr (Layer::kPairs % 2 != 0) {
            convolve_pairs<Layer, kCount, kKept, 1>(moved(group, 2 * pair), rows, window.count,
                                                    pair);
        }
    });
}

// Four values of a pixel.
struct Quad {
    uint32_t low;
    uint32_t high;
};

// The compiler does not join the two halves to one instruction by itself.
template <int kOffset>
AGILENN_INLINE Quad load_quad(const int16_t* values) {
#if defined(__ARM_FEATURE_DSP)
    if constexpr (kOffset * 2 <= 1020) {
        uint32_t low, high;
        asm("ldrd %0, %1, [%2, %3]"
            : "=r"(low), "=r"(high)
            : "r"(values), "n"(kOffset * 2), "m"(values_at<4>(values + kOffset)));
        return {low, high};
    }
#endif
    return {load_pair(values + kOffset), load_pair(values + kOffset + 2)};
}

template <int kOffset>
AGILENN_INLINE void store_quad(int16_t* values, Quad quad) {
#if defined(__ARM_FEATURE_DSP)
    if constexpr (kOffset * 2 <= 1020) {
        asm("strd %1, %2, [%3, %4]"
            : "=m"(values_at<4>(values + kOffset))
            : "r"(quad.low), "r"(quad.high), "r"(values), "n"(kOffset * 2));
        return;
    }
#endif
    store_pair(values + kOffset, quad.low);
    store_pair(values + kOffset + 2, quad.high);
}

AGILENN_INLINE Quad operator+(Quad a, Quad b) {
    return {add_pairs(a.low, b.low), add_pairs(a.high, b.high)};
}

AGILENN_INLINE Quad operator-(Quad a, Quad b) {
    return {subtract_pairs(a.low, b.low), subtract_pairs(a.high, b.high)};
}

// F(2x2, 3x3): two rows at a time, in tiles of two by two outputs, which take 16 products a channel
// instead of 36. A tile's input is four by four pixels; position (i, j) of its transform combines
// rows by i and columns by j: 0 - 2, 1 + 2, 2 - 1, 1 - 3.
template <int kPosition>
struct CombinedRows {
    static constexpr int kFirst = kPosition == 0 ? 0 : kPosition == 2 ? 2 : 1;
    static constexpr int kSecond = kPosition == 3 ? 3 : kPosition == 2 ? 1 : 2;
    const int16_t* first;
    const int16_t* second;

    AGILENN_INLINE CombinedRows(const Window<4>& window, int start)
        : first(window.rows[kFirst] + start), second(window.rows[kSecond] + start) {}

    template <int kOffset>
    AGILENN_INLINE Quad at() const {
        const Quad a = load_quad<kOffset>(first), b = load_quad<kOffset>(second);
        return kPosition == 1 ? a + b : a - b;
    }
};

// Row `kPosition` of the transform for `pairs` pairs of tiles. Order in `out`:
// [tile pair][position][run of four channels][tile][channel].
template <class Layer, int kPosition>
AGILENN_LOOP void transform_tile_row(int16_t* out, const Window<4>& window, int column, int pairs) {
    constexpr int kPixel = Layer::kPixelValues, kStep = 2 * Layer::kRunValues;
    for (int quad = 0; quad < Layer::kRunValues; quad += 4) {
        CombinedRows<kPosition> rows(window, column * kPixel + quad);
        int16_t* place = out + 4 * kPosition * kStep + 2 * quad;
        Quad a = rows.template at<0>(), b = rows.template at<kPixel>();
        for (int pair = 0; pair < pairs; ++pair) {
            const Quad c = rows.template at<2 * kPixel>(), d = rows.template at<3 * kPixel>();
            store_quad<0>(place, a - c);
            store_quad<kStep>(place, b + c);
            store_quad<2 * kStep>(place, c - b);
            store_quad<3 * kStep>(place, b - d);
            a = rows.template at<4 * kPixel>();
            b = rows.template at<5 * kPixel>();
            store_quad<4>(place, c - a);
            store_quad<kStep + 4>(place, d + a);
            store_quad<2 * kStep + 4>(place, a - d);
            store_quad<3 * kStep + 4>(place, d - b);
            rows.first += 4 * kPixel;
            rows.second += 4 * kPixel;
            place += 16 * kStep;
        }
    }
}

// The sums of all positions of a tile pair. Values: [position][run of four][tile][value]; weights:
// [position][run of four][channel][value].
template <class Layer, int kCount>
AGILENN_LOOP void multiply_tile_pair(int32_t (&sums)[16][kCount][2], const int16_t* values,
                                     const int16_t* weights) {
    for (auto& position : sums) {
        for (auto& channel : position) {
            channel[0] = channel[1] = 0;
        }
        for (int i = 0; i < Layer::kRunValues; i += 4) {
            multiply_four<kCount, 2, 0, 4>(values, weights, position);
            values += 8;
            weights += 4 * kCount;
        }
    }
}

#if defined(__ARM_FEATURE_DSP) && defined(__OPTIMIZE__)
// Each load brings four values of two tiles, or of one channel; six sums stay in r0 to r5. The
// first products of a position need no sum to begin with. 16 instructions for 24 products, six more
// for a position.
template <class Layer>
AGILENN_LOOP void multiply_tile_pair(int32_t (&sums)[16][3][2], const int16_t* values,
                                     const int16_t* weights) {
    int32_t* place = sums[0][0];
    int32_t* const end = place + 16 * 3 * 2;
    uint32_t w, v;
    asm volatile(
        "1:\n\t"
        "ldm %[x]!, {r8, r9, r10, r11}\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smuad r0, r8, %[w]\n\t"
        "smuad r1, r10, %[w]\n\t"
        "smlad r0, r9, %[v], r0\n\t"
        "smlad r1, r11, %[v], r1\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smuad r2, r8, %[w]\n\t"
        "smuad r3, r10, %[w]\n\t"
        "smlad r2, r9, %[v], r2\n\t"
        "smlad r3, r11, %[v], r3\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smuad r4, r8, %[w]\n\t"
        "smuad r5, r10, %[w]\n\t"
        "smlad r4, r9, %[v], r4\n\t"
        "smlad r5, r11, %[v], r5\n\t"
        ".rept %c[more]\n\t"
        "ldm %[x]!, {r8, r9, r10, r11}\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smlad r0, r8, %[w], r0\n\t"
        "smlad r1, r10, %[w], r1\n\t"
        "smlad r0, r9, %[v], r0\n\t"
        "smlad r1, r11, %[v], r1\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smlad r2, r8, %[w], r2\n\t"
        "smlad r3, r10, %[w], r3\n\t"
        "smlad r2, r9, %[v], r2\n\t"
        "smlad r3, r11, %[v], r3\n\t"
        "ldrd %[w], %[v], [%[k]], #8\n\t"
        "smlad r4, r8, %[w], r4\n\t"
        "smlad r5, r10, %[w], r5\n\t"
        "smlad r4, r9, %[v], r4\n\t"
        "smlad r5, r11, %[v], r5\n\t"
        ".endr\n\t"
        "ldr r8, %[place]\n\t"
        "ldr r9, %[end]\n\t"
        "stm r8!, {r0, r1, r2, r3, r4, r5}\n\t"
        "str r8, %[place]\n\t"
        "cmp r8, r9\n\t"
        "bne 1b"
        : [x] "+r"(values), [k] "+r"(weights), [place] "+m"(place), [w] "=&r"(w), [v] "=&r"(v)
        : [end] "m"(end), [more] "n"(Layer::kRunValues / 4 - 1)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r8", "r9", "r10", "r11", "cc", "memory");
}
#endif

// The two outputs of one row of a tile. Where values are rescaled as the reference does, sums are
// four times the true ones, and `rescale` takes twice.
template <class Layer, bool kKept>
AGILENN_INLINE void store_tile_row(const Channel<Layer, kKept>& channel, int column, int row,
                                   const uint32_t (&values)[4]) {
    constexpr int kHalve = Layer::kLine || Channel<Layer, kKept>::kStepped ? 0 : 1;
    const auto left = static_cast<int32_t>(values[0] + values[1] + values[2]);
    const auto right = static_cast<int32_t>(values[1] - values[2] - values[3]);
    channel.store(column, left >> kHalve, row);
    channel.store(column + 1, right >> kHalve, row);
}

template <class Layer, int kCount, int kKept>
AGILENN_INLINE void convolve_tile_pair(const Group<Layer>& group, const int16_t* values) {
    int32_t products[16][kCount][2];
    multiply_tile_pair<Layer>(products, values, group.weights);
    for_each_channel<Layer, kCount, kKept>(group, [&](const auto& channel, int i) {
        for (int tile = 0; tile < 2; ++tile) {
            uint32_t upper[4], lower[4];
            for (int j = 0; j < 4; ++j) {
                uint32_t plus = static_cast<uint32_t>(products[4 + j][i][tile]);
                if (j == 1) {  // it counts with plus one in all four outputs
                    plus += static_cast<uint32_t>(channel.constants.start);
                }
                const uint32_t minus = static_cast<uint32_t>(products[8 + j][i][tile]);
                upper[j] = static_cast<uint32_t>(products[j][i][tile]) + plus + minus;
                lower[j] = plus - minus - static_cast<uint32_t>(products[12 + j][i][tile]);
            }
            store_tile_row(channel, 2 * tile, 0, upper);
            store_tile_row(channel, 2 * tile, 1, lower);
        }
    });
}

// Two rows of a convolution of stride one with three by three taps. `transformed` holds kBlockPairs
// pairs of tiles: few enough to be small, enough for a group's weights to be read from the cache.
template <class Layer>
AGILENN_INLINE void convolve_tile_rows(typename Layer::Output* out, uint8_t* symbols,
                                       const Window<4>& window, int16_t* transformed,
                                       int rate = 0) {
    constexpr int kPairValues = 16 * 2 * Layer::kRunValues;
    for (int first = 0; first < Layer::kTilePairs; first += Layer::kBlockPairs) {
        const int left = Layer::kTilePairs - first;
        const int pairs = left < Layer::kBlockPairs ? left : Layer::kBlockPairs;
        transform_tile_row<Layer, 0>(transformed, window, 4 * first, pairs);
        transform_tile_row<Layer, 1>(transformed, window, 4 * first, pairs);
        transform_tile_row<Layer, 2>(transformed, window, 4 * first, pairs);
        transform_tile_row<Layer, 3>(transformed, window, 4 * first, pairs);
        for_each_group<Layer>([&](auto shape, int channel) {
            constexpr int kCount = decltype(shape)::kCount, kKept = decltype(shape)::kKept;
            const Group<Layer> group =
                group_at<Layer>(out, symbols, rate, channel, 16 * Layer::kRunValues);
            for (int pair = 0; pair < pairs; ++pair) {
                convolve_tile_pair<Layer, kCount, kKept>(moved(group, 4 * (first + pair)),
                                                         transformed + pair * kPairValues);
            }
        });
    }
}

}  // namespace agilenn::kernels
