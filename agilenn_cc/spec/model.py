"""The model of a spec: every key with its type, bounds, default and description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from agilenn_cc.errors import Position
from agilenn_cc.spec.augmentation import Augmentation, Flip, Shift
from agilenn_cc.spec.fields import (
    Augmentations,
    Bytes,
    Image,
    Layers,
    Milliseconds,
    PluginName,
    Rates,
    Remote,
    ServerAddress,
)
from agilenn_cc.spec.layers import Dense, GlobalAveragePool, MobileNetV2, output_shape
from agilenn_cc.spec.profiles import profile_defaults
from agilenn_cc.spec.source import Document

KNOWN_IMAGES: dict[str, tuple[int, int, int]] = {
    "digits": (8, 8, 1),
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
    "svhn": (32, 32, 3),
    "imagenet200": (64, 64, 3),
}
"""Native (height, width, channels) of the data sets that the package knows by name."""

PHOTOGRAPHS = ("cifar10", "cifar100", "imagenet200")
"""Named data sets whose images mean the same when they are mirrored."""

BUILTIN_REFERENCES = ("builtin", "efficientnetv2-s")

_HEADER_BYTES = 32
_ATTRIBUTION = PluginName(
    "agilenn_cc.attributions",
    (
        "integrated-gradients",
        "integrated-gradients-first-order",
        "integrated-gradients-two-point",
        "integrated-gradients-two-point-first-order",
        "gradient-saliency",
    ),
)
_Fraction = Annotated[float, Field(gt=0, le=0.5)]
_Weight = Annotated[float, Field(ge=0, le=100)]


class Section(BaseModel):
    """What all sections share: frozen, strict types, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Limit(Section):
    """Uses only the first images, for quick runs; the validation images come out of `train`."""

    train: int | None = Field(None, ge=1, description="Number of training images to use.")
    test: int | None = Field(None, ge=1, description="Number of test images to use.")


class DatasetSpec(Section):
    """Where the images come from: exactly one of `name`, `images`, `npz` and `audio`."""

    name: str | None = Field(
        None,
        description=(
            "A data set known by name: `digits`, `cifar10`, `cifar100` (fine labels), `svhn` "
            "(cropped digits), `imagenet200` (Tiny-ImageNet), or one of an installed plugin."
        ),
    )
    images: str | None = Field(
        None,
        description=(
            "A folder with one folder of images a class, or with such trees in `train/` and "
            "`test/`. Any sizes, grey or colour; EXIF rotation is obeyed."
        ),
    )
    npz: str | None = Field(
        None,
        description=(
            "A NumPy archive with uint8 images [N,H,W] or [N,H,W,C] and whole-number labels [N]: "
            "`x`, `y`, or `x_train`, `y_train`, `x_test`, `y_test`; optionally `classes`, "
            "their names."
        ),
    )
    audio: str | None = Field(
        None,
        description=(
            "A folder with one folder of WAV files a class, as with `images`. Each becomes a "
            "log-mel spectrogram, mono at 16 kHz: the rows of `image` are frames of 32 ms, its "
            "columns up to 128 mel bands of 20 Hz to 8 kHz, its values 0 to 255 are -80 to 0 dB."
        ),
    )
    clip_ms: Milliseconds = Field(
        1000.0,
        alias="clip",
        ge=32,
        le=60_000,
        description=(
            "With `audio`: length of the clip in a spectrogram. Of longer recordings the middle "
            "is used, shorter ones are put between zeros."
        ),
    )
    path: str | None = Field(
        None,
        description=(
            "Where the files of a named data set lie. Without it: the folder in the environment "
            "variable AGILENN_DATA, then a download into the user's cache."
        ),
    )
    image: Image | None = Field(
        None,
        description=(
            "Size of the network's input; images are resized (bilinear) and turned grey or "
            "colour as needed. Default: the native size of a named data set."
        ),
    )
    augmentation: Augmentations = Field(
        "auto",
        description=(
            "How training images are varied at random, a list in the order of use: `flip`, "
            "`shift N` (pixels), `brightness X`, `contrast X`, `cutout N` (docs/data.md). `auto`: "
            "`flip` and `shift` by an eighth for colour photographs (`cifar10`, `cifar100`, "
            "`imagenet200`, folders of colour images), else nothing."
        ),
    )
    normalisation: Literal["centre", "standard"] = Field(
        "centre",
        description=(
            "What the extractor sees in training: `centre`, (pixel - 128) / 128, or `standard`, "
            "mean 0 and deviation 1 per channel of the training images. The device takes raw bytes "
            "in both cases (docs/data.md)."
        ),
    )
    validation: _Fraction = Field(
        0.1, description="Part of the training images kept for choosing; never from the test set."
    )
    test: _Fraction = Field(
        0.2, description="Part of the images kept as test set, where the data has none of its own."
    )
    limit: Limit = Field(Limit(), description="Uses only a part of the images, for quick runs.")

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of the network's input, None where the spec lacks it."""
        return self.image or KNOWN_IMAGES.get(self.name or "")

    @property
    def augmentations(self) -> tuple[Augmentation, ...]:
        """What training images go through, `auto` resolved.

        Photographs mean the same when mirrored or moved; digits and spectrograms do not, and of
        arrays nothing is known.
        """
        if self.augmentation != "auto":
            return self.augmentation
        height, width, channels = self.shape or (0, 0, 0)
        if self.name not in PHOTOGRAPHS and (self.images is None or channels != 3):
            return ()
        pixels = min(height, width) // 8
        return (Flip(), Shift(pixels)) if pixels else (Flip(),)


