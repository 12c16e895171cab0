"""What draws masks.

A mask kind is a class with a method `draw(height, width, generator)` and one line in `KINDS`. With a
method `at(level)` it takes part in a curriculum: a *level* from 0 to 1 says how hard the holes are, at
1 they are what was asked for, below that smaller.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inpaintlab.arrays import UInt8
from inpaintlab.errors import MaskError, SettingError
from inpaintlab.images import Walk
from inpaintlab.masks.checks import MAX_RATIO, Door, check_ratio
from inpaintlab.masks.polarity import check_polarity
from inpaintlab.masks.reading import read_mask
from inpaintlab.randomness import integer, real
from inpaintlab.registry import Registry

#: At level 0: share of the lengths and widths asked for, and of a folder's masks that are drawn.
SMALLEST = 0.3
#: Up to this level rectangles are alone in a mixture; from there the weights of irregular kinds grow.
IRREGULAR_FROM = 0.5


class MaskKind(Protocol):
    """What draws masks: everything random comes from the generator."""

    def draw(self, height: int, width: int, generator: torch.Generator) -> Any:
        """Return a mask `[height, width]`, 1 or True in the hole."""
        ...


class Drawn:
    """Masks drawn by a function `(height, width, generator)`."""

    def __init__(self, function: Callable[[int, int, torch.Generator], Any]) -> None:
        self.draw = function
        self.name = getattr(function, "__name__", type(function).__name__)

    @staticmethod
    def takes(part: Any) -> bool:
        """Tell whether a part draws by itself, rather than makes what draws."""
        wanted = [p for p in signature(part).parameters.values() if p.default is p.empty]
        return not isinstance(part, type) and len(wanted) == 3

    @classmethod
    def maker(cls, function: Callable[[int, int, torch.Generator], Any]) -> Callable[[], "Drawn"]:
        """Return what makes masks drawn by a function; it bears the function's name."""

        def make() -> Drawn:
            return cls(function)

        make.__module__, make.__qualname__ = function.__module__, function.__qualname__
        return make


class Rectangles:
    """Rectangles anywhere in the image, whole, with sides drawn apart.

    `count` is the smallest and largest number of them, `side` the smallest and largest share of the
    image's height and width that one takes. Below level 1 sides are shorter and rectangles fewer.
    """

    def __init__(
        self, count: int | Sequence[int] = (1, 1), side: float | Sequence[float] = (0.25, 0.5)
    ) -> None:
        self.count = _range("rectangles.count", count, 1, 100)
        self.side = _range("rectangles.side", side, 0.01, 0.95)

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        mask = np.zeros((height, width), np.uint8)
        for _ in range(integer(self.count, generator)):
            rows, columns = (self._side(length, generator) for length in (height, width))
            top = integer((0, height - rows), generator)
            left = integer((0, width - columns), generator)
            mask[top : top + rows, left : left + columns] = 1
        return mask

    def at(self, level: float) -> "Rectangles":
        """Return rectangles of this level, 0 to 1."""
        if level >= 1:
            return self
        return Rectangles(_fewer(self.count, level), _shorter(self.side, level, 0.01))

    def _side(self, length: int, generator: torch.Generator) -> int:
        low, high = (max(1, round(share * length)) for share in self.side)
        return integer((low, high), generator)


class Strokes:
    """Brush strokes: wandering lines with round ends (free-form masks, Yu et al. 2019, section 3.4).

    `count` is the number of strokes, `points` the number of straight pieces of one, `length` the share
    of the image's mean side that a piece takes, and `width` the share that the brush takes. Below
    level 1 strokes are fewer, shorter and thinner.
    """

    def __init__(
        self,
        count: int | Sequence[int] = (1, 4),
        points: int | Sequence[int] = (3, 8),
        length: float | Sequence[float] = (0.1, 0.3),
        width: float | Sequence[float] = (0.05, 0.12),
    ) -> None:
        self.count = _range("strokes.count", count, 1, 100)
        self.points = _range("strokes.points", points, 1, 100)
        self.length = _range("strokes.length", length, 0.01, 1)
        self.width = _range("strokes.width", width, 0.005, 0.5)

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        mask = np.zeros((height, width), np.uint8)
        side = (height + width) / 2
        for _ in range(integer(self.count, generator)):
            brush = max(1, round(real(self.width, generator) * side))
            cv2.polylines(mask, [self._path(height, width, generator)], False, 1, brush)
        return mask

    def at(self, level: float) -> "Strokes":
        """Return strokes of this level, 0 to 1."""
        if level >= 1:
            return self
        count, points = (_fewer(bounds, level) for bounds in (self.count, self.points))
        length, width = _shorter(self.length, level, 0.01), _shorter(self.width, level, 0.005)
        return Strokes(count, points, length, width)

    def _path(self, height: int, width: int, generator: torch.Generator) -> npt.NDArray[np.int32]:
        side = (height + width) / 2
        place = np.array([real((0, width - 1), generator), real((0, height - 1), generator)])
        angle = real((0, 2 * math.pi), generator)
        path = [place]
        for _ in range(integer(self.points, generator)):
            angle += real((-math.pi / 2, math.pi / 2), generator)
            step = real(self.length, generator) * side
            place = place + step * np.array([math.cos(angle), math.sin(angle)])
            place = np.clip(place, 0, (width - 1, height - 1))
            path.append(place)
        return np.asarray(np.rint(np.stack(path)), np.int32)


