"""Whether a network can learn at all: it is to overfit one batch; and what mends it where it cannot."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab import networks
from inpaintlab.diagnosis.result import Verdict
from inpaintlab.errors import InpaintlabError
from inpaintlab.images import shrink
from inpaintlab.layers.initialise import initialise
from inpaintlab.masks import FrozenMasks
from inpaintlab.metrics import hole_psnr
from inpaintlab.progress import bar
from inpaintlab.runs import OBJECT
from inpaintlab.settings import Part
from inpaintlab.tensors import composite, to_tensor
from inpaintlab.training import objectives
from inpaintlab.training.objectives import Optimisation
from inpaintlab.training.schedule import learning_rate
from inpaintlab.training.trainer import Trainer

#: Images to be learnt, and the side they are brought to where the network takes it.
IMAGES, SIDE = 8, 32
#: PSNR in the hole that is asked for, in dB. Sound networks have more after 200 steps already
#: (docs/how-to/check.md); the narrow autoencoder of benchmarks/overfit.py, whose bottleneck is a single
#: number, has 29.7 after 300.
GOAL = 31.0
#: A mend that is worth naming gains so many dB.
_WORTH = 1.0
_SEED = 20_240_602
_WARMUP = 0.03


@dataclass(frozen=True)
class Attempt:
    """One way to train: network, initial weights, peak rate; `name` and `flags` say which."""

    name: str
    network: Part
    initialise: Part | None
    rate: float
    flags: str = ""


@dataclass(frozen=True)
class Task:
    """What an attempt is to learn, in at most so many steps and seconds. Image and mask are `[8, …]`."""

    image: Tensor
    mask: Tensor
    steps: int
    seconds: float


def capacity(trainer: Trainer, rate: float, steps: int, seconds: float) -> Verdict:
    """Let the network overfit one batch at a rate; where it cannot, try to mend it."""
    settings = trainer.settings
    first = Attempt("as it is", settings.network, settings.initialise, rate)
    task = task_for(trainer, steps, seconds)
    reached, steps = learn(trainer, task, first)
    count, size = len(task.image), task.image.shape[-1]
    figures: dict[str, Any] = {
        "hole_psnr": reached, "goal": GOAL, "images": count, "size": size, "steps": steps, "rate": rate,
        "mends": [],
    }  # fmt: skip
    text = (
        f"{reached:.1f} dB in the hole after {steps} steps on {count} images of {size} px at rate "
        f"{rate:g} (goal {GOAL:g} dB)"
    )
    verdict = Verdict("capacity", "finding", f"cannot learn: {text}", figures=figures)
    if reached >= GOAL:
        return replace(verdict, word="ok", text=f"can learn: {text}")
    if steps < task.steps / 2:
        short = f"too slow to tell, {steps} of {task.steps} steps in {seconds:g} s: {text}"
        longer = f"-s seconds={1.5 * seconds * task.steps / steps:.0f} gives it the time"
        return replace(verdict, word="note", text=short, advice=longer)
    tried = _try_mends(trainer, task, first)
    figures["mends"] = [{"name": mend.name, "hole_psnr": psnr} for psnr, mend in tried]
    psnr, best = max(tried, key=lambda pair: pair[0])
    if psnr < reached + _WORTH:
        advice = "none of the usual mends helps: inpaint summary shows where the network is narrow"
        return replace(verdict, advice=advice)
    what = "mends it" if psnr >= GOAL else "helps most"
    return replace(verdict, text=f"{verdict.text}; {best.name} {what}: {psnr:.1f} dB", advice=best.flags)


def _try_mends(trainer: Trainer, task: Task, first: Attempt) -> list[tuple[float, Attempt]]:
    """Try mends until one reaches the goal; return the PSNR of each."""
    tried: list[tuple[float, Attempt]] = []
    for mend in mends(first):
        try:
            tried.append((learn(trainer, task, mend)[0], mend))
        except InpaintlabError:  # the network does not take that width
            continue
        if tried[-1][0] >= GOAL:
            break
    return tried


def mends(first: Attempt) -> Iterator[Attempt]:
    """Yield what may help a network that cannot learn: width, initial weights, rates."""
    given = first.network.arguments
    own = {} if first.network.name == OBJECT else networks.resolve(first.network.name, {})
    wide = {
        key: max(64, 16 * given[key]) if key == "bottleneck_size" else max(own[key], 2 * given[key])
        for key in ("bottleneck_size", "width", "max_width")
        if key in given and key in own
    }
    sizes = {key: wide[key] for key in ("bottleneck_size",) if key in wide}
    for name, changed in (("a wider bottleneck", sizes), ("a wider network", wide)):
        if changed:
            part = Part(name=first.network.name, **(given | changed))
            flags = " ".join(f"-s network.{key}={value}" for key, value in changed.items())
            yield replace(first, name=f"{name} ({flags})", network=part, flags=flags)
    if first.initialise is not None:
        name = "the network's own initial weights"
        yield replace(first, name=name, initialise=None, flags="leave initialise out")
    else:
        part = Part.model_validate({"name": "lsuv", "activation": "silu"})
        yield replace(first, name="weights by lsuv", initialise=part, flags="-s initialise=lsuv")
    for word, factor in (("lower", 0.1), ("higher", 10)):
        yield _at(first, first.rate * factor, word)
    usual = 1.5e-3 if first.network.name == OBJECT else networks.learning_rate_of(first.network.name)
    if not 0.05 < usual / first.rate < 20:
        yield _at(first, usual, "lower" if usual < first.rate else "higher")


def _at(first: Attempt, rate: float, word: str) -> Attempt:
    return replace(first, name=f"a {word} rate ({rate:g})", rate=rate, flags=f"--lr {rate:g}")


def learn(trainer: Trainer, task: Task, attempt: Attempt) -> tuple[float, int]:
    """Train a fresh network on one batch, by L1 alone; return hole PSNR in dB, and its steps."""
    network, image, mask = _fresh(trainer, task, attempt)
    objective = objectives.create("reconstruction")
    objective.attach(trainer.fabric, network, Optimisation(0.0, trainer.settings.grad_clip))
    start, step, progress = time.monotonic(), 0, 0.0
    with _one_thread(), bar(f"overfitting one batch, {attempt.name}", task.steps) as advance:
        while progress < 1:
            objective.step(image, mask, learning_rate(progress, attempt.rate, _WARMUP), progress)
            step += 1
            # By the clock where that is faster, so that the rate has come down at the end all the same.
            elapsed = (time.monotonic() - start) / task.seconds
            progress = max(progress, step / task.steps, elapsed)
            advance()
    with torch.inference_mode():
        output = torch.nan_to_num(network.eval()(image, mask)).clamp(0, 1)
        psnr = float(hole_psnr(composite(image, output, mask), image, mask).mean())
    return psnr, step


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: so few images gain little by two, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def task_for(trainer: Trainer, steps: int, seconds: float) -> Task:
    """Return the task for a network: the first images at 32 px, or the least size that it takes.

    Of a module that was given as an object no other size is known to work than that of the run.
    """
    images, own = trainer.data.train, trainer.settings.network.name == OBJECT
    side = images.size if own else min(networks.needs(trainer.network).next_side(SIDE), images.size)
    count = min(IMAGES, len(images))
    squares = (images.square(position) for position in range(count))
    image = to_tensor(np.stack([shrink(s, side) if len(s) != side else s for s in squares]))
    mask = FrozenMasks(trainer.mixture, side, count, _SEED).batch(0, count)
    return Task(image, mask, steps, seconds)


def _fresh(trainer: Trainer, task: Task, attempt: Attempt) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network of the attempt, made for the size of the task, and the task on its device."""
    arguments = attempt.network.arguments
    if "side" in arguments:
        arguments = arguments | {"side": task.image.shape[-1]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trainer.settings.seed)
        network = (
            deepcopy(trainer.network).to(memory_format=torch.contiguous_format)
            if attempt.network.name == OBJECT
            else networks.create(attempt.network.name, **arguments)
        )
        if scheme := attempt.initialise:
            initialise(network, scheme.name, batch=[task.image, task.mask], **scheme.arguments)
    image, mask = trainer.fabric.to_device((task.image, task.mask))
    return network, image.contiguous(memory_format=torch.channels_last), mask
