"""The stages of a running build: who watches, what was cached, where to stop."""

from __future__ import annotations

import time

from agilenn_cc.pipeline.events import Event, Listener, StageDone, StageStarted


class StopBuildError(Exception):
    """The stage after which the user asked to stop has ended."""


class Stages:
    """Passes events on, remembers which stages were cached, and stops where it was asked to."""

    def __init__(self, notify: Listener, stop_after: str | None) -> None:
        self._notify = notify
        self.stop_after = stop_after
        self.cached: dict[str, bool] = {}

    def listen(self, event: Event) -> None:
        """Pass an event on; raises StopBuildError where the last wanted stage has ended."""
        self._notify(event)
        if isinstance(event, StageDone):
            self.cached[event.stage] = event.cached
            if event.stage == self.stop_after:
                raise StopBuildError

    def start(self, stage: str) -> float:
        """Tell that a stage begins; return when, for `done`."""
        self.listen(StageStarted(stage))
        return time.monotonic()

    def done(self, stage: str, began: float, cached: bool = False, note: str = "") -> None:
        """Tell that a stage has ended."""
        self.listen(StageDone(stage, time.monotonic() - began, cached, note))
