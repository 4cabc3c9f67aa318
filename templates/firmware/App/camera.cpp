// Example camera: cycles through the sample images. Put your sensor here.
#include "camera.hpp"

#include "network.hpp"
#include "sample_images.hpp"

namespace {

using agilenn::network::kInputChannels;
using agilenn::network::kInputColumns;
using agilenn::network::kInputRows;

static_assert(samples::kRows * samples::kScale == kInputRows &&
                  samples::kColumns * samples::kScale == kInputColumns &&
                  samples::kImageBytes == samples::kRows * samples::kColumns * kInputChannels,
              "the samples are from another network: delete App/sample_images.* and emit again");

uint32_t next_image = 0;

}  // namespace

void capture_frame(uint8_t* frame) {
    const uint8_t* image = samples::kImages[next_image];
    for (uint32_t row = 0; row < kInputRows; ++row) {
        const uint32_t first = row / samples::kScale * samples::kColumns;
        for (uint32_t column = 0; column < kInputColumns; ++column) {
            const uint8_t* pixel = &image[(first + column / samples::kScale) * kInputChannels];
            for (uint32_t channel = 0; channel < kInputChannels; ++channel) {
                *frame++ = pixel[channel];
            }
        }
    }
    next_image = (next_image + 1) % samples::kImageCount;
}
