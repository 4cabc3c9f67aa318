"""The spec: YAML with positions, its model, the network language."""

from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    MobileNetV2,
    Separable,
    layer_shapes,
    output_shape,
)
from agilenn_cc.spec.load import load_spec
from agilenn_cc.spec.model import DatasetSpec, Spec
from agilenn_cc.spec.reference import spec_reference
from agilenn_cc.spec.schema import spec_json_schema

__all__ = [
    "AveragePool",
    "Conv",
    "DatasetSpec",
    "Dense",
    "Depthwise",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "MobileNetV2",
    "Separable",
    "Spec",
    "layer_shapes",
    "load_spec",
    "output_shape",
    "spec_json_schema",
    "spec_reference",
]
