"""Opening a dataset, whatever it is: files, a prepared dataset, samples, arrays, or your own object."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
from PIL import Image
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data import samples
from inpaintlab.data.dataset import ImageData, ImageDataset, hash_pixels
from inpaintlab.data.folders import FolderDataset, PreparedDataset, ShardedDataset
from inpaintlab.data.lookalikes import Appearance, appearance_of_middle
from inpaintlab.data.manifest import is_dataset
from inpaintlab.errors import DataError, ImageError, SettingError
from inpaintlab.images import from_array, from_pillow, on_white, shrink

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


#: Side of a sample portrait where none is asked for.
OWN_SIZE = 256


class SampleDataset:
    """The first `count` sample portraits, drawn at whatever size is asked for."""

    predefined_split = None

    def __init__(self, count: int) -> None:
        self.names = [f"portrait-{index:06}" for index in range(count)]
        #: Portraits are not copies of each other.
        self.groups = range(count)

    def __len__(self) -> int:
        return len(self.names)

    def content_hash(self, index: int) -> str:
        """SHA-256 of the portrait's name: it stands for what is drawn, at every size."""
        return _hash_name(self.names[index])

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Draw portrait `index`, at `OWN_SIZE` pixels where no size is asked for."""
        return samples.draw(index, size or OWN_SIZE)


class MappedDataset:
    """A list of images, or a map-style dataset that gives an image or `(image, …)`.

    Each item is read once for its content hash and its appearance. An item that cannot be read, or is
    no image, counts as a broken image. Raises `DataError` where there is none, where the first is no
    image, and where it is another one each time.
    """

    def __init__(self, items: Mapped) -> None:
        if not len(items):
            raise DataError("the dataset is empty: give at least 20 images")
        self._items = items
        self.names = [f"image-{index:06}" for index in range(len(items))]
        self._known: dict[int, tuple[str, Appearance | None]] = {}
        try:
            first, again = self.read(0), self.read(0)
        except ImageError as error:
            raise DataError(str(error)) from None
        if not np.array_equal(first, again):
            raise DataError(
                "the dataset gives another image each time it is asked for the first one: take its "
                "augmentation out, training has its own"
            )

    def __len__(self) -> int:
        return len(self.names)

    def content_hash(self, index: int) -> str:
        """SHA-256 of height, width and pixels; of the name where the item cannot be read."""
        return self._look(index)[0]

    def appearance(self, index: int) -> Appearance | None:
        """What an image looks like; None where it shows nothing."""
        return self._look(index)[1]

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Return image `index`; raises `ImageError` for an item that cannot be used."""
        name = self.names[index]
        with _ONE_AT_A_TIME:
            try:
                item = self._items[index]
            except Exception as error:  # noqa: BLE001 - it is the user's code, which can raise anything
                reason = f"{type(error).__name__}: {error}"
                raise ImageError(f"{name} cannot be read: {reason}") from None
        return _at_size(as_rgb(item, name), size, name)

    def _look(self, index: int) -> tuple[str, Appearance | None]:
        if index not in self._known:
            try:
                pixels = self.read(index)
                self._known[index] = hash_pixels(pixels), appearance_of_middle(pixels)
            except ImageError:
                self._known[index] = _hash_name(self.names[index]), None
        return self._known[index]


