"""Data sets of the field: how their published folders look, and which part of them is the test.

A data set is one line in `PUBLISHED`. Where images of train, val and test are published, the split is
taken as it is. Where there is only one part that papers report on, that is the sealed test, and
validation is drawn from the training part.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from inpaintlab.data.places import HUB
from inpaintlab.errors import DataError, near_miss

Part = Literal["train", "val", "test"]
#: A part, or `pool`: ours to divide between train and val.
PublishedPart = Literal["train", "val", "test", "pool"]
#: Folder -> the part it holds; `each` where the file names tell.
Layout = Mapping[str, Part | Literal["each"]]


@dataclass(frozen=True)
class PublishedDataset:
    """A data set: its title, where to ask for it, and the layouts in which it is published.

    `part` tells the part from an image's path, for folders of `each`; with `has_test` one is the test.
    `hub` is its name for the library `datasets`.
    """

    title: str
    ask: str
    layouts: tuple[Layout, ...]
    part: Callable[[Path], Part] | None = None
    has_test: bool = False
    hub: str | None = None


def _ffhq_part(path: Path) -> Part:
    """The first 60,000 are for training and the last 10,000 for validation (the data set's README)."""
    return "train" if _number(path) < 60_000 else "val"


def _celeba_hq_part(path: Path) -> Part:
    """The part of the CelebA image it was made from (bounds of CelebA's list of partitions)."""
    original = _celeba_numbers(path.parent.parent).get(_number(path))
    if original is None:
        raise DataError(f"CelebA-HQ-to-CelebA-mapping.txt does not list {path.name}")
    return "train" if original <= 162_770 else "val" if original <= 182_637 else "test"


def _parts(train: str, val: str, test: str = "") -> Layout:
    return {train: "train", val: "val", **({test: "test"} if test else {})}


PUBLISHED = {
    "celeba-hq": PublishedDataset(
        "CelebA-HQ",
        "https://github.com/switchablenorms/CelebAMask-HQ",
        ({"CelebAMask-HQ/CelebA-HQ-img": "each"}, {"CelebA-HQ-img": "each"}, _parts("train", "val")),
        part=_celeba_hq_part,
        has_test=True,
    ),
    "ffhq": PublishedDataset(
        "Flickr-Faces-HQ",
        "https://github.com/NVlabs/ffhq-dataset",
        ({"images1024x1024": "each"}, {"thumbnails128x128": "each"}),
        part=_ffhq_part,
    ),
    "imagenet": PublishedDataset(
        "ImageNet (ILSVRC 2012)",
        "https://image-net.org/download.php",
        (
            _parts("train", "val", "test"),
            _parts(*(f"ILSVRC/Data/CLS-LOC/{part}" for part in ("train", "val", "test"))),
        ),
        hub="hf:ILSVRC/imagenet-1k",
    ),
    "paris": PublishedDataset(
        "Paris Street View",
        "the authors, through https://github.com/pathak22/context-encoder",
        ({"paris_train_original": "train", "paris_eval/paris_eval_gt": "test"},),
    ),
    "places2": PublishedDataset(
        "Places2 (Places365)",
        "http://places2.csail.mit.edu/download.html",
        (
            _parts("places365_standard/train", "places365_standard/val"),
            _parts("data_large", "val_large", "test_large"),
            _parts("data_256", "val_256", "test_256"),
            _parts("train", "val", "test"),
        ),
    ),
}


def open_layout(name: str, sources: Sequence[str]) -> tuple[list[str], Callable[[str], PublishedPart]]:
    """Return the folders to search of a known data set, and the function from path to part.

    Without a source the library `datasets` is asked, where it has the data set. Raises `DataError`
    that names the folders which are missing and where to ask for them.
    """
    if name not in PUBLISHED:
        raise DataError(f"unknown data set {name!r}{near_miss(name, PUBLISHED)}")
    known = PUBLISHED[name]
    if not sources and known.hub:
        return [known.hub], _part_in_hub
    if len(sources) != 1 or sources[0].startswith(HUB):
        raise DataError(f"inpaint prepare {name} PATH takes one folder; {known.title} is at {known.ask}")
    top = Path(sources[0]).expanduser().resolve()
    layout = _layout_in(top, known)
    return [str(top / folder) for folder in layout], _part_in_folders(top, known, layout)


def _layout_in(top: Path, known: PublishedDataset) -> Layout:
    """Return the folders of the first layout that is there; the test part may be missing."""
    missing: list[list[str]] = []
    for layout in known.layouts:
        there = {folder: part for folder, part in layout.items() if (top / folder).is_dir()}
        needed = [f for f, part in layout.items() if part != "test" or "val" not in layout.values()]
        absent = [folder for folder in needed if folder not in there]
        if not absent:
            return there
        missing.append(absent)
    nearest = min(missing, key=len)
    raise DataError(
        f"{top} is not {known.title} as published: {', '.join(nearest)} missing; ask at {known.ask}"
    )


def _part_in_folders(
    top: Path, known: PublishedDataset, layout: Layout
) -> Callable[[str], PublishedPart]:
    folders = [(str(top / folder) + "/", part) for folder, part in layout.items()]
    parts = set(layout.values())
    complete = {"val", "test"} <= parts or (known.has_test and "each" in parts)

    def part_of(path: str) -> PublishedPart:
        part = next(part for folder, part in folders if path.startswith(folder))
        if part == "each":
            assert known.part is not None
            part = known.part(Path(path))
        if complete or part == "test":
            return part
        return "pool" if part == "train" else "test"

    return part_of


def _part_in_hub(path: str) -> PublishedPart:
    parts: dict[str, PublishedPart] = {"train": "train", "validation": "val", "test": "test"}
    return parts.get(path.rpartition("#")[2], "pool")


def _number(path: Path) -> int:
    digits = re.search(r"\d+", path.stem)
    if not digits:
        raise DataError(f"{path.name} has no number in its name, as the published files have")
    return int(digits[0])


@lru_cache(1)
def _celeba_numbers(folder: Path) -> dict[int, int]:
    """Read which CelebA image each CelebA-HQ image was made from: lines `idx orig_idx orig_file`."""
    file = folder / "CelebA-HQ-to-CelebA-mapping.txt"
    if not file.is_file():
        raise DataError(
            f"{file} is missing: it says which part each image belongs to; it is in CelebAMask-HQ.zip "
            f"at {PUBLISHED['celeba-hq'].ask}"
        )
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    try:
        return {int(row[0]): int(row[2].partition(".")[0]) for row in rows if row}
    except (IndexError, ValueError):
        raise DataError(f"{file} must hold lines of idx, orig_idx and orig_file") from None
