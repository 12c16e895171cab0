"""The support of a gradient, which receptive fields are held against."""

import torch
from torch.overrides import TorchFunctionMode

from inpaintlab.networks.fields import Fields

NORMALISATIONS = {"group_norm", "instance_norm", "layer_norm", "batch_norm"}


class FrozenStatistics(TorchFunctionMode):
    """Statistics of the plane count for no receptive field: here they are constants, too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in NORMALISATIONS:
            return args[0] + 0  # a new tensor, as normalisation makes
        result = func(*args, **(kwargs or {}))
        over_plane = name in ("sum", "mean") and isinstance(result, torch.Tensor)
        return result.detach() if over_plane and args[0].shape[-2:] != result.shape[-2:] else result


def positive(module, seed=0):
    """Random positive weights in double precision: a gradient of 0 means that no path leads there."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().train()
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.5
            parameter.copy_(drawn / max(1, parameter[0].numel()))
    return module


def support(run, image, row, column):
    """First and last row, then column, of the pixels that one position of the output depends on."""
    image = image.double().requires_grad_()
    with FrozenStatistics():
        output = run(image)
    output[0, :, row, column].sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    return tuple((int(hit.nonzero()[0]), int(hit.nonzero()[-1])) for hit in (seen.any(1), seen.any(0)))


def followed(run, image, row, column):
    """First and last row, then column, that one position of the output sees, and the output's shape."""
    spans = []
    for axis, place in enumerate((row, column)):
        tensor = torch.zeros(3, *image.shape[1:], device="meta", dtype=image.dtype)
        fields = Fields(axis, image.shape[2 + axis], range(0))
        fields.start(tensor)
        with torch.no_grad(), fields:
            output = run(tensor)
        seen = fields._of(output).select(2 + axis, min(place, output.shape[2 + axis] - 1))
        spans.append((-int(seen[0].max()), int(seen[1].max())))
    return tuple(spans), output.shape
