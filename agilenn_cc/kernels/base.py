"""What a kernel is: it accepts operators on a target and yields the C++ of their row stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agilenn_cc.ir.ops import Lookup, Op
from agilenn_cc.ir.types import TensorType


@dataclass(frozen=True)
class RowStorage:
    """How a row lies in memory.

    value(x, c) = pointer[offsets[x * channels + c]] + zero, where the pointer is to `element`:
    `int8`, `int16` or `uint8`.
    """

    element: str
    zero: int
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class RowLayout:
    """Rows of an image tensor in memory.

    `centred` rows hold int16 `q - zero_point` with `left` and `right` columns of zeros; others hold
    the int8 values. A pixel takes `pixel_values` elements, `slack` elements follow the row because
    kernels read whole groups. With `block_rows` > 1, that many rows share one block: the values
    that a window covers lie together, in the order of `block_order`; such windows neither overlap
    nor are padded.
    """

    columns: int
    channels: int
    pixel_values: int
    centred: bool
    left: int = 0
    right: int = 0
    slack: int = 0
    block_rows: int = 1
    block_columns: int = 1

    @property
    def element(self) -> str:
        """C++ type of one value."""
        return "int16_t" if self.centred else "int8_t"

    @property
    def row_values(self) -> int:
        """Elements from one row (or block) to the next; a multiple of 4."""
        if self.block_rows > 1:
            return self.columns // self.block_columns * self.pixel_values
        total = (self.left + self.columns + self.right) * self.pixel_values + self.slack
        return -(-total // 4) * 4

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (or block)."""
        return self.row_values * (2 if self.centred else 1)

    def storage(
        self, zero_point: int, channels: tuple[int, int] | None = None, row: int = 0
    ) -> RowStorage:
        """Describe the row for a watcher, from the pointer that a stage function gets.

        `channels` are (first, count), by default all; `row` counts from the pointer.
        """
        first, count = channels or (0, self.channels)
        if self.block_rows > 1:
            order = block_order(self.block_columns * self.channels)
            offsets = tuple(
                x // self.block_columns * self.pixel_values
                + order[x % self.block_columns * self.channels + channel]
                for x in range(self.columns)
                for channel in range(first, first + count)
            )
        else:
            offsets = tuple(
                row * self.row_values + x * self.pixel_values + channel
                for x in range(self.columns)
                for channel in range(first, first + count)
            )
        element = "int16" if self.centred else "int8"
        return RowStorage(element, zero_point if self.centred else 0, offsets)


def block_order(values: int) -> tuple[int, ...]:
    """Return where each value of a window's row lies: whole fours as 0, 2, 1, 3.

    Two instructions spread four bytes to such halves of two words; sorting them takes two more.
    """
    whole = values // 4 * 4
    return tuple(i // 4 * 4 + (0, 2, 1, 3)[i % 4] if i < whole else i for i in range(values))


@dataclass(frozen=True)
class LayoutWish:
    """What a kernel wants of its input rows; plain int8 rows only if no reader wants otherwise."""

    left: int
    right: int
    even_pixels: bool
    slack: int
    block_rows: int = 1
    block_columns: int = 1
    block_values: int = 0
    centred: bool = True


@dataclass(frozen=True)
class Blocking:
    """How a kernel goes through a layer's rows.

    It computes `step` rows a call. With `padded`, its window has `step - 1` more rows than the
    layer's own, all of them present: those outside the image are cleared in the ring.
    """

    step: int = 1
    padded: bool = False


@dataclass(frozen=True)
class StageContext:
    """One operator with everything that its kernel may look at.

    With a `quantiser`, the output layout holds the channels before it only; it turns the others
    into symbols.
    """

    op: Op
    name: str
    source: TensorType
    output: TensorType
    source_layout: RowLayout
    output_layout: RowLayout
    quantiser: Lookup | None = None

    @property
    def has_rates(self) -> bool:
        """Whether the quantiser's rate is chosen at run time."""
        return self.quantiser is not None and self.quantiser.rates > 1


@dataclass(frozen=True)
class StageCode:
    """The C++ of a row stage.

    `traits` are the members of the layer's struct, `body` the statements of its function (`out`,
    `symbols` where there is a quantiser, and `window` are its parameters), `tables` the constants
    of its weights file. With `scratch_values`, the function has a parameter `scratch`: that many
    int16, which last over the frame with `keeps_scratch`, else during the call only; with
    `takes_row` also `row`, the output row. `headers` names the files of templates/model that the
    body needs beside row_kernels.hpp.
    """

    traits: tuple[tuple[str, str], ...]
    body: str
    tables: str
    weight_bytes: int
    scratch_values: int = 0
    keeps_scratch: bool = False
    takes_row: bool = False
    headers: tuple[str, ...] = ()


class Kernel(Protocol):
    """Generates row stages; found by entry point `agilenn_cc.kernels`."""

    @property
    def name(self) -> str:
        """Name as in `--kernels`."""

    def refuses(self, op: Op, source: TensorType, output: TensorType) -> str | None:
        """Return why this kernel cannot do the operator, or None if it can."""

    def wish(self, op: Op, source: TensorType, is_input: bool) -> LayoutWish:
        """Return the layout wanted for the operator's input rows."""

    def blocking(self, op: Op, source: TensorType, output: TensorType) -> Blocking:
        """Return how the operator's rows are computed."""

    def folds_quantiser(self, op: Op) -> bool:
        """Tell whether the operator's stage can yield symbols instead of sent channels."""

    def generate(self, context: StageContext) -> StageCode:
        """Return the C++ of an operator that is not refused."""
