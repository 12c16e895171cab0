"""What can be told from images and samples: odd ones, look-alikes in two parts, and how samples vary."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import UInt8
from inpaintlab.data.findings import is_grey
from inpaintlab.data.loading import TrainingData
from inpaintlab.data.lookalikes import LEAST_CONTRAST, Appearance, appearance_of, find_lookalikes
from inpaintlab.data.manifest import is_dataset
from inpaintlab.data.sampling import TrainingSamples, check_variants
from inpaintlab.diagnosis.result import Verdict, Word, count
from inpaintlab.errors import DataError
from inpaintlab.evaluation.statistics import FEWEST
from inpaintlab.progress import bar

#: Share of odd images from which they are a finding; fewer are a note.
ODD_SHARE = 0.02
#: Share of the validation images with a look-alike to train on, from which it is a finding.
LEAK_SHARE = 0.01
#: Fewer training images, or more epochs, teach the images alone. Of 60 images and 130 epochs the gap
#: between training and validation was 3.4 dB already; 400 images have 700 epochs in ten minutes.
FEWEST_TO_LEARN, MOST_EPOCHS = 50, 1000
#: Mean grey (of 255) below which an image is nearly black, and distance from 255 for white.
_DARK = 12.0
#: Neighbouring pixels of noise correlate less than this; those of images of 32 px by 0.7 to 0.99.
_NOISE = 0.25
#: All images together should reach these (of 255); 0–1 values or 12 bits in 16 stay far below.
_DARKEST_HIGH, _BRIGHTEST_LOW = 64, 192
#: Correlation of look-alikes from which they are the same image.
_SAME = 0.99
_NAMED = 5
#: Samples drawn to see whether they vary, as many as a batch or two, and the share of masks or images
#: that occur more than once, above which it is a note.
SAMPLES, _REPEATED = 64, 0.5


@dataclass(frozen=True)
class Facts:
    """What is known of an image: grey values of 0 to 255, and how its neighbouring pixels correlate."""

    part: str
    name: str
    low: float
    high: float
    mean: float
    contrast: float
    smoothness: float
    is_grey: bool
    appearance: Appearance

    @property
    def oddity(self) -> str:
        """The first kind of odd image that this one is of, empty where it is of none."""
        return next((kind for kind, test in ODD.items() if test(self)), "")


#: Kind of oddity -> whether an image is of it.
ODD: dict[str, Callable[[Facts], bool]] = {
    "nearly black": lambda facts: facts.mean < _DARK,
    "nearly white": lambda facts: facts.mean > 255 - _DARK,
    "of one colour": lambda facts: facts.contrast < LEAST_CONTRAST,
    "noise": lambda facts: facts.smoothness < _NOISE,
}


@dataclass(frozen=True)
class Survey:
    """The images that were looked at: `bad` cannot be used, `of` is how many there are in all."""

    facts: list[Facts]
    bad: list[str]
    of: int

    @property
    def total(self) -> int:
        """How many images were looked at."""
        return len(self.facts) + len(self.bad)


@dataclass(frozen=True)
class Leaks:
    """How many validation images have a look-alike to train on, and how many of those are the same.

    `share_in_all` is the share among all images: a look-alike is in a sample only by chance.
    """

    validation: int
    alike: int
    same: int
    share_in_all: float
    pairs: list[tuple[str, str, float]] = field(default_factory=list)


def survey(data: TrainingData, of: int) -> Survey:
    """Look at every image to train on and to validate with, but not at those of the test part."""
    facts: list[Facts] = []
    with bar("looking at images", len(data.train) + len(data.val)) as advance:
        for part, images in (("train", data.train), ("val", data.val)):
            for place in range(len(images)):
                facts.append(_facts(images[place], images.name(place), part))
                advance()
    return Survey(facts, [bad.reason for bad in data.bad], of)


def _facts(image: UInt8, name: str, part: str) -> Facts:
    """Return the facts of an image, RGB uint8 `[H, W, 3]`."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    low, high = np.percentile(grey, (1, 99))
    values = grey.astype(np.float32)
    steps = (np.diff(values, axis=axis) for axis in (0, 1))
    smallest = min(float(np.square(step).mean()) for step in steps)
    return Facts(
        part, name, float(low), float(high), float(values.mean()), float(values.std()),
        1 - smallest / (2 * max(float(values.var()), 1e-9)), is_grey(image), appearance_of(grey),
    )  # fmt: skip


def judge_values(seen: Survey, max_bad_fraction: float) -> Verdict:
    """Judge range and oddities of images."""
    facts, bad, total = seen.facts, len(seen.bad), seen.total
    odd = {kind: [one.name for one in facts if one.oddity == kind] for kind in ODD}
    low, high, mean = (
        float(np.mean([getattr(one, key) for one in facts])) for key in ("low", "high", "mean")
    )
    grey = sum(one.is_grey for one in facts)
    named = [f"{len(names)} {kind} (as {names[0]})" for kind, names in odd.items() if names]
    named += [f"{bad} that cannot be used (first: {seen.bad[0]})"] if bad else []
    named += [f"{grey} grey among coloured"] if 0 < grey < len(facts) else []
    drawn = f" of {seen.of:,}, drawn at random" if seen.of > total else ""
    text = (
        f"{count(total, 'image')}{drawn}: mostly from {low / 255:.2f} to {high / 255:.2f} of 0 to 1, "
        f"mean {mean / 255:.2f}; {', '.join(named) or 'none broken, black, white or noise'}"
    )
    figures = {
        "looked_at": total, "of": seen.of, "low": low / 255, "high": high / 255, "mean": mean / 255,
        "bad": bad, "grey": grey,
    } | {kind: len(names) for kind, names in odd.items()}  # fmt: skip
    ok = Verdict("images", "ok", text, figures=figures)
    strange = sum(map(len, odd.values()))
    cure = "inpaint prepare lists them and leaves out what it should"
    if high < _DARKEST_HIGH or low > _BRIGHTEST_LOW:
        return ok.worse("finding", "the range is not that of images: look how they were written")
    if bad > max_bad_fraction * total:
        limit = f"max_bad_fraction = {max_bad_fraction:g}"
        return ok.worse("finding", f"more than {limit} of them: inpaint train would refuse to start")
    if strange and strange >= ODD_SHARE * total:
        return ok.worse("finding", f"{strange / total:.1%} are no images to learn from: {cure}")
    return ok.worse("note", cure) if strange or bad else ok


