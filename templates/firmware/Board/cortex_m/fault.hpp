// What is kept of a fault, for the console and for a debugger.
#pragma once

#include <stdint.h>

namespace board {

// The frame that the core pushes on exception entry (PM0253 section 2.4.7).
struct ExceptionFrame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

struct FaultRecord {
    uint32_t exception;       // 2 NMI, 3 hard, 4 memory, 5 bus, 6 usage, 16 + n interrupt n
    bool frame_valid;         // false: the stack pointer was outside the stack
    ExceptionFrame frame;     // where it happened
    uint32_t stack_pointer;   // of the interrupted code
    uint32_t fault_status;    // CFSR; this and what follows is 0 on ARMv6-M
    uint32_t hard_fault;      // HFSR
    uint32_t memory_address;  // MMFAR, 0 if not valid
    uint32_t bus_address;     // BFAR, 0 if not valid
};

// The last fault. A debugger that attaches later finds it here.
extern FaultRecord fault_record;

// Separates memory, bus and usage faults from hard faults and traps division by zero, where the
// core can.
void enable_fault_handlers();

}  // namespace board
