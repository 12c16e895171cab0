"""What a run writes down: `log.jsonl` for machines, events for TensorBoard, a bar for people."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torchvision
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from inpaintlab.checkpoints import Run
from inpaintlab.errors import OutputError, RunError
from inpaintlab.files import write_atomically
from inpaintlab.progress import progress_bar, say

#: Steps between two lines of the log.
LOG_EVERY = 10
_FIELDS = ("step", "speed", "loss", "psnr", "left")


class Recorder:
    """Writes the log and shows the progress of one session.

    Resumed, it first drops what a killed session wrote after its last save. With `active` false (all
    devices but the first) it does nothing. Where stderr is no terminal there is no bar, but the
    validations are printed in either case.
    """

    def __init__(self, run: Run, step: int, active: bool) -> None:
        self.active = active
        self._since = time.monotonic()
        self._images = 0
        if not active:
            return
        self._run = run
        keep_until(run.log, step)
        self._open(step)
        columns = [TextColumn(f"{{task.fields[{name}]}}") for name in _FIELDS]
        self._bar = progress_bar(
            TextColumn("training"), BarColumn(bar_width=20), TaskProgressColumn(), *columns
        )
        self._task = self._bar.add_task("", total=1.0, step="", speed="", loss="", psnr="", left="")

    def _open(self, step: int) -> None:
        self._run.log.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._run.log.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(self._run.folder), purge_step=step + 1 if step else None)

    def __enter__(self) -> Self:
        if self.active:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.active:
            self._bar.stop()
            self._file.close()
            self._events.close()

    def step(
        self,
        step: int,
        images: int,
        scalars: Mapping[str, Tensor | float],
        progress: float,
        elapsed: float,
    ) -> None:
        """Take note of a step; every tenth one is written down.

        Raises `RunError` when the loss is no number any more: nothing after that can be of use.
        """
        self._images += images
        if step % LOG_EVERY:
            return
        values = {name: float(value) for name, value in scalars.items()}
        _check_finite(values["loss"], step)
        now = time.monotonic()
        speed = self._images / (now - self._since)
        self._since, self._images = now, 0
        if self.active:
            left = elapsed * (1 - progress) / max(progress, 1e-6)
            self._show(step, values["loss"], speed, progress, left)
            self._write("train", step, **values, images_per_second=speed, elapsed=elapsed)

    def rolled_back(self, step: int) -> None:
        """Forget what came after a step that the run has gone back to."""
        self._since, self._images = time.monotonic(), 0
        if self.active:
            self._file.close()
            self._events.close()
            keep_until(self._run.log, step)
            self._open(step)

    def validated(self, step: int, scalars: Mapping[str, float], best: bool) -> None:
        """Write down a validation, whose time does not count as training."""
        _check_finite(scalars["loss"], step)
        self._since, self._images = time.monotonic(), 0
        self._write("validation", step, **scalars, best=best)
        text = f"hole PSNR {scalars['hole_psnr']:.2f} dB"
        self._bar.update(self._task, psnr=text)
        level = scalars.get("level", 1.0)
        easier = f", trained so far on holes of level {level:.2f}" if level < 1 else ""
        say(f"step {step}: {text} on validation{' (best)' if best else ''}{easier}")

    def images(self, step: int, images: Tensor) -> None:
        """Add images `[3 × N, 3, H, W]` to the events, as three rows."""
        grid = torchvision.utils.make_grid(images, nrow=len(images) // 3, padding=1)
        self._events.add_image("damaged, filled, truth", grid, step)

    def _show(self, step: int, loss: float, speed: float, progress: float, left: float) -> None:
        minutes, seconds = divmod(int(left), 60)
        self._bar.update(
            self._task, completed=min(progress, 1.0), step=f"step {step}", loss=f"loss {loss:.4f}",
            speed=f"{speed:.0f} images/s", left=f"{minutes}:{seconds:02} left",
        )  # fmt: skip

    def _write(self, kind: str, step: int, **values: float | bool) -> None:
        try:
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self._run.log}: {error.strerror}") from None
        for name, value in values.items():
            if not isinstance(value, bool):
                self._events.add_scalar(f"{kind}/{name}", value, step)


def _check_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise RunError(
            f"the loss is {loss} at step {step}: start again with a smaller -s learning_rate=…; "
            "the best weights so far are kept"
        )


def keep_until(log: Path, step: int) -> None:
    """Drop lines after `step`, and a last one that was cut short."""
    if not log.exists():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    write_atomically(log, "".join(kept).encode())


def read_log(log: Path, kind: str) -> list[dict[str, Any]]:
    """Return the lines of one kind."""
    if not log.exists():
        return []
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["kind"] == kind]
