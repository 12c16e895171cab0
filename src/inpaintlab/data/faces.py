"""Eye-centred face crops: `inpaint align`.

A similarity transform puts the eyes of each face at given places of a square crop. Inputs are only
read. What cannot be aligned with confidence is listed with its reason, not guessed.
"""

import csv
import io
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64, UInt8
from inpaintlab.data import eyes as detectors
from inpaintlab.data.eyes import CERTAIN, Face
from inpaintlab.data.folders import FolderDataset
from inpaintlab.data.geometry import apply, similarity, warp
from inpaintlab.data.keypoints import COLUMNS, open_points
from inpaintlab.errors import DataError, ImageError, SettingError, near_miss
from inpaintlab.files import emptied_if_broken_off, json_text, write_atomically
from inpaintlab.images import from_array, load_rgb_whole, save
from inpaintlab.progress import in_threads
from inpaintlab.reports import Answer, Note, Result
from inpaintlab.settings import AlignSettings

#: Where the eyes go, in shares of the side from the upper left corner: x, y of the left, of the right.
#: `utkface` is as published with UTKFace. `celeba-hq` follows from the rule with which CelebA-HQ and
#: FFHQ were cut (Karras et al., 2018 and 2019): a square of side 2·max(2.0·e, 1.8·m) around the point
#: 0.1·m below the middle of the eyes, e from eye to eye and m from eyes to mouth. Only the eyes are
#: known here, so m is taken where both terms are equal, m = e/0.9: the side is 4·e, the eyes stand at
#: 0.5 ± 0.125 across and at 0.5 − 0.1/(4·0.9) = 0.472 down.
EYES: dict[str, tuple[float, float, float, float]] = {
    "utkface": (0.294, 0.292, 0.684, 0.291),
    "celeba-hq": (0.375, 0.472, 0.625, 0.472),
}
#: So many crops at most are looked at again to measure the spread of the eyes.
CHECKED = 200
#: Two points nearer than this, in pixels, are no eyes; nor are points farther outside the image than
#: this share of its longer side, which leaves room for faces that are cut off.
LEAST_APART, BEYOND = 2.0, 0.1
#: OpenCV's warps count pixels in 16 bits.
LONGEST_SIDE = 32_766
# Share of the side by which a crop is widened before faces are looked for in it: a face that fills the
# image is not found.
_MARGIN = 0.25


@dataclass(frozen=True)
class Missed:
    """An image, or one face in it, that was not aligned: why, in a word or two and in a sentence."""

    file: str
    reason: str
    detail: str
    face: int | None = None


@dataclass(frozen=True)
class _Crop:
    """One crop: where it was written; its eyes in the source's pixels, in shares, and found again."""

    file: str
    face: int
    path: str
    eyes: Float64
    certainty: float
    before: Float64
    after: Float64 | None


@dataclass(frozen=True)
class Spread:
    """Standard deviation of eye coordinates in % of the side; None where it is not known."""

    before: float | None
    after: float | None
    how: str


@dataclass(frozen=True)
class Alignment(Result):
    """What `align` did with the images of a folder; `reasons` counts `not_aligned`."""

    settings: dict[str, Any]
    detector: str
    images: int
    aligned: int
    crops: int
    reasons: dict[str, int]
    spread: Spread
    not_aligned: list[Missed]

    def answer(self) -> Answer:
        """Return what a command prints."""
        output, size, spread = self.settings["output"], self.settings["size"], self.spread
        headline = (
            f"{self.aligned:,} of {self.images:,} images aligned: {self.crops:,} crops "
            f"of {size} px in {output} (eyes by {self.detector})"
        )
        notes = []
        if self.reasons:
            counts = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
            notes = [Note(f"not aligned: {counts}; each is listed in {output}/align.json", "warn")]
        if spread.before is not None:
            after = "not known" if spread.after is None else f"{spread.after:.2f} %"
            text = f"spread of the eyes: {spread.before:.2f} % of the side before, {after} after"
            notes.append(Note(f"{text} ({spread.how})", "quiet"))
        return Answer(headline, notes=notes)


def align(settings: AlignSettings) -> Alignment:
    """Align every face; write crops, `align.csv` and, with what is returned, `align.json`.

    Raises `SettingError`, `DataError` or `OutputError` where folders or settings cannot be used as
    asked; an image that cannot be used is listed.
    """
    source = FolderDataset(settings.folder)
    _check_output(settings.folder, settings.output)
    workshop = _Workshop(settings, source)
    with emptied_if_broken_off(settings.output):
        outcomes = list(in_threads(workshop.align, range(len(source)), "aligning"))
        return _written(settings, workshop, outcomes)


