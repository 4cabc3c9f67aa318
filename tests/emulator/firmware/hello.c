/* Clock tree, console, SysTick with WFI, DWT. */
#include "common.h"

volatile uint32_t ticks;

void SysTick_Handler(void) { ticks++; }

void test_main(void) {
    console_open(115200u);
    print("hsi\n");
    while (!(REG(USART1 + ISR) & 1u << 6)) {
    }
    REG(USART1 + CR1) = 0;
    clock_216_mhz();
    console_open(115200u);
    print("pll\n");
    REG(0xE000EDFC) |= 1u << 24;
    REG(0xE0001FB0) = 0xC5ACCE55u;
    REG(0xE0001000) |= 1u;
    SYST_RVR = 216000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7u;
    uint32_t start = REG(0xE0001004);
    while (ticks < 100u) wait_for_interrupt();
    uint32_t awake = REG(0xE0001004) - start;
    print_number("ticks", ticks);
    print_number("awake_cycles", awake);
    start = REG(0xE0001004);
    __asm__ volatile("mov r0, #1000\n1: subs r0, #1\nbne 1b" ::: "r0", "cc");
    print_number("loop_cycles", (REG(0xE0001004) - start) / 100u);
    print_number("uid", REG(0x1FF0F420));
    print_number("flash_kb", *(volatile uint16_t*)0x1FF0F442);
    print("done\n");
}
