/* One error a build: -DFAIL_<case>. */
#include "common.h"

static volatile uint32_t sink;
static volatile float number = 1.0f;
__attribute__((unused)) static uint16_t in_ram[4] = {0x4770, 0x4770, 0x4770, 0x4770};

__attribute__((noinline)) void offender(uint32_t depth) {
#if defined(FAIL_unmapped)
    sink = REG(0x60000000 + depth);
#elif defined(FAIL_unmapped_write)
    REG(0x20050000 + depth) = 1;
#elif defined(FAIL_peripheral)
    sink = REG(0x40012000 + depth);
#elif defined(FAIL_register)
    sink = REG(0x40023800 + 0x28 + depth);
#elif defined(FAIL_clock_off)
    REG(USART6 + CR1) = depth;
#elif defined(FAIL_flash)
    REG(0x08000100 + depth) = 1;
#elif defined(FAIL_double)
    number = (float)((double)number * 1.1 + depth);
#elif defined(FAIL_stack)
    volatile uint8_t big[512];
    big[0] = (uint8_t)depth;
    if (depth < 1000000u) offender(depth + 1);
    sink = big[0];
#elif defined(FAIL_data)
    ((void (*)(void))((uint32_t)in_ram | 1u))();
    sink = depth;
#elif defined(FAIL_undefined)
    __asm__ volatile("udf #1");
    sink = depth;
#elif defined(FAIL_fpu)
    number = number * 2.0f;
    sink = depth;
#elif defined(FAIL_runaway)
    while (sink == depth) {
    }
#elif defined(FAIL_sleep)
    wait_for_interrupt();
    sink = depth;
#elif defined(FAIL_reset)
    SCB_AIRCR = 0x05FA0004u + depth;
#elif defined(FAIL_clock)
    RCC_CR |= 1u << 16;
    RCC_PLLCFGR = 25u | 432u << 6 | 1u << 22 | 9u << 24;
    RCC_CR |= 1u << 24;
    RCC_CFGR = 5u << 10 | 4u << 13 | 2u | depth;
#elif defined(FAIL_bkpt)
    __asm__ volatile("bkpt 0");
    sink = depth;
#elif defined(FAIL_wild_return)
    __asm__ volatile("mov r3, %0\nbx r3" ::"r"(0xFFFFFFE9u + depth) : "r3");
#endif
}

void test_main(void) { offender(0); }
