"""What can be told from the images themselves: odd ones, and look-alikes on two sides."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from inpaintlab.arrays import UInt8
from inpaintlab.data.examine import is_grey
from inpaintlab.data.findings import LEAST_CONTRAST
from inpaintlab.data.loading import Images, TrainingData
from inpaintlab.data.lookalikes import appearance_of, find_lookalikes
from inpaintlab.data.manifest import is_dataset
from inpaintlab.diagnosis.verdict import Verdict, Word, count
from inpaintlab.progress import bar
from inpaintlab.settings import TrainSettings

Facts = dict[str, Any]

#: Share of odd images from which they are a finding; fewer are a note.
ODD_SHARE = 0.02
#: Share of the validation images with a look-alike to train on, from which it is a finding.
LEAK_SHARE = 0.01
#: Mean grey (of 255) below which an image is nearly black, and distance from 255 for white.
_DARK = 12.0
#: Neighbouring pixels of noise correlate less than this; those of images of 32 px by 0.7 to 0.99.
_NOISE = 0.25
#: All images together should reach these (of 255); 0–1 values or 12 bits in 16 stay far below.
_DARKEST_HIGH, _BRIGHTEST_LOW = 64, 192
#: Correlation of look-alikes from which they are the same image.
_SAME = 0.99
_NAMED = 5

#: Kind of oddity -> whether an image is of it. The first that fits names the image.
ODD: dict[str, Callable[[Facts], bool]] = {
    "nearly black": lambda facts: facts["mean"] < _DARK,
    "nearly white": lambda facts: facts["mean"] > 255 - _DARK,
    "of one colour": lambda facts: facts["contrast"] < LEAST_CONTRAST,
    "noise": lambda facts: facts["smoothness"] < _NOISE,
}


class Opened(Protocol):
    """Images that were opened for a run: a session of training, or what is left to diagnose."""

    @property
    def data(self) -> TrainingData:
        """The images to train on and to validate with."""
        ...

    @property
    def settings(self) -> TrainSettings:
        """The settings of the run."""
        ...


def look(session: Opened) -> list[Facts]:
    """Return the facts of every image to train on and to validate with, but not of the test's."""
    sides = {"train": session.data.train, "val": session.data.val}
    total = sum(len(images) for images in sides.values())
    facts = []
    with bar("looking at images", total) as advance:
        for side, images in sides.items():
            for name, image in _named(images):
                facts.append({"side": side, "name": name, **_facts(image)})
                advance()
    return facts


def values(session: Opened, facts: list[Facts], of: int) -> Verdict:
    """Judge range and oddities of images; `of` is how many there are in all."""
    odd = {kind: [one["name"] for one in facts if one["kind"] == kind] for kind in ODD}
    bad = session.data.bad
    total = len(facts) + len(bad)
    low, high = (float(np.mean([one[key] for one in facts])) for key in ("low", "high"))
    mean = float(np.mean([one["mean"] for one in facts]))
    looked = count(total, "image") + (f" of {of:,}, drawn at random" if of > total else "")
    text = f"{looked}: mostly from {low / 255:.2f} to {high / 255:.2f} of 0 to 1, mean {mean / 255:.2f}"
    named = [f"{len(names)} {kind} (as {names[0]})" for kind, names in odd.items() if names]
    named += [f"{len(bad)} that cannot be used (first: {bad[0].reason})"] if bad else []
    grey = sum(one["grey"] for one in facts)
    mixed = [f"{grey} grey among coloured"] if 0 < grey < len(facts) else []
    text += f"; {', '.join(named + mixed)}" if named + mixed else "; none broken, black, white or noise"
    word, advice = _judge(odd, len(bad), total, (low, high), session.settings.max_bad_fraction)
    return Verdict(
        "images", word, text, advice,
        {
            "looked_at": total, "of": of, "low": low / 255, "high": high / 255, "mean": mean / 255,
            "bad": len(bad), "grey": grey, **{kind: len(names) for kind, names in odd.items()},
        },
    )  # fmt: skip


