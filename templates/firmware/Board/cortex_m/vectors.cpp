// Vector table: 16 core exceptions and the part's interrupts. Every handler is weak: define
// `extern "C" void ADC_IRQHandler()` anywhere to take that interrupt (names: interrupt_names.inc).
#include <stdint.h>

#include "board_config.hpp"
#include "stack.hpp"

extern "C" {
void Reset_Handler();

// Whatever has no handler of its own is reported as a fault (fault.cpp). A far jump: the short one
// of ARMv6-M reaches 2 KiB.
[[gnu::naked, gnu::used]] void Default_Handler() {
    asm volatile(
        "ldr r0, 1f \n"
        "bx  r0     \n"
        ".balign 4  \n"
        "1: .word agilenn_fault_entry \n");
}

#define DEFAULT_HANDLER [[gnu::weak, gnu::nothrow, gnu::alias("Default_Handler")]]
DEFAULT_HANDLER void NMI_Handler();
DEFAULT_HANDLER void HardFault_Handler();
DEFAULT_HANDLER void MemManage_Handler();
DEFAULT_HANDLER void BusFault_Handler();
DEFAULT_HANDLER void UsageFault_Handler();
DEFAULT_HANDLER void SVC_Handler();
DEFAULT_HANDLER void DebugMon_Handler();
DEFAULT_HANDLER void PendSV_Handler();
DEFAULT_HANDLER void SysTick_Handler();
#define X(name) DEFAULT_HANDLER void name##_IRQHandler();
#define RESERVED(position)
#include "interrupt_names.inc"
#undef RESERVED
#undef X
#undef DEFAULT_HANDLER
}

namespace {

using Handler = void (*)();

struct VectorTable {
    const void* initial_stack;
    Handler exceptions[15];
    Handler interrupts[board::config::kInterruptCount];
};

}  // namespace

extern "C" [[gnu::section(".isr_vector"), gnu::used]] const VectorTable agilenn_vectors = {
    &_estack[0],
    {Reset_Handler, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler,
     UsageFault_Handler, nullptr, nullptr, nullptr, nullptr, SVC_Handler, DebugMon_Handler, nullptr,
     PendSV_Handler, SysTick_Handler},
    {
#define X(name) name##_IRQHandler,
#define RESERVED(position) Default_Handler,
#include "interrupt_names.inc"
#undef RESERVED
#undef X
    },
};
