// Enables the level-1 caches of the Cortex-M7 (PM0253 section 4.8).
#include "caches.hpp"

#include "core_registers.hpp"
#include "interrupts.hpp"

namespace board {
namespace {

void enable_instruction_cache() {
    data_barrier();
    instruction_barrier();
    core::invalidate_instruction_cache() = 0;
    data_barrier();
    instruction_barrier();
    core::scb().configuration = core::scb().configuration | core::SystemControl::kInstructionCache;
    data_barrier();
    instruction_barrier();
}

void enable_data_cache() {
    core::cache_size_selection() = 0;  // level 1, data
    data_barrier();
    const uint32_t geometry = core::cache_size_id();
    const uint32_t last_set = (geometry >> 13) & 0x7FFFU;
    const uint32_t last_way = (geometry >> 3) & 0x3FFU;
    // Lines of 32 bytes: the set starts at bit 5; four ways: the way lies in bits 31 and 30.
    for (uint32_t set = 0; set <= last_set; ++set) {
        for (uint32_t way = 0; way <= last_way; ++way) {
            core::invalidate_data_cache_by_set_way() = (way << 30) | (set << 5);
        }
    }
    data_barrier();
    core::scb().configuration = core::scb().configuration | core::SystemControl::kDataCache;
    data_barrier();
    instruction_barrier();
}

}  // namespace

void enable_caches() {
    enable_instruction_cache();
    enable_data_cache();
}

}  // namespace board
