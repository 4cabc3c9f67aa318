/* Start-up and console of the test programs. */
#include "common.h"

extern uint32_t _estack[], _sdata[], _edata[], _ldata[], _sbss[], _ebss[], _sfast[], _efast[],
    _lfast[];

void Reset_Handler(void) {
#ifndef FAIL_fpu
    enable_fpu();
#endif
    for (uint32_t *to = _sdata, *from = _ldata; to < _edata;) *to++ = *from++;
    for (uint32_t *to = _sfast, *from = _lfast; to < _efast;) *to++ = *from++;
    for (uint32_t* to = _sbss; to < _ebss;) *to++ = 0;
    test_main();
    for (;;) wait_for_interrupt();
}

void Default_Handler(void) {
    for (;;) {
    }
}
#define WEAK __attribute__((weak, alias("Default_Handler")))
void HardFault_Handler(void) WEAK;
void SVC_Handler(void) WEAK;
void PendSV_Handler(void) WEAK;
void SysTick_Handler(void) WEAK;
void low_handler(void) WEAK;
void high_handler(void) WEAK;
void late_handler(void) WEAK;
void dma2_stream1_handler(void) WEAK;
void dma2_stream6_handler(void) WEAK;
void usart6_handler(void) WEAK;

typedef void (*Vector)(void);
__attribute__((section(".vectors"), used)) const Vector vectors[16 + 98] = {
    [0] = (Vector)_estack,
    [1] = Reset_Handler,
    [3] = HardFault_Handler,
    [11] = SVC_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 + 6] = low_handler,
    [16 + 7] = high_handler,
    [16 + 8] = late_handler,
    [16 + 57] = dma2_stream1_handler,
    [16 + 69] = dma2_stream6_handler,
    [16 + 71] = usart6_handler,
};

void clock_216_mhz(void) {
    RCC_APB1ENR |= 1u << 28;
    RCC_CR |= 1u << 16;
    while (!(RCC_CR & 1u << 17)) {
    }
    PWR_CR1 |= 3u << 14;
    RCC_PLLCFGR = 25u | 432u << 6 | 0u << 16 | 1u << 22 | 9u << 24;
    RCC_CR |= 1u << 24;
    PWR_CR1 |= 1u << 16;
    while (!(PWR_CSR1 & 1u << 16)) {
    }
    PWR_CR1 |= 1u << 17;
    while (!(PWR_CSR1 & 1u << 17)) {
    }
    while (!(RCC_CR & 1u << 25)) {
    }
    FLASH_ACR = 7u;
    RCC_CFGR = 5u << 10 | 4u << 13;
    RCC_CFGR |= 2u;
    while ((RCC_CFGR >> 2 & 3u) != 2u) {
    }
}

/* Divides the 16 MHz HSI or, after clock_216_mhz, the 108 MHz APB2 clock. */
void console_open(uint32_t baud) {
    uint32_t clock = (RCC_CFGR & 3u) == 2u ? 108000000u : 16000000u;
    RCC_AHB1ENR |= 1u << 0;
    RCC_APB2ENR |= 1u << 4;
    GPIO('A', 0x24) |= 7u << 4;
    GPIO('A', 0x00) = (GPIO('A', 0x00) & ~(3u << 18)) | 2u << 18;
    REG(USART1 + BRR) = clock / baud;
    REG(USART1 + CR1) = 1u << 3 | 1u;
}

void put_char(char c) {
    while (!(REG(USART1 + ISR) & 1u << 7)) {
    }
    REG(USART1 + TDR) = (uint8_t)c;
}

void print(const char* text) {
    while (*text) put_char(*text++);
}

void print_number(const char* name, uint32_t value) {
    char digits[11];
    int n = 0;
    print(name);
    put_char('=');
    do {
        digits[n++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value);
    while (n) put_char(digits[--n]);
    put_char('\n');
}
