// Example camera: cycles through the sample images. Put your sensor here.
#include "camera.hpp"

#include "network.hpp"
#include "sample_images.hpp"

static_assert(samples::kImageBytes ==
                  agilenn::network::kInputRows * agilenn::network::kInputRowBytes,
              "the samples are from another network: delete App/sample_images.* and emit again");

namespace {

uint32_t next_image = 0;

}  // namespace

void capture_frame(uint8_t* frame) {
    const uint8_t* image = samples::kImages[next_image];
    for (uint32_t index = 0; index < samples::kImageBytes; ++index) {
        frame[index] = image[index];
    }
    next_image = (next_image + 1) % samples::kImageCount;
}