#: Sizes for which all files of a folder are kept; masks of further sizes are read one by one.
_SIZES = 2
#: What turns the masks of a folder round, and takes grey ones.
_INVERT = "-s masks.invert=true (in a recipe invert: true)"
_SETTINGS = Door(_INVERT, "-s masks.grey=true (in a recipe grey: true)")


class Folder:
    """Mask files of a folder, searched recursively, one drawn at random each time.

    Files are read once, when the first mask of a size is drawn, and resized without smoothing. Below
    level 1 only those with the smallest holes are drawn. Raises `MaskError` where most files look
    inverted, and naming a file that is empty or more than 90 % hole. `invert` is true for sets that
    paint the hole black, and false for those that only look so; `grey` for masks more than half of which
    is grey.
    """

    def __init__(self, path: str, invert: bool | None = None, grey: bool = False) -> None:
        self.invert, self.grey, self.level = invert, grey, 1.0
        folder = Path(path)
        if (folder / "masks.json").is_file():  # of inpaint masks, with a sheet beside the masks
            folder /= "masks"
        self.files = [folder / file for file in Walk(outputs=True, masks=True).paths(folder)]
        if not self.files:
            raise MaskError(f"there is no mask image in {path}")
        if invert is None:
            check_polarity(self.files, f"{_INVERT} if black marks the hole, …=false if they are right")
        # Both are shared by the folder at all levels.
        self._packed: dict[tuple[int, int], list[UInt8]] = {}
        self._ranked: dict[tuple[int, int], list[int]] = {}

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1."""
        size = (height, width)
        if self.level >= 1 and size not in self._packed and len(self._packed) >= _SIZES:
            file = self.files[integer((0, len(self.files) - 1), generator)]
            return np.unpackbits(self._read(file, size), count=height * width).reshape(height, width)
        if size not in self._packed:
            with ThreadPoolExecutor() as pool:
                self._packed[size] = list(pool.map(lambda file: self._read(file, size), self.files))
        if self.level >= 1:
            number = integer((0, len(self.files) - 1), generator)
        else:
            ranked, share = self._by_ratio(size), SMALLEST + (1 - SMALLEST) * self.level
            number = ranked[integer((0, math.ceil(share * len(ranked)) - 1), generator)]
        return np.unpackbits(self._packed[size][number], count=height * width).reshape(height, width)

    def at(self, level: float) -> "Folder":
        """Return the folder at this level, 0 to 1; its files are not read again."""
        if level >= 1:
            return self
        easier = copy(self)
        easier.level = level
        return easier

    def _by_ratio(self, size: tuple[int, int]) -> list[int]:
        """Return the numbers of the files, smallest hole first; holes that vanish are left out."""
        if size not in self._ranked:
            holes = np.array([np.unpackbits(packed).sum() for packed in self._packed[size]])
            order = np.argsort(holes, kind="stable")
            self._ranked[size] = order[holes[order] > 0].tolist() or order.tolist()
        return self._ranked[size]

    def _read(self, file: Path, size: tuple[int, int]) -> UInt8:
        mask, _ = read_mask(file, invert=self.invert, grey=self.grey, door=_SETTINGS)
        check_ratio(mask, file.name, _SETTINGS)
        height, width = size
        return np.packbits(
            np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
        )


class Mixture:
    """Several mask kinds; each draw picks one, by weight.

    Rectangles come first: up to level 0.5 the irregular kinds beside them are not drawn, and their
    weight then grows to its own.
    """

    def __init__(self, kinds: Sequence[MaskKind], weights: Sequence[float]) -> None:
        if min(weights) < 0 or sum(weights) <= 0:
            raise SettingError(f"mask weights must be positive, got {list(weights)}")
        self.kinds, self.weights = list(kinds), list(weights)
        self.bounds = np.cumsum(weights) / sum(weights)

    def draw(self, height: int, width: int, generator: torch.Generator) -> UInt8:
        """Return a mask `[height, width]` of 0 and 1, with at least one pixel of each."""
        return self.draw_named(height, width, generator)[0]

    def draw_named(self, height: int, width: int, generator: torch.Generator) -> tuple[UInt8, str]:
        """Return such a mask, and the name of the kind that drew it."""
        for _ in range(100):
            choice = int(np.searchsorted(self.bounds, real((0, 1), generator), side="right"))
            kind = self.kinds[min(choice, len(self.kinds) - 1)]
            mask = _mask_of(kind, height, width, generator)
            # A thin stroke can vanish at 8 px, many rectangles can cover everything: draw again.
            if 0 < mask.mean() <= MAX_RATIO:
                return mask, name_of(kind)
        raise MaskError(
            f"100 masks of {height}×{width} in a row were empty or over {MAX_RATIO:.0%}: "
            "choose other mask settings or a larger --size"
        )

    def at(self, level: float) -> "Mixture":
        """Return the mixture at this level, 0 to 1; at 1 it draws the very same masks."""
        if level >= 1:
            return self
        kinds = [kind.at(level) if hasattr(kind, "at") else kind for kind in self.kinds]
        first = [isinstance(kind, Rectangles) for kind in self.kinds]
        if not np.dot(first, self.weights):  # nothing to come first: irregular masks grow by themselves
            return Mixture(kinds, self.weights)
        late = max(0.0, (level - IRREGULAR_FROM) / (1 - IRREGULAR_FROM))
        shares = np.where(first, 1.0, late)
        return Mixture(kinds, (shares * self.weights).tolist())


KINDS: Registry[MaskKind] = Registry(
    "mask kind", {"rectangles": Rectangles, "strokes": Strokes, "folder": Folder}
)


def name_of(kind: MaskKind) -> str:
    """Return the name of a kind, or of its class where it is not in the table."""
    if isinstance(kind, Drawn):
        return kind.name
    names: dict[Any, str] = {of: name for name, of in KINDS.items()}
    return names.get(type(kind), type(kind).__name__)


def _mask_of(kind: MaskKind, height: int, width: int, generator: torch.Generator) -> UInt8:
    """Draw a mask, uint8 of 0 and 1; raises `MaskError` where a kind draws what is none."""
    mask: Any = kind.draw(height, width, generator)
    if not (isinstance(mask, np.ndarray) and mask.dtype == np.uint8 and mask.max(initial=0) <= 1):
        mask, _ = read_mask(mask if isinstance(mask, torch.Tensor) else np.asarray(mask))
    if mask.shape != (height, width):
        seen, wanted = list(mask.shape), [height, width]
        raise MaskError(f"{name_of(kind)} drew a mask {seen}, asked for was {wanted}")
    return np.asarray(mask)


def _range(name: str, value: float | Sequence[float], lowest: float, highest: float) -> tuple[Any, Any]:
    """Check a (smallest, largest) setting."""
    pair = (value, value) if isinstance(value, int | float) else tuple(value)
    if len(pair) != 2 or not lowest <= pair[0] <= pair[1] <= highest:
        raise SettingError(
            f"{name} must be two rising numbers from {lowest:g} to {highest:g}, got {value}"
        )
    return pair[0], pair[1]


def _shorter(bounds: tuple[float, float], level: float, lowest: float) -> tuple[float, float]:
    """Return the bounds of a length at a level."""
    share = SMALLEST + (1 - SMALLEST) * level
    return max(lowest, share * bounds[0]), max(lowest, share * bounds[1])


def _fewer(bounds: tuple[int, int], level: float) -> tuple[int, int]:
    """Return the bounds of a count at a level: at first always the smallest."""
    return bounds[0], bounds[0] + round(level * (bounds[1] - bounds[0]))