def _written(
    settings: AlignSettings, workshop: "_Workshop", outcomes: list[list[_Crop | Missed]]
) -> Alignment:
    """Write what was done beside the crops, and return it."""
    crops = [one for outcome in outcomes for one in outcome if isinstance(one, _Crop)]
    missed = [one for outcome in outcomes for one in outcome if isinstance(one, Missed)]
    done = Alignment(
        settings=settings.model_dump(mode="json"),
        detector=workshop.detector_name,
        images=len(outcomes),
        aligned=len({crop.file for crop in crops}),
        crops=len(crops),
        reasons=dict(Counter(one.reason for one in missed)),
        spread=_spread(crops, workshop.detector_name),
        not_aligned=missed,
    )
    write_atomically(settings.output / "align.csv", _table(crops))
    write_atomically(settings.output / "align.json", json_text(done.as_dict()).encode())
    return done


def eye_places(eyes: str) -> Float64:
    """Read where the eyes go, `[2, 2]` in shares of the side: a preset, or `x,y,x,y`.

    Raises `SettingError` for another name, numbers outside 0 to 1, and eyes in one place.

    >>> eye_places(".3,.4,.7,.4").tolist()
    [[0.3, 0.4], [0.7, 0.4]]
    """
    if eyes in EYES:
        return np.array(EYES[eyes]).reshape(2, 2)
    try:
        numbers = [float(word) for word in eyes.split(",")]
    except ValueError:
        hint = near_miss(eyes, EYES)
        raise SettingError(f"eyes: unknown preset {eyes!r}{hint}; or four numbers x,y,x,y") from None
    if len(numbers) != 4 or not all(0 <= number <= 1 for number in numbers):
        raise SettingError(f"eyes takes four shares x,y,x,y between 0 and 1, got {eyes!r}")
    places = detectors.in_order(np.array(numbers).reshape(2, 2))
    if np.array_equal(places[0], places[1]):
        raise SettingError(f"eyes: the two eyes need two places, got {eyes!r}")
    return places


def align_face(pixels: UInt8, eyes: Float64, places: Float64, size: int) -> UInt8:
    """Cut a square `[size, size, 3]` out of an image with the eyes at places in shares of its side."""
    transform = similarity(detectors.in_order(eyes), places * size - 0.5)
    return warp(pixels, transform, size, size)


