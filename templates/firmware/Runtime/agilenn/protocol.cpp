// Packs request headers, parses answers; see docs/protocol.md for the bytes.
#include "agilenn/protocol.hpp"

#include "agilenn/crc32.hpp"

namespace agilenn {
namespace {

// Offsets of the header's fields.
constexpr uint8_t kMagicAt = 0;
constexpr uint8_t kVersionAt = 2;
constexpr uint8_t kTypeAt = 3;
constexpr uint8_t kModelIdAt = 4;
constexpr uint8_t kDeviceIdAt = 8;
constexpr uint8_t kSequenceAt = 12;
constexpr uint8_t kFragmentAt = 16;
constexpr uint8_t kFragmentCountAt = 17;
constexpr uint8_t kArgumentAt = 18;
constexpr uint8_t kFlagsAt = 19;
constexpr uint8_t kFirstSymbolAt = 20;
constexpr uint8_t kSymbolCountAt = 24;
constexpr uint8_t kPayloadBytesAt = 26;
constexpr uint8_t kCrcAt = 28;

constexpr uint16_t kMagic = 0x4E41;  // "AN"

// The buffers have no alignment, so numbers are moved byte by byte.
void put16(uint8_t* out, uint16_t value) {
    out[0] = static_cast<uint8_t>(value);
    out[1] = static_cast<uint8_t>(value >> 8);
}

void put32(uint8_t* out, uint32_t value) {
    put16(out, static_cast<uint16_t>(value));
    put16(out + 2, static_cast<uint16_t>(value >> 16));
}

uint16_t get16(const uint8_t* in) { return static_cast<uint16_t>(in[0] | in[1] << 8); }

uint32_t get32(const uint8_t* in) { return get16(in) | static_cast<uint32_t>(get16(in + 2)) << 16; }

// CRC over the datagram as if its CRC field were zero.
uint32_t datagram_crc(const uint8_t* datagram, uint16_t length_bytes) {
    constexpr uint8_t kZeros[4] = {0, 0, 0, 0};
    uint32_t crc = crc32(datagram, kCrcAt);
    crc = crc32(kZeros, sizeof kZeros, crc);
    return crc32(datagram + kHeaderBytes, static_cast<uint16_t>(length_bytes - kHeaderBytes), crc);
}

}  // namespace

const char* describe(RefusalReason reason) {
    switch (reason) {
        case RefusalReason::kNone:
            return "nothing refused";
        case RefusalReason::kUnknownModel:
            return "it serves another model; start the server of this build";
        case RefusalReason::kMalformed:
            return "it could not read the request";
        case RefusalReason::kOverloaded:
            return "it is overloaded";
        case RefusalReason::kVersion:
            return "it speaks another version of the protocol";
        case RefusalReason::kCodec:
            return "it does not know this codec";
        case RefusalReason::kRate:
            return "it does not know this rate";
    }
    return "for a reason that this firmware does not know";
}

void close_datagram(const Header& header, uint8_t* datagram, uint16_t length_bytes) {
    put16(datagram + kMagicAt, kMagic);
    datagram[kVersionAt] = kProtocolVersion;
    datagram[kTypeAt] = static_cast<uint8_t>(header.type);
    put32(datagram + kModelIdAt, header.id.model_id);
    put32(datagram + kDeviceIdAt, header.id.device_id);
    put32(datagram + kSequenceAt, header.id.sequence);
    datagram[kFragmentAt] = header.fragment;
    datagram[kFragmentCountAt] = header.fragment_count;
    datagram[kArgumentAt] = header.argument;
    datagram[kFlagsAt] = header.flags;
    put32(datagram + kFirstSymbolAt, header.first_symbol);
    put16(datagram + kSymbolCountAt, header.symbol_count);
    put16(datagram + kPayloadBytesAt, header.payload_bytes);
    put32(datagram + kCrcAt, datagram_crc(datagram, length_bytes));
}

AnswerReport parse_answer(const uint8_t* datagram, uint16_t length_bytes, const RequestId& id,
                          uint16_t classes, int16_t* logits_q8) {
    constexpr AnswerReport kCorrupt{AnswerStatus::kCorrupt, RefusalReason::kNone};
    constexpr AnswerReport kForeign{AnswerStatus::kForeign, RefusalReason::kNone};

    if (length_bytes < kHeaderBytes || length_bytes > kMaxDatagramBytes ||
        get16(datagram + kMagicAt) != kMagic ||
        get32(datagram + kCrcAt) != datagram_crc(datagram, length_bytes)) {
        return kCorrupt;
    }
    if (get32(datagram + kDeviceIdAt) != id.device_id ||
        get32(datagram + kSequenceAt) != id.sequence) {
        return kForeign;
    }
    const uint8_t type = datagram[kTypeAt];
    // A refusal is understood from any version and model: these are what it may be about.
    if (type == static_cast<uint8_t>(DatagramType::kRefusal)) {
        return {AnswerStatus::kRefused, static_cast<RefusalReason>(datagram[kArgumentAt])};
    }
    if (type != static_cast<uint8_t>(DatagramType::kAnswer) ||
        datagram[kVersionAt] != kProtocolVersion || get32(datagram + kModelIdAt) != id.model_id) {
        return kForeign;
    }
    if (get16(datagram + kPayloadBytesAt) != 2U * classes ||
        length_bytes != answer_bytes(classes)) {
        return kCorrupt;
    }
    for (uint16_t i = 0; i < classes; ++i) {
        logits_q8[i] = static_cast<int16_t>(get16(datagram + kHeaderBytes + 2U * i));
    }
    return {AnswerStatus::kAnswer, RefusalReason::kNone};
}

}  // namespace agilenn
