"""Going through folders for images, by suffix or else by content; what is passed over is counted."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inpaintlab.files import read_mark, same_form
from inpaintlab.images.values import SUFFIXES
from inpaintlab.progress import say_once

#: The name of a mask without its suffix, when it stands beside its image.
MASK_NAME = re.compile(r"(?P<image>.+)(?P<mark>[-_.]mask)(?P<number>[-_]?\d*)", re.IGNORECASE)
#: How image files begin, for those whose suffix does not tell.
_BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF.{4}WEBP|BM.{4}\0{4}|P[56]\s+[#\d]"
    rb"|\0\0\0\x0cjP  |.{4}ftypavi[fs]|(?P<tiff>II\*\0|MM\0\*)",
    re.DOTALL,
)
#: Suffixes of files that lie beside images: they are not opened to see what they are.
_TEXT = (".csv", ".html", ".json", ".jsonl", ".md", ".txt", ".xml", ".xmp", ".yaml", ".yml")
#: Files beside images that say more of them: they are used, though not as images.
_METADATA = ("metadata.csv", "metadata.jsonl")


@dataclass(frozen=True)
class Found:
    """A file, `below` the folder searched; or a folder that cannot be looked into, and why."""

    path: str
    below: str
    entry: "os.DirEntry[str] | None" = None
    error: OSError | None = None


class Walk:
    """Goes through folders in the order of full paths, each folder once, also where links lead to it.

    Passed over are hidden files and folders, files that are no images, what inpaintlab has written
    below the folder searched unless `outputs`, masks that stand beside their images unless `masks`, and,
    uncounted, what lies `apart`. Files with a suffix in `further` are given, too.
    """

    def __init__(
        self,
        *,
        outputs: bool = False,
        masks: bool = False,
        further: tuple[str, ...] = (),
        apart: Iterable[Path] = (),
    ) -> None:
        self._outputs, self._masks, self._further = outputs, masks, further
        self._apart = {path.resolve() for path in apart}
        self._seen: set[tuple[int, int]] = set()
        self._passed_over: Counter[str] = Counter()
        self._others: Counter[str] = Counter()

    def find(self, folder: str, below: str = "") -> Iterator[Found]:
        """Yield the image files of a folder and of the folders in it."""
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in self._seen:  # a link back to where we are, or have been
                return
            self._seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(((e.name + "/" * _is_dir(e), e) for e in listing), key=lambda e: e[0])
        except OSError as error:
            yield Found(folder, below, error=error)
            return
        ours = frozenset() if self._outputs else read_mark(Path(folder))
        if below and "*" in ours:
            self._passed_over["folders written by inpaintlab"] += 1
            return
        files = [entry for name, entry in entries if self._is_wanted(entry) and name[-1] != "/"]
        images = [entry.name for entry in files if entry.name in ours or self._is_image(entry)]
        masks = set() if self._masks else _masks_beside(images)
        taken = {name for name in images if name not in ours and name not in masks}
        self._passed_over["files written by inpaintlab"] += len(ours.intersection(images))
        self._passed_over["masks beside their images"] += len(masks)
        for name, entry in entries:
            if name[-1] != "/" and entry.name in taken:
                yield Found(entry.path, below, entry)
            elif name[-1] == "/" and self._is_wanted(entry):
                yield from self.find(entry.path, os.path.join(below, entry.name))

    def paths(self, folder: Path) -> list[Path]:
        """Return the image files of a folder, relative to it, in order, and say what was passed over."""
        found = [Path(one.path) for one in self.find(str(folder)) if one.entry]
        self.tell(str(folder))
        return sorted(path.relative_to(folder) for path in found)

    def tell(self, where: str) -> None:
        """Say in one line how many files were passed over, and why."""
        parts = [f"{what} ({count})" for what, count in sorted(self._passed_over.items()) if count]
        if self._others:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self._others.most_common(5))
            parts.insert(0, f"files that are no images ({self._others.total()}: {kinds})")
        if parts:
            say_once(f"not used of {where}: {', '.join(parts)}")

    def _is_wanted(self, entry: "os.DirEntry[str]") -> bool:
        if not entry.name.startswith("."):
            return not (self._apart and Path(entry.path).resolve() in self._apart)
        # macOS keeps what it knows of a file x in ._x.
        if os.path.splitext(entry.name)[1].lower() in SUFFIXES and not entry.name.startswith("._"):
            self._passed_over["hidden images"] += 1
        return False

    def _is_image(self, entry: "os.DirEntry[str]") -> bool:
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix in SUFFIXES or suffix in self._further or _begins_as_image(entry, suffix):
            return True
        if entry.name not in _METADATA:
            self._others[suffix or "without suffix"] += 1
        return False


def _masks_beside(names: list[str]) -> set[str]:
    """Return the names of masks that stand beside their images."""
    stems = {same_form(os.path.splitext(name)[0]) for name in names}
    marked = {
        name: MASK_NAME.fullmatch(os.path.splitext(name)[0]) for name in names if "mask" in name.lower()
    }
    return {name for name, mark in marked.items() if mark and same_form(mark["image"]) in stems}


def _begins_as_image(entry: "os.DirEntry[str]", suffix: str) -> bool:
    """Tell by its first bytes whether a file is an image, where its suffix does not."""
    try:
        if suffix in _TEXT or not entry.is_file():  # opening a pipe would wait for ever
            return False
        with Path(entry.path).open("rb") as file:
            begins = _BEGINNING.match(file.read(32))
    except OSError:
        return False
    # Raw files of cameras are TIFF with a suffix of their own; what can be read of them is a thumbnail.
    return begins is not None and not (suffix and begins["tiff"])


def _is_dir(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
