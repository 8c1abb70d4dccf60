"""What opening an engine is at: readable in any thread while another one opens it."""

from __future__ import annotations

from ssql.engine.progress import OpeningProgress, Progress, Stage
from ssql.runtime.progress import Restoring


class Opening:
    """Given to the engine that is opened (`LocalEngine(config, opening=...)`), which says in it how far it is."""

    def __init__(self) -> None:
        self.restoring = Restoring()
        self.stage = Stage.LOG
        self._definitions = (0, 0)

    def replayed(self, done: int, total: int) -> None:
        """So many definitions are read of so many."""
        self._definitions = done, total

    def progress(self) -> Progress:
        """How far it is; of queries nothing is known before it is open."""
        done, total = self._definitions
        if self.stage in (Stage.RESTORING, Stage.OPEN):
            done = total
        return Progress(OpeningProgress(self.stage, done, total, self.restoring.progress()), [])
