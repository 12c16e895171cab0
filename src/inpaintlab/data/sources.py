"""Opening a dataset, whatever it is: files, a prepared dataset, samples, arrays, or your own object."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data import leaves, samples
from inpaintlab.data.dataset import ImageData, ImageDataset
from inpaintlab.data.findings import hash_name, hash_pixels
from inpaintlab.data.folders import FolderDataset, PreparedDataset, ShardedDataset
from inpaintlab.data.lookalikes import Appearance, appearance_of_middle
from inpaintlab.data.manifest import is_dataset
from inpaintlab.errors import DataError, ImageError, SettingError, near_miss
from inpaintlab.images import from_array, from_pillow, on_white, shrink
from inpaintlab.runs import OBJECT

#: What an item of a dataset of your own may be.
_ITEMS = "uint8 [H, W, 3], a PIL image, or a float tensor [C, H, W] in [0, 1]"
#: Objects that hold files open do not bear two readers at a time.
_ONE_AT_A_TIME = Lock()


class Mapped(Protocol):
    """A map-style dataset, as those of torch: a list is one, too."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Return an image, or a tuple that begins with one."""
        ...


#: What `open_dataset` takes.
Source = str | os.PathLike[str] | ImageData | ImageDataset | Mapped


#: Side of a drawn image where none is asked for.
OWN_SIZE = 256
#: Kind of drawn images -> what one is called, and what draws it.
DRAWN = {"portraits": ("portrait", samples.draw), "leaves": ("leaves", leaves.draw)}


