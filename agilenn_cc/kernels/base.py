"""What a kernel is: it accepts operators on a target and yields the C++ of their row stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agilenn_cc.ir.ops import Op
from agilenn_cc.ir.types import TensorType


@dataclass(frozen=True)
class RowStorage:
    """How a row lies in memory.

    value(x, c) = pointer[column_offsets[x] + (first_channel + c) * channel_step] + zero, where the
    pointer is to `element`: `int8`, `int16` or `uint8`.
    """

    element: str
    zero: int
    column_offsets: tuple[int, ...]
    channel_step: int
    first_channel: int = 0


@dataclass(frozen=True)
class RowLayout:
    """Rows of an image tensor in memory.

    `centred` rows hold int16 `q - zero_point` with `left` and `right` columns of zeros; others hold
    the int8 values. A pixel takes `pixel_values` elements, `slack` elements follow the row because
    kernels read whole groups. With `block_rows` > 1, that many rows share one block: the values
    that a window covers lie together; such windows neither overlap nor are padded.
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

    def storage(self, zero_point: int, first_channel: int = 0) -> RowStorage:
        """Describe the row for a watcher, from the pointer that a stage function gets."""
        if self.block_rows > 1:
            group = self.block_columns
            offsets = tuple(
                x // group * self.pixel_values + x % group * self.channels
                for x in range(self.columns)
            )
        else:
            offsets = tuple(x * self.pixel_values for x in range(self.columns))
        element = "int16" if self.centred else "int8"
        return RowStorage(element, zero_point if self.centred else 0, offsets, 1, first_channel)


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
class StageContext:
    """One operator with everything that its kernel may look at."""

    op: Op
    name: str
    source: TensorType
    output: TensorType
    source_layout: RowLayout
    output_layout: RowLayout


@dataclass(frozen=True)
class StageCode:
    """The C++ of a row stage.

    `traits` are the members of the layer's struct, `body` the statements of its function (`out` and
    `window` are its parameters), `tables` the constants of its weights file. With `scratch_values`,
    the function has two more parameters: `scratch`, that many int16 which it alone uses and which
    last over the frame, and `row`, the output row. `headers` names the files of templates/model
    that the body needs beside row_kernels.hpp.
    """

    traits: tuple[tuple[str, str], ...]
    body: str
    tables: str
    weight_bytes: int
    scratch_values: int = 0
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

    def generate(self, context: StageContext) -> StageCode:
        """Return the C++ of an operator that is not refused."""