def leaks(session: Opened, facts: list[Facts], of: int) -> Verdict:
    """Judge whether images to validate with look like images to train on."""
    telling = [one for one in facts if one["contrast"] >= LEAST_CONTRAST]
    train = [one for one in telling if one["side"] == "train"]
    val = [one for one in telling if one["side"] == "val"]
    pairs = find_lookalikes([one["look"] for one in val], [one["look"] for one in train])
    having = len({ours for ours, *_ in pairs})
    same = len({ours for ours, _, likeness in pairs if likeness > _SAME})
    share = having / max(1, len(val))
    total = len(facts) + len(session.data.bad)
    in_all = min(1.0, share * max(1.0, of / total))  # a look-alike is in a sample only by chance
    figures: dict[str, Any] = {
        "validation": len(val),
        "alike": having,
        "same": same,
        "share_in_all": in_all,
    }
    figures["pairs"] = [
        [val[a]["name"], train[b]["name"], likeness] for a, b, likeness in pairs[:_NAMED]
    ]
    text = f"{having:,} of {count(len(val), 'validation image')} looked at have a look-alike to train on"
    if not having:
        text = text.replace("0 of", "none of", 1).replace("have", "has")
        seldom = f"; a sample of {total / of:.0%} holds few pairs, -s sample={of} looks at all"
        return Verdict("split", "ok", text + (seldom if of > total else ""), "", figures)
    ours, theirs, _ = pairs[0]
    text += f" ({same} of them the same image), as {val[ours]['name']} and {train[theirs]['name']}"
    if of > total:
        text += f"; among all {of:,} it would be about {in_all:.1%} of them"
    prepared = is_dataset(Path(session.settings.data))
    word: Word = "finding" if in_all >= LEAK_SHARE else "note"
    advice = (
        "prepare the dataset anew: its look-alikes are no longer all in one part"
        if prepared
        else f"a plain folder is split by content, which keeps copies of a file together but not "
        f"look-alikes: inpaint prepare {session.settings.data} -o NAME.dataset does"
    )
    return Verdict("split", word, text, advice, figures)


def _judge(
    odd: dict[str, list[str]], bad: int, total: int, span: tuple[float, float], max_bad: float
) -> tuple[Word, str]:
    if span[1] < _DARKEST_HIGH or span[0] > _BRIGHTEST_LOW:
        return "finding", "the range is not that of images: look how they were written"
    if bad > max_bad * total:
        return (
            "finding",
            f"more than max_bad_fraction = {max_bad:g} of them: inpaint train would refuse to start",
        )
    strange = sum(len(names) for names in odd.values())
    cure = "inpaint prepare lists them and leaves out what it should"
    if strange >= ODD_SHARE * total and strange:
        return "finding", f"{strange / total:.1%} are no images to learn from: {cure}"
    return ("note", cure) if strange or bad else ("ok", "")


def _named(images: Images) -> Iterator[tuple[str, UInt8]]:
    for position, index in enumerate(images.indices):
        yield images.source.names[index], images[position]


def _facts(image: UInt8) -> Facts:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    facts: Facts = {
        "low": float(low),
        "high": float(high),
        "mean": float(grey.mean()),
        "contrast": float(grey.std()),
        "smoothness": _smoothness(grey.astype(np.float32)),
        "grey": is_grey(image),
        "look": appearance_of(np.asarray(grey, np.uint8)),
    }
    return facts | {"kind": next((kind for kind, test in ODD.items() if test(facts)), "")}


def _smoothness(grey: npt.NDArray[np.float32]) -> float:
    """Return the correlation of neighbouring pixels, the larger of across and down."""
    variance = max(float(grey.var()), 1e-9)
    steps = (np.diff(grey, axis=axis) for axis in (0, 1))
    return 1 - min(float(np.square(step).mean()) for step in steps) / (2 * variance)
