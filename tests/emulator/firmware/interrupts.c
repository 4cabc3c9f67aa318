/* Priorities, nesting, tail-chaining, masks, floating point inside handlers, SVC and PendSV. */
#include "common.h"

static char order[64];
static volatile uint32_t used;
static volatile float shared = 1.0f;

static void note(char c) { order[used++] = c; }

void high_handler(void) {
    note('H');
    shared = shared * 3.0f + 1.0f;
    note('h');
}

void low_handler(void) {
    volatile float local = 2.5f;
    note('L');
    NVIC_ISPR(0) = 1u << 7;
    __asm__ volatile("dsb\nisb");
    note(shared > 3.9f && local * 2.0f == 5.0f ? 'l' : '?');
}

void late_handler(void) { note('T'); }
void SVC_Handler(void) { note('S'); }
void PendSV_Handler(void) { note('P'); }

/* Holds values in registers that an exception must preserve, while interrupts strike. */
static float sum_with_interrupts(void) {
    float a = 1.0f, b = 2.0f, c = 3.0f;
    for (int i = 0; i < 50; i++) {
        if (i % 10 == 0) NVIC_ISPR(0) = 1u << 6;
        a += b;
        b += 0.5f;
        c = a - c;
    }
    return a + b + c;
}

static float sum_quietly(void) {
    volatile float a = 1.0f, b = 2.0f, c = 3.0f;
    for (int i = 0; i < 50; i++) {
        a += b;
        b += 0.5f;
        c = a - c;
    }
    return a + b + c;
}

void test_main(void) {
    console_open(115200u);
    NVIC_IPR(6) = 0x80;
    NVIC_IPR(7) = 0x40;
    NVIC_IPR(8) = 0x80;
    NVIC_ISER(0) = 7u << 6;
    float expected = sum_quietly();
    NVIC_ISPR(0) = 1u << 6 | 1u << 8;
    __asm__ volatile("dsb\nisb");
    note('m');
    __asm__ volatile("cpsid i");
    NVIC_ISPR(0) = 1u << 7;
    note('-');
    wait_for_interrupt();
    note('w');
    __asm__ volatile("cpsie i\nisb");
    note('+');
    __asm__ volatile("msr basepri, %0\nisb" ::"r"(0x50));
    NVIC_ISPR(0) = 1u << 7 | 1u << 8;
    __asm__ volatile("dsb\nisb");
    note('b');
    __asm__ volatile("msr basepri, %0\nisb" ::"r"(0));
    note('B');
    __asm__ volatile("svc 0");
    SCB_ICSR = 1u << 28;
    __asm__ volatile("dsb\nisb");
    note('.');
    order[used] = '\0';
    print("order=");
    print(order);
    put_char('\n');
    print_number("sum", sum_with_interrupts() == expected);
    print("done\n");
}
