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

// Scores are in units of 2^-23 of a logit: a weight (2^-15) times a logit (2^-8).

// Writes the score alpha x local + (1 - alpha) x remote of each class and returns the first class
// with the greatest one. `local` are the local net's int8 logits, `remote_q8` the answer's, in
// units of 1/256.
uint16_t combine(const CombinationRule& rule, const int8_t* local, const int16_t* remote_q8,
                 uint16_t classes, int32_t* scores_q23);

// The same when the server has no part in it: the local logits alone.
uint16_t local_answer(const CombinationRule& rule, const int8_t* local, uint16_t classes,
                      int32_t* scores_q23);

}  // namespace agilenn
