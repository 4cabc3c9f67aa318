// The class that local and remote logits decide together (paper, section 5.1), in integers.
#pragma once

#include <stdint.h>

namespace agilenn {

struct CombinationRule {
    uint16_t alpha_q15;        // weight of the local answer: 0 .. 32768 stands for 0 .. 1
    int32_t local_scale_q24;   // scale of the local logits x 2^24
    int32_t local_zero_point;  // of the local logits
};

// Returns a local logit in units of 1/256, saturated.
int16_t local_logit_q8(const CombinationRule& rule, int8_t logit);

// Returns the first class with the greatest score
//     alpha x local + (1 - alpha) x remote.
// `local` are the local net's int8 logits, `remote_q8` the answer's, in units of 1/256.
uint16_t combine(const CombinationRule& rule, const int8_t* local, const int16_t* remote_q8,
                 uint16_t classes);

// Returns the first class with the greatest local logit: the answer when the server has none.
uint16_t local_answer(const int8_t* local, uint16_t classes);

}  // namespace agilenn
