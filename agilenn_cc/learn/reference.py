"""The reference network, whose gradients say how important a feature is (Sec. 3.1).

Whatever it is, it has two faces: `full`, from images to logits, and `trunk`, its part behind the
cut. The trunk takes the extractor's features through an `adapter`, a resize where the maps differ
in size and a 1x1 convolution, trained together with the extractor while the trunk is frozen: so
the extractor may bring what the trunk needs in other channels than the trunk would read it from.
"""

from __future__ import annotations

from dataclasses import dataclass

from agilenn_cc.learn.attribution import Attribution, CachingAttribution
from agilenn_cc.learn.backend import Model, Tensor, derive_seed, keras
from agilenn_cc.learn.convolution import Convolution
from agilenn_cc.learn.networks import BATCH_NORM_MOMENTUM, Identity1x1, ends_rectified
from agilenn_cc.learn.reference_files import load_user_reference
from agilenn_cc.learn.rest import at_rest
from agilenn_cc.spec import Spec
from agilenn_cc.spec.layers import AveragePool, Conv, Depthwise, Layer, MaxPool, Separable

STEM_FILTERS = 32
TRUNK_FILTERS = (64, 96, 128, 160)
EFFICIENTNET_SIZE = 224
EFFICIENTNET_CUT = "stem_activation"


@dataclass(frozen=True)
class Reference:
    """A reference network cut in two.

    `full` maps images [N, H, W, C] in (pixel - 128) / 128 to logits [N, classes]; `trunk` maps the
    tensor at the cut to logits, with the layers of `full` and its batch norms at rest; `adapter`
    maps the extractor's features to the cut. `trainable` says whether the reference has still to
    be trained on the task.
    """

    full: Model
    trunk: Model
    adapter: Model
    trainable: bool

    def on_features(self, features: Tensor) -> Tensor:
        """Return the frozen reference's logits [N, classes] for the extractor's features."""
        return self.trunk(self.adapter(features), training=False)

    def networks(self) -> dict[str, Model]:
        """Return the parts that a checkpoint must hold, by name."""
        parts = {"adapter": self.adapter}
        return {"reference": self.full, **parts} if self.trainable else parts


def prepare(attribution: Attribution, reference: Reference) -> None:
    """Let an attribution that caches something compute it for the reference as it is now."""
    if isinstance(attribution, CachingAttribution):
        height, width, channels = reference.adapter.input_shape[1:]
        classes = int(reference.trunk.output_shape[-1])
        attribution.prepare(reference.on_features, (height, width, channels), classes)


def build_reference(spec: Spec, classes: int) -> Reference:
    """Return the reference that `spec.reference` names, untrained where it is ours.

    Raises `AgilennError`: exit 3 for a file or a cut that does not exist or does not fit, exit 7
    where ImageNet weights cannot be downloaded.
    """
    model, seed = spec.reference.model, derive_seed(spec.seed, "reference")
    if model == "builtin":
        full, trunk = _built_in(spec, classes, seed)
        trainable = True
    elif model == "efficientnetv2-s":
        full, trunk = _efficientnet(spec, classes, seed)
        trainable = True
    else:
        full, trunk = load_user_reference(spec, classes)
        trainable = False
    adapter = build_adapter(spec.feature_shape, tuple(trunk.input_shape[1:]), seed)
    return Reference(full, at_rest(trunk), adapter, trainable)


def build_adapter(features: tuple[int, int, int], cut: tuple[int | None, ...], seed: int) -> Model:
    """Return the model from `features` (H, W, C) to `cut` (h, w, c)."""
    height, width, channels = (cut[0] or features[0], cut[1] or features[1], cut[2] or features[2])
    inputs = keras.Input(features, name="adapter_input")
    tensor = inputs
    same = channels == features[2]
    initialiser = (
        keras.initializers.Identity()
        if same
        else keras.initializers.GlorotUniform(seed=derive_seed(seed, "adapter"))
    )
    kernel = Identity1x1() if same else initialiser
    tensor = keras.layers.Conv2D(
        channels, 1, use_bias=True, kernel_initializer=kernel, name="adapter_conv"
    )(tensor)
    if (height, width) != features[:2]:
        tensor = keras.layers.Resizing(height, width, name="adapter_resize")(tensor)
    return keras.Model(inputs, tensor, name="adapter")


def _norm_swish(tensor: Tensor, name: str) -> Tensor:
    normal = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")
    return keras.layers.Activation("swish", name=f"{name}_swish")(normal(tensor))


