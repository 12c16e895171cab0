"""Eye-centred face crops: `inpaint align`.

A similarity transform puts the eyes of each face at given places of a square crop. Inputs are only
read. What cannot be aligned with confidence is listed with its reason, not guessed.
"""

import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab.arrays import Float64, UInt8
from inpaintlab.data import eyes as detectors
from inpaintlab.data.eyes import CERTAIN, Detector, Face
from inpaintlab.data.folders import FolderDataset
from inpaintlab.data.geometry import HALF, apply, similarity, warp
from inpaintlab.data.keypoints import COLUMNS, open_points
from inpaintlab.errors import DataError, ImageError, SettingError, near_miss
from inpaintlab.files import write_atomically
from inpaintlab.images import from_array, load_rgb_whole, save
from inpaintlab.machine import processors
from inpaintlab.progress import bar
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
class Crop:
    """One crop: where it was written; its eyes in the source's pixels, in shares, and found again."""

    file: str
    face: int
    path: str
    eyes: Float64
    certainty: float
    before: Float64
    after: Float64 | None


@dataclass
class Outcome:
    """What became of one image."""

    crops: list[Crop] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)


def align(settings: AlignSettings) -> dict[str, Any]:
    """Align every face, write crops, `align.csv` and `align.json`; return the content of the latter.

    Raises `SettingError`, `DataError` or `OutputError` where folders or settings cannot be used as
    asked; an image that cannot be used is listed.
    """
    source = FolderDataset(settings.folder)
    _check_output(settings.folder, settings.output)
    workshop = Workshop(settings, source)
    with (
        ThreadPoolExecutor(processors()) as pool,
        bar("aligning", len(source.names)) as advance,
    ):
        outcomes = []
        for outcome in pool.map(workshop.align, range(len(source.names))):
            outcomes.append(outcome)
            advance()
    report = _report(settings, workshop.detector_name, outcomes)
    write_atomically(settings.output / "align.csv", _table(outcomes))
    write_atomically(settings.output / "align.json", json.dumps(report, indent=1).encode())
    return report


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
    transform = similarity(detectors.in_order(eyes), _in_pixels(places, size))
    return warp(pixels, transform, size, size)


