// Interrupt masking, enabling and sleeping.
#pragma once

#include <stdint.h>

#include "core_registers.hpp"

namespace board {

// Masks interrupts for the lifetime of the object and restores the previous mask.
class InterruptLock {
  public:
    InterruptLock() { asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(previous_)::"memory"); }
    ~InterruptLock() { asm volatile("msr primask, %0" ::"r"(previous_) : "memory"); }
    InterruptLock(const InterruptLock&) = delete;
    InterruptLock& operator=(const InterruptLock&) = delete;

  private:
    uint32_t previous_;
};

// Later loads and stores come after earlier ones, for the compiler and for the core.
inline void memory_barrier() { asm volatile("dmb" ::: "memory"); }
// As memory_barrier, and waits until the earlier ones are complete.
inline void data_barrier() { asm volatile("dsb" ::: "memory"); }
inline void instruction_barrier() { asm volatile("isb" ::: "memory"); }

// Sleeps until an interrupt is pending. Called under an InterruptLock it closes the gap between
// looking at a flag and sleeping: a pending interrupt wakes the core even while it is masked.
inline void wait_for_interrupt() { asm volatile("dsb\n\twfi" ::: "memory"); }

// Enables an interrupt; priority 0 (most urgent) to 15. A core with two priority bits (M0+) sees
// the upper two of these four.
inline void enable_interrupt(uint32_t number, uint32_t priority) {
    const uint32_t shift = 8 * (number % 4);
    core::Register& priorities = core::nvic().priority[number / 4];
    priorities = (priorities & ~(0xFFU << shift)) | (priority << (shift + 4));
    core::nvic().set_enable[number / 32] = 1U << (number % 32);
}

}  // namespace board
