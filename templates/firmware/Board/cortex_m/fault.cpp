// Fault handlers: record, report on the console, then stand still for the debugger.
#include "fault.hpp"

#include "console_uart.hpp"
#include "core_registers.hpp"
#include "stack.hpp"

namespace board {

FaultRecord fault_record;

namespace {

// Handlers run on their own stack, for the interrupted one may be what failed.
constexpr uint32_t kFaultStackWords = 128;
alignas(8) uint32_t fault_stack[kFaultStackWords];

const char* exception_name(uint32_t exception) {
    switch (exception) {
        case 2:
            return "NMI";
        case 3:
            return "hard fault";
        case 4:
            return "memory fault";
        case 5:
            return "bus fault";
        case 6:
            return "usage fault";
        default:
            return "unexpected interrupt";
    }
}

void report_value(const char* name, uint32_t value) {
    char text[] = "00000000";
    for (int digit = 7; digit >= 0; --digit) {
        text[digit] = "0123456789abcdef"[value & 0xFU];
        value >>= 4;
    }
    console_write_polled(name);
    console_write_polled(text);
}

void report(const FaultRecord& record) {
    console_write_polled("\r\nfault: ");
    console_write_polled(exception_name(record.exception));
    report_value(" exception=", record.exception);
    if (record.frame_valid) {
        report_value(" pc=", record.frame.pc);
        report_value(" lr=", record.frame.lr);
        report_value(" xpsr=", record.frame.xpsr);
        report_value("\r\n  r0=", record.frame.r0);
        report_value(" r1=", record.frame.r1);
        report_value(" r2=", record.frame.r2);
        report_value(" r3=", record.frame.r3);
        report_value(" r12=", record.frame.r12);
    } else {
        console_write_polled(" stack overflow");
    }
    report_value("\r\n  sp=", record.stack_pointer);
    report_value(" cfsr=", record.fault_status);
    report_value(" hfsr=", record.hard_fault);
    report_value(" mmfar=", record.memory_address);
    report_value(" bfar=", record.bus_address);
    console_write_polled("\r\n");
}

// The ARMv6-M cores tell nothing about a fault but where it happened, and hide the debugger.
#ifdef __ARM_ARCH_6M__

void separate_faults() {}
void read_fault_status(FaultRecord&) {}
bool debugger_attached() { return false; }

#else

void separate_faults() {
    core::SystemControl& scb = core::scb();
    scb.handler_control = scb.handler_control | core::SystemControl::kMemoryFaultEnable |
                          core::SystemControl::kBusFaultEnable |
                          core::SystemControl::kUsageFaultEnable;
    scb.configuration = scb.configuration | core::SystemControl::kTrapDivideByZero;
}

void read_fault_status(FaultRecord& record) {
    const core::SystemControl& scb = core::scb();
    record.fault_status = scb.configurable_fault;
    record.hard_fault = scb.hard_fault;
    if ((record.fault_status & core::SystemControl::kMemoryFaultAddressValid) != 0) {
        record.memory_address = scb.memory_fault_address;
    }
    if ((record.fault_status & core::SystemControl::kBusFaultAddressValid) != 0) {
        record.bus_address = scb.bus_fault_address;
    }
    if ((record.fault_status & core::SystemControl::kStackLimitFault) != 0) {
        record.frame_valid = false;  // the core pushed nothing
    }
}

bool debugger_attached() { return (core::debug_halting_control() & 1U) != 0; }

#endif

}  // namespace

void enable_fault_handlers() { separate_faults(); }

extern "C" [[noreturn, gnu::used]] void agilenn_record_fault(const ExceptionFrame* frame,
                                                             uint32_t exception) {
    const auto sp = reinterpret_cast<uint32_t>(frame);
    const auto lowest = reinterpret_cast<uint32_t>(&_stack_limit[0]);
    const auto highest = reinterpret_cast<uint32_t>(&_estack[0]) - sizeof(ExceptionFrame);
    FaultRecord& record = fault_record;
    record = {};
    record.exception = exception;
    record.stack_pointer = sp;
    record.frame_valid = sp >= lowest && sp <= highest;
    read_fault_status(record);
    if (record.frame_valid) {
        record.frame = *frame;
    }
    report(record);
    if (debugger_attached()) {
        asm volatile("bkpt 0");
    }
    for (;;) {
        asm volatile("nop");
    }
}

}  // namespace board

// Every fault and every interrupt without a handler of its own arrives here. Naked: nothing may
// touch the stack before it is exchanged. r0 = frame on the interrupted stack, r1 = exception. Only
// instructions that every Cortex-M has.
extern "C" [[gnu::naked, noreturn]] void agilenn_fault_entry() {
    asm volatile(
        "cpsid i            \n"
        "mov   r0, lr       \n"
        "movs  r1, #4       \n"
        "tst   r0, r1       \n"
        "beq   1f           \n"
        "mrs   r0, psp      \n"
        "b     2f           \n"
        "1:                 \n"
        "mrs   r0, msp      \n"
        "2:                 \n"
        "mrs   r1, ipsr     \n"
        "ldr   r2, 3f       \n"
        "ldr   r3, 4f       \n"
        "msr   msp, r2      \n"
        "bx    r3           \n"
        ".balign 4          \n"
        "3: .word %c0 + %c1 \n"
        "4: .word agilenn_record_fault \n" ::"i"(&board::fault_stack[0]),
        "i"(sizeof(board::fault_stack)));
}
