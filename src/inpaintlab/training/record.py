"""What a run writes down: `log.jsonl` for machines, events for TensorBoard, a bar for people."""

import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import torchvision
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from torch.utils.tensorboard.writer import SummaryWriter

from inpaintlab.errors import OutputError, RunError
from inpaintlab.files import write_atomically
from inpaintlab.metrics import hole_psnr
from inpaintlab.progress import progress_bar, say, time_left
from inpaintlab.tensors import composite
from inpaintlab.training.callbacks import Callback, Training
from inpaintlab.training.objectives import Step

#: Steps between two lines of the log.
LOG_EVERY = 10
_FIELDS = ("step", "speed", "loss", "psnr", "left")


class Pace:
    """Images a second since it was last asked."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin to count anew: what was done meanwhile is no training."""
        self._since, self._images = time.monotonic(), 0

    def add(self, images: int) -> None:
        """Count the images of a step."""
        self._images += images

    def take(self) -> float:
        """Return the images a second, and begin anew."""
        pace = self._images / max(1e-9, time.monotonic() - self._since)
        self.reset()
        return pace


class Recorder(Callback):
    """Writes `log.jsonl` and TensorBoard events into the run folder, on the first device.

    Resumed, it first drops what a killed session wrote after its last save. Raises `RunError` when the
    loss is no number any more: nothing after that can be of use.
    """

    def on_start(self, trainer: Training) -> None:
        """Open the log and the events."""
        self._pace, self._active = Pace(), trainer.fabric.is_global_zero
        self._run = trainer.run
        self.on_rollback(trainer)

    def on_rollback(self, trainer: Training) -> None:
        """Forget what came after the present step."""
        self._pace.reset()
        if not self._active:
            return
        self._close()
        keep_until(self._run.log, trainer.step)
        purge = trainer.step + 1 if trainer.step else None
        with self._writing():
            self._run.log.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._run.log.open("a", encoding="utf-8")
            self._events = SummaryWriter(str(self._run.folder), purge_step=purge)

    def on_step(self, trainer: Training, step: Step) -> None:
        """Take note of a step; every tenth one is written down."""
        self._pace.add(trainer.settings.batch_size)
        if trainer.step % LOG_EVERY:
            return
        values = {name: float(value) for name, value in (step.scalars | trainer.scalars()).items()}
        _check_finite(values["loss"], trainer.step)
        if self._active:
            values |= {"images_per_second": self._pace.take(), "elapsed": trainer.budget.elapsed}
            self._write("train", trainer.step, **values)

    def on_validation(self, trainer: Training, scalars: dict[str, float]) -> None:
        """Write down a validation, whose time does not count as training."""
        _check_finite(scalars["loss"], trainer.step)
        self._pace.reset()
        self._write("validation", trainer.step, **scalars, best=trainer.improved)
        images = trainer.examples()
        grid = torchvision.utils.make_grid(images, nrow=len(images) // 3, padding=1)
        with self._writing():
            self._events.add_image("damaged, filled, truth", grid, trainer.step)

    def on_end(self, _: Training) -> None:
        """Close the files."""
        self._close()

    def _close(self) -> None:
        with self._writing():
            for name in ("_file", "_events"):
                if hasattr(self, name):
                    getattr(self, name).close()

    def _write(self, kind: str, step: int, **values: float | bool) -> None:
        with self._writing():
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
            for name, value in values.items():
                if not isinstance(value, bool):
                    self._events.add_scalar(f"{kind}/{name}", value, step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in a line what the disk refuses; what was saved before stays, and the run can go on."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write the log of {self._run.folder}: {error.strerror or error}; it is saved "
                f"up to the last validation: make room, then inpaint train --resume {self._run.folder}"
            ) from None


class Console(Callback):
    """Shows a bar on a terminal or in a notebook, and prints every validation."""

    def on_start(self, trainer: Training) -> None:
        """Show the bar."""
        self._pace = Pace()
        self._training: list[float] = []
        self._yardsticks: dict[str, float] = {}
        if not trainer.fabric.is_global_zero:
            return
        columns = [TextColumn(f"{{task.fields[{name}]}}") for name in _FIELDS]
        self._bar = progress_bar(
            TextColumn("training"), BarColumn(bar_width=20), TaskProgressColumn(), *columns
        )
        fields: dict[str, Any] = dict.fromkeys(_FIELDS, "")
        self._task = self._bar.add_task("", total=1.0, **fields)
        self._bar.start()

    def on_step(self, trainer: Training, step: Step) -> None:
        """Move the bar on, and measure how training images are filled."""
        self._pace.add(trainer.settings.batch_size)
        if trainer.step % LOG_EVERY or not trainer.fabric.is_global_zero:
            return
        images, masks = (of.to(step.output.device) for of in (trainer.batch.images, trainer.batch.masks))
        filled = composite(images, step.output.float().clamp(0, 1), masks)
        self._training.append(float(hole_psnr(filled, images, masks).mean()))
        self._bar.update(
            self._task,
            completed=min(trainer.progress, 1.0),
            step=f"step {trainer.step}",
            loss=f"loss {float(step.scalars['loss']):.4f}",
            speed=f"{self._pace.take():.0f} images/s",
            left=time_left(trainer.budget.elapsed, trainer.progress),
        )

    def on_validation(self, trainer: Training, scalars: dict[str, float]) -> None:
        """Print the figure beside those of training images and of what learns nothing."""
        self._pace.reset()
        text = f"hole PSNR {scalars['hole_psnr']:.2f} dB"
        self._bar.update(self._task, psnr=text)
        self._yardsticks = self._yardsticks or trainer.yardsticks()
        level = scalars.get("level", 1.0)
        easier = f" (holes of level {level:.2f})" if level < 1 else ""
        beside = {f"training{easier}": fmean(self._training)} if self._training else {}
        words = ", ".join(f"{name} {psnr:.2f}" for name, psnr in (beside | self._yardsticks).items())
        # With a discriminator the newest weights are kept, though their PSNR is no longer the best.
        word = "best" if scalars["hole_psnr"] >= trainer.best else "kept"
        best = f" ({word})" if trainer.improved else ""
        left = f", {time_left(trainer.budget.elapsed, trainer.progress)}" if trainer.progress < 1 else ""
        say(f"step {trainer.step}{left}: {text} on validation{best}; {words}")
        self._training.clear()

    def on_end(self, _: Training) -> None:
        """Take the bar away."""
        if hasattr(self, "_bar"):
            self._bar.stop()


def with_usual(callbacks: Iterable[Any]) -> list[Any]:
    """Return callbacks with a recorder and a console at the end, where there are none among them."""
    given = list(callbacks)
    missing = [kind() for kind in (Recorder, Console) if not any(isinstance(one, kind) for one in given)]
    return [*given, *missing]


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