class SampleDataset:
    """The first `count` drawn images of a kind of `DRAWN`, at whatever size is asked for."""

    predefined_split = None

    def __init__(self, count: int, kind: str = "portraits") -> None:
        name, self._draw = DRAWN[kind]
        self.names = [f"{name}-{index:06}" for index in range(count)]
        #: They are not copies of each other.
        self.groups = range(count)

    def __len__(self) -> int:
        return len(self.names)

    def content_hash(self, index: int) -> str:
        """SHA-256 of the image's name: it stands for what is drawn, at every size."""
        return hash_name(self.names[index])

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Draw image `index`, at `OWN_SIZE` pixels where no size is asked for."""
        return self._draw(index, size or OWN_SIZE)


class OwnDataset:
    """A dataset that somebody brings, with what it lacks filled in from its pixels.

    It has `read`, or gives an image or `(image, …)` for a number. An item that cannot be read, or is no
    image, counts as a broken image. Raises `DataError` where there is none, where the first is no
    image or another one each time, and where names, groups or hashes are not one an image.
    """

    def __init__(self, own: Any) -> None:
        self._own, self._kind, count = own, type(own).__name__, len(own)
        if not count:
            raise DataError(f"{self._kind} is empty: give at least 20 images")
        self.names: Sequence[str] = [f"image-{index:06}" for index in range(count)]
        self.predefined_split = getattr(own, "predefined_split", None)
        self.checked = getattr(own, "checked", False)
        for name in ("names", "groups", "hashes"):
            values = getattr(own, name, None)
            if values is not None and len(values) != count:
                raise DataError(f"{self._kind} has {count} images, but {len(values)} {name}")
            if values is not None:
                setattr(self, name, values)
        self._known: dict[int, tuple[str, Appearance | None]] = {}
        self._check()

    def __len__(self) -> int:
        return len(self.names)

    def content_hash(self, index: int) -> str:
        """The object's own, or SHA-256 of height, width and pixels; of the name of a broken image."""
        own = getattr(self._own, "content_hash", None)
        return self._look(index)[0] if own is None else str(own(index))

    def appearance(self, index: int) -> Appearance | None:
        """What an image looks like; None where it shows nothing."""
        return self._look(index)[1]

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Return image `index`; raises `ImageError` for an item that cannot be used."""
        if hasattr(self._own, "read"):
            pixels: UInt8 = self._own.read(index, size)
            return pixels
        name = self.names[index]
        with _ONE_AT_A_TIME:
            try:
                item = self._own[index]
            except Exception as error:  # noqa: BLE001 - it is the user's code, which can raise anything
                reason = f"{type(error).__name__}: {error}"
                raise ImageError(f"{name} cannot be read: {reason}") from None
        pixels = as_rgb(item, name)
        height, width = pixels.shape[:2]
        if size is not None and min(height, width) < size:
            raise ImageError(f"{name} is {width}×{height}, less than --size {size}", "small")
        return pixels if size is None else shrink(pixels, size)

    def _look(self, index: int) -> tuple[str, Appearance | None]:
        """Read an image once for its hash and its appearance."""
        if index not in self._known:
            try:
                pixels = self.read(index)
                self._known[index] = hash_pixels(pixels), appearance_of_middle(pixels)
            except ImageError:
                self._known[index] = hash_name(self.names[index]), None
        return self._known[index]

    def _check(self) -> None:
        try:
            first: Any = self.read(0)
            again: Any = first if hasattr(self._own, "read") else self.read(0)
        except ImageError as error:
            raise DataError(str(error)) from None
        kind, shape = getattr(first, "dtype", None), list(getattr(first, "shape", ()))
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3:
            seen = f"{kind} {shape}" if shape else type(first).__name__
            raise DataError(f"{self._kind}.read(0, None) must give uint8 [H, W, 3], got {seen}")
        if not np.array_equal(first, again):
            raise DataError(
                "the dataset gives another image each time it is asked for the first one: take its "
                "augmentation out, training has its own"
            )


def open_dataset(source: Source, *, fold: int | None = None, folds: int | None = None) -> ImageData:
    """Open a folder, a prepared dataset, `samples:N`, a list of images, or a dataset of your own.

    A dataset of your own is map-style (`__len__` and `__getitem__`, giving an image or `(image, …)`) or
    an `ImageDataset`. An image is uint8 `[H, W, 3]`, a PIL image, or a float tensor `[C, H, W]` in
    [0, 1]. With `fold`, that fold validates and the others train: of a prepared dataset one of its own,
    of other images one of `folds` by content. Raises `DataError`, and `SettingError` for `folds` without
    `fold`.

    >>> len(open_dataset("samples:12"))
    12
    """
    if folds is not None and fold is None:
        raise SettingError("folds says how many there are: say with fold which one validates")
    if isinstance(source, ImageData):
        if fold is None:
            return source
        return ImageData(source.dataset, source.name, fold=fold, folds=folds)
    if isinstance(source, str | os.PathLike):
        return _open_named(str(source), fold, folds)
    mapped = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if not hasattr(source, "read") and (not mapped or isinstance(source, Mapping)):
        raise DataError(
            f"a dataset is a folder, NAME.dataset, samples:N, a list of images, or an object with "
            f"__len__ and __getitem__ or read, got {type(source).__name__}"
        )
    own = OwnDataset(source)
    return ImageData(own, f"{type(source).__name__} of {len(own)} images", fold=fold, folds=folds)


def as_rgb(item: Any, name: str) -> UInt8:
    """Return an item of a dataset as RGB uint8 `[H, W, 3]`, on white where it is transparent.

    Of a tuple the first is taken. Raises `ImageError` that names what was seen, and the cure.
    """
    if isinstance(item, tuple | list) and item:
        item = item[0]
    if isinstance(item, Image.Image):
        return on_white(from_pillow(item))
    if isinstance(item, Tensor):
        if item.ndim != 3 or item.shape[0] not in (1, 3):
            raise ImageError(
                f"{name} is a tensor {list(item.shape)}: it must be [3, H, W] or [1, H, W]; "
                "permute(2, 0, 1) puts channels first"
            )
        item = item.detach().cpu().permute(1, 2, 0).numpy()
    if not isinstance(item, np.ndarray):
        raise ImageError(f"{name} is a {type(item).__name__}: an image is {_ITEMS}")
    if item.ndim == 3 and item.shape[2] == 1:
        item = item[..., 0]
    try:
        return on_white(from_array(item))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None


def _open_named(data: str, fold: int | None, folds: int | None) -> ImageData:
    path = Path(data).expanduser()
    if is_dataset(path):
        dataset = PreparedDataset(path, fold=fold)
        own = dataset.facts.settings.folds
        if folds not in (None, own):
            raise DataError(
                f"{data} has {own} folds, not {folds}: leave folds out, or make another dataset with "
                f"inpaint prepare -s folds={folds}"
            )
        dataset = ShardedDataset(path, fold=fold) if dataset.in_shards else dataset
        return ImageData(dataset, data, source=data)
    opened: ImageDataset
    kind, colon, count = data.partition(":")
    if kind == OBJECT and colon:
        raise DataError(
            f"the run was trained on images that it was given in Python ({count.strip()}), and not on a "
            "folder: give them again, as data="
        )
    if kind == "samples" and colon:
        of, _, number = count.rpartition(":")
        of = of or "portraits"
        if of not in DRAWN:
            raise DataError(f"there are no samples {of!r}{near_miss(of, DRAWN)}")
        if not number.isdigit() or int(number) < 1:
            raise DataError(f"samples:N and samples:leaves:N take a number of images, got {data!r}")
        opened = SampleDataset(int(number), of)
    else:
        opened = FolderDataset(path)
    return ImageData(opened, data, source=data, fold=fold, folds=folds)
