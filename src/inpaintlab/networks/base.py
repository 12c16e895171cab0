"""What a network is, what it may state about itself, and the checks that rest on it.

A network is any `nn.Module` that is called as `module(image, mask)` and gives an image back. What it
states about itself (`multiple_of`, `min_size`, `learning_rate`, `encoder`, `bottleneck`, `noise`) may be
missing: ask by the functions here, never by the attribute.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab.errors import InpaintlabError, NetworkError, SettingError, SizeError
from inpaintlab.masks import check_mask
from inpaintlab.tensors import check_image_shape

#: The peak that a network's training takes if neither the user nor the network states one.
USUAL_RATE = 1.5e-3


class Needs(NamedTuple):
    """The sizes that a network takes: height and width are multiples, and at least so large."""

    multiple_of: int = 1
    min_size: int = 1

    def takes(self, *sides: int) -> bool:
        """Tell whether all of these sides can be taken."""
        return all(side % self.multiple_of == 0 and side >= self.min_size for side in sides)

    def next_side(self, side: int) -> int:
        """Return the least side from `side` on that can be taken.

        >>> Needs(16, 32).next_side(10), Needs(16, 32).next_side(50)
        (32, 64)
        """
        return -(-max(side, self.min_size) // self.multiple_of) * self.multiple_of

    def nearest(self, side: int) -> list[int]:
        """Return the sides next to one that cannot be taken."""
        below = side // self.multiple_of * self.multiple_of
        sides = (below, below + self.multiple_of)
        return [size for size in sides if size >= self.min_size] or [self.min_size]


class Network(nn.Module):
    """A network of ours: it checks what it is called with, and states its needs as attributes.

    `multiple_of` is what height and width must be multiples of, `min_size` the least of both.
    `learning_rate` is the peak that its training takes where none is set.
    `bottleneck` is the dotted name of the module whose output is all that the decoder gets, None where
    skips pass by it; so no module can be called `bottleneck` itself.
    `encoder` holds the dotted names of the modules on the way to the coarsest features, whose batch
    norms a second phase of training freezes; so no module can be called `encoder` either.
    `noise` is how many random numbers its fills vary with, 0 where a hole has one fill alone. A network
    with noise has a third argument, `[B, noise]`, by default 0, which is the middle of its fills.
    """

    multiple_of: int
    min_size: int
    learning_rate: float = USUAL_RATE
    bottleneck: str | None = None
    encoder: tuple[str, ...] = ()
    noise: int = 0

    #: Predicts the whole image without looking under the hole; takes noise as well where it varies.
    forward: Callable[..., Tensor]

    def __call__(self, image: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """Check the inputs, black out what is under the hole, and run `forward`.

        Raises `ImageError`, `MaskError`, `SizeError` or `NetworkError` naming what was seen. Colours are
        not checked, as what lies under the hole may be anything.
        """
        check_image_shape(image)
        check_mask(mask, image)
        check_size(self, image.shape[-2], image.shape[-1])
        given = () if noise is None else (check_noise(self, noise, image),)
        output: Tensor = super().__call__(torch.where(mask > 0, 0, image), mask, *given)
        return output

    def size_hint(self, side: int) -> str:
        """Return what else would do for a side that is not allowed, to end the message with."""
        del self, side
        return ""


def needs(module: nn.Module) -> Needs:
    """Return the sizes that a network takes; one that does not say takes all.

    Raises `NetworkError` for needs that are not whole numbers above 0.
    """
    stated = {name: getattr(module, name, 1) for name in Needs._fields}
    for name, value in stated.items():
        if not isinstance(value, int) or value < 1:
            raise NetworkError(f"{_title(module)}.{name} must be a whole number above 0, got {value!r}")
    return Needs(**stated)


def check_size(module: nn.Module, height: int, width: int) -> None:
    """Raise `SizeError`, with the sizes that would do, where a network cannot take this one."""
    of = needs(module)
    for side in (height, width):
        if not of.takes(side):
            hint: Callable[[int], str] = getattr(module, "size_hint", lambda _: "")
            sizes = " or ".join(map(str, of.nearest(side))) + hint(side)
            raise SizeError(
                f"{_title(module)} cannot take {height}×{width}: sides are multiples of "
                f"{of.multiple_of}, at least {of.min_size}; nearest: {sizes}"
            )


def stated_rate(module: object) -> float:
    """Return the peak learning rate that a network, or what makes it, states, or the usual one."""
    rate = getattr(module, "learning_rate", None)
    return float(rate) if isinstance(rate, int | float) else USUAL_RATE


def encoder_of(module: nn.Module) -> tuple[str, ...]:
    """Return the dotted names of the modules of the encoder; () where the network names none.

    A module that is itself called `encoder` is one.
    """
    stated = getattr(module, "encoder", ())
    return ("encoder",) if isinstance(stated, nn.Module) else tuple(stated)


def bottleneck_of(module: nn.Module) -> str | None:
    """Return the dotted name of the module through which all goes; None where the network names none.

    A module that is only called `bottleneck` does not count: skips may pass by it.
    """
    stated = getattr(module, "bottleneck", None)
    return stated if isinstance(stated, str) else None


def noise_of(module: nn.Module) -> int:
    """Return how many random numbers the fills of a network vary with; 0 where it does not say."""
    stated = getattr(module, "noise", 0)
    return stated if isinstance(stated, int) else 0


def draw_noise(module: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
    """Return noise for each of some images, what a network is called with beside image and mask.

    Nothing for a network without. Directions are random; the length is always the usual one of normal
    noise, as noise that is seldom so long in training gives poor fills.
    """
    if not (length := noise_of(module)):
        return ()
    directions = F.normalize(torch.randn(len(image), length), dim=1)
    return ((length**0.5 * directions).to(image),)


def check_noise(module: nn.Module, noise: Tensor, image: Tensor) -> Tensor:
    """Return noise, or raise `NetworkError` for a network without, or for another shape."""
    wanted = (len(image), noise_of(module))
    if not wanted[1]:
        raise NetworkError(f"{_title(module)} takes no noise: it fills a hole in one way alone")
    if noise.shape != wanted:
        raise NetworkError(
            f"{_title(module)} takes noise {list(wanted)} with these images, got {list(noise.shape)}"
        )
    return noise


def adopt(module: nn.Module) -> nn.Module:
    """Hide what is under the hole from a module that is no `Network`, and return the module.

    A `Network` does that when it is called. The module gets a hook that sets the hole to 0 in each
    image that it is called with, whoever calls it; a second time nothing changes.
    """
    if not isinstance(module, Network) and _hide_hole not in module._forward_pre_hooks.values():
        module.register_forward_pre_hook(_hide_hole)
    return module


def _hide_hole(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    del module
    if len(given) < 2:
        return given
    image, mask, *rest = given
    return torch.where(mask > 0, 0, image), mask, *rest


def check_network(module: nn.Module, height: int, width: int | None = None) -> None:
    """Run a network once on two grey images of a size, and refuse what does not give images back.

    It runs in evaluation, without gradients, and on the device of its weights; its mode and the random
    state are as before. Raises `SizeError` for a size that it does not take, and `NetworkError` naming
    what was seen.
    """
    width = height if width is None else width
    check_size(module, height, width)
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    image = torch.full((2, 3, height, width), 0.5, device=device)
    mask = torch.zeros(2, 1, height, width, device=device)
    mask[..., height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 1
    modes = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng():
            output = module.eval()(image, mask)
    except InpaintlabError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NetworkError(
            f"{_title(module)} cannot be called as network(image, mask) with images "
            f"{list(image.shape)} and masks {list(mask.shape)}: {reason}"
        ) from error
    finally:
        for part, mode in modes.items():
            part.training = mode
    check_output(module, output, image)


def check_output(module: nn.Module, output: object, image: Tensor) -> None:
    """Raise `NetworkError`, naming what was seen, where an output is no image like the input."""
    if not isinstance(output, Tensor):
        seen = f"a {type(output).__name__}"
    elif output.shape != image.shape:
        seen = f"{list(output.shape)}"
    elif not output.is_floating_point():
        seen = f"{output.dtype}"
    else:
        return
    raise NetworkError(
        f"{_title(module)} must give images back, floating point {list(image.shape)}; it gives {seen}"
    )


def check_arguments(network: str, multiple: int = 1, **limits: tuple[int, int]) -> None:
    """Raise `SettingError` for an argument `name=(value, least)` that no network can be built from.

    A `width` must be a multiple of `multiple`, too.
    """
    for name, (value, least) in limits.items():
        if name == "width" and multiple > 1 and (value < 1 or value % multiple):
            raise SettingError(
                f"network {network!r}: {name} must be a multiple of {multiple}, got {value}"
            )
        if value < least:
            raise SettingError(f"network {network!r}: {name} must be at least {least}, got {value}")


def _title(module: nn.Module) -> str:
    return type(module).__name__
