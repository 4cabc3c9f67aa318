// Vector table of the STM32F74x: 16 core exceptions and 98 interrupts (RM0385 section 10.1.2).
// Every handler is weak: define `extern "C" void DCMI_IRQHandler()` anywhere to take that
// interrupt.
#include <stdint.h>

#include "board_config.hpp"
#include "stack.hpp"

extern "C" {
void Reset_Handler();

// Whatever has no handler of its own is reported as a fault (fault.cpp).
[[gnu::naked, gnu::used]] void Default_Handler() { asm volatile("b agilenn_fault_entry"); }

#define DEFAULT_HANDLER [[gnu::weak, gnu::nothrow, gnu::alias("Default_Handler")]]
DEFAULT_HANDLER void NMI_Handler();
DEFAULT_HANDLER void HardFault_Handler();
DEFAULT_HANDLER void MemManage_Handler();
DEFAULT_HANDLER void BusFault_Handler();
DEFAULT_HANDLER void UsageFault_Handler();
DEFAULT_HANDLER void SVC_Handler();
DEFAULT_HANDLER void DebugMon_Handler();
DEFAULT_HANDLER void PendSV_Handler();
void SysTick_Handler();
#define X(name) DEFAULT_HANDLER void name##_IRQHandler();
#include "interrupt_names.inc"
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

enum Position : uint32_t {
#define X(name) k##name,
#include "interrupt_names.inc"
#undef X
    kPositions
};

static_assert(kPositions == board::config::kInterruptCount);
static_assert(kUSART6 == 71 && kDMA2_Stream1 == 57 && kDMA2_Stream6 == 69 && kSPDIF_RX == 97);

}  // namespace

extern "C" [[gnu::section(".isr_vector"), gnu::used]] const VectorTable agilenn_vectors = {
    &_estack[0],
    {Reset_Handler, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler,
     UsageFault_Handler, nullptr, nullptr, nullptr, nullptr, SVC_Handler, DebugMon_Handler, nullptr,
     PendSV_Handler, SysTick_Handler},
    {
#define X(name) name##_IRQHandler,
#include "interrupt_names.inc"
#undef X
    },
};
