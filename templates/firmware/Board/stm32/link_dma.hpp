// The two DMA channels of the link UART; each kind of controller has its own source file.
#pragma once

#include <stdint.h>

#include "registers.hpp"

namespace board::stm32 {

// Enables the controller and connects its channels with the UART's requests.
void prepare_link_dma();

// Receives into `ring` for ever; an interrupt at its half and at its end. False: the channel does
// not stop what it was doing.
bool start_receive_ring(Register& from, uint8_t* ring, uint16_t bytes);

// False after an error of the DMA, which stops the channel for good.
bool receiving();

// Bytes that the ring still takes before it starts over.
uint32_t receive_ring_remaining();

// Sends `count` bytes; an interrupt at the end or after an error.
bool start_transmit(Register& to, const uint8_t* bytes, uint16_t count);

void acknowledge_receive_dma();
void acknowledge_transmit_dma();

}  // namespace board::stm32
