"""`inpaint check`: everything that can be known before a run, in about a minute.

Each part is a function that returns a `Verdict`; they take the steps of training itself (`rehearse`),
with the settings that `inpaint train` would have.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from inpaintlab import masks, networks
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.data.sources import open_source
from inpaintlab.data.splits import TEST_SHARE, TRAIN_SHARE
from inpaintlab.diagnosis.images import find_leaks, judge_leaks, judge_values, survey
from inpaintlab.diagnosis.network import activations, batch_norm, memory
from inpaintlab.diagnosis.overfit import capacity
from inpaintlab.diagnosis.rate import rate
from inpaintlab.diagnosis.result import Result, Verdict
from inpaintlab.diagnosis.speed import speed
from inpaintlab.diagnosis.subset import Subset
from inpaintlab.diagnosis.variety import variety
from inpaintlab.errors import OutputError
from inpaintlab.reports import Code, Heading
from inpaintlab.settings import CheckSettings, dump
from inpaintlab.training.build import create_network, rehearse, resolve
from inpaintlab.training.launch import launch, share_of_batch
from inpaintlab.training.memory import free_bytes
from inpaintlab.training.trainer import Trainer

#: Page that is written where none is named.
PAGE = Path("check.html")


class Check(Result):
    """What a check found: one verdict a part, and the page that shows them."""


def check(settings: CheckSettings) -> Check:
    """Look at everything that can be known before a run, and write a page of it.

    Nothing else is written. Raises an `InpaintlabError` for settings that no run can have.
    """
    page = settings.output or PAGE
    if page.is_dir():
        raise OutputError(f"{page} is a folder: -o takes the page to write, as check.html")
    share_of_batch(settings)
    # One process is enough to judge several by; `launch` would start them.
    device = launch(settings.model_copy(update={"devices": 1})).device
    settings = settings.model_copy(update=dict(resolve(settings)))
    source = open_source(settings.data, settings.fold, settings.folds)
    result = Check(
        f"check of {settings.data} for {settings.network.name} at {settings.size} px",
        page,
        tuple(_verdicts(settings, source, free_bytes(device))),
        settings.data,
        blocks=(Heading("Settings"), Code(dump(settings))),
    )
    result.html().write(page)
    return result


def _verdicts(settings: CheckSettings, source: ImageDataset, free: int) -> Iterator[Verdict]:
    """Yield the verdict of every part; those that take steps are not tried where these do not fit."""
    network = create_network(settings)
    assert settings.size is not None  # resolved
    networks.check_size(network, settings.size, settings.size)
    masks.make(settings.masks)
    room = memory(network, settings, source, free)
    with TemporaryDirectory(prefix="inpaintlab-") as folder:
        alone = _alone(settings, room.word == "finding")
        trainer = rehearse(alone, Path(folder) / "run", Subset(source, settings.sample, settings.seed))
        seen = survey(trainer.data, _seen(source))
        yield judge_values(seen, settings.max_bad_fraction)
        yield judge_leaks(find_leaks(seen), seen, settings.data)
        yield variety(_samples(trainer))
        yield room
        yield batch_norm(network, share_of_batch(settings))
        yield from _steps(trainer, alone, network, _to_train_on(source), room.word != "finding")


def _steps(
    trainer: Trainer, settings: CheckSettings, own: nn.Module, images: int, fits: bool
) -> Iterator[Verdict]:
    """Yield the verdicts of parts that need the network to run."""
    batch = next(trainer.batches_from(trainer.step))
    some = min(8, len(batch.images))
    yield activations(
        own.to(trainer.fabric.device),
        deepcopy(trainer.network),
        batch.images[:some],
        batch.masks[:some],
        changed=settings.initialise is not None,
    )
    if not fits:
        yield Verdict("capacity", "note", "not tried: a step does not fit into memory")
        return
    found = rate(trainer, settings)
    yield found
    yield capacity(trainer, settings, found.figures["used"])
    yield speed(trainer, settings, images)


def _alone(settings: CheckSettings, small: bool) -> CheckSettings:
    """Return the settings for one process that keeps its few images in memory and bears bad ones."""
    changes: dict[str, Any] = {"cache": "memory", "workers": 0, "max_bad_fraction": 1.0, "devices": 1}
    batch = share_of_batch(settings)
    return settings.model_copy(update=changes | {"batch_size": min(2, batch) if small else batch})


def _samples(trainer: Trainer) -> TrainingSamples:
    mixture = trainer.validation.masks.mixture
    return TrainingSamples(trainer.data.train, mixture, trainer.settings.seed, trainer.augmentation)


def _seen(source: ImageDataset) -> int:
    """Return how many images training and validation have in all."""
    if source.predefined_split:
        return len(source.predefined_split.train) + len(source.predefined_split.val)
    return round(len(source.names) * (1 - TEST_SHARE))


def _to_train_on(source: ImageDataset) -> int:
    return (
        len(source.predefined_split.train)
        if source.predefined_split
        else round(_seen(source) * TRAIN_SHARE)
    )
