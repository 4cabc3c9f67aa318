// Stack guard by the MPU (PM0253 section 4.6), or by the stack limit of the ARMv8-M cores (PM0264
// section 2.1.3); high-water mark by paint.
#include "stack.hpp"

#include "core_registers.hpp"
#include "interrupts.hpp"

namespace board {

#ifdef __ARM_ARCH_8M_MAIN__

void guard_stack() {
    // The MPU of ARMv8-M cannot forbid reading, but the core checks the stack pointer itself.
    asm volatile("msr msplim, %0" ::"r"(&_stack_limit[0]));
    instruction_barrier();
}

#else

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

#endif

uint32_t stack_used_bytes() {
    const volatile uint32_t* word = _stack_limit;
    while (word < _estack && *word == kStackPaint) {
        ++word;
    }
    return static_cast<uint32_t>(_estack - word) * sizeof(uint32_t);
}

}  // namespace board
