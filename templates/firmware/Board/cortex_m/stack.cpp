// Stack guard by the MPU (PM0253 section 4.6) and high-water mark by paint.
#include "stack.hpp"

#include "core_registers.hpp"
#include "interrupts.hpp"

namespace board {
namespace {

constexpr uint32_t kGuardBytes = 4096;
constexpr uint32_t kGuardSizeField = 11;      // region size is 2^(field + 1)
constexpr uint32_t kExecuteNever = 1U << 28;  // access field stays 0: no access at all
constexpr uint32_t kRegionEnable = 1U << 0;

}  // namespace

void guard_stack() {
    core::Mpu& mpu = core::mpu();
    mpu.control = 0;
    mpu.region_number = 0;
    mpu.region_base = reinterpret_cast<uint32_t>(&_stack_limit[0]) - kGuardBytes;
    mpu.region_attributes = kExecuteNever | (kGuardSizeField << 1) | kRegionEnable;
    mpu.control = core::Mpu::kEnable | core::Mpu::kDefaultMapForPrivileged;
    data_barrier();
    instruction_barrier();
}

uint32_t stack_used_bytes() {
    const volatile uint32_t* word = _stack_limit;
    while (word < _estack && *word == kStackPaint) {
        ++word;
    }
    return static_cast<uint32_t>(_estack - word) * sizeof(uint32_t);
}

}  // namespace board
