"""Run folders, free of torch.

A run folder can be copied to another machine and used there::

    recipe.yaml          the settings, resolved; `--config` reads it back
    data.json            hashes of split and masks, sides and hashes of the images
    model.safetensors    the best averaged weights, with config and provenance in the metadata
    last.safetensors     the newest averaged weights
    state/training.pt    what resuming needs; previous.pt: the save before, while that one is on trial
    incidents/NNN/       what the guards saw, why it was, and what they did
    log.jsonl, events.*  figures of the run, also for TensorBoard
    .inpaintlab          says that nothing here is a photo to learn from
    metrics/NAME.json and NAME.csv, report.html, examples.png   written by `inpaint evaluate`
    diagnosis.html       written by `inpaint diagnose`
    model.onnx           written by `inpaint export`

Every file is replaced whole: whenever a process is killed, the folder holds the old or the new one.
"""

import json
from itertools import count
from pathlib import Path
from typing import Any

from inpaintlab.errors import DataError, RunError

#: Name of a part of a run that was given as an object: a recipe cannot make it again.
OBJECT = "object"
#: What the model that comes with the package is called, as a run.
DEFAULT = "default"


class Run:
    """The paths of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "recipe.yaml"
        self.data = folder / "data.json"
        self.model = folder / "model.safetensors"
        self.last = folder / "last.safetensors"
        self.state = folder / "state" / "training.pt"
        self.previous = folder / "state" / "previous.pt"
        self.incidents = folder / "incidents"
        self.log = folder / "log.jsonl"
        self.metrics = folder / "metrics"
        self.report = folder / "report.html"
        self.examples = folder / "examples.png"

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open a run that is there; raises `RunError` where it is not."""
        run = cls(folder)
        if not run.recipe.is_file():
            reason = (
                "is not a run folder: it has no recipe.yaml" if folder.exists() else "does not exist"
            )
            raise RunError(f"{folder} {reason}")
        return run


def free_folder(data: str, what: str = "") -> Path:
    """Return the first of `runs/DATA-WHAT-1`, `-2`, … that is not there yet.

    >>> free_folder("photos.dataset").as_posix(), free_folder("samples:40", "crossval").as_posix()
    ('runs/photos-1', 'runs/samples-40-crossval-1')
    """
    name = Path(data).name.replace(":", "-").removesuffix(".dataset") + (f"-{what}" if what else "")
    return next(path for n in count(1) if not (path := Path("runs") / f"{name}-{n}").exists())


def check_images(run: Path, data: str, cure: str) -> None:
    """Raise `DataError` where the images of a run were moved; `cure` is what to do then."""
    if Path(data).is_absolute() and not Path(data).exists():  # a recipe names folders in full
        raise DataError(f"the images of {run} are no longer at {data}: {cure}")


def newest_run(parent: Path) -> Path | None:
    """Return the run folder whose weights were written last, None where there is none."""
    models = sorted(parent.glob("*/model.safetensors"), key=lambda path: path.stat().st_mtime)
    return models[-1].parent if models else None


def run_or_default(run: Path | None) -> Path:
    """Return a run, or the newest under `runs/` where none is named, or else the default model."""
    return run or newest_run(Path("runs")) or Path(DEFAULT)


def read_log(log: Path, kind: str) -> list[dict[str, Any]]:
    """Return the lines of one kind, without a last one that was cut short."""
    if not log.exists():
        return []
    written = log.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = (json.loads(line) for line in written if line.endswith("\n"))
    return [line for line in lines if line["kind"] == kind]
