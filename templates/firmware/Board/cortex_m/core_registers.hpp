// Core peripherals of the Cortex-M: SysTick, NVIC, SCB, MPU. Sections of PM0253 (Cortex-M7); the
// M0+ (PM0223) and the M33 (PM0264) have what is used here at the same addresses, unless a name
// says otherwise.
#pragma once

#include <stdint.h>

namespace board::core {

using Register = volatile uint32_t;

// PM0253 section 4.4, SysTick timer.
struct SysTick {
    Register control, reload, value, calibration;
    static constexpr uint32_t kEnable = 1U << 0;
    static constexpr uint32_t kInterrupt = 1U << 1;
    static constexpr uint32_t kCoreClock = 1U << 2;
};
inline SysTick& systick() { return *reinterpret_cast<SysTick*>(0xE000E010U); }

// PM0253 section 4.2, nested vectored interrupt controller.
struct Nvic {
    Register set_enable[8];
    uint32_t reserved0[24];
    Register clear_enable[8];
    uint32_t reserved1[24];
    Register set_pending[8];
    uint32_t reserved2[24];
    Register clear_pending[8];
    uint32_t reserved3[24];
    Register active[8];
    uint32_t reserved4[56];
    Register priority[60];  // four interrupts a word; the M0+ takes whole words only
};
inline Nvic& nvic() { return *reinterpret_cast<Nvic*>(0xE000E100U); }

// PM0253 section 4.3, system control block.
struct SystemControl {
    Register cpuid, interrupt_control, vector_table, reset_control, control, configuration;
    Register handler_priority[3];
    Register handler_control, configurable_fault, hard_fault, debug_fault, memory_fault_address,
        bus_fault_address, auxiliary_fault;

    static constexpr uint32_t kSysTickPending = 1U << 26;          // interrupt_control
    static constexpr uint32_t kInstructionCache = 1U << 17;        // configuration
    static constexpr uint32_t kDataCache = 1U << 16;               // configuration
    static constexpr uint32_t kTrapDivideByZero = 1U << 4;         // configuration
    static constexpr uint32_t kMemoryFaultEnable = 1U << 16;       // handler_control
    static constexpr uint32_t kBusFaultEnable = 1U << 17;          // handler_control
    static constexpr uint32_t kUsageFaultEnable = 1U << 18;        // handler_control
    static constexpr uint32_t kMemoryFaultAddressValid = 1U << 7;  // configurable_fault
    static constexpr uint32_t kBusFaultAddressValid = 1U << 15;    // configurable_fault
    static constexpr uint32_t kStackLimitFault = 1U << 20;         // configurable_fault, M33
};
inline SystemControl& scb() { return *reinterpret_cast<SystemControl*>(0xE000ED00U); }

// PM0253 section 4.3.1, ICSR; section 4.7, coprocessor access.
inline Register& coprocessor_access() { return *reinterpret_cast<Register*>(0xE000ED88U); }

// PM0253 section 4.8, cache identification and maintenance.
inline Register& cache_size_id() { return *reinterpret_cast<Register*>(0xE000ED80U); }
inline Register& cache_size_selection() { return *reinterpret_cast<Register*>(0xE000ED84U); }
inline Register& invalidate_instruction_cache() {
    return *reinterpret_cast<Register*>(0xE000EF50U);
}
inline Register& invalidate_data_cache_by_set_way() {
    return *reinterpret_cast<Register*>(0xE000EF60U);
}

// PM0253 section 4.6, memory protection unit.
struct Mpu {
    Register type, control, region_number, region_base, region_attributes;
    static constexpr uint32_t kEnable = 1U << 0;
    static constexpr uint32_t kDefaultMapForPrivileged = 1U << 2;
};
inline Mpu& mpu() { return *reinterpret_cast<Mpu*>(0xE000ED90U); }

// ARMv7-M Architecture Reference Manual, C1.6 debug control and C1.8 DWT; not on ARMv6-M.
struct Dwt {
    Register control, cycle_count;
    static constexpr uint32_t kCycleCounter = 1U << 0;
};
inline Dwt& dwt() { return *reinterpret_cast<Dwt*>(0xE0001000U); }
inline Register& dwt_lock_access() { return *reinterpret_cast<Register*>(0xE0001FB0U); }
inline Register& debug_exception_monitor() { return *reinterpret_cast<Register*>(0xE000EDFCU); }
inline Register& debug_halting_control() { return *reinterpret_cast<Register*>(0xE000EDF0U); }

}  // namespace board::core
