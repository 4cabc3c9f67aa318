"""Shows the events of a build on a console: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from typing_extensions import Self

from agilenn_cc.pipeline.events import Event, StageDone, StageProgress, StageStarted


class BuildView:
    """A listener for build events that writes to `console`; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StageStarted):
            if not self._console.is_terminal:
                self._console.print(f"{event.stage} ...", highlight=False)
        elif isinstance(event, StageProgress):
            self._progress(event)
        else:
            self._done(event)

    def _progress(self, event: StageProgress) -> None:
        label = f"{event.stage}: {event.what}" if event.what else event.stage
        metrics = "  ".join(f"{name} {value:.3g}" for name, value in event.metrics.items())
        if self._console.is_terminal:
            if label not in self._tasks:
                self._tasks[label] = self._bars.add_task(label, total=event.total, metrics="")
            self._bars.update(self._tasks[label], completed=event.done, metrics=metrics)
            return
        tenth = event.done * 10 // max(1, event.total)
        if self._shown.get(label) != tenth:  # a log wants a line now and then, not thousands
            self._shown[label] = tenth
            line = f"  {label} {event.done}/{event.total}  {metrics}"
            self._console.print(line.rstrip(), highlight=False, soft_wrap=True)

    def _done(self, event: StageDone) -> None:
        for label in [label for label in self._tasks if label.split(":")[0] == event.stage]:
            self._bars.remove_task(self._tasks.pop(label))
        took = "cached" if event.cached else f"{event.seconds:.1f} s"
        self._console.print(
            f"[green]✓[/green] {event.stage:<10} {took:>8}  {event.note}".rstrip(),
            highlight=False,
            soft_wrap=True,
        )
