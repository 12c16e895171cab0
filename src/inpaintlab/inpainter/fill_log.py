"""`fill.jsonl`: what a batch has filled, and from what, so that the next one goes on from there."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from inpaintlab.errors import InpaintlabError, OutputError
from inpaintlab.files import json_text, read_mark, refused
from inpaintlab.inpainter.pairs import Pair, variant_names
from inpaintlab.settings import FillSettings

NAME = "fill.jsonl"


@dataclass(frozen=True)
class Failure:
    """An image that was not filled, and why."""

    image: Path
    error: str


@dataclass(frozen=True)
class Job:
    """A pair to fill, and what its result depends on: change any of it, and it is filled again."""

    pair: Pair
    made_from: dict[str, Any]

    @classmethod
    def of(cls, pair: Pair, settings: FillSettings, weights: str) -> Self:
        """Look at the files of a pair, without reading them; `weights` is the hash of the network's."""
        made_from = {
            "image": _stamp(pair.image),
            "mask": _stamp(pair.mask),
            "weights": weights,
            "invert_mask": bool(settings.invert_mask),
            "method": settings.method,
            "strategy": settings.strategy,
            "blend": settings.blend,
        }
        if settings.variants > 1:
            made_from |= {name: getattr(settings, name) for name in ("variants", "seed", "spread")}
        if settings.fallback != "none" or settings.strict:
            made_from |= {name: getattr(settings, name) for name in ("fallback", "strict")}
        return cls(pair, made_from)


def _stamp(path: Path) -> list[str | int]:
    """Return the name, size and time of a file; of a missing one the name, and its turn says so."""
    try:
        status = path.stat()
    except OSError:
        return [path.name]
    return [path.name, status.st_size, status.st_mtime_ns]


def check_unclaimed(paths: Iterable[Path], cure: str) -> None:
    """Raise `OutputError` for a path at which something lies that inpaintlab has not written."""
    for path in paths:
        if path.exists() and not {"*", path.name} & read_mark(path.parent):
            raise OutputError(f"{path} is there and is no result of fill: {cure}")


class FillLog:
    """The log in the folder of results, one line for each result; of several lines the last counts.

    Shards that write side by side have a file each, `fill-1-of-4.jsonl`; all of them are read. A line
    holds `output`, `made_from` (what the result depends on) and `bytes`, or `error` in place of them.
    `filled`, `failures` and `notes`, counted by kind, are of what was added, not of what was read.
    """

    def __init__(self, folder: Path, part: tuple[int, int] = (1, 1), variants: int = 1) -> None:
        self.folder, self.variants = folder, variants
        number, count = part
        self.path = folder / (NAME if count == 1 else f"fill-{number}-of-{count}.jsonl")
        self.filled, self.failures = 0, list[Failure]()
        self.notes: Counter[str] = Counter()
        self._before = _read(folder)
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":  # a power cut tore the last line
                os.write(self._file, b"\n")
        except OSError as error:
            raise refused(self.path, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def has(self, job: Job) -> bool:
        """Tell whether a result is there, whole, and made from the same image, mask and network."""
        line = self._before.get(str(job.pair.name))
        if line is None or line.get("made_from") != job.made_from:
            return False
        return bool(self._sizes(job) == line["bytes"])

    def names(self, job: Job) -> list[Path]:
        """Return the names of the results of a job, below the folder."""
        return variant_names(job.pair.name, self.variants)

    def check_free(self, jobs: Iterable[Job]) -> None:
        """Raise `OutputError` where a result would replace a file that no batch has written."""
        if "*" in read_mark(self.folder):
            return
        names = [name for job in jobs for name in self.names(job) if str(name) not in self._before]
        check_unclaimed([self.folder / name for name in names], "give another folder with -o")

    def add_filled(self, job: Job, notes: Mapping[str, str]) -> None:
        """Note what has been written; `notes` for the user come with their kinds."""
        self._add(job, made_from=job.made_from, bytes=self._sizes(job), notes=list(notes))
        self.filled += 1
        self.notes.update(notes.values())

    def add_failed(self, job: Job, error: Exception) -> None:
        """Note what could not be filled; of a fault of ours its class too."""
        reason = " ".join(str(error).split())
        if not isinstance(error, InpaintlabError):
            reason = f"{type(error).__name__}: {reason}"
        old = next((name for name in self.names(job) if (self.folder / name).is_file()), None)
        if old is not None:
            reason += f"; {old} is what an earlier run wrote"
        self._add(job, image=str(job.pair.image), mask=str(job.pair.mask), error=reason)
        self.failures.append(Failure(job.pair.image, reason))

    def _sizes(self, job: Job) -> int | list[int]:
        """Return the bytes of the result, or of each of several ones; -1 for one that is not there."""
        paths = [self.folder / name for name in self.names(job)]
        sizes = [path.stat().st_size if path.is_file() else -1 for path in paths]
        return sizes if len(sizes) > 1 else sizes[0]

    def _add(self, job: Job, **values: Any) -> None:
        """Append one line, in one piece."""
        line = json_text({"output": str(job.pair.name), **values}, indent=None) + "\n"
        try:
            os.write(self._file, line.encode())
        except OSError as error:
            raise refused(self.path, error) from None


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last line of each result; the files in the order in which they were written to."""
    lines = {}
    files = [*folder.glob(NAME), *folder.glob("fill-*-of-*.jsonl")]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        # Not splitlines: names may hold U+2028.
        for text in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                values = json.loads(text)
                lines[values["output"]] = values
            except (ValueError, KeyError, TypeError):
                continue  # torn by a power cut: its image is filled again
    return lines
