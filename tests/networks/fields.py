"""The support of a gradient, which computed receptive fields are held against."""

import torch
from torch.overrides import TorchFunctionMode

from inpaintlab.networks.receptive import PIXELS, Field
from inpaintlab.networks.tracing import Tracer

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


def computed(run, image, *others):
    """The field of the output by arithmetic, and the output's shape, on the meta device."""
    image = image.detach().to("meta", torch.float64)
    with torch.no_grad(), Tracer() as tracer:
        for tensor in (image, *others):
            tracer.fields[tensor] = Field((PIXELS, PIXELS))
        output = run(image)
    return tracer.fields.get(output), output.shape
