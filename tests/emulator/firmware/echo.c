/* USART6 at 1 Mbaud: circular DMA reception, IDLE interrupt, answer by DMA with transfer complete.
 */
#include "common.h"

#define STREAM(n, register) REG(DMA2 + 0x10 + 0x18 * (n) + (register))
enum { SIZE = 32 };
static uint8_t ring[SIZE] PLACE, answer[SIZE] PLACE;
static volatile uint32_t tail, idles, sent, half, full;

void dma2_stream6_handler(void) {
    REG(DMA2 + 0x0C) = 0x3Fu << 16;
    sent++;
}

void dma2_stream1_handler(void) {
    uint32_t flags = REG(DMA2 + 0x00) >> 6;
    half += flags >> 4 & 1u;
    full += flags >> 5 & 1u;
    REG(DMA2 + 0x08) = 0x3Fu << 6;
}

void usart6_handler(void) {
    REG(USART6 + ICR) = 1u << 4;
    idles++;
    uint32_t head = (SIZE - STREAM(1, 4)) % SIZE, count = 0;
    while (tail != head) {
        answer[count++] = ring[tail] ^ 0x20u;
        tail = (tail + 1) % SIZE;
    }
    STREAM(6, 4) = count;
    STREAM(6, 0) = 5u << 25 | 1u << 10 | 1u << 6 | 1u << 4 | 1u;
}

void test_main(void) {
    console_open(115200u);
    while (!(REG(USART1 + ISR) & 1u << 6)) {
    }
    REG(USART1 + CR1) = 0;
    clock_216_mhz();
    console_open(115200u);
#ifdef CACHE
    SCB_CCR |= 1u << 16;
#endif
    RCC_AHB1ENR |= 1u << 2 | 1u << 22;
    RCC_APB2ENR |= 1u << 5;
    GPIO('C', 0x20) = 8u << 24 | 8u << 28;
    GPIO('C', 0x00) = 2u << 12 | 2u << 14;
    REG(USART6 + BRR) = 108u;
    REG(USART6 + CR3) = 1u << 6 | 1u << 7;
    STREAM(1, 8) = USART6 + RDR;
    STREAM(1, 0xC) = (uint32_t)ring;
    STREAM(1, 4) = SIZE;
    STREAM(1, 0) = 5u << 25 | 1u << 10 | 1u << 8 | 1u << 4 | 1u << 3 | 1u;
    STREAM(6, 8) = USART6 + TDR;
    STREAM(6, 0xC) = (uint32_t)answer;
    NVIC_ISER(1) = 1u << (57 - 32);
    NVIC_ISER(2) = 1u << (69 - 64) | 1u << (71 - 64);
    REG(USART6 + CR1) = 1u << 4 | 1u << 3 | 1u << 2 | 1u;
    print("listening\n");
    while (sent < 3u) wait_for_interrupt();
    print_number("idles", idles);
    print_number("half", half);
    print_number("full", full);
    print("done\n");
}
