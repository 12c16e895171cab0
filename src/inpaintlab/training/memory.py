"""How much memory a training step takes, known before the first one."""

from copy import deepcopy
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

from inpaintlab.errors import MemoryLimitError

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
#: Weights, gradients, two moments of AdamW and the averaged weights.
_COPIES_OF_WEIGHTS = 5
#: Gradients of activations and the work space of convolutions come on top of what is saved.
_WORK_SPACE = 1.1


def step_bytes(network: nn.Module, size: int, batch: int) -> int:
    """Estimate the bytes of one training step, without computing one.

    What a step must remember is counted on the meta device, where tensors have shapes but no content.
    """
    with torch.device("meta"):
        image, mask = torch.zeros(1, 3, size, size), torch.zeros(1, 1, size, size)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    saved = _saved_bytes(deepcopy(network).to("meta").train(), image, mask)
    return int(_WORK_SPACE * saved * batch + _COPIES_OF_WEIGHTS * weights)


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device, within the limit of a container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    for path in _CGROUP_LIMITS:
        limit = Path(path).read_text().strip() if Path(path).is_file() else "max"
        if limit.isdigit():
            free = min(free, int(limit) - psutil.Process().memory_info().rss)
    return free


def check_memory(network: nn.Module, size: int, batch: int, free: int) -> int:
    """Return the estimate for a step, or raise `MemoryLimitError` with the batch that would fit."""
    needed = step_bytes(network, size, batch)
    if needed <= free:
        return needed
    fixed = step_bytes(network, size, 0)
    fits = int((free - fixed) / max(1, (needed - fixed) / batch))
    cure = f"--batch {fits} would fit" if fits >= 1 else f"try --size {size // 2} or a smaller network"
    raise MemoryLimitError(
        f"a batch of {batch} at --size {size} needs about {needed / 1e9:.1f} GB, "
        f"{free / 1e9:.1f} GB are free: {cure}"
    )


def _saved_bytes(network: nn.Module, image: Tensor, mask: Tensor) -> int:
    seen: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        network(image, mask)
    return sum(seen.values())
