"""Where results are written: in which format, no two to one place, and never over an input."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from inpaintlab.errors import ImageError, OutputError
from inpaintlab.images import WRITABLE, lossless_suffix
from inpaintlab.inpainter.pairs import Pair


def name_outputs(pairs: Iterable[Pair], wanted: str | None) -> list[Pair]:
    """Give every pair's name the suffix it is to be written with.

    `wanted` is a format, `same` for the image's own wherever it can be written, or None for its own
    wherever that keeps every pixel. Names from a list stay. Raises `ImageError` for one of them that
    cannot be written.
    """
    named = []
    for pair in pairs:
        if pair.fixed:
            if pair.name.suffix.lower() not in WRITABLE:
                allowed = ", ".join(sorted(WRITABLE))
                raise ImageError(f"cannot write {pair.name}: the suffix must be one of {allowed}")
            named.append(pair)
        else:
            named.append(replace(pair, name=pair.name.with_suffix(_suffix(pair.image, wanted))))
    return named


def check_outputs(pairs: Iterable[Pair], folder: Path) -> None:
    """Raise `OutputError` where two results would have one name, or one would replace an input."""
    owners: dict[Path, Pair] = {}
    inputs: set[Path] = set()
    for pair in pairs:
        other = owners.setdefault(pair.name, pair)
        if other is not pair:
            raise OutputError(
                f"{_origin(other, pair)} would both be written to {folder / pair.name}: "
                f"keep their formats with --format same, or give a list with outputs"
            )
        inputs |= {pair.image.resolve(), pair.mask.resolve()}
    root = folder.resolve()
    for name in owners:
        if root / name in inputs:
            raise OutputError(f"{folder / name} is an input: give another folder with -o")


def _origin(first: Pair, second: Pair) -> str:
    if first.image != second.image:
        return f"{first.image} and {second.image}"
    return f"{first.image} with {first.mask.name} and with {second.mask.name}"


def _suffix(image: Path, wanted: str | None) -> str:
    own = image.suffix
    if wanted == "same":
        return own if own.lower() in WRITABLE else lossless_suffix(image)
    return f".{wanted}" if wanted else lossless_suffix(image)
