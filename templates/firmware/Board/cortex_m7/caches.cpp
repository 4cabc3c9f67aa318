// Enables the level-1 caches of the Cortex-M7 (PM0253 section 4.8).
#include "caches.hpp"

#include "board_config.hpp"
#include "core_registers.hpp"
#include "interrupts.hpp"

namespace board {
namespace {

// DMA buffers that do not lie in tightly coupled memory: the MPU makes their region normal memory
// without cache (PM0253 section 4.6.6: TEX 1, C 0, B 0). Region 0 guards the stack.
void forbid_caching(uint32_t address, uint32_t bytes) {
    constexpr uint32_t kExecuteNever = 1U << 28, kFullAccess = 3U << 24, kNormalUncached = 1U << 19;
    uint32_t size_field = 0;  // the region has 2^(field + 1) bytes
    while ((2U << size_field) < bytes) {
        ++size_field;
    }
    core::Mpu& mpu = core::mpu();
    mpu.region_number = 1;
    mpu.region_base = address;
    mpu.region_attributes =
        kExecuteNever | kFullAccess | kNormalUncached | (size_field << 1) | core::Mpu::kEnable;
    data_barrier();
    instruction_barrier();
}

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
    if constexpr (config::kUncachedBytes != 0) {
        forbid_caching(config::kUncachedAddress, config::kUncachedBytes);
    }
    enable_instruction_cache();
    enable_data_cache();
}

}  // namespace board
