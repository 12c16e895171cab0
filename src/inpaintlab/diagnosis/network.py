"""What can be told of a network before it learns: its memory, and how signals run through it."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from inpaintlab.data import augment
from inpaintlab.data.dataset import ImageDataset
from inpaintlab.data.loading import kept_bytes
from inpaintlab.data.storage import Cache
from inpaintlab.diagnosis.verdict import Verdict
from inpaintlab.errors import MemoryLimitError
from inpaintlab.layers.initialise import variances
from inpaintlab.settings import TrainSettings
from inpaintlab.training.memory import check_memory, predict

#: Variance of a layer's output, in training mode, outside of which signals have vanished or exploded.
#: All our networks lie far within (tests/diagnosis/test_network.py).
VANISHED, EXPLODED = 1e-7, 1e4
#: More than this share of the free memory is a note.
_TIGHT = 0.8


def memory(network: nn.Module, settings: TrainSettings, source: ImageDataset, free: int) -> Verdict:
    """Compare what a run will take with the bytes that are free, and say what fits."""
    assert settings.size is not None  # resolved
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    stored = augmentation.stored_size(settings.size)
    kept = kept_bytes(source, settings.size, stored, Cache(settings.cache, settings.cache_dir))
    batch = settings.batch_size // settings.devices
    needed = predict(network, settings.size, batch, images=kept, workers=settings.workers or 0)
    share, more = free // settings.devices, needed.more
    fits = max(0, int((share - more + needed.activations) * batch / max(1, needed.activations)))
    figures = {"needed": more, "free": share, "largest_batch": fits, "activations": needed.activations}
    try:
        check_memory(needed, network, settings.size, batch, share)
    except MemoryLimitError as error:
        text, _, cure = str(error).rpartition(": ")
        return Verdict("memory", "finding", text, cure, figures)
    text = (
        f"a run needs {more / 1e9:.2f} GB with --batch-size {batch} at {settings.size} px, "
        f"{share / 1e9:.1f} GB are free; up to --batch-size {fits:,} fits"
    )
    if more > _TIGHT * share:
        return Verdict(
            "memory", "note", text, f"leave some room: --batch-size {max(1, fits // 2)}", figures
        )
    return Verdict("memory", "ok", text, "", figures)


def activations(
    fresh: nn.Module, used: nn.Module, image: Tensor, mask: Tensor, changed: bool
) -> Verdict:
    """Judge the variance of every layer's output for a batch, by the first weights.

    `fresh` has the network's own first weights, `used` those that the run begins with, which are others
    where they are `changed`.
    """
    before, after = (_variances(network, image, mask) for network in (fresh, used))
    lines = [
        {"layer": name, "own": before[name], "variance": variance} for name, variance in after.items()
    ]
    low, high = (choose(after, key=lambda name: after[name]) for choose in (min, max))
    figures = {"layers": lines, "initialised": changed}
    text = (
        f"variance of the {len(after)} layers' outputs {after[low]:.1e} ({low}) to "
        f"{after[high]:.1e} ({high})"
    )
    if changed:
        own = before.values()
        text += f"; with the network's own first weights {min(own):.1e} to {max(own):.1e}"
    broken = [name for name, value in after.items() if not VANISHED <= value <= EXPLODED]
    if not broken:
        return Verdict("activations", "ok", text, "", figures)
    first = broken[0]
    how = "vanish" if after[first] < VANISHED else "explode"
    text = f"signals {how} at the start: {text}; first at {first} with {after[first]:.1e}"
    advice = "leave initialise out" if changed else "-s initialise=lsuv brings every layer to variance 1"
    return Verdict("activations", "finding", text, advice, figures)


def _variances(network: nn.Module, image: Tensor, mask: Tensor) -> dict[str, float]:
    device = next(network.parameters()).device
    torch.manual_seed(0)
    return variances(deepcopy(network), [image.to(device), mask.to(device)], training=True)
