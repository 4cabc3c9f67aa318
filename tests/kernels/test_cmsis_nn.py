"""Calls of the CMSIS-NN API: parameters, offsets and padding against a stand-in of its contract."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host
from agilenn_cc.verify.random_networks import random_network

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
TARGET = load_target("stm32f746")
CLASSES = ("a", "b", "c", "d")

# The types and functions that our calls use, as their documentation describes them: whole tensors
# [N, H, W, C] of int8, padding as an offset before the image, everything outside counts as zero.
HEADER = """\
#pragma once
#include <stdint.h>
extern "C" {
typedef enum { ARM_CMSIS_NN_SUCCESS = 0, ARM_CMSIS_NN_ARG_ERROR = -1 } arm_cmsis_nn_status;
typedef struct { int32_t w, h; } cmsis_nn_tile;
typedef struct { void* buf; int32_t size; } cmsis_nn_context;
typedef struct { int32_t n, h, w, c; } cmsis_nn_dims;
typedef struct { int32_t *multiplier, *shift; } cmsis_nn_per_channel_quant_params;
typedef struct { int32_t min, max; } cmsis_nn_activation;
typedef struct {
    int32_t input_offset, output_offset;
    cmsis_nn_tile stride, padding, dilation;
    cmsis_nn_activation activation;
} cmsis_nn_conv_params;
typedef struct {
    int32_t input_offset, output_offset, ch_mult;
    cmsis_nn_tile stride, padding, dilation;
    cmsis_nn_activation activation;
} cmsis_nn_dw_conv_params;
typedef struct {
    cmsis_nn_tile stride, padding;
    cmsis_nn_activation activation;
} cmsis_nn_pool_params;
#define TENSORS const cmsis_nn_dims* input_dims, const int8_t* input, \\
    const cmsis_nn_dims* filter_dims, const int8_t* filter, const cmsis_nn_dims* bias_dims, \\
    const int32_t* bias, const cmsis_nn_dims* output_dims, int8_t* output
int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params*, const cmsis_nn_dims*,
                                                const cmsis_nn_dims*, const cmsis_nn_dims*);
arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context*, const cmsis_nn_conv_params*,
                                            const cmsis_nn_per_channel_quant_params*, TENSORS);
int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params*,
                                                      const cmsis_nn_dims*, const cmsis_nn_dims*,
                                                      const cmsis_nn_dims*);
arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context*,
                                                  const cmsis_nn_dw_conv_params*,
                                                  const cmsis_nn_per_channel_quant_params*,
                                                  TENSORS);
int32_t arm_avgpool_s8_get_buffer_size(const int output_columns, const int channels);
arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context*, const cmsis_nn_pool_params*,
                                   const cmsis_nn_dims*, const int8_t*, const cmsis_nn_dims*,
                                   const cmsis_nn_dims*, int8_t*);
arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context*, const cmsis_nn_pool_params*,
                                    const cmsis_nn_dims*, const int8_t*, const cmsis_nn_dims*,
                                    const cmsis_nn_dims*, int8_t*);
}
"""

SOURCE = """\
#include "arm_nnfunctions.h"
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
"""


def compiled(graph, source=SOURCE, chosen=None):
    program = compile_network(
        graph,
        TARGET,
        model_id=1,
        alpha=0.5,
        classes=CLASSES,
        levels=8,
        kernels="cmsis-nn",
        chosen=chosen,
    )
    library = {"arm_nnfunctions.h": HEADER, "arm_nnfunctions.cpp": source}
    files = {f"Generated/{name}": text.encode() for name, text in library.items()}
    return replace(program, files={**program.files, **files})


def images_for(program, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, *program.input_shape), dtype=np.uint8)
    images[-1] = rng.choice([0, 255], program.input_shape)
    return images


@needs_compiler
@pytest.mark.parametrize("seed", range(400, 412))
def test_random_networks_against_the_contract(seed):
    graph = random_network(seed)
    program = compiled(graph)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, result.first_mismatch
    assert result.tensors == len(graph.tensors)


@needs_compiler
@pytest.mark.parametrize("seed", range(430, 438))
def test_layers_of_different_kernels_read_each_others_rows(seed):
    graph = random_network(seed)
    rng = np.random.default_rng(seed)
    names = ("cmsis-nn", "portable", "specialised")
    chosen = {op.name: names[int(rng.integers(3))] for op in graph.ops}
    program = compiled(graph, chosen=chosen)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, result.first_mismatch


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("p->padding.h + v", "p->padding.w + v"),
        ("p->stride.w", "p->stride.h"),
        ("+ p->input_offset", "- p->input_offset"),
        ("q->shift[k]) + p->output_offset", "q->shift[k]) - p->output_offset"),
        ("(k * f->h + v) * f->w + u", "(k * f->w + u) * f->h + v"),
    ],
)
def test_the_contract_is_what_is_tested(right, wrong):
    """A library that understands one parameter otherwise yields other values."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder("net")
    tensor = builder.input((11, 9, 2))
    for name, stride, activation in (("first", (2, 1), "relu"), ("second", (1, 2), None)):
        channels = builder.type_of(tensor).channels
        tensor = builder.conv2d(
            name,
            tensor,
            rng.integers(-127, 128, (4, 5, 3, channels)),
            rng.uniform(0.5, 1.5, 4) / 700,
            rng.integers(-500, 500, 4),
            scale=1 / 90,
            zero_point=-31,
            stride=stride,
            activation=activation,
        )
    gap = builder.mean("gap", tensor, scale=1 / 100, zero_point=0)
    weights = rng.integers(-127, 128, (4, 4))
    builder.dense("logits", gap, weights, np.full(4, 0.01), np.zeros(4), scale=0.02, zero_point=0)
    graph = builder.finish(("logits",))
    assert right in SOURCE
    images = images_for(compiled(graph), 2)
    assert verify_host(compiled(graph), graph, images).mismatches == 0
    assert verify_host(compiled(graph, SOURCE.replace(right, wrong)), graph, images).mismatches > 0


@needs_compiler
def test_a_library_that_wants_more_memory_stops_the_program():
    graph = random_network(401)
    greedy = SOURCE.replace("return 2 * input->c", "return 99999 * input->c").replace(
        "return columns_bytes(", "return 1000000 + columns_bytes("
    )
    program = compiled(graph, greedy)
    with pytest.raises(AgilennError, match="stopped with an error"):
        verify_host(program, graph, images_for(program, 1))


def test_rows_stay_bytes_between_layers_of_the_library():
    program = compiled(random_network(404))
    sources = program.files["Generated/network.cpp"].decode()
    windows = {s.name for s in program.stages if s.kernel == "cmsis-nn"}
    assert windows
    assert "int16_t input_rows" not in sources
    assert all(f"{name}_scratch" in sources for name in windows)


def test_single_rounding_is_refused_by_the_compiler():
    header = compiled(random_network(404)).files["Generated/cmsis_nn_kernels.hpp"].decode()
    assert "#if defined(CMSIS_NN_USE_SINGLE_ROUNDING)\n#error" in header
