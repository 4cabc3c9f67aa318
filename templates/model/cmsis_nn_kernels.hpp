// Rows computed by CMSIS-NN: an output row is a tensor of height one over the rows below its
// window. The library must be part of the project, its folder `Include` an include directory.
#pragma once

#include <stdint.h>

#include "arm_nnfunctions.h"
#include "row_kernels.hpp"

#if defined(CMSIS_NN_USE_SINGLE_ROUNDING)
#error "The network was verified with CMSIS-NN's double rounding: CMSIS_NN_USE_SINGLE_ROUNDING off"
#endif

namespace agilenn::kernels::cmsis_nn {

// A call that fails, or a library that wants more memory than was planned, is a defect of the
// build: the fault handler reports where.
AGILENN_INLINE void require(bool condition) {
    if (!condition) {
        __builtin_trap();
    }
}

// The valid rows of the window, one after the other, as int8 with the zero point.
template <class Layer, class Value>
AGILENN_INLINE const int8_t* gather(int16_t* scratch, const Window<Layer::kRows, Value>& window) {
    constexpr int kRowValues = Layer::kInputColumns * Layer::kInputChannels;
    auto* const gathered = reinterpret_cast<int8_t*>(scratch);
    for (int row = 0; row < window.count; ++row) {
        int8_t* values = gathered + row * kRowValues;
        const Value* pixel = window.rows[row] + Layer::kMargin * Layer::kPixelValues;
        if constexpr (sizeof(Value) == 1 && Layer::kPixelValues == Layer::kInputChannels) {
            __builtin_memcpy(values, pixel, kRowValues);
        } else {
            for (int column = 0; column < Layer::kInputColumns; ++column) {
                for (int channel = 0; channel < Layer::kInputChannels; ++channel) {
                    *values++ = static_cast<int8_t>(pixel[channel] + Layer::kSourceZero);
                }
                pixel += Layer::kPixelValues;
            }
        }
    }
    return gathered;
}

// Where the library writes the row: straight into the output if that holds the same bytes.
template <class Layer>
AGILENN_INLINE int8_t* destination(typename Layer::Output* out, int16_t* scratch) {
    if constexpr (Layer::kDirect) {
        return out;
    } else {
        return reinterpret_cast<int8_t*>(scratch) + Layer::kRowStart;
    }
}

template <class Layer>
AGILENN_INLINE void spread(typename Layer::Output* out, const int8_t* values) {
    if constexpr (!Layer::kDirect) {
        for (int column = 0; column < Layer::kColumns; ++column) {
            for (int channel = 0; channel < Layer::kChannels; ++channel) {
                out[column * Layer::kOutputStep + channel] =
                    static_cast<typename Layer::Output>(*values++ - Layer::kStoredZero);
            }
        }
    }
}

template <class Layer>
AGILENN_INLINE cmsis_nn_context buffer(int16_t* scratch) {
    return {reinterpret_cast<int8_t*>(scratch) + Layer::kBufferStart, Layer::kBufferBytes};
}

template <class Layer>
AGILENN_INLINE cmsis_nn_dims input_dims(int rows) {
    return {1, rows, Layer::kInputColumns, Layer::kInputChannels};
}

template <class Layer>
inline constexpr cmsis_nn_dims kOutputDims = {1, 1, Layer::kColumns, Layer::kChannels};

template <class Layer>
inline constexpr cmsis_nn_dims kBiasDims = {1, 1, 1, Layer::kChannels};

// The library takes its tables without const, and only reads them.
AGILENN_INLINE cmsis_nn_per_channel_quant_params scaling(const int32_t* multipliers,
                                                         const int32_t* shifts) {
    return {const_cast<int32_t*>(multipliers), const_cast<int32_t*>(shifts)};
}

template <class Layer, class Value>
AGILENN_INLINE void convolve_row(typename Layer::Output* out,
                                 const Window<Layer::kRows, Value>& window, int16_t* scratch,
                                 const int8_t* weights, const int32_t* bias,
                                 const int32_t* multipliers, const int32_t* shifts) {
    const cmsis_nn_context context = buffer<Layer>(scratch);
    const cmsis_nn_conv_params parameters = {Layer::kInputOffset,
                                             Layer::kOutputOffset,
                                             {Layer::kStride, Layer::kRowStride},
                                             {Layer::kLeft, window.first},
                                             {1, 1},
                                             {Layer::kLow, Layer::kHigh}};
    const cmsis_nn_per_channel_quant_params scales = scaling(multipliers, shifts);
    const cmsis_nn_dims input = input_dims<Layer>(window.count);
    const cmsis_nn_dims filter = {Layer::kChannels, Layer::kRows, Layer::kTaps,
                                  Layer::kInputChannels};
    require(arm_convolve_wrapper_s8_get_buffer_size(&parameters, &input, &filter,
                                                    &kOutputDims<Layer>) <= Layer::kBufferBytes);
    const int8_t* values = gather<Layer>(scratch, window);
    int8_t* row = destination<Layer>(out, scratch);
    require(arm_convolve_wrapper_s8(&context, &parameters, &scales, &input, values, &filter,
                                    weights, &kBiasDims<Layer>, bias, &kOutputDims<Layer>,
                                    row) == ARM_CMSIS_NN_SUCCESS);
    spread<Layer>(out, row);
}

template <class Layer, class Value>
AGILENN_INLINE void convolve_depthwise_row(typename Layer::Output* out,
                                           const Window<Layer::kRows, Value>& window,
                                           int16_t* scratch, const int8_t* weights,
                                           const int32_t* bias, const int32_t* multipliers,
                                           const int32_t* shifts) {
    const cmsis_nn_context context = buffer<Layer>(scratch);
    const cmsis_nn_dw_conv_params parameters = {Layer::kInputOffset,
                                                Layer::kOutputOffset,
                                                1,
                                                {Layer::kStride, Layer::kRowStride},
                                                {Layer::kLeft, window.first},
                                                {1, 1},
                                                {Layer::kLow, Layer::kHigh}};
    const cmsis_nn_per_channel_quant_params scales = scaling(multipliers, shifts);
    const cmsis_nn_dims input = input_dims<Layer>(window.count);
    const cmsis_nn_dims filter = {1, Layer::kRows, Layer::kTaps, Layer::kChannels};
    require(arm_depthwise_conv_wrapper_s8_get_buffer_size(
                &parameters, &input, &filter, &kOutputDims<Layer>) <= Layer::kBufferBytes);
    const int8_t* values = gather<Layer>(scratch, window);
    int8_t* row = destination<Layer>(out, scratch);
    require(arm_depthwise_conv_wrapper_s8(&context, &parameters, &scales, &input, values, &filter,
                                          weights, &kBiasDims<Layer>, bias, &kOutputDims<Layer>,
                                          row) == ARM_CMSIS_NN_SUCCESS);
    spread<Layer>(out, row);
}

template <class Layer>
AGILENN_INLINE cmsis_nn_pool_params pool_parameters(int top) {
    return {{Layer::kStride, Layer::kRowStride}, {Layer::kLeft, top}, {Layer::kLow, Layer::kHigh}};
}

template <class Layer>
inline constexpr cmsis_nn_dims kPoolDims = {1, Layer::kRows, Layer::kTaps, 1};

template <class Layer, class Value>
AGILENN_INLINE void pool_average_row(typename Layer::Output* out,
                                     const Window<Layer::kRows, Value>& window, int16_t* scratch) {
    require(arm_avgpool_s8_get_buffer_size(Layer::kColumns, Layer::kChannels) <=
            Layer::kBufferBytes);
    const cmsis_nn_context context = buffer<Layer>(scratch);
    const cmsis_nn_pool_params parameters = pool_parameters<Layer>(window.first);
    const cmsis_nn_dims input = input_dims<Layer>(window.count);
    const int8_t* values = gather<Layer>(scratch, window);
    int8_t* row = destination<Layer>(out, scratch);
    require(arm_avgpool_s8(&context, &parameters, &input, values, &kPoolDims<Layer>,
                           &kOutputDims<Layer>, row) == ARM_CMSIS_NN_SUCCESS);
    spread<Layer>(out, row);
}

template <class Layer, class Value>
AGILENN_INLINE void pool_maximum_row(typename Layer::Output* out,
                                     const Window<Layer::kRows, Value>& window, int16_t* scratch) {
    const cmsis_nn_context context = buffer<Layer>(scratch);
    const cmsis_nn_pool_params parameters = pool_parameters<Layer>(window.first);
    const cmsis_nn_dims input = input_dims<Layer>(window.count);
    const int8_t* values = gather<Layer>(scratch, window);
    int8_t* row = destination<Layer>(out, scratch);
    require(arm_max_pool_s8(&context, &parameters, &input, values, &kPoolDims<Layer>,
                            &kOutputDims<Layer>, row) == ARM_CMSIS_NN_SUCCESS);
    spread<Layer>(out, row);
}

}  // namespace agilenn::kernels::cmsis_nn
