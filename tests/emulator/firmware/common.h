/* What all test programs share: registers, vector table, reset, clock at 216 MHz, console. */
#pragma once
#include <stdint.h>

#define REG(address) (*(volatile uint32_t*)(address))
#define RCC_CR REG(0x40023800)
#define RCC_PLLCFGR REG(0x40023804)
#define RCC_CFGR REG(0x40023808)
#define RCC_AHB1ENR REG(0x40023830)
#define RCC_APB1ENR REG(0x40023840)
#define RCC_APB2ENR REG(0x40023844)
#define PWR_CR1 REG(0x40007000)
#define PWR_CSR1 REG(0x40007004)
#define FLASH_ACR REG(0x40023C00)
#define GPIO(port, offset) REG(0x40020000 + 0x400 * ((port) - 'A') + (offset))
#define USART1 0x40011000u
#define USART6 0x40011400u
#define CR1 0x00
#define CR3 0x08
#define BRR 0x0C
#define ISR 0x1C
#define ICR 0x20
#define RDR 0x24
#define TDR 0x28
#define DMA2 0x40026400u
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ISER(n) REG(0xE000E100 + 4 * (n))
#define NVIC_IPR(n) (*(volatile uint8_t*)(0xE000E400 + (n)))
#define NVIC_ISPR(n) REG(0xE000E200 + 4 * (n))
#define SCB_CPACR REG(0xE000ED88)
#define SCB_ICSR REG(0xE000ED04)
#define SCB_AIRCR REG(0xE000ED0C)
#define SCB_CCR REG(0xE000ED14)

static inline void enable_fpu(void) {
    SCB_CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\nisb" ::: "memory");
}
static inline void wait_for_interrupt(void) { __asm__ volatile("wfi" ::: "memory"); }

void test_main(void);
void clock_216_mhz(void);
void console_open(uint32_t baud);
void put_char(char c);
void print(const char* text);
void print_number(const char* name, uint32_t value);