def _conv(
    tensor: Tensor,
    filters: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    name: str,
    seed: int,
) -> Tensor:
    return Convolution(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(seed, name)),
        name=name,
    )(tensor)


def _built_in(spec: Spec, classes: int, seed: int) -> tuple[Model, Model]:
    """Return a small CNN cut where its map has the features' shape.

    Before the cut it is a wider extractor that ends as the extractor does (kernel, stride,
    activation), so that the extractor is able to give what the trunk was trained on. Activations
    behind the cut are smooth (swish): behind ReLUs the gradient is constant almost everywhere, and
    gradient saliency would give the extractor nothing to learn from.
    """
    inputs = keras.Input(spec.input_shape, name="reference_input")
    tensor = inputs
    *first, last = spec.network.extractor
    for index, layer in enumerate(first):
        name = f"reference_stem_{index + 1}"
        conv = _conv(tensor, STEM_FILTERS, _kernel(layer), _stride(layer), name, seed)
        tensor = _norm_swish(conv, name)
    name = "reference_cut"
    tensor = _conv(tensor, spec.feature_shape[2], _kernel(last), _stride(last), name, seed)
    tensor = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name + "_norm")(
        tensor
    )
    if ends_rectified(spec.network.extractor):
        tensor = keras.layers.ReLU(6.0, name=name + "_relu6")(tensor)
    stem = keras.Model(inputs, tensor, name="stem")
    trunk = _built_in_trunk(spec.feature_shape, classes, seed)
    return keras.Model(inputs, trunk(stem.output), name="reference"), trunk


def _built_in_trunk(shape: tuple[int, int, int], classes: int, seed: int) -> Model:
    """Return the net behind the cut: a layer at the cut's size, then halved down to 2 x 2."""
    inputs = keras.Input(shape, name="trunk_input")
    tensor = inputs
    for index, filters in enumerate(TRUNK_FILTERS):
        halve = index > 0 and min(tensor.shape[1:3]) > 2
        name = f"reference_trunk_{index + 1}"
        stride = (2, 2) if halve else (1, 1)
        tensor = _norm_swish(_conv(tensor, filters, (3, 3), stride, name, seed), name)
        if index > 0 and not halve:
            break
    tensor = keras.layers.GlobalAveragePooling2D(name="reference_gap")(tensor)
    initialiser = keras.initializers.GlorotUniform(seed=derive_seed(seed, "dense"))
    tensor = keras.layers.Dense(classes, kernel_initializer=initialiser, name="reference_dense")(
        tensor
    )
    return keras.Model(inputs, tensor, name="trunk")


def _kernel(layer: Layer) -> tuple[int, int]:
    return layer.kernel if isinstance(layer, Conv | Depthwise | Separable) else (3, 3)


def _stride(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, MaxPool | AveragePool):
        return layer.size
    if isinstance(layer, Conv | Depthwise | Separable):
        return layer.stride
    raise TypeError(f"an extractor cannot hold {layer!r}")


def _efficientnet(spec: Spec, classes: int, seed: int) -> tuple[Model, Model]:
    """Return EfficientNetV2-S for the task, cut behind its stem of 24 channels (Sec. 7).

    Small images are enlarged to the 224 pixels that the ImageNet weights expect.
    """
    from agilenn_cc.learn.reference_files import cut_model, efficientnet_body

    size = EFFICIENTNET_SIZE if spec.reference.weights == "imagenet" else max(spec.input_shape[:2])
    body = efficientnet_body(spec.reference.weights, max(size, 32))
    pooled = keras.layers.GlobalAveragePooling2D(name="reference_gap")(body.output)
    initialiser = keras.initializers.GlorotUniform(seed=derive_seed(seed, "dense"))
    logits = keras.layers.Dense(classes, kernel_initializer=initialiser, name="reference_dense")(
        pooled
    )
    tuned = keras.Model(body.input, logits, name="efficientnetv2-s")
    trunk = cut_model(tuned, EFFICIENTNET_CUT)
    inputs = keras.Input(spec.input_shape, name="reference_input")
    tensor = keras.layers.Rescaling(128.0, offset=128.0, name="reference_pixels")(inputs)
    tensor = keras.layers.Resizing(*body.input_shape[1:3], name="reference_resize")(tensor)
    if spec.input_shape[2] == 1:
        tensor = keras.layers.Concatenate(name="reference_colour")([tensor] * 3)
    return keras.Model(inputs, tuned(tensor), name="reference"), trunk
