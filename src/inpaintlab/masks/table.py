"""Masks as they are asked for: by name, as parts of settings, as a folder, or as objects."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from inpaintlab.errors import MaskError, SettingError, near_miss
from inpaintlab.masks.frozen import SETS, FrozenMasks, MaskSet, Size
from inpaintlab.masks.kinds import KINDS, Drawn, MaskKind, Mixture, name_of

#: What `make` and `frozen` take: one part or several. A part is the name of a kind, a folder of mask
#: files, a name with arguments, a function `(height, width, generator) -> [H, W]`, or what has such a
#: method `draw`.
Spec = Any
Kind = TypeVar("Kind", bound=Callable[..., Any])


@overload
def register_mask(name: str) -> Callable[[Kind], Kind]: ...
@overload
def register_mask(name: str, part: Kind) -> Kind: ...
def register_mask(name: str, part: Any = None) -> Any:
    """Add a kind of mask under a name, which settings then know; also as a decorator.

    It is a class or function that makes what has a method `draw(height, width, generator)`, or a
    function of these three that draws itself. Everything random comes from the generator; a mask is
    `[height, width]`, 1 or True in the hole. A method `at(level)`, which returns easier holes, is
    for a curriculum and may be missing.

    >>> @register_mask("left-half")
    ... def left_half(height, width, generator):
    ...     return [[column < width // 2 for column in range(width)] for row in range(height)]
    >>> int(make("left-half").draw(4, 6, None).sum())
    12
    """
    if part is None:
        return lambda decorated: register_mask(name, decorated)
    KINDS.register(name, Drawn.maker(part) if Drawn.takes(part) else part)
    return part


def resolve(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, weight and every argument of a mask kind, with the defaults filled in."""
    if name in SETS:
        raise SettingError(
            f"{name} is a mask set: it is for measuring, as in inpaint evaluate RUN --masks {name}; for "
            "training choose kinds, or a folder"
        )
    if name not in KINDS:
        raise SettingError(f"unknown mask kind {name!r}{near_miss(name, [*KINDS, *SETS])}")
    arguments = dict(arguments)
    weight = _weight(name, arguments.pop("weight", 1.0))
    full = KINDS.resolve(name, arguments)
    if "path" in full:  # a recipe must mean the same folder wherever it is used from
        full["path"] = str(Path(full["path"]).expanduser().resolve())
    return {"name": name, "weight": weight, **full}


def _weight(name: str, value: Any) -> float:
    """Return how often a kind is drawn beside others, as a number."""
    try:
        weight = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not math.isfinite(weight):
        raise SettingError(f"mask kind {name!r}: weight must be a number, got {value!r}")
    return weight


def make(spec: Spec) -> Mixture:
    """Return what draws masks, of one part or of several.

    Raises `SettingError` for an unknown name or argument, and `MaskError` for what draws no masks.

    >>> from inpaintlab.randomness import generator_for
    >>> mixture = make({"name": "rectangles", "side": (0.5, 0.5)})
    >>> int(mixture.draw(8, 8, generator_for(0)).sum())
    16
    >>> len(make(["rectangles", {"name": "strokes", "weight": 2}]).kinds)
    2
    """
    if isinstance(spec, Mixture):
        return spec
    made = [_kind(part) for part in _parts(spec)]
    return Mixture([kind for kind, _ in made], [part.get("weight", 1.0) for _, part in made])


def frozen(spec: Spec, size: Size, count: int, seed: int) -> MaskSet:
    """Return masks for `count` images: of one set by its name, or of what `make` takes.

    `size` is the side of all of them, or height and width for each image.
    Raises `SettingError` for a set with arguments, or beside others: it would no longer be that set.

    >>> frozen("nvidia-style-v1", 64, 3, seed=0).per_image
    6
    """
    parts = _parts(spec.kinds if isinstance(spec, Mixture) else spec)
    named = [part["name"] for part in parts if isinstance(part, Mapping) and part["name"] in SETS]
    if not named:
        described = [description for _, description in map(_kind, parts)]
        return FrozenMasks(make(spec), size, count, seed, described)
    if len(parts) > 1 or set(parts[0]) - {"name"}:
        raise SettingError(
            f"the mask set {named[0]} stands alone and takes no arguments: evaluate once with "
            f"--masks {named[0]}, and once more with the others"
        )
    return SETS[named[0]](size, count, seed, parts)


def _parts(spec: Spec) -> list[Any]:
    """Return parts as mappings with a name where they have one, and as objects else."""
    several = isinstance(spec, Sequence) and not isinstance(spec, str)
    parts = [_named(part) for part in (spec if several else [spec])]
    if not parts:
        raise SettingError("there are no masks: name a kind, as rectangles")
    return parts


def _named(part: Any) -> Any:
    if hasattr(part, "model_dump"):  # a part of settings
        part = part.model_dump()
    if not isinstance(part, str | Path):
        return part
    is_name = str(part) in KINDS or str(part) in SETS or not Path(part).expanduser().is_dir()
    return {"name": str(part)} if is_name else {"name": "folder", "path": str(part)}


def _kind(part: Any) -> tuple[MaskKind, dict[str, Any]]:
    """Return what draws the masks of a part, and all that is known of it."""
    if isinstance(part, Mapping):
        full = resolve(part["name"], {key: value for key, value in part.items() if key != "name"})
        arguments = {key: value for key, value in full.items() if key not in ("name", "weight")}
        return KINDS[full["name"]](**arguments), full
    if isinstance(part, type) or not (hasattr(part, "draw") or callable(part)):
        raise MaskError(
            "masks are a name, a folder, or an object with draw(height, width, generator), "
            f"got {part!r:.80}"
        )
    kind = part if hasattr(part, "draw") else Drawn(part)
    return kind, {"name": name_of(kind), "weight": 1.0}
