"""How commands print, and how they fail: all output goes through here."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import click
from rich.console import Console

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.view import BuildView
from agilenn_cc.render import render_diagnostic

_JSON = f"{__name__}.json"  # where a command's --json is seen by the group around it
_BUG_HINT = "this is a defect of agilenn-cc; please report it with the lines above"


def _colour() -> bool | None:
    """Return False where NO_COLOR is set, else leave the choice to click (colour on terminals)."""
    return False if os.environ.get("NO_COLOR") else None


def out(text: str) -> None:
    """Print a result."""
    click.echo(text, color=_colour())


def err(text: str) -> None:
    """Print what is no result: messages, what was asked to be shown on the way."""
    click.echo(text, err=True, color=_colour())


def out_json(value: Any) -> None:
    """Print a result of JSON types."""
    out(json.dumps(value, indent=2))


def _describe(diagnostic: Diagnostic) -> dict[str, Any]:
    where = diagnostic.where
    place = {"file": where.file, "line": where.line, "column": where.column} if where else None
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "where": place,
        "hint": diagnostic.hint,
    }


def _fail(error: AgilennError, ctx: click.Context) -> NoReturn:
    """Print the diagnostics, as JSON too where `--json` was given, and leave."""
    if ctx.meta.get(_JSON):
        out_json({"errors": [_describe(d) for d in error.diagnostics]})
    for diagnostic in error.diagnostics:
        err(render_diagnostic(diagnostic))
    sys.exit(error.exit_code)


class Group(click.Group):
    """Turns every way to fail into a message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except AgilennError as error:
            _fail(error, ctx)
        except KeyboardInterrupt:
            _fail(
                AgilennError.of(
                    ExitCode.INTERRUPTED,
                    "interrupted",
                    "interrupted; nothing was damaged",
                    hint="run the same command again: it goes on where it was",
                ),
                ctx,
            )
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
            sys.exit(ExitCode.OK)
        except Exception as error:
            err("".join(traceback.format_exception(error)))
            failure = AgilennError.of(ExitCode.INTERNAL, "internal", str(error), hint=_BUG_HINT)
            _fail(failure, ctx)


@contextlib.contextmanager
def watching() -> Iterator[Listener]:
    """Show the progress of what runs in the block on stderr."""
    with BuildView(Console(stderr=True)) as view:
        yield view


def note_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    """Remember for `_fail` whether `--json` was given; the callback of that option."""
    ctx.meta[_JSON] = value
    return value