class Workshop:
    """Aligns the images of a folder one by one; may be used by several threads."""

    def __init__(self, settings: AlignSettings, source: FolderDataset) -> None:
        self.settings, self._source = settings, source
        self.detector_name = settings.detector or ("points" if settings.points else "haar")
        self._places = eye_places(settings.eyes)
        self._paths = _unique_names(source.names)
        self._known = (
            open_points(settings.points, settings.left_rows, settings.right_rows)
            if settings.points
            else None
        )
        self._own = threading.local()
        self._every = -(-len(source.names) // CHECKED)
        if not self._known:
            self._detector()  # a detector that is not installed is told before the first image

    def align(self, index: int) -> Outcome:
        """Read image `index`, find its faces and write their crops."""
        name = self._source.names[index]
        try:
            pixels, _ = load_rgb_whole(self._source.folder / name)
            _check_sides(name, pixels)
            faces = self._find(name, pixels)
        except ImageError as error:
            return Outcome(missed=[Missed(name, "unreadable", str(error))])
        except DataError as error:
            return Outcome(missed=[Missed(name, "bad points", str(error))])
        if not faces:
            return Outcome(missed=[self._without_face(name)])
        wanted = faces if self.settings.faces == "all" else faces[:1]
        outcome = Outcome()
        for number, face in enumerate(wanted, start=1):
            problem = _problem(name, number, face)
            if problem:
                outcome.missed.append(problem)
            else:
                outcome.crops.append(self._cut(index, number, face, pixels))
        return outcome

    def _find(self, name: str, pixels: UInt8) -> list[Face]:
        return self._known.find(name) if self._known else self._detector().find(pixels)

    def _detector(self) -> Detector:
        """Return the detector of this thread."""
        if not hasattr(self._own, "detector"):
            self._own.detector = detectors.create(self.detector_name)
        detector: Detector = self._own.detector
        return detector

    def _without_face(self, name: str) -> Missed:
        if self._known:
            return Missed(name, "no points", f"{self.settings.points} says nothing of this image")
        return Missed(name, "no face", f"{self.detector_name} found no face")

    def _cut(self, index: int, number: int, face: Face, pixels: UInt8) -> Crop:
        assert face.eyes is not None
        name, size = self._source.names[index], self.settings.size
        suffix = f"-{number}" if self.settings.faces == "all" else ""
        path = f"{self._paths[index]}{suffix}.{self.settings.format}"
        crop = align_face(pixels, face.eyes, self._places, size)
        save(self.settings.output / path, from_array(crop))
        before = (face.eyes + HALF) / pixels.shape[1::-1]
        after = self._check(index, face, crop)
        return Crop(name, number, path, face.eyes, face.certainty, before, after)

    def _check(self, index: int, face: Face, crop: UInt8) -> Float64 | None:
        """Return where a crop's eyes are, in shares of its side; None outside the sample."""
        assert face.eyes is not None
        size = self.settings.size
        if self._known:
            goal = _in_pixels(self._places, size)
            return (apply(similarity(face.eyes, goal), face.eyes) + HALF) / size
        if index % self._every:
            return None
        margin = round(_MARGIN * size)
        wide = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        again = self._detector().find(np.ascontiguousarray(wide))
        if not again or again[0].eyes is None or again[0].certainty < CERTAIN:
            return None
        return (again[0].eyes - margin + HALF) / size


def summary(report: dict[str, Any]) -> str:
    """Return the report in three lines for people."""
    settings, spread = report["settings"], report["spread"]
    lines = [
        f"{report['aligned']:,} of {report['images']:,} images aligned: {report['crops']:,} crops "
        f"of {settings['size']} px in {settings['output']} (eyes by {report['detector']})"
    ]
    if report["reasons"]:
        counts = ", ".join(f"{count} {reason}" for reason, count in report["reasons"].items())
        lines.append(f"not aligned: {counts}; each is listed in {settings['output']}/align.json")
    if spread["before"] is not None:
        after = "not known" if spread["after"] is None else f"{spread['after']:.2f} %"
        lines.append(
            f"spread of the eyes: {spread['before']:.2f} % of the side before, {after} after "
            f"({spread['how']})"
        )
    return "\n".join(lines)


def _in_pixels(places: Float64, size: int) -> Float64:
    return places * size - HALF


def _problem(name: str, number: int, face: Face) -> Missed | None:
    """Say why a face must not be aligned, if there is a reason."""
    if face.eyes is None:
        return Missed(name, "no eyes", "a face, but not two eyes in it", number)
    if face.certainty < CERTAIN:
        detail = f"the eyes have a certainty of {face.certainty:.2f}, less than {CERTAIN}"
        return Missed(name, "doubtful", detail, number)
    return None


def _check_sides(name: str, pixels: UInt8) -> None:
    """Raise `ImageError` for an image with a side that OpenCV cannot warp."""
    if max(pixels.shape) > LONGEST_SIDE:
        height, width = pixels.shape[:2]
        raise ImageError(f"{name} is {width}×{height}: a side may have {LONGEST_SIDE:,} px at most")


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
    taken = {stem.lower() for stem in stems if counts[stem.lower()] == 1}
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


def _report(settings: AlignSettings, detector: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    crops = [crop for outcome in outcomes for crop in outcome.crops]
    missed = [missed for outcome in outcomes for missed in outcome.missed]
    after = [crop.after for crop in crops if crop.after is not None]
    known = detector == "points"
    how = "by the given points" if known else f"{len(after)} crops looked at again by {detector}"
    return {
        "settings": settings.model_dump(mode="json"),
        "detector": detector,
        "images": len(outcomes),
        "aligned": sum(bool(outcome.crops) for outcome in outcomes),
        "crops": len(crops),
        "reasons": dict(Counter(item.reason for item in missed)),
        "spread": {
            "before": _spread([crop.before for crop in crops]),
            "after": _spread(after),
            "how": how,
        },
        "not_aligned": [asdict(item) for item in missed],
    }


def _spread(eyes: Sequence[Float64]) -> float | None:
    """Return the standard deviation of eye coordinates (root mean square) in % of the side."""
    if not eyes:
        return None
    return round(100 * float(np.sqrt(np.var(np.stack(eyes), axis=0).mean())), 4)


def _table(outcomes: Iterable[Outcome]) -> bytes:
    """Return `align.csv`; it can be given back as points."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # its line end \r\n makes it quote names that hold either of the two
    writer.writerow(["file", "face", "crop", *COLUMNS, "certainty"])
    writer.writerows(_rows(outcomes))
    return text.getvalue().encode("utf-8", errors="surrogateescape")


def _rows(outcomes: Iterable[Outcome]) -> Iterator[list[Any]]:
    for outcome in outcomes:
        for crop in outcome.crops:
            numbers = [f"{number:.2f}" for number in (*crop.eyes.ravel(), crop.certainty)]
            yield [crop.file, crop.face, crop.path, *numbers]
