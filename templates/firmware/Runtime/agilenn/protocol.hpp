// Datagrams between device and server (docs/protocol.md): header, answer, refusal.
#pragma once

#include <stdint.h>

namespace agilenn {

inline constexpr uint8_t kProtocolVersion = 1;
inline constexpr uint16_t kHeaderBytes = 32;
inline constexpr uint16_t kMaxDatagramBytes = 1460;
inline constexpr uint16_t kMaxFragments = 255;
inline constexpr uint8_t kLastFragmentFlag = 0x01;
inline constexpr uint8_t kRateShift = 4;  // of the rate within the flags

enum class DatagramType : uint8_t { kRequest = 1, kAnswer = 2, kRefusal = 3 };

// Byte 18 of a request.
enum class Codec : uint8_t { kRaw = 0, kLzw = 1, kLzwVariable = 2, kContext = 3 };

// Byte 18 of a refusal; a newer server may send values that are not listed.
enum class RefusalReason : uint8_t {
    kNone = 0,
    kUnknownModel = 1,
    kMalformed = 2,
    kOverloaded = 3,
    kVersion = 4,
    kCodec = 5,
    kRate = 6,
};

// For a person: what the server could not do.
const char* describe(RefusalReason reason);

// Which inference of which device with which network, at which rate.
struct RequestId {
    uint32_t model_id;
    uint32_t device_id;
    uint32_t sequence;
    uint8_t rate = 0;  // of the quantiser; the answer does not repeat it
};

// The fields of a header; `argument` is the codec, or the reason of a refusal.
struct Header {
    DatagramType type;
    RequestId id;
    uint8_t fragment;
    uint8_t fragment_count;  // 0 in all but the last fragment
    uint8_t argument;
    uint8_t flags;
    uint32_t first_symbol;
    uint16_t symbol_count;
    uint16_t payload_bytes;
};

enum class AnswerStatus : uint8_t {
    kAnswer,   // the logits are written
    kRefused,  // see the reason
    kForeign,  // intact, but not for this request: ignore it
    kCorrupt,  // damaged or not one of our datagrams: ignore it
};

struct AnswerReport {
    AnswerStatus status;
    RefusalReason reason;  // kNone unless refused
};

// Length of an answer for that many classes.
constexpr uint16_t answer_bytes(uint16_t classes) {
    return static_cast<uint16_t>(kHeaderBytes + 2U * classes);
}

// Writes the header in front of a payload that is already in place, and the CRC over the whole
// datagram of `length_bytes` (header, payload and padding).
void close_datagram(const Header& header, uint8_t* datagram, uint16_t length_bytes);

// Judges a received datagram. If it is the answer to `id`, writes `classes` logits in units of
// 1/256 to `logits_q8`; otherwise leaves them alone.
AnswerReport parse_answer(const uint8_t* datagram, uint16_t length_bytes, const RequestId& id,
                          uint16_t classes, int16_t* logits_q8);

}  // namespace agilenn
