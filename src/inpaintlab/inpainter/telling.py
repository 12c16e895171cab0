"""What a batch says to people before it begins, and what it has found when it ends."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inpaintlab.images import LOSSLESS
from inpaintlab.inpainter.pairs import Pair, Pairing
from inpaintlab.progress import say
from inpaintlab.settings import FillSettings

#: So many names stand in a message, so many failures in the summary.
NAMES, FAILURES = 3, 20


@dataclass
class Done:
    """What a batch has done so far; `notes` counts kinds of notes."""

    filled: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def tell_of_pairs(pairing: Pairing, mine: list[Pair], settings: FillSettings) -> None:
    """Say how images and masks were paired, and where formats change."""
    images = len({pair.image for pair in pairing.pairs})
    masks = len({pair.mask for pair in pairing.pairs})
    say(f"paired {_count(images, 'image')} with {_count(masks, 'mask')} by: {pairing.rule}")
    if settings.shard:
        say(f"shard {settings.shard}: {len(mine)} of {len(pairing.pairs)}")
    if pairing.without_image:
        say(f"{_names(pairing.without_image, 'mask')} without an image")
    changed = [pair for pair in mine if _is_lossy(pair)]
    if changed and settings.format is None:
        before, after = ({pair.image.suffix for pair in changed}, {pair.name.suffix for pair in changed})
        say(
            f"{_either(before)} becomes {_either(after)}, so that known pixels stay bit by bit "
            f"(--format same keeps the format)"
        )


def summary(
    settings: FillSettings, pairing: Pairing, log: Path, images: int, done: Done
) -> dict[str, Any]:
    """Return what a batch of so many `images` came to, without its run."""
    failed = len(done.failures)
    findings = []
    if failed:
        findings.append(
            f"{failed} of {images} failed, the first: {done.failures[0]['error']}; all are in {log}"
        )
    if pairing.without_mask:
        findings.append(f"{_names(pairing.without_mask, 'image')} without a mask")
    return {
        "output": str(settings.output),
        "rule": pairing.rule,
        "images": images,
        "filled": done.filled,
        "skipped": images - done.filled - failed,
        "failed": failed,
        "failures": done.failures[:FAILURES],
        "without_mask": [str(path) for path in pairing.without_mask],
        "without_image": [str(path) for path in pairing.without_image],
        "seconds": round(done.seconds, 3),
        "notes": [
            note if times == 1 else f"{note} ({times} times)" for note, times in done.notes.items()
        ],
        "findings": findings,
    }


def _is_lossy(pair: Pair) -> bool:
    return not pair.fixed and pair.image.suffix.lower() not in LOSSLESS


def _either(words: set[str]) -> str:
    return " or ".join(sorted(words))


def _count(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def _names(paths: list[Path], what: str) -> str:
    names = ", ".join(path.name for path in paths[:NAMES])
    return f"{_count(len(paths), what)} ({names}{', …' if len(paths) > NAMES else ''})"
