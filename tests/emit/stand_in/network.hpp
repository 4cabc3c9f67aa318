// Stand-in network: 8 x 8 grey pixels, 3 classes.
#pragma once

#include <stdint.h>

namespace agilenn::network {
inline constexpr uint16_t kInputRows = 8, kInputColumns = 8, kInputChannels = 1, kInputRowBytes = 8;
inline constexpr uint16_t kFeatureRows = 8, kFeatureColumns = 8, kSentChannels = 1;
inline constexpr uint16_t kTopChannels = 1, kClasses = 3;
inline constexpr uint8_t kLevels = 8, kRates = 2;
inline constexpr uint32_t kModelId = 0x1A2B3C4D, kSymbolCount = 64;
inline constexpr uint16_t kAlphaQ15 = 16384;
inline constexpr int32_t kLocalScaleQ24 = 1 << 20, kLocalZeroPoint = 0;
extern const char* const kClassNames[kClasses];
using SymbolSink = void (*)(void* context, const uint8_t* symbols, uint16_t count);
void begin_frame(uint8_t rate = 0);
void push_row(const uint8_t* pixels, SymbolSink sink, void* context);
const int8_t* local_logits();
}  // namespace agilenn::network
