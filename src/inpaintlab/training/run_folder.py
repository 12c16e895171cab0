"""The folder of a run as training writes it, and what a finished run is."""

import copy
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from lightning_fabric import Fabric
from torch import nn

from inpaintlab.checkpoints import (
    ModelCard,
    Run,
    load_model,
    load_state,
    read_card,
    read_json,
    write_json,
)
from inpaintlab.data.loading import TrainingData
from inpaintlab.data.streaming import workers_told
from inpaintlab.errors import FullDiskError, InpaintlabError, RunError
from inpaintlab.files import MARK, mark_outputs, write_atomically
from inpaintlab.masks import FrozenMasks
from inpaintlab.progress import say
from inpaintlab.randomness import MASK_SEED
from inpaintlab.runs import free_folder
from inpaintlab.settings import ResolvedTrainSettings, dump


@dataclass(frozen=True)
class TrainedRun(os.PathLike[str]):
    """How a run ended: its folder, the steps taken, its hole PSNR in dB, and why it ended.

    It stands for its folder wherever a path is taken. `stopped` is the sentence of the callback that
    saw no sense in going on.
    """

    folder: Path
    steps: int
    hole_psnr: float
    seconds: float
    interrupted: bool
    stopped: str | None = None
    trained: nn.Module | None = field(default=None, repr=False, compare=False)

    @cached_property
    def network(self) -> nn.Module:
        """The network with the best averaged weights, in evaluation, on the CPU."""
        return load_model(Run(self.folder).model, network=copy.deepcopy(self.trained))[0].cpu()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        names = ("steps", "hole_psnr", "interrupted", "stopped")
        values = {name: getattr(self, name) for name in names}
        return {"schema": 1, "run": str(self.folder), **values, "seconds": round(self.seconds, 1)}

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        if self.interrupted:
            return f"stopped and saved at step {self.steps}; go on: inpaint train --resume {self.folder}"
        if self.stopped:
            return f"{self.folder}: {self.stopped}\nhole PSNR so far {self.hole_psnr:.2f} dB"
        best = f"{self.steps} steps, hole PSNR {self.hole_psnr:.2f} dB on validation"
        return f"{self.folder}: {best}\nnext: inpaint evaluate {self.folder}"


def write_recipe(run: Run, settings: ResolvedTrainSettings) -> None:
    """Write the settings of a run into its folder, which is not named in them: it may be moved."""
    write_atomically(run.recipe, dump(settings.model_copy(update={"output": None})).encode())


def claim_folder(
    output: Path | None, settings: ResolvedTrainSettings, fabric: Fabric, *, resume: bool
) -> Run:
    """Return the folder of this run, the same on every device, with its recipe in it."""
    folder = output
    if resume and folder is None:
        raise RunError("say which run goes on: output=FOLDER")
    if folder is None:
        folder = free_folder(settings.data)
    elif not resume and folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} exists already: name another with -o, or go on with --resume {folder}")
    run = Run(Path(fabric.broadcast(str(folder))))
    if fabric.is_global_zero and not resume:
        with free_where_refused(run, resume=False):
            mark_outputs(run.folder)
            write_recipe(run, settings)
    return run


@contextmanager
def free_where_refused(run: Run, *, resume: bool) -> Iterator[None]:
    """Take back what claimed the folder of a new run, where there is nothing that it could train on."""
    try:
        yield
    except InpaintlabError:
        if not resume:
            for path in (run.recipe, run.folder / MARK):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody else's files came meanwhile
                run.folder.rmdir()
        raise


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Say how a run goes on that a full disk, or the end of a worker, has broken off."""
    how = f"inpaint train --resume {run.folder}"
    try:
        with workers_told(f"write workers: 0 into {run.recipe}; then {how}"):
            yield
    except FullDiskError as error:
        error.cure = how
        raise


def record_data(run: Run, source: str, data: TrainingData, masks: FrozenMasks) -> None:
    """Write `data.json`, and say what was found; changed images in a resumed run are told."""
    before = read_json(run.data) if run.data.exists() else {}
    facts = {
        "data": source,
        "split_hash": data.split.hash,
        "train": len(data.train),
        "val": len(data.val),
        "test": data.split.test_count,
        "masks": {"count": len(masks), "seed": MASK_SEED, "hash": masks.hash},
        "bad": [{"name": bad.name, "reason": bad.reason} for bad in data.bad],
        # A run and its resumptions are one lineage: the ledger of the test part goes by it.
        "lineage": before.get("lineage") or uuid4().hex,
        "began": before.get("began") or datetime.now(UTC).isoformat(timespec="seconds"),
        "train_hashes": sorted(content_hash[:16] for content_hash in data.train_hashes),
    }
    if before and before["split_hash"] != data.split.hash:
        say("the images are not the ones this run began with: it goes on with those of today")
    write_json(run.data, facts)
    say(
        f"{len(data.train)} images to train on, {len(data.val)} to validate with, "
        f"{data.split.test_count} set aside for the test (images {data.train.storage})"
    )
    if data.bad:
        say(f"{len(data.bad)} images passed over, first {data.bad[0].reason}; all are in {run.data}")


def load_saved(run: Run, validate_every: int) -> dict[str, Any] | None:
    """Return the state that a run goes on from, None where it was ended before its first save was whole.

    Raises `RunError` for later weights without their state: a run that began anew would replace them.
    """
    saved = load_state(run.state)
    cards = [read_card(path) for path in (run.model, run.last) if saved is None and path.exists()]
    # Weights are written before the state: those of the first validation come again as they are.
    if any(card is None or card.provenance.get("step", math.inf) > validate_every for card in cards):
        raise RunError(
            f"{run.folder} has weights but no {run.state.relative_to(run.folder)}, which a run goes on "
            "from: bring it back, or train anew with another -o"
        )
    if saved is None:
        say(f"{run.folder} has no save to go on from: it begins at step 0")
    return saved


def kept_best(run: Run, data: TrainingData, masks: FrozenMasks) -> float:
    """Return the hole PSNR of the weights in a run folder, if it was measured on these very images."""
    card = read_card(run.model) if run.model.exists() else None
    about = card.provenance if card else {}
    same = (about.get("split_hash"), about.get("mask_hash")) == (data.split.hash, masks.hash)
    return float(about.get("hole_psnr") or -math.inf) if same else -math.inf


def model_card(
    settings: ResolvedTrainSettings,
    data: TrainingData,
    masks: FrozenMasks,
    step: int,
    best: float | None,
) -> ModelCard:
    """Return the card of weights after a step; `best` is their hole PSNR, where it was measured."""
    part = settings.network
    facts = {
        "inpaintlab": version("inpaintlab"),
        "torch": torch.__version__,
        "data": Path(settings.data).name,
        "split_hash": data.split.hash,
        "mask_hash": masks.hash,
        "seed": settings.seed,
        "step": step,
        "hole_psnr": best,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return ModelCard(part.name, part.arguments, settings.size, facts)
