// Where variables and functions lie; the linker script knows these names.
#pragma once

// Zeroed at reset, in memory that DMA reaches and no cache covers.
#define BOARD_DMA_BSS [[gnu::section(".dma_bss.buffers")]]
// Zeroed at reset, in the largest memory: frames and big tables.
#define BOARD_BULK_BSS [[gnu::section(".bulk.buffers")]]
// Copied to the fastest code memory at reset, where the part has one.
#define BOARD_FAST_CODE [[gnu::section(".fast_code.functions")]]
