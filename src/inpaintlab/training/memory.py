"""How much memory a run takes, said before it is used."""

from copy import deepcopy
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from inpaintlab.errors import MemoryLimitError
from inpaintlab.machine import free_memory
from inpaintlab.networks import needs
from inpaintlab.networks.calls import saved_bytes, saved_per_image
from inpaintlab.networks.discriminators import Discriminator
from inpaintlab.training.objectives import Objective

#: Weights, gradients, two moments of AdamW and the averaged weights.
_COPIES_OF_WEIGHTS = 5
#: Of an extra network that learns, which is not averaged.
_COPIES_OF_EXTRAS = 4
#: Copies in the file that resuming needs, made in memory when no step is under way.
_COPIES_TO_SAVE = 4
#: Gradients of activations and the work space of convolutions come on top of what is saved: 1.2 to 1.4
#: times that was measured (benchmarks/memory.py).
_WORK_SPACE = 1.35
#: Threads, kernels and figures that come with the first steps, measured at 64 to 256 px.
_FIRST_STEPS = 60_000_000
#: What a worker process has of its own.
_WORKER = 150_000_000


@dataclass(frozen=True)
class Memory:
    """Predicted peak of one process of a run and its workers, in bytes.

    `program` is what the process takes already, `images` the decoded ones in memory, `activations`
    what a step remembers.
    """

    program: int
    images: int
    workers: int
    weights: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.program + self.more

    @property
    def more(self) -> int:
        """What comes on top of what the process takes already."""
        saving = self.weights * _COPIES_TO_SAVE // _COPIES_OF_WEIGHTS
        step = max(self.activations, saving)
        return self.images + self.workers + self.weights + step + _FIRST_STEPS

    def __str__(self) -> str:
        parts = {
            "program": self.program + _FIRST_STEPS,
            "images": self.images,
            "workers": self.workers,
            "weights": self.weights,
            "a step": self.activations,
        }
        listed = ", ".join(f"{name} {value / 1e9:.2f}" for name, value in parts.items() if value > 5e6)
        return f"about {self.total / 1e9:.2f} GB of memory at the peak ({listed})"


def predict(
    network: nn.Module,
    size: int,
    batch: int,
    *,
    objective: Objective | None = None,
    images: int = 0,
    workers: int = 0,
) -> Memory:
    """Predict the memory of a run without computing a step.

    What a step must remember is counted on the meta device, where tensors have shapes but no content.
    `images` are bytes, `workers` a number of processes, and `batch` is that of one device.
    """
    with torch.device("meta"):
        image, mask = torch.zeros(1, 3, size, size), torch.zeros(1, 1, size, size)
    weights = _COPIES_OF_WEIGHTS * _bytes(network)
    saved = saved_per_image(network, size)
    if objective is not None:
        # Gradients go through the images that they are shown.
        image.requires_grad_()
        saved = objective.remembered(saved, lambda extra: _saved_by_extra(extra, image, mask))
        # Those that stay as they are stand in memory already.
        weights += sum(_COPIES_OF_EXTRAS * _bytes(extra) for extra in objective.extras())
    return Memory(
        program=psutil.Process().memory_info().rss,
        images=images,
        workers=workers * _WORKER,
        weights=weights,
        activations=int(_WORK_SPACE * saved * batch),
    )


def _bytes(network: nn.Module) -> int:
    """Return the bytes of the weights that learn."""
    return sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad)


def _saved_by_extra(extra: nn.Module, image: torch.Tensor, mask: torch.Tensor) -> int:
    """Return the bytes kept for one image by a discriminator, or by what is shown no mask."""
    on_meta = deepcopy(extra).to("meta").train()
    given = (image, mask) if isinstance(extra, Discriminator) else (image,)
    two = saved_bytes(on_meta, *(torch.cat([one, one]) for one in given))
    # A weight that is computed anew, as with a spectral norm, is kept once, however many images.
    return two - saved_bytes(on_meta, *given)


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device, within the limit of a container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory()


def check_memory(
    memory: Memory,
    network: nn.Module,
    size: int,
    batch: int,
    free: int,
    objective: Objective | None = None,
) -> None:
    """Refuse a run that needs more than `free` bytes, naming the cause and what would fit.

    Raises `MemoryLimitError`.
    """
    if memory.more <= free:
        return
    without = memory.more - memory.activations
    fits = int((free - without) * batch / max(1, memory.activations))
    growth = _growth(memory, network, size, batch, objective)
    if fits >= 1:
        cure = f"{growth}fits with --batch-size {fits}"
    elif memory.images > without / 2:
        cure = "-s cache=disk keeps the images out of memory"
    else:
        cure = f"{growth}take a smaller --size or network"
    raise MemoryLimitError(
        f"--size {size} with --batch-size {batch} needs {memory.more / 1e9:.1f} GB "
        f"(images {memory.images / 1e9:.1f}, a step {memory.activations / 1e9:.1f}), "
        f"{free / 1e9:.1f} GB are free: {cure}"
    )


def _growth(
    memory: Memory, network: nn.Module, size: int, batch: int, objective: Objective | None
) -> str:
    """Say what the size costs, compared with half of it where the network takes that."""
    half = size // 2
    if not needs(network).takes(half):
        return ""
    ratio = memory.activations / predict(network, half, batch, objective=objective).activations
    return f"--size {size} takes {ratio:.1f} × the memory of {half}; "