def judge_number(train: int, validation: int, epochs: float) -> Verdict:
    """Judge whether there are images enough to learn from, and to tell what has been learnt."""
    figures = {"train": train, "validation": validation, "epochs": epochs}
    text = f"{train:,} to train on, each seen {epochs:,.0f} times, and {validation:,} to validate with"
    reasons = []
    if train < FEWEST_TO_LEARN:
        reasons.append(f"fewer than {FEWEST_TO_LEARN} are learnt by heart")
    elif epochs > MOST_EPOCHS:
        reasons.append(f"what is seen more than {MOST_EPOCHS:,} times is learnt by heart")
    if validation < FEWEST:
        reasons.append(f"with fewer than {FEWEST} to validate with, no figure has an interval")
    ok = Verdict("number of images", "ok", text, figures=figures)
    if not reasons:
        return ok
    cure = "more images of the same kind" if train < FEWEST_TO_LEARN else "more images, or fewer --steps"
    if validation < FEWEST:
        cure += "; inpaint crossval measures on every image"
    return replace(ok, word="finding", text=f"{text}: {'; '.join(reasons)}", advice=cure)


def find_leaks(seen: Survey) -> Leaks:
    """Find images to validate with that look like images to train on."""
    telling = [one for one in seen.facts if one.contrast >= LEAST_CONTRAST]
    train, val = ([one for one in telling if one.part == part] for part in ("train", "val"))
    pairs = find_lookalikes([one.appearance for one in val], [one.appearance for one in train])
    alike = len({ours for ours, *_ in pairs})
    same = len({ours for ours, _, likeness in pairs if likeness > _SAME})
    share = alike / max(1, len(val)) * max(1.0, seen.of / max(1, seen.total))
    named = [(val[a].name, train[b].name, likeness) for a, b, likeness in pairs[:_NAMED]]
    return Leaks(len(val), alike, same, min(1.0, share), named)


def judge_leaks(leaks: Leaks, seen: Survey, data: str) -> Verdict:
    """Judge the look-alikes of a split; `data` is where the images come from."""
    sampled, figures = seen.of > seen.total, asdict(leaks)
    looked_at = f"{count(leaks.validation, 'validation image')} looked at"
    if not leaks.alike:
        text = f"none of {looked_at} has a look-alike to train on"
        if sampled:
            share = f"{seen.total / seen.of:.0%}"
            text += f"; a sample of {share} holds few pairs, -s sample={seen.of} looks at all"
        return Verdict("split", "ok", text, figures=figures)
    ours, theirs, _ = leaks.pairs[0]
    text = (
        f"{leaks.alike:,} of {looked_at} have a look-alike to train on ({leaks.same} of them the same "
        f"image), as {ours} and {theirs}"
    )
    if sampled:
        text += f"; among all {seen.of:,} it would be about {leaks.share_in_all:.1%} of them"
    word: Word = "finding" if leaks.share_in_all >= LEAK_SHARE else "note"
    advice = (
        "prepare the dataset anew: its look-alikes are no longer all in one part"
        if is_dataset(Path(data))
        else "a plain folder is split by content, which keeps copies of a file together but not "
        f"look-alikes: inpaint prepare {data} -o NAME.dataset does"
    )
    return Verdict("split", word, text, advice, figures)


def variety(samples: TrainingSamples) -> Verdict:
    """Judge whether every sample has an augmentation and a mask of its own.

    One augmentation, or one mask, for a whole batch is a common mistake that no loss curve shows.
    """
    batch = samples.collate([samples[number] for number in range(SAMPLES)])
    figures: dict[str, float] = {
        "samples": SAMPLES,
        "repeated_images": _repeated(batch.images),
        "repeated_masks": _repeated(batch.masks),
        "mean_hole": float(batch.masks.mean()),
    }
    try:
        check_variants(samples)
    except DataError as error:
        advice = "use a source of masks or images that draws anew for every sample"
        return Verdict("variety", "finding", str(error), advice, figures)
    text = (
        f"of {SAMPLES} samples {figures['repeated_images']:.0%} of the images and "
        f"{figures['repeated_masks']:.0%} of the masks come more than once; "
        f"{figures['mean_hole']:.0%} of an image is hole"
    )
    ok = Verdict("variety", "ok", text, figures=figures)
    if max(figures["repeated_masks"], figures["repeated_images"]) > _REPEATED:
        return ok.worse("note", "few images or masks: --augment light varies both")
    return ok


def _repeated(tensors: Tensor) -> float:
    """Return the share of tensors that are not the only one of their kind."""
    kinds = [one.contiguous().numpy().tobytes() for one in tensors.to(torch.float32)]
    return sum(kinds.count(kind) > 1 for kind in kinds) / len(kinds)
