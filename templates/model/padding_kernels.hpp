// Rows of an image with zeros around it, for padding that no convolution can take over.
#pragma once

#include <stdint.h>

#include "row_kernels.hpp"

namespace agilenn::kernels {

// Row `row` of the padded image, from the ring that holds the rows of the image. `kOffset` is added
// to the values, for the two may be centred differently; `kZero` is real zero in the output.
template <class Layer, class Output, class Input>
AGILENN_INLINE void pad_row(Output* out, const Input* ring, int row) {
    constexpr int kPaddedColumns = Layer::kLeft + Layer::kInputColumns + Layer::kRight;
    const int y = row - Layer::kTop;
    const bool inside = y >= 0 && y < Layer::kInputRows;
    const Input* values = ring + (inside ? y % Layer::kDepth * Layer::kRowValues : 0);
    for (int column = 0; column < kPaddedColumns; ++column) {
        const int x = column - Layer::kLeft;
        const bool valued = inside && x >= 0 && x < Layer::kInputColumns;
        for (int channel = 0; channel < Layer::kChannels; ++channel) {
            out[column * Layer::kOutputStep + channel] = static_cast<Output>(
                valued ? values[x * Layer::kPixelValues + channel] + Layer::kOffset : Layer::kZero);
        }
    }
}

}  // namespace agilenn::kernels
