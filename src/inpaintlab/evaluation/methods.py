"""Everything that fills holes in an evaluation, made one kind of thing.

A method is a function `(image, mask) -> image` of tensors: `[B, 3, H, W]` in [0, 1] and `[B, 1, H, W]`,
1 = hole. A module is one; so are runs, files of weights, ONNX files, models of the hub and baselines.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inpaintlab.baselines import BASELINES, on_tensors
from inpaintlab.checkpoints import ModelCard, Run, read_json
from inpaintlab.data.seal import model_hash
from inpaintlab.errors import RunError, SettingError, near_miss
from inpaintlab.evaluation.limits import States, states_of
from inpaintlab.evaluation.result import MethodFacts, Through
from inpaintlab.inpainter import Inpainter, load
from inpaintlab.inpainter.ways import WAYS
from inpaintlab.networks import needs, noise_of
from inpaintlab.tensors import composite, pad_to_multiple, to_arrays, to_tensor

#: Fills a batch of images where their masks are 1.
Method = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class OpenedMethod:
    """A method that is ready: `own` gives whole images, of which `fill` makes composites.

    `trained_on` has the first 16 digits of the hashes of the images that it has learnt from, if known.
    `drawn` gives so many methods, each with other noise, where fills of one hole vary. `states` says how
    far fills are to be trusted, for a model that has learnt its limits.
    """

    name: str
    own: Method
    facts: MethodFacts
    run: Run | None = None
    trained_on: frozenset[str] = frozenset()
    drawn: Callable[[int], list[Method]] | None = None
    states: States | None = None

    def variants(self, image: Tensor, mask: Tensor, count: int) -> list[Tensor]:
        """Fill holes in so many ways; the method must have `drawn`."""
        assert self.drawn is not None
        return [replace(self, own=own).fill(image, mask) for own in self.drawn(count)]

    def fill(self, image: Tensor, mask: Tensor, under: Tensor | float = 0.0) -> Tensor:
        """Fill holes, in which the method sees `under` and never the truth, black by default.

        Its output is put into the hole alone, and rounded to the 8 bits that a user gets. Raises
        `SettingError` for an output that is not an image like the input, or not finite.
        """
        output = self.checked(torch.where(mask > 0, under, image), mask)
        return to_tensor(to_arrays(composite(image, output.detach().float().cpu(), mask)))

    def checked(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return what the method gives; raises `SettingError` for what is no image like the input."""
        output = self.own(image, mask)
        if not isinstance(output, Tensor) or output.shape != image.shape:
            seen = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise SettingError(
                f"method {self.name!r} gives {seen}, expected a tensor {list(image.shape)}"
            )
        if not bool(output.isfinite().all()):
            raise SettingError(f"method {self.name!r} gives values that are not finite")
        return output

    def reads_hole(self, image: Tensor, mask: Tensor) -> bool:
        """Tell whether fills follow what is under the hole: black, and then noise.

        A method that draws at random differs from itself as well. It reads the hole where noise
        changes much more than a second call does.
        """

        def change(under: Tensor | float) -> float:
            return float((self.fill(image, mask, under) - before).abs().mean())

        before = self.fill(image, mask)
        noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
        changed = change(noise)
        return changed > 0 and changed > 2 * change(0.0)


def open_methods(
    methods: Mapping[str, Any], through: Through = "network", size: int | None = None
) -> dict[str, OpenedMethod]:
    """Open what a user calls a method, by its name.

    A value is a function, a module, an `Inpainter`, the name of a baseline, or a path or name: of a run
    folder, a file of weights, an ONNX file or a model of the hub; through fill also with how it fills,
    as in `default@model+detail` (`Inpainter.method`). `size` is for modules that do not say what they
    were trained on. Raises `SettingError`, and `RunError` for what cannot be loaded.
    """
    if not methods:
        raise SettingError("there is no method to evaluate: give one, as {'mine': model}")
    return {name: _open(name, given, through, size) for name, given in methods.items()}


def open_baseline(name: str) -> OpenedMethod:
    """Open a baseline; raises `SettingError` for an unknown name."""
    return OpenedMethod(name, on_tensors(BASELINES.need(name)), MethodFacts("baseline"))


def name_of(given: Any) -> str:
    """Return what a method is called if nobody says.

    >>> name_of("runs/photos-1"), name_of("exported/small.onnx"), name_of("runs/photos-1@auto")
    ('photos-1', 'small', 'photos-1@auto')
    """
    if isinstance(given, str | os.PathLike):
        what, how = _parted(given)
        return _name_of_path(Path(what)) + (f"@{how}" if how else "")
    return getattr(given, "__name__", type(given).__name__)


