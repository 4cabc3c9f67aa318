// Level-1 caches of the Cortex-M7.
#pragma once

namespace board {

// Invalidates and enables instruction and data cache (PM0253 section 4.8). DMA buffers must lie in
// uncached memory: section `.dma_bss`.
void enable_caches();

}  // namespace board
