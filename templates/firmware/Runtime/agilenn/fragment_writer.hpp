// Turns the symbols of one inference into request datagrams while they are computed.
#pragma once

#include <stdint.h>

#include "agilenn/protocol.hpp"

namespace agilenn {

// `Encoder` is a codec (lzw_encoder.hpp, raw_encoder.hpp, context_encoder.hpp); `kSymbolCount`
// symbols make an inference, whose answer has `kClasses` logits and which has one of `kRates`
// rates. Coded bytes are written in place behind the header of a buffer that the caller lends, so
// nothing is copied.
template <class Encoder, uint32_t kSymbolCount, uint16_t kClasses, uint8_t kRates = 1>
class FragmentWriter {
    static_assert(kHeaderBytes + Encoder::kCapacityBytes <= kMaxDatagramBytes,
                  "a fragment must fit its datagram");
    static_assert(answer_bytes(kClasses) <= kMaxDatagramBytes, "an answer must fit its datagram");
    static_assert(kSymbolCount >= 1, "an inference has at least one symbol");
    static_assert(kSymbolCount <= 1UL * kMaxFragments * Encoder::kLeastSymbols,
                  "the worst case needs more than 255 fragments: enlarge the fragments");
    static_assert(kRates >= 1 && kRates <= 16, "the header has four bits for the rate");

  public:
    // Size of every buffer that is lent: a fragment, or a short one padded to the answer's length.
    static constexpr uint16_t kDatagramBytes = kHeaderBytes + Encoder::kCapacityBytes >
                                                       answer_bytes(kClasses)
                                                   ? kHeaderBytes + Encoder::kCapacityBytes
                                                   : answer_bytes(kClasses);

    // Takes a closed datagram and returns the buffer for the next one (of kDatagramBytes; the same
    // one if it is free again), or nullptr to abandon the request. What is returned for the last
    // datagram is not used.
    using Sink = uint8_t* (*)(void* context, uint8_t* datagram, uint16_t length_bytes);

    // Starts the request `id` in `buffer`; all three must stay valid until `finish`.
    void begin(const RequestId& id, uint8_t* buffer, Sink sink, void* context) {
        id_ = id;
        sink_ = sink;
        context_ = context;
        buffer_ = buffer;
        fragment_ = 0;
        first_symbol_ = 0;
        sent_bytes_ = 0;
        begin_fragment();
    }

    // Takes the next symbols (each < levels). False if the request was abandoned or they are more
    // than kSymbolCount.
    [[gnu::noinline]] bool push(const uint8_t* symbols, uint16_t count) {
        if (count > kSymbolCount - first_symbol_ - symbol_count_) {
            buffer_ = nullptr;
        }
        while (count != 0 && buffer_ != nullptr) {
            const uint16_t room = static_cast<uint16_t>(kMaxFragmentSymbols - symbol_count_);
            const uint16_t taken = encoder_.push_run(symbols, count < room ? count : room);
            symbols += taken;
            count = static_cast<uint16_t>(count - taken);
            symbol_count_ = static_cast<uint16_t>(symbol_count_ + taken);
            if (count != 0 && symbol_count_ == 0) {
                buffer_ = nullptr;  // less than what the codec takes at once
            } else if (count != 0) {
                hand_on(false);
            }
        }
        return buffer_ != nullptr;
    }

    // Closes the last fragment. False if the request was abandoned or symbols are missing.
    [[gnu::noinline]] bool finish() {
        if (buffer_ == nullptr || first_symbol_ + symbol_count_ != kSymbolCount) {
            return false;
        }
        hand_on(true);
        return true;
    }

    // `push` in the form of network::SymbolSink; `writer` points to the FragmentWriter. What it
    // returns is told by `finish`.
    static void push_symbols(void* writer, const uint8_t* symbols, uint16_t count) {
        static_cast<FragmentWriter*>(writer)->push(symbols, count);
    }

  private:
    static constexpr uint16_t kMaxFragmentSymbols = 0xFFFF;  // the header counts them in 16 bits

    void begin_fragment() {
        symbol_count_ = 0;
        uint8_t* const payload = buffer_ + kHeaderBytes;
        encoder_.begin(payload, Encoder::kCapacityBytes, first_symbol_, id_.rate);
    }

    uint8_t flags(bool last) const {
        const uint8_t flag = last ? kLastFragmentFlag : 0;
        if constexpr (kRates > 1) {
            return static_cast<uint8_t>(flag | id_.rate << kRateShift);
        }
        return flag;
    }

    void hand_on(bool last) {
        const uint16_t payload_bytes = encoder_.finish();
        uint16_t length_bytes = static_cast<uint16_t>(kHeaderBytes + payload_bytes);
        if (last) {
            // A request is never shorter than its answer, so a server cannot be made to amplify.
            while (sent_bytes_ + length_bytes < answer_bytes(kClasses)) {
                buffer_[length_bytes++] = 0;
            }
        }
        const Header header{
            DatagramType::kRequest,
            id_,
            fragment_,
            static_cast<uint8_t>(last ? fragment_ + 1 : 0),
            static_cast<uint8_t>(Encoder::kCodec),
            flags(last),
            first_symbol_,
            symbol_count_,
            payload_bytes,
        };
        close_datagram(header, buffer_, length_bytes);
        buffer_ = sink_(context_, buffer_, length_bytes);
        sent_bytes_ += length_bytes;
        first_symbol_ += symbol_count_;
        ++fragment_;
        if (last) {
            buffer_ = nullptr;
        } else if (buffer_ != nullptr) {
            begin_fragment();
        }
    }

    Encoder encoder_;
    RequestId id_{};
    Sink sink_ = nullptr;
    void* context_ = nullptr;
    uint8_t* buffer_ = nullptr;  // nullptr: no request, or abandoned
    uint32_t first_symbol_ = 0;  // of the fragment in `buffer_`
    uint32_t sent_bytes_ = 0;
    uint16_t symbol_count_ = 0;  // in `buffer_`
    uint8_t fragment_ = 0;
};

}  // namespace agilenn
