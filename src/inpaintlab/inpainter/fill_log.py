"""`fill.jsonl`: what a batch has filled, and from what, so that the next one goes on from there."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from inpaintlab.errors import OutputError

NAME = "fill.jsonl"


class FillLog:
    """The log in the folder of results, one line for each result; of several lines the last counts.

    Shards that write side by side have a file each, `fill-1-of-4.jsonl`; all of them are read. A line
    holds `output`, `made_from` (what the result depends on) and `bytes`, or `error` in place of them.
    """

    def __init__(self, folder: Path, part: tuple[int, int] = (1, 1)) -> None:
        self.folder = folder
        number, count = part
        self.path = folder / (NAME if count == 1 else f"fill-{number}-of-{count}.jsonl")
        self._done = _read(folder)
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from None
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":  # a power cut tore the last line
            os.write(self._file, b"\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def has(self, name: Path, made_from: dict[str, Any]) -> bool:
        """Tell whether a result is there, whole, and made from the same image, mask and network."""
        line = self._done.get(str(name))
        if line is None or line.get("made_from") != made_from:
            return False
        path = self.folder / name
        return path.is_file() and path.stat().st_size == line["bytes"]

    def add(self, name: Path, **values: Any) -> None:
        """Append one line, in one piece."""
        line = json.dumps({"output": str(name), **values}, ensure_ascii=False) + "\n"
        try:
            os.write(self._file, line.encode())
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from None


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last line of each result; the files in the order in which they were written to."""
    lines = {}
    files = [*folder.glob(NAME), *folder.glob("fill-*-of-*.jsonl")]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                values = json.loads(text)
                lines[values["output"]] = values
            except (ValueError, KeyError, TypeError):
                continue  # torn by a power cut: its image is filled again
    return lines
