"""What can be told of a network before it learns: its memory, and how signals run through it."""

from copy import deepcopy
from dataclasses import asdict

import torch
from torch import Tensor, nn

from inpaintlab.data.loading import kept_bytes
from inpaintlab.data.storage import Cache
from inpaintlab.diagnosis import drawings
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.errors import MemoryLimitError
from inpaintlab.layers.batch_norm import LEAST_BATCH, small_batch_warning
from inpaintlab.layers.initialise import LayerVariance, variances
from inpaintlab.training.memory import check_memory, predict
from inpaintlab.training.trainer import Trainer

#: Variance of a layer's output, in training mode, outside of which signals have vanished or exploded.
#: All our networks lie far within (tests/diagnosis/test_network.py).
VANISHED, EXPLODED = 1e-7, 1e4
#: More than this share of the free memory is a note.
_TIGHT = 0.8


def memory(trainer: Trainer, free: int) -> Verdict:
    """Compare what a run will take with the bytes that are free, and say what fits."""
    settings, network = trainer.settings, trainer.network
    stored = trainer.augmentation.stored_size(settings.size)
    cache = Cache(settings.cache, settings.cache_dir)
    kept = kept_bytes(trainer.source, settings.size, stored, cache)
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
        advice = f"--batch-size {max(1, fits // 2)} leaves some room"
        return Verdict("memory", "note", text, advice, figures)
    return Verdict("memory", "ok", text, "", figures)


def batch_norm(network: nn.Module, batch_size: int) -> Verdict:
    """Judge whether batches, of one device, are large enough for the network's batch norm."""
    figures = {"batch_size": batch_size, "least": LEAST_BATCH}
    text, _, cure = small_batch_warning(network, batch_size).partition(": ")
    if text:
        return Verdict("batch norm", "note", text, cure, figures)
    return Verdict("batch norm", "ok", f"none, or batches of at least {LEAST_BATCH}", "", figures)


def activations(
    fresh: nn.Module, used: nn.Module, image: Tensor, mask: Tensor, changed: bool
) -> Verdict:
    """Judge the variance of every layer's output for a batch, with the initial weights.

    `fresh` has the network's own initial weights, `used` those that the run begins with, which are
    others where they are `changed`.
    """
    own, now = (_variances(network, image, mask) for network in (fresh, used))
    layers = [LayerVariance(name, own[name], variance) for name, variance in now.items()]
    low, high = (choose(layers, key=lambda layer: layer.after) for choose in (min, max))
    text = (
        f"variance of the {len(layers)} layers' outputs {low.after:.1e} ({low.name}) to "
        f"{high.after:.1e} ({high.name})"
    )
    if changed:
        text += f"; with the network's own weights {min(own.values()):.1e} to {max(own.values()):.1e}"
    figures = {"layers": [asdict(layer) for layer in layers], "initialised": changed}
    drawn = drawings.variances(layers, (VANISHED, EXPLODED), changed)
    broken = [layer for layer in layers if not VANISHED <= layer.after <= EXPLODED]
    if not broken:
        return Verdict("activations", "ok", text, "", figures, blocks=drawn)
    how = "vanish" if broken[0].after < VANISHED else "explode"
    text = f"signals {how} at the start: {text}; first at {broken[0].name} with {broken[0].after:.1e}"
    advice = "leave initialise out" if changed else "-s initialise=lsuv brings every layer to variance 1"
    return Verdict("activations", "finding", text, advice, figures, blocks=drawn)


def _variances(network: nn.Module, image: Tensor, mask: Tensor) -> dict[str, float]:
    device = next(network.parameters()).device
    torch.manual_seed(0)
    return variances(deepcopy(network), [image.to(device), mask.to(device)], training=True)