def _name_of_path(path: Path) -> str:
    if path.stem == "model" and Run(path.parent).recipe.is_file():
        return path.parent.name + ("" if path.suffix == ".safetensors" else path.suffix)
    return path.name if path.is_dir() else path.stem


def _parted(given: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], str]:
    """Part a path or name from how it fills, which is "" where nothing is said."""
    what, _, how = str(given).rpartition("@")
    return (what, how) if what and how in WAYS else (given, "")


def _open(name: str, given: Any, through: Through, size: int | None) -> OpenedMethod:
    if isinstance(given, OpenedMethod):
        return given
    if isinstance(given, str) and given in BASELINES:
        return open_baseline(given)
    if isinstance(given, str | os.PathLike):
        what, how = _parted(given)
        if how and through != "fill":
            raise SettingError(f"method {given} says how it fills: measure it with --through fill")
        inpainter = _load(what)
        inpainter.method = how or inpainter.method
        return _of_inpainter(name, inpainter, through, size)
    if isinstance(given, Inpainter):
        return _of_inpainter(name, given, through, size)
    if isinstance(given, nn.Module):
        return _of_module(name, given, through, size)
    if callable(given) and not inspect.isclass(given):
        return OpenedMethod(name, given, MethodFacts("function"))
    raise SettingError(
        f"method {name!r} is {type(given).__name__}: give a function (image, mask) -> image, a module, "
        f"an Inpainter, a path, or one of {', '.join(BASELINES)}"
    )


def _load(given: str | os.PathLike[str]) -> Inpainter:
    """Load a path or a name; a run whose network has no registered name brings it as an object."""
    try:
        return load(given, network=getattr(given, "network", None))
    except RunError:
        path = Path(given)
        if path.exists() or len(path.parts) > 1 or path.suffix:
            raise
        raise SettingError(
            f"{given} is neither a run folder, a file of weights, a model of the hub (USER/MODEL) nor a "
            f"baseline{near_miss(str(given), BASELINES)}"
        ) from None


def _of_module(name: str, module: nn.Module, through: Through, size: int | None) -> OpenedMethod:
    if through == "fill" and size is None:
        raise SettingError(f"say size=…: the side of the images that {name!r} was trained on")
    with _in_evaluation(module):
        inpainter = Inpainter(module, ModelCard(type(module).__name__, {}, size or 0))
    return _of_inpainter(name, inpainter, through, size)


def _of_inpainter(name: str, inpainter: Inpainter, through: Through, size: int | None) -> OpenedMethod:
    card, source = inpainter.card, inpainter.source
    run = Run(source.path.parent) if source else None
    run = run if run and run.data.is_file() else None
    facts = MethodFacts(
        "network",
        card.network,
        card.size or size,
        model_hash(source.path) if source else "",
        run.folder.name if run else "",
        card.provenance,
    )
    trained_on = frozenset(read_json(run.data)["train_hashes"]) if run else frozenset()

    def method(inpainter: Inpainter) -> Method:
        return _filling(inpainter) if through == "fill" else _predicting(inpainter.network)

    def drawn(count: int) -> list[Method]:
        return [method(one) for one in inpainter.drawn(count)]

    varies = noise_of(inpainter.network) > 0
    return OpenedMethod(
        name,
        method(inpainter),
        facts,
        run,
        trained_on,
        drawn if varies else None,
        states_of(inpainter, through),
    )


def _predicting(module: nn.Module) -> Method:
    """Return what a network predicts; images of a size that it cannot take are padded and cropped."""

    def predict(image: Tensor, mask: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        multiple, least = needs(module)
        at = next((weight.device for weight in module.parameters()), image.device)
        padded = (pad_to_multiple(one, multiple, least).to(at) for one in (image, mask))
        # Probes ask which change of an image moves its fill.
        without = torch.inference_mode(not image.requires_grad)
        with _in_evaluation(module), without:
            output: Tensor = module(*padded)
        return output[..., :height, :width]

    return predict


def _filling(inpainter: Inpainter) -> Method:
    """Return what a user gets: images of 8 bits, one by one, filled at their own size."""

    def fill(image: Tensor, mask: Tensor) -> Tensor:
        pairs = zip(to_arrays(image), mask[:, 0].numpy() > 0, strict=True)
        with _in_evaluation(inpainter.network):
            return to_tensor(np.stack([inpainter.fill(one, hole) for one, hole in pairs]))

    return fill


@contextmanager
def _in_evaluation(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