class _Workshop:
    """Aligns the images of a folder one by one; may be used by several threads."""

    def __init__(self, settings: AlignSettings, source: FolderDataset) -> None:
        self.settings, self._source = settings, source
        self.detector_name = settings.detector or ("points" if settings.points else "haar")
        self._places = eye_places(settings.eyes)
        self._paths = _unique_names(source.names)
        rows = settings.left_rows, settings.right_rows
        self._known = open_points(settings.points, *rows) if settings.points else None
        self._own = threading.local()
        self._every = -(-len(source) // CHECKED)
        if not self._known:
            self._detect(np.zeros((1, 1, 3), np.uint8))  # one that is not installed is told first

    def align(self, index: int) -> list[_Crop | Missed]:
        """Read image `index`, find its faces and write their crops."""
        name = self._source.names[index]
        try:
            pixels, _ = load_rgb_whole(self._source.folder / name)
            if max(pixels.shape) > LONGEST_SIDE:
                size = "{1}×{0}".format(*pixels.shape)
                raise ImageError(f"{name} is {size}: a side may have {LONGEST_SIDE:,} px at most")
            faces = self._known(name) if self._known else self._detect(pixels)
        except (ImageError, DataError) as error:
            reason = "unreadable" if isinstance(error, ImageError) else "bad points"
            return [Missed(name, reason, str(error))]
        if not faces and self._known:
            return [Missed(name, "no points", f"{self.settings.points} says nothing of this image")]
        if not faces:
            return [Missed(name, "no face", f"{self.detector_name} found no face")]
        wanted = faces if self.settings.faces == "all" else faces[:1]
        return [self._cut(index, number, face, pixels) for number, face in enumerate(wanted, start=1)]

    def _detect(self, pixels: UInt8) -> list[Face]:
        """Find faces by the detector of this thread."""
        if not hasattr(self._own, "find"):
            self._own.find = detectors.create(self.detector_name).find
        faces: list[Face] = self._own.find(pixels)
        return faces

    def _cut(self, index: int, number: int, face: Face, pixels: UInt8) -> _Crop | Missed:
        name = self._source.names[index]
        if face.eyes is None:
            return Missed(name, "no eyes", "a face, but not two eyes in it", number)
        if face.certainty < CERTAIN:
            detail = f"the eyes have a certainty of {face.certainty:.2f}, less than {CERTAIN}"
            return Missed(name, "doubtful", detail, number)
        if doubt := _doubt(face.eyes, *pixels.shape[:2]):
            return Missed(name, "doubtful", doubt, number)
        suffix = f"-{number}" if self.settings.faces == "all" else ""
        path = f"{self._paths[index]}{suffix}.{self.settings.format}"
        crop = align_face(pixels, face.eyes, self._places, self.settings.size)
        save(self.settings.output / path, from_array(crop))
        before = (face.eyes + 0.5) / pixels.shape[1::-1]
        after = self._check(index, face.eyes, crop)
        return _Crop(name, number, path, face.eyes, face.certainty, before, after)

    def _check(self, index: int, eyes: Float64, crop: UInt8) -> Float64 | None:
        """Return where a crop's eyes are, in shares of its side; None outside the sample."""
        size = self.settings.size
        if self._known:
            return (apply(similarity(eyes, self._places * size - 0.5), eyes) + 0.5) / size
        if index % self._every:
            return None
        margin = round(_MARGIN * size)
        wide = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        again = self._detect(np.ascontiguousarray(wide))
        if not again or again[0].eyes is None or again[0].certainty < CERTAIN:
            return None
        return (again[0].eyes - margin + 0.5) / size


def _doubt(eyes: Float64, height: int, width: int) -> str:
    """Say why two points, in pixels, cannot be the eyes in an image; nothing where they can."""
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    if apart < LEAST_APART:
        shares = ", as shares of the width are: points are pixels" if eyes.max() <= 1 else ""
        return f"the eyes are {apart:.2g} pixels apart{shares}"
    beyond = BEYOND * max(height, width)
    if (eyes < -beyond).any() or (eyes > np.array([width, height]) + beyond).any():
        places = " and ".join(f"({x:.6g}, {y:.6g})" for x, y in eyes)
        return f"the eyes, at {places}, are outside the image of {width}×{height}"
    return ""


def _check_output(folder: Path, output: Path) -> None:
    """Refuse an output folder that could touch the inputs, or that holds something already."""
    inputs, outputs = folder.resolve(), output.resolve()
    if inputs == outputs or inputs in outputs.parents or outputs in inputs.parents:
        raise DataError(f"{output} and {folder} lie in each other: write the crops to a folder apart")
    if output.exists() and not output.is_dir():
        raise DataError(f"{output} is a file, not a folder: give a new folder for the crops")
    if output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output} is not empty: give a new folder, or empty this one first")


def _unique_names(names: Sequence[str]) -> list[str]:
    """Return the paths without their suffixes, but with them where two would become one.

    Names that differ in case only are one on some file systems.

    >>> _unique_names(["a.jpg", "b.jpg", "b.png"])
    ['a', 'b.jpg', 'b.png']
    """
    stems = [str(Path(name).with_suffix("")) for name in names]
    counts = Counter(stem.lower() for stem in stems)
    taken = {stem for stem, count in counts.items() if count == 1}
    unique = []
    for stem, name in zip(stems, names, strict=True):
        path = stem
        if counts[stem.lower()] > 1:
            path = name
            while path.lower() in taken:
                path += "_"
            taken.add(path.lower())
        unique.append(path)
    return unique


def _spread(crops: Sequence[_Crop], detector: str) -> Spread:
    """Measure the eyes of all crops: the root mean square of both coordinates of both eyes."""

    def deviation(eyes: list[Float64]) -> float | None:
        if not eyes:
            return None
        return round(100 * float(np.sqrt(np.var(np.stack(eyes), axis=0).mean())), 4)

    after = [crop.after for crop in crops if crop.after is not None]
    given = detector == "points"
    how = "by the given points" if given else f"{len(after)} crops looked at again by {detector}"
    return Spread(deviation([crop.before for crop in crops]), deviation(after), how)


def _table(crops: Iterable[_Crop]) -> bytes:
    """Return `align.csv`; it can be given back as points."""

    def rows() -> Iterator[list[Any]]:
        yield ["file", "face", "crop", *COLUMNS, "certainty"]
        for crop in crops:
            numbers = [f"{number:.2f}" for number in (*crop.eyes.ravel(), crop.certainty)]
            yield [crop.file, crop.face, crop.path, *numbers]

    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows())  # its line end \r\n makes it quote names that hold either
    return text.getvalue().encode("utf-8", errors="surrogateescape")
