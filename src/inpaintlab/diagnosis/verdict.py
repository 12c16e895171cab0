"""What every part of a check or a diagnosis says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Word = Literal["ok", "note", "finding"]


@dataclass(frozen=True)
class Verdict:
    """One thing that was looked at.

    `ok`: nothing to do. `note`: worth knowing. `finding`: the run would suffer, or fail. `text` is a
    sentence with its figures, `advice` what to do next (empty where nothing is), `figures` are the
    numbers behind it, all of which JSON can hold.
    """

    part: str
    word: Word
    text: str
    advice: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def worst(words: list[Word]) -> Word:
    """Return the gravest of some words.

    >>> worst(["ok", "finding", "note"])
    'finding'
    """
    order: tuple[Word, ...] = ("ok", "note", "finding")
    return max(words, key=order.index, default="ok")


def named(verdicts: Sequence[Verdict], word: Word) -> list[str]:
    """Return the parts whose verdict is this word, in order."""
    return [verdict.part for verdict in verdicts if verdict.word == word]


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it has to be.

    >>> count(1, "image"), count(12_000, "image")
    ('1 image', '12,000 images')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
