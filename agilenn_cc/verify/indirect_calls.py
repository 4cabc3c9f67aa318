"""Who calls whom through a pointer in the emitted firmware; whatever is not listed is an error.

Functions are named as c++filt writes them. A caller may be the function that a call was inlined
into, so several callers have the same targets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class IndirectCalls:
    """Functions that match `caller` may enter those that match `targets` through a pointer."""

    caller: re.Pattern[str]
    targets: re.Pattern[str]


def indirect_calls(caller: str, *targets: str) -> IndirectCalls:
    """Return a rule from regular expressions, which match from the name's beginning."""
    return IndirectCalls(re.compile(caller), re.compile("|".join(targets)))


_LINK = r".*(EspAt|NoLink)::(poll|up|ready|send|held|wait)\(|__cxa_pure_virtual$"
_UART = r"board::LinkUart::(set_baud|send|sending|receive|wait)\("
_CLOCK = r"board::now_us\("
_SINK = r"agilenn::Engine::take_fragment\("

FIRMWARE: Final = (
    indirect_calls(r"Reset_Handler$|\(anonymous namespace\)::run\(", r"_GLOBAL__sub_I_"),
    indirect_calls(r"Default_Handler$", r"agilenn_fault_entry$"),
    indirect_calls(r"main$|\(anonymous namespace\)::(wait_for_link|infer)\(", _LINK, _CLOCK),
    indirect_calls(r"agilenn::Engine::(?!finish)", _LINK, _CLOCK),
    indirect_calls(r"agilenn::Engine::finish", _LINK, _CLOCK, _SINK),
    indirect_calls(r"(bool |void )?agilenn::FragmentWriter<", _SINK),
    indirect_calls(r"agilenn::EspAt::", _UART),
    indirect_calls(
        r"agilenn::network::(push_row\(|.*advance_)",
        r".*::push_symbols\(",
        r".*::drop_symbols\(",
        r".*::discard_symbols\(",
    ),
)
"""Indirect calls of the emitted firmware."""

OWN_STACK: Final = {"agilenn_fault_entry": ("agilenn_record_fault", "fault_stack")}
"""Functions that go on, on a stack of their own: name to continuation and the stack's array."""