class ReferenceSpec(Section):
    """The reference network whose gradients say how important a feature is (paper, section 3)."""

    model: str = Field(
        "builtin",
        description=(
            "`builtin` (a small CNN), `efficientnetv2-s`, or the path of your own `.keras` or "
            "`.h5` file or SavedModel folder."
        ),
    )
    weights: Literal["imagenet", "none"] = Field(
        "imagenet", description="Initial weights of `efficientnetv2-s`."
    )
    cut: str | None = Field(
        None,
        description=(
            "With your own model: the layer whose output the extractor replaces. Required there."
        ),
    )


class NetworkSpec(Section):
    """Extractor and local net on the device, remote net on the server; or `tflite` instead."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["extractor"]}, {"required": ["tflite"]}]}
    )

    extractor: Layers = Field(
        (),
        description=(
            "Device: image to feature map. Layers with a map as output, one a line. Required "
            "without `tflite`."
        ),
    )
    local: Layers = Field(
        (GlobalAveragePool(), Dense(None)),
        description="Device: the top feature channels to logits; ends with `dense classes`.",
    )
    remote: Remote = Field(
        MobileNetV2(1.0),
        description=(
            "Server: the sent feature channels to logits; layers that end with `dense classes`, "
            "or `mobilenetv2 [width W]`."
        ),
    )
    init: Literal["auto", "random", "pca"] = Field(
        "auto",
        description=(
            "Initial weights of the extractor. `pca`: the principal components of the training "
            "images' blocks, for an extractor that begins with a linear block convolution such as "
            "`conv 8 4x4 /4`. `auto`: `pca` where such a convolution is the whole extractor, else "
            "`random`."
        ),
    )
    mapping: Literal["none", "linear"] = Field(
        "none",
        description=(
            "Mapping layer (paper, section 5): `linear` mixes the extractor's channels before its "
            "last activation; it is trained along and folded into the last convolution."
        ),
    )
    tflite: str | None = Field(
        None,
        description=(
            "In place of all others: an int8 .tflite file, which runs on the device as a whole, "
            "without server and link (docs/operators.md)."
        ),
    )


class SplitSpec(Section):
    """Which features stay on the device, and how much of the importance they must hold."""

    top: int = Field(
        5, ge=1, le=1024, description="k: channels that stay on the device (paper, section 3)."
    )
    skewness: float = Field(
        0.8, gt=0, lt=1, description="rho: least importance that the top channels hold (Eq. 2)."
    )


class TrainingSpec(Section):
    """How the split is trained (paper, sections 4 and 7)."""

    profile: Literal["default", "quick", "paper"] = Field(
        "default",
        description=(
            "Defaults of this section's other keys: those below, a training of minutes on two CPU "
            "cores, or the paper's settings (docs/training.md). A key that you write wins."
        ),
    )
    epochs: int = Field(20, ge=1, le=100_000, description="Epochs of joint training.")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("adamw", description="Optimiser.")
    learning_rate: float = Field(4e-3, gt=0, le=10, description="Initial learning rate.")
    weight_decay: float = Field(5e-4, ge=0, lt=1, description="Weight decay.")
    batch: int = Field(64, ge=1, le=65_536, description="Images in a batch.")
    lambda_: float = Field(
        0.05,
        alias="lambda",
        gt=0,
        le=1,
        description=(
            "Weight of the prediction loss; skewness and disorder losses weigh 1 - lambda. "
            "1 trains without them."
        ),
    )
    temperature: float = Field(
        6.0, gt=0, le=1000, description="T in alpha = sigmoid(w / T), which combines the answers."
    )
    attribution: Annotated[str, _ATTRIBUTION] = Field(
        "integrated-gradients-two-point-first-order",
        description="How the importance of a feature is measured.",
    )
    steps: int = Field(
        4, ge=1, le=1000, description="Points of the path integral of integrated gradients."
    )
    baseline: Literal["zero", "mean"] = Field(
        "zero",
        description=(
            "Where the path of integrated gradients begins: all features zero, or each channel's "
            "mean over training images, measured anew each epoch."
        ),
    )
    attribution_every: int = Field(
        1,
        ge=1,
        le=1000,
        description=(
            "Importance losses are computed in every n-th step of an epoch, n times as strong."
        ),
    )
    order: Literal["disorder", "descending", "ranking"] = Field(
        "disorder",
        description=(
            "Loss that brings the important channels to the front: `disorder` (Eq. 1), "
            "`descending` (the strict order of section 4.1), `ranking` (Eq. 1 of logarithms, over "
            "all pairs of channels)."
        ),
    )
    order_margin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Importance by which a top channel should outrank all others in training.",
    )
    skewness_margin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description=(
            "What training adds to `split.skewness`: on new images importance is less skewed."
        ),
    )
    balancing: Literal["fixed", "gradnorm", "cov"] = Field(
        "fixed",
        description=(
            "How lambda goes on: `fixed`, or adapted in training by GradNorm (from `lambda`) or by "
            "the losses' coefficients of variation (paper, section 4.2)."
        ),
    )
    reference_epochs: int = Field(
        10, ge=0, le=100_000, description="Epochs of training or fine-tuning the reference."
    )
    remote_epochs: int = Field(
        3,
        ge=0,
        le=100_000,
        description=(
            "Epochs after joint training in which the remote net alone learns on, behind the "
            "device part as it then is."
        ),
    )
    preprocessing: bool = Field(
        True,
        description=(
            "Prepare the extractor and choose its top channels before joint training (paper, "
            "sections 3.2 and 5). `false` starts from scratch, with the first channels on top."
        ),
    )
    local_loss: _Weight = Field(
        0.05,
        description=(
            "Weight of the local net's own cross-entropy, so that its answer alone means something."
        ),
    )
    adapter: Literal["trained", "frozen"] = Field(
        "trained",
        description=(
            "Whether joint training also moves the 1x1 convolution between the features and the "
            "reference; frozen, as in the paper, important features stay in the channels that the "
            "reference reads them from."
        ),
    )
    importance_gradient: Literal["top", "all"] = Field(
        "top",
        description=(
            "Which features the reference's losses may change: `top`, so that what is sent is "
            "shaped by prediction and rate alone, or `all`, as in the paper."
        ),
    )
    reference_loss: _Weight = Field(
        0.1,
        description=(
            "Weight of the reference's cross-entropy on the features, which keeps it a judge that "
            "the extractor cannot fool."
        ),
    )
    quantiser: Literal["straight-through", "soft-to-hard"] = Field(
        "straight-through",
        description=(
            "How training gets through the quantiser of the sent features: hard from the first "
            "step with the gradient of the identity, or soft and hardening (the paper's)."
        ),
    )
    rate_loss: float = Field(
        0.1,
        ge=0,
        le=100,
        description=(
            "Weight of the code length of the sent features, per bit and symbol: more gives fewer "
            "bytes and a little less accuracy. 0 trains without it."
        ),
    )
    channel_dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description=(
            "Part of the training images that lose some of their sent features, as a lost fragment "
            "would lose them, so that accuracy falls gently when fragments are lost."
        ),
    )
    quantisation: Literal["post-training", "aware"] = Field(
        "post-training",
        description="int8 by calibration alone, or after fine-tuning with quantisation in it.",
    )
    checkpoint: int = Field(1, ge=1, le=100_000, description="Epochs between two checkpoints.")
    early_stop: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description=(
            "Ends a stage when its score on the validation images has not risen for so many "
            "epochs; in joint training, epochs with a soft quantiser do not count. Default: off."
        ),
    )
    precision: Literal["float32", "mixed"] = Field(
        "float32",
        description=(
            "`mixed`: extractor, local and remote net are trained in 16 bits (float16 on a GPU, "
            "bfloat16 on a CPU); reference, quantiser, losses and the result stay in float32."
        ),
    )


_CODECS = ("lzw", "lzw-variable", "context", "raw")


class PayloadSpec(Section):
    """What travels from device to server."""

    levels: int = Field(8, ge=2, le=16, description="Levels of the learned feature quantiser.")
    codec: Annotated[str, PluginName("agilenn_cc.codecs", _CODECS)] = Field(
        "context",
        description=(
            "Lossless coder of the quantised features: a range coder under tables from training "
            "(`context`, the fewest bytes), LZW with 12-bit codes (the paper's), LZW with growing "
            "codes, or none."
        ),
    )
    rates: Rates = Field(
        (1.0,),
        description=(
            "Step factors of the quantiser that the network is trained for at once, ascending, the "
            "first 1. A larger step sends fewer bytes and answers less exactly."
        ),
    )
    fragment: Bytes = Field(1400, ge=16, le=1400, description="Most coded bytes in one datagram.")

    @property
    def datagram_bytes(self) -> int:
        """Most bytes of a whole datagram, header included (docs/protocol.md)."""
        return self.fragment + _HEADER_BYTES


class LinkSpec(Section):
    """The way from device to server."""

    driver: Literal["esp-at"] = Field("esp-at", description="Driver of the radio module.")
    baud: int = Field(
        921_600,
        ge=9_600,
        le=4_500_000,
        description=(
            "UART rate to the module, in bit/s. The firmware uses no flow control: above 921600 "
            "bytes may be lost."
        ),
    )
    server: ServerAddress = Field(
        "192.168.1.10:5700", description="host:port of the server, as the device sees it (UDP)."
    )
    deadline_ms: Milliseconds = Field(
        50.0,
        alias="deadline",
        gt=0,
        le=60_000,
        description="How long the device waits for the server before its local answer stands.",
    )

    @property
    def host(self) -> str:
        """Name or IPv4 address of the server."""
        return self.server.rpartition(":")[0]

    @property
    def port(self) -> int:
        """UDP port of the server."""
        return int(self.server.rpartition(":")[2])


class BudgetSpec(Section):
    """Upper bounds; a build that exceeds one fails, before training where that can be known."""

    flash: Bytes | None = Field(None, gt=0, description="Flash of the whole firmware.")
    ram: Bytes | None = Field(None, gt=0, description="RAM of the whole firmware, with stack.")
    payload: Bytes | None = Field(None, gt=0, description="Mean coded bytes of one inference.")
    latency_ms: Milliseconds | None = Field(
        None, alias="latency", gt=0, description="Estimated time from image to combined answer."
    )


class Spec(Section):
    """A whole spec. Equal specs have equal `canonical()`, wherever their files lie."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description=(
            "Name of the project; lower-case letters, digits and `_`, for it becomes part of file "
            "and module names."
        ),
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of everything random.")
    dataset: DatasetSpec = Field(description="The images.")
    reference: ReferenceSpec = Field(ReferenceSpec(), description="The reference network.")
    network: NetworkSpec = Field(description="The split network.")
    split: SplitSpec = Field(SplitSpec(), description="The division of the features.")
    training: TrainingSpec = Field(TrainingSpec(), description="Training.")
    payload: PayloadSpec = Field(PayloadSpec(), description="The coded features.")
    link: LinkSpec = Field(LinkSpec(), description="Radio module, server, deadline.")
    budget: BudgetSpec = Field(BudgetSpec(), description="Bounds that a build must keep.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(json.dumps(self.canonical(), sort_keys=True))

    _document: Document | None = PrivateAttr(None)
    _base_dir: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="after")
    def _resolve_profile(self) -> Spec:
        """Give the training keys that the user did not write what the profile says."""
        training = self.training
        defaults = profile_defaults(training.profile, self.dataset.name)
        unwritten = {k: v for k, v in defaults.items() if k not in training.model_fields_set}
        if unwritten:
            # Past `frozen`, and without counting them as written by the user.
            resolved = training.model_copy()
            resolved.__dict__.update(unwritten)
            self.__dict__["training"] = resolved
        return self

    @property
    def base_dir(self) -> Path:
        """Folder that relative paths of the spec count from: the spec file's own."""
        return self._base_dir

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the network's input."""
        shape = self.dataset.shape
        if shape is None:
            raise ValueError("a spec without dataset.image passed its checks")
        return shape

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the extractor's output."""
        height, width, channels = output_shape(self.network.extractor, self.input_shape, 0)
        return height, width, channels

    def remember(self, document: Document, base_dir: Path) -> None:
        """Attach where the spec was read from; the loader calls this once."""
        self._document = document
        self._base_dir = base_dir

    def where(self, key: str) -> Position | None:
        """Return where the value of a dotted key (`budget.ram`) stands, None if it is a default."""
        return self._document.where(key) if self._document else None

    def canonical(self) -> dict[str, Any]:
        """Return the spec with all defaults as JSON types, for cache keys and manifests.

        Layers are text lines in one spelling, quantities plain numbers. Nothing of the machine is
        in it beyond the paths that the user wrote.
        """
        return self.model_dump(mode="json", by_alias=True)