class AdaptedDataset:
    """An object with `__len__` and `read`, and with what it may have besides filled in.

    Raises `DataError` where it is empty or its first image is not what `ImageDataset.read` promises.
    """

    def __init__(self, own: Any) -> None:
        self._own = own
        if not len(own):
            raise DataError(f"{type(own).__name__} is empty: give at least 20 images")
        count = len(own)
        self.names: Sequence[str] = getattr(own, "names", None) or [
            f"image-{index:06}" for index in range(count)
        ]
        if len(self.names) != count:
            raise DataError(f"{type(own).__name__} has {count} images, but {len(self.names)} names")
        self.predefined_split = getattr(own, "predefined_split", None)
        self.checked = getattr(own, "checked", False)
        for name in ("groups", "hashes"):
            if (values := getattr(own, name, None)) is not None:
                if len(values) != count:
                    raise DataError(f"{type(own).__name__} has {count} images, but {len(values)} {name}")
                setattr(self, name, values)
        self._check(own.read(0, None), "None")

    def __len__(self) -> int:
        return len(self.names)

    def content_hash(self, index: int) -> str:
        """The object's own content hash, or SHA-256 of height, width and pixels."""
        own = getattr(self._own, "content_hash", None)
        if own is not None:
            return str(own(index))
        try:
            return hash_pixels(self.read(index))
        except ImageError:
            return _hash_name(self.names[index])

    def read(self, index: int, size: int | None = None) -> UInt8:
        """Return image `index` as the object reads it."""
        pixels: UInt8 = self._own.read(index, size)
        return pixels

    def _check(self, pixels: Any, size: str) -> None:
        kind = getattr(pixels, "dtype", None)
        shape = list(getattr(pixels, "shape", ()))
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3:
            seen = f"{kind} {shape}" if shape else type(pixels).__name__
            name = type(self._own).__name__
            raise DataError(f"{name}.read(0, {size}) must give uint8 [H, W, 3], got {seen}")


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
        return source if fold is None else _with_fold(source.dataset, source.name, None, fold, folds)
    if isinstance(source, str | os.PathLike):
        return _open_named(str(source), fold, folds)
    if hasattr(source, "read"):
        return _with_fold(AdaptedDataset(source), type(source).__name__, None, fold, folds)
    if isinstance(source, Mapping) or not (
        hasattr(source, "__getitem__") and hasattr(source, "__len__")
    ):
        raise DataError(
            f"a dataset is a folder, NAME.dataset, samples:N, a list of images, or an object with "
            f"__len__ and __getitem__ or read, got {type(source).__name__}"
        )
    mapped = MappedDataset(cast(Mapped, source))
    return _with_fold(mapped, f"{type(source).__name__} of {len(mapped)} images", None, fold, folds)


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


def _at_size(pixels: UInt8, size: int | None, name: str) -> UInt8:
    if size is None:
        return pixels
    height, width = pixels.shape[:2]
    if min(height, width) < size:
        raise ImageError(f"{name} is {width}×{height}, less than --size {size}", "small")
    return shrink(pixels, size)


def _open_named(data: str, fold: int | None, folds: int | None) -> ImageData:
    path = Path(data).expanduser()
    if is_dataset(path):
        dataset = PreparedDataset(path, fold=fold)
        own = int(dataset.facts["settings"]["folds"])
        if folds not in (None, own):
            raise DataError(
                f"{data} has {own} folds, not {folds}: leave folds out, or make another dataset with "
                f"inpaint prepare -s folds={folds}"
            )
        dataset = ShardedDataset(path, fold=fold) if dataset.in_shards else dataset
        return ImageData(dataset, data, source=data)
    kind, colon, count = data.partition(":")
    if kind == "samples" and colon:
        if not count.isdigit() or int(count) < 1:
            raise DataError(f"samples:N takes a number of portraits, got {data!r}")
        return _with_fold(SampleDataset(int(count)), data, data, fold, folds)
    return _with_fold(FolderDataset(path), data, data, fold, folds)


def _with_fold(
    dataset: ImageDataset, name: str, source: str | None, fold: int | None, folds: int | None
) -> ImageData:
    """Return a dataset that is split by content."""
    if fold is None:
        return ImageData(dataset, name, source=source)
    if getattr(dataset, "predefined_split", None) is not None:
        raise DataError(f"{name} brings a split of its own, which has no folds: leave fold out")
    if folds is None:
        cure = f", or inpaint prepare {source} -o NAME.dataset, which keeps folds" if source else ""
        raise DataError(f"{name} has no folds: say how many there are to be, as -s folds=5{cure}")
    return ImageData(dataset, name, source=source, fold=fold, folds=folds)


def _hash_name(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
