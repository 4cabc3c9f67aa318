// Stands for the library in tests: plain loops over whole tensors [N, H, W, C] of int8, padding as
// an offset before the image, everything outside counts as zero; written from the documentation of
// the functions, with the rounding of the integer reference.
#include "arm_nnfunctions.h"

// clang-format off
#define TENSORS const cmsis_nn_dims* input_dims, const int8_t* input, \
    const cmsis_nn_dims* filter_dims, const int8_t* filter, const cmsis_nn_dims* bias_dims, \
    const int32_t* bias, const cmsis_nn_dims* output_dims, int8_t* output
namespace {
int64_t at(const cmsis_nn_dims* d, int64_t y, int64_t x) { return (y * d->w + x) * d->c; }
bool inside(const cmsis_nn_dims* d, int64_t y, int64_t x) {
    return y >= 0 && y < d->h && x >= 0 && x < d->w;
}
int8_t bounded(int64_t value, const cmsis_nn_activation& a) {
    return static_cast<int8_t>(value < a.min ? a.min : value > a.max ? a.max : value);
}
// Doubling high multiply, then a right shift, both rounded to nearest.
int64_t rescaled(int64_t sum, int32_t multiplier, int32_t shift) {
    const uint32_t moved = static_cast<uint32_t>(sum) << (shift > 0 ? shift : 0);
    const int64_t left = static_cast<int32_t>(moved);
    const int64_t high = (left * multiplier + (int64_t{1} << 30)) >> 31;
    if (shift >= 0) return high;
    const int64_t divisor = int64_t{1} << -shift, half = divisor / 2;
    return (high >= 0 ? high + half : high - half) / divisor;
}
// The work buffer is the caller's for the time of the call: everything in it is overwritten.
void scribble(const cmsis_nn_context* context, int32_t needed) {
    for (int32_t i = 0; i < needed; ++i) static_cast<int8_t*>(context->buf)[i] = 0x5A;
}
int32_t columns_bytes(const cmsis_nn_dims* input, const cmsis_nn_dims* filter) {
    return 4 * ((input->c * filter->h * filter->w + 3) / 4 * 4);
}
}  // namespace
extern "C" {
int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params*,
        const cmsis_nn_dims* input, const cmsis_nn_dims* filter, const cmsis_nn_dims*) {
    return columns_bytes(input, filter);
}
arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context* context,
        const cmsis_nn_conv_params* p, const cmsis_nn_per_channel_quant_params* q, TENSORS) {
    const cmsis_nn_dims *i = input_dims, *f = filter_dims, *o = output_dims;
    if (i->n != 1 || f->c != i->c || f->n != o->c || bias_dims->c != o->c || p->dilation.w != 1 ||
        p->dilation.h != 1 || context->size < columns_bytes(i, f)) return ARM_CMSIS_NN_ARG_ERROR;
    scribble(context, columns_bytes(i, f));
    for (int y = 0; y < o->h; ++y) for (int x = 0; x < o->w; ++x) for (int k = 0; k < o->c; ++k) {
        int64_t sum = bias[k];
        for (int v = 0; v < f->h; ++v) for (int u = 0; u < f->w; ++u) {
            const int64_t row = y * p->stride.h - p->padding.h + v;
            const int64_t column = x * p->stride.w - p->padding.w + u;
            if (!inside(i, row, column)) continue;
            for (int c = 0; c < i->c; ++c)
                sum += (input[at(i, row, column) + c] + p->input_offset) *
                       filter[((k * f->h + v) * f->w + u) * f->c + c];
        }
        output[at(o, y, x) + k] = bounded(
            rescaled(sum, q->multiplier[k], q->shift[k]) + p->output_offset, p->activation);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params*,
        const cmsis_nn_dims* input, const cmsis_nn_dims* filter, const cmsis_nn_dims*) {
    return 2 * input->c * filter->h * filter->w;
}
arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context* context,
        const cmsis_nn_dw_conv_params* p, const cmsis_nn_per_channel_quant_params* q, TENSORS) {
    const cmsis_nn_dims *i = input_dims, *f = filter_dims, *o = output_dims;
    if (i->n != 1 || f->n != 1 || f->c != o->c || p->ch_mult * i->c != o->c ||
        bias_dims->c != o->c || p->dilation.w != 1 || p->dilation.h != 1 ||
        context->size < 2 * i->c * f->h * f->w) return ARM_CMSIS_NN_ARG_ERROR;
    scribble(context, 2 * i->c * f->h * f->w);
    for (int y = 0; y < o->h; ++y) for (int x = 0; x < o->w; ++x) for (int k = 0; k < o->c; ++k) {
        int64_t sum = bias[k];
        for (int v = 0; v < f->h; ++v) for (int u = 0; u < f->w; ++u) {
            const int64_t row = y * p->stride.h - p->padding.h + v;
            const int64_t column = x * p->stride.w - p->padding.w + u;
            if (inside(i, row, column))
                sum += (input[at(i, row, column) + k / p->ch_mult] + p->input_offset) *
                       filter[(v * f->w + u) * f->c + k];
        }
        output[at(o, y, x) + k] = bounded(
            rescaled(sum, q->multiplier[k], q->shift[k]) + p->output_offset, p->activation);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
int32_t arm_avgpool_s8_get_buffer_size(const int, const int channels) { return 4 * channels; }
arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context* context, const cmsis_nn_pool_params* p,
        const cmsis_nn_dims* i, const int8_t* input, const cmsis_nn_dims* f, const cmsis_nn_dims* o,
        int8_t* output) {
    if (context->size < 4 * i->c || i->c != o->c) return ARM_CMSIS_NN_ARG_ERROR;
    scribble(context, 4 * i->c);
    for (int y = 0; y < o->h; ++y) for (int x = 0; x < o->w; ++x) for (int k = 0; k < o->c; ++k) {
        int64_t sum = 0, count = 0;
        for (int v = 0; v < f->h; ++v) for (int u = 0; u < f->w; ++u) {
            const int64_t row = y * p->stride.h - p->padding.h + v;
            const int64_t column = x * p->stride.w - p->padding.w + u;
            if (inside(i, row, column)) { sum += input[at(i, row, column) + k]; ++count; }
        }
        const int64_t half = count / 2;
        output[at(o, y, x) + k] =
            bounded((sum > 0 ? sum + half : sum - half) / count, p->activation);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context*, const cmsis_nn_pool_params* p,
        const cmsis_nn_dims* i, const int8_t* input, const cmsis_nn_dims* f, const cmsis_nn_dims* o,
        int8_t* output) {
    for (int y = 0; y < o->h; ++y) for (int x = 0; x < o->w; ++x) for (int k = 0; k < o->c; ++k) {
        int64_t best = -128;
        for (int v = 0; v < f->h; ++v) for (int u = 0; u < f->w; ++u) {
            const int64_t row = y * p->stride.h - p->padding.h + v;
            const int64_t column = x * p->stride.w - p->padding.w + u;
            if (inside(i, row, column) && input[at(i, row, column) + k] > best)
                best = input[at(i, row, column) + k];
        }
        output[at(o, y, x) + k] = bounded(best, p->activation);
    }
    return ARM_CMSIS_NN_SUCCESS;
}
}
