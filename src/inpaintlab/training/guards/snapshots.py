"""The last good state: one in memory, and a younger one on disk that is still on trial."""

import copy
import os
import shutil
from typing import Any

from inpaintlab.checkpoints import Run, load_state, save_state
from inpaintlab.files import whole

#: Steps that a state must have survived without an alarm before it counts as good.
TRIAL = 50


class Snapshots:
    """What a run can go back to.

    Every save is a snapshot. A save is on trial, on disk, until `TRIAL` more steps went well; then it is
    read into memory as the last good one. The save before it is kept beside it meanwhile, so that a run
    that was killed finds the same good state again. Memory holds one state beside the run's own.
    """

    def __init__(
        self, run: Run, state: dict[str, Any], validate_every: int, *, writes: bool = True
    ) -> None:
        self.run, self.writes = run, writes
        self.trial = min(TRIAL, max(1, validate_every - 1))
        before = load_state(run.previous)
        self.good = before or copy.deepcopy(state)
        self.on_trial: int | None = state["step"] if before else None

    def confirm(self, step: int) -> None:
        """Take the save on trial for good if it has been long enough without an alarm."""
        if self.on_trial is not None and step >= self.on_trial + self.trial:
            saved = load_state(self.run.state)
            if saved is not None and saved["step"] == self.on_trial:
                self.good = saved
            self.on_trial = None

    def make_room(self, step: int) -> None:
        """Before a save at a step: keep the save before it, if that is the last good state."""
        if self.on_trial is None and self.writes and not self.run.state.exists():
            save_state(self.run.previous, self.good)
        elif self.on_trial is None and self.writes:
            with whole(self.run.previous) as beside:
                try:
                    os.link(self.run.state, beside)
                except OSError:  # a file system without links
                    shutil.copy2(self.run.state, beside)
        self.on_trial = step

    def roll_back(self) -> None:
        """After the run went back to the good state: nothing is on trial, and nothing else is kept."""
        self.on_trial = None
        if self.writes:
            self.run.previous.unlink(missing_ok=True)
