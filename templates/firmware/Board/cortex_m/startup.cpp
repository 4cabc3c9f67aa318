// From reset to main: memory contents, FPU, constructors.
#include <stddef.h>
#include <stdint.h>

#include "core_registers.hpp"
#include "interrupts.hpp"
#include "stack.hpp"

using Word = uint32_t;

extern "C" {
// Set by the linker script; s = start, e = end, l = where the initial contents lie in flash.
extern Word _sdata[], _edata[], _ldata[];
extern Word _sfast_code[], _efast_code[], _lfast_code[];
extern Word _sbss[], _ebss[];
extern Word _sdma_bss[], _edma_bss[];
extern Word _sbulk[], _ebulk[];

using Constructor = void (*)();
extern Constructor __preinit_array_start[], __preinit_array_end[];
extern Constructor __init_array_start[], __init_array_end[];

int main();
}

namespace {

constexpr size_t kPaintMarginWords = 64;  // what this file's own calls may have in use

void copy(const Word* from, Word* to, const Word* end) {
    while (to < end) {
        *to++ = *from++;
    }
}

void clear(Word* from, const Word* end) {
    while (from < end) {
        *from++ = 0;
    }
}

void enable_fpu() {
#ifdef __ARM_FP
    // Full access to coprocessors 10 and 11; must come before the first FPU instruction.
    board::core::coprocessor_access() = board::core::coprocessor_access() | (0xFU << 20);
    board::data_barrier();
    board::instruction_barrier();
#endif
}

void paint_stack() {
    Word* stack_pointer;
    asm volatile("mov %0, sp" : "=r"(stack_pointer));
    for (Word* word = _stack_limit; word < stack_pointer - kPaintMarginWords; ++word) {
        *word = board::kStackPaint;
    }
}

void run(const Constructor* constructor, const Constructor* end) {
    while (constructor < end) {
        (*constructor++)();
    }
}

}  // namespace

extern "C" [[noreturn, gnu::used]] void Reset_Handler() {
    enable_fpu();
    paint_stack();
    copy(_lfast_code, _sfast_code, _efast_code);
    copy(_ldata, _sdata, _edata);
    clear(_sbss, _ebss);
    clear(_sdma_bss, _edma_bss);
    clear(_sbulk, _ebulk);
    board::data_barrier();
    board::instruction_barrier();
    run(__preinit_array_start, __preinit_array_end);
    run(__init_array_start, __init_array_end);
    main();
    for (;;) {
        board::wait_for_interrupt();
    }
}

// A pure virtual function was called: an object is used before it is built. Ends as a fault.
extern "C" void __cxa_pure_virtual() { asm volatile("udf #1"); }
