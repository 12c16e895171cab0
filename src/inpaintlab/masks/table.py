"""Masks by name, as settings ask for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inpaintlab.errors import SettingError, near_miss
from inpaintlab.masks.frozen import FrozenMasks, MaskSet, Size
from inpaintlab.masks.kinds import KINDS, Mixture
from inpaintlab.masks.sets import SETS


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
    weight = float(arguments.pop("weight", 1.0))
    full = KINDS.resolve(name, arguments)
    if "path" in full:  # a recipe must mean the same folder wherever it is used from
        full["path"] = str(Path(full["path"]).expanduser().resolve())
    return {"name": name, "weight": weight, **full}


def create(parts: Sequence[Mapping[str, Any]]) -> Mixture:
    """Build what draws masks from a list of parts: a name, a weight and the kind's own arguments.

    >>> from inpaintlab.masks import generator_for
    >>> mixture = create([{"name": "rectangles", "side": (0.5, 0.5)}])
    >>> int(mixture.draw(8, 8, generator_for(0)).sum())
    16
    """
    resolved = [resolve(part["name"], {k: v for k, v in part.items() if k != "name"}) for part in parts]
    weights = [part.pop("weight") for part in resolved]
    return Mixture([KINDS[part.pop("name")](**part) for part in resolved], weights)


def frozen(parts: Sequence[Mapping[str, Any]], size: Size, count: int, seed: int) -> MaskSet:
    """Return masks for `count` images: of one set by its name, or of a mixture of kinds.

    `size` is the side of all of them, or height and width for each image.
    Raises `SettingError` for a set with arguments, or beside others: it would no longer be that set.

    >>> frozen([{"name": "nvidia-style-v1"}], 64, 3, seed=0).per_image
    6
    """
    named = [part["name"] for part in parts if part["name"] in SETS]
    if not named:
        full = [resolve(part["name"], {k: v for k, v in part.items() if k != "name"}) for part in parts]
        return FrozenMasks(create(parts), size, count, seed, full)
    if len(parts) > 1 or set(parts[0]) - {"name"}:
        raise SettingError(
            f"the mask set {named[0]} stands alone and takes no arguments: evaluate once with "
            f"--masks {named[0]}, and once more with the others"
        )
    return SETS[named[0]](size, count, seed)
