"""Shows the events of a build on a console: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from typing_extensions import Self

from agilenn_cc.learn import TimeLeft
from agilenn_cc.pipeline.events import Event, StageDone, StageNote, StageProgress, StageStarted


def time_left(left: TimeLeft) -> str:
    """Return a time as people say it: `40 s left`, `> 3 min left`, `2 h 5 min left`."""
    seconds = round(left.seconds)
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        text = f"{hours} h {minutes} min"
    elif minutes >= 3:
        text = f"{minutes} min"
    else:
        text = f"{seconds} s"
    return ("> " if left.at_least else "") + text + " left"


class _TimeColumn(TimeRemainingColumn):
    """What the stage itself says of the time left, where it does."""

    def render(self, task: Task) -> Text:
        left: TimeLeft | None = task.fields["left"]
        return super().render(task) if left is None else Text(time_left(left))


class _Bars(Progress):
    """Bars with a line of figures below them, which may be longer than the terminal is wide."""

    figures = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.figures:
            yield Text("  " + self.figures)


class BuildView:
    """A listener for build events that writes to `console`; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = _Bars(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _TimeColumn(),
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
        elif isinstance(event, StageNote):
            self._console.print(f"  {event.stage}: {event.text}", highlight=False, soft_wrap=True)
        else:
            self._done(event)

    def _progress(self, event: StageProgress) -> None:
        label = f"{event.stage}: {event.what}" if event.what else event.stage
        figures = "  ".join(f"{name} {value:.3g}" for name, value in event.metrics.items())
        if self._console.is_terminal:
            if label not in self._tasks:
                self._tasks[label] = self._bars.add_task(label, total=event.total, left=None)
            done = event.done + event.within
            self._bars.update(self._tasks[label], completed=done, left=event.left)
            if not event.within:  # in the middle of an epoch the figures of the last one stand
                self._bars.figures = figures
            return
        if event.within:
            return
        tenth = event.done * 10 // max(1, event.total)
        if self._shown.get(label) != tenth:  # a log wants a line now and then, not thousands
            self._shown[label] = tenth
            left = time_left(event.left) if event.left is not None else ""
            line = f"  {label} {event.done}/{event.total}  {figures}  {left}"
            self._console.print(line.rstrip(), highlight=False, soft_wrap=True)

    def _done(self, event: StageDone) -> None:
        for label in [label for label in self._tasks if label.split(":")[0] == event.stage]:
            self._bars.remove_task(self._tasks.pop(label))
        self._bars.figures = ""
        took = "cached" if event.cached else f"{event.seconds:.1f} s"
        self._console.print(
            f"[green]✓[/green] {event.stage:<10} {took:>8}  {event.note}".rstrip(),
            highlight=False,
            soft_wrap=True,
        )
