"""The figures of a cross-validation: each variant over its folds, and variants in pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.data.manifest import is_dataset
from inpaintlab.errors import RunError
from inpaintlab.evaluation.baselines import BASELINES
from inpaintlab.evaluation.compare import HEADLINE, compared
from inpaintlab.evaluation.fillers import OURS
from inpaintlab.evaluation.fold import Fold
from inpaintlab.evaluation.records import Records
from inpaintlab.evaluation.statistics import corrected, is_clear
from inpaintlab.settings import CrossvalSettings, TrainSettings

#: Figures in the folder of a cross-validation.
RESULT = "crossval.json"


@dataclass(frozen=True)
class Measured:
    """A fold that is done: its result, its rows, and what its run says of its images."""

    result: dict[str, Any]
    records: Records
    data: dict[str, Any]

    def values(self, method: str = OURS) -> dict[str, float]:
        """Return the means of a method in this fold, by metric."""
        metrics = self.result["overall"]["methods"][method]
        return {name: mean["mean"] for name, mean in metrics.items()}


#: For each variant what each fold measured, or None where it has failed.
Found = dict[str, list[Measured | None]]


def gather(
    folder: Path,
    settings: CrossvalSettings,
    variants: Mapping[str, TrainSettings],
    folds: Sequence[Fold],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the figures of all folds, and write them to `crossval.json`.

    Where a fold of a variant has failed, its mean is not given. Raises `RunError` where the images
    have changed between folds.
    """
    by_name = {name: [fold for fold in folds if fold.variant == name] for name in variants}
    found: Found = {name: [_measured(fold) for fold in of] for name, of in by_name.items()}
    whole = [one for of in found.values() for one in of if one]
    if len({one.data["split_hash"] for one in whole}) > 1:
        raise RunError(
            f"the images of {settings.data} have changed between folds, whose figures do not belong "
            "together: begin again in another folder"
        )
    result = {
        "inpaintlab": version("inpaintlab"),
        "folder": str(folder),
        "interrupted": False,
        "data": settings.data,
        "folds": settings.folds,
        "vary": settings.vary,
        "size": settings.size,
        "machine": dict(machine),
        "masks": whole[0].result["masks"]["name"] if whole else None,
        "images": _images(found),
        "test": whole[0].data["test"] if whole else None,
        "baselines": {name: _baseline(name, found) for name in BASELINES},
        "variants": {name: _variant(by_name[name], found[name]) for name in variants},
        "comparisons": _comparisons(found),
        "failed": [_failure(fold) for fold in folds if "done" not in fold.state()],
    }
    result["notes"] = notes(result)
    write_json(folder / RESULT, result)
    return result


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of the figures, a sentence in each line."""
    lines = [
        "folds are not independent, as they share training images: the spread over them understates "
        "how much a figure would change with other training images, and no unbiased estimate of that "
        "exists (Bengio and Grandvalet 2004)"
    ]
    if result["comparisons"]:
        lines.append(
            "the interval for other images takes these runs as they are; the one for training on "
            "others is widened for what folds share (Nadeau and Bengio 2003), which helps "
            "but proves nothing"
        )
    if (count := len(result["comparisons"])) > 1:
        lines.append(
            f"of {count} comparisons one may look clear by chance, and the best of several variants "
            "looks a little better than it is"
        )
    lines.append(
        "each run is measured with the weights of its best validation, on the same images: every "
        "figure is a little high, for all variants alike"
    )
    data, machine = result["data"], result["machine"]
    if not is_dataset(Path(data)) and not data.startswith("samples:"):
        lines.append(
            "copies of a file are in one fold, images that only look alike may not be: "
            f"inpaint prepare {data} -o NAME.dataset keeps them together"
        )
    if machine["timed"] and machine["jobs"] > 1:
        lines.append(
            f"minutes were shared: {machine['jobs']} runs at a time, threads for each: "
            f"{machine['threads']}; alone a run learns more in its time, --jobs 1 does that"
        )
    if result["test"] is not None:
        lines.append(f"the {result['test']} images of the test part were not used")
    return lines


def _measured(fold: Fold) -> Measured | None:
    if "done" not in fold.state():
        return None
    return Measured(*fold.result(), read_json(fold.run.data))


def _failure(fold: Fold) -> dict[str, Any]:
    reason = fold.state().get("failed", "it was stopped before it was done")
    return {"variant": fold.variant, "fold": fold.number, "reason": reason}


def _images(found: Found) -> int:
    """Return how many images validate, each in one fold."""
    hashes = {
        one for of in found.values() for fold in of if fold for one in fold.records.facts["sha256"]
    }
    return len(hashes)


def _variant(folds: Sequence[Fold], found: Sequence[Measured | None]) -> dict[str, Any]:
    rows = [_row(fold, measured) for fold, measured in zip(folds, found, strict=True)]
    return {"folds": rows, "metrics": _over([one.values() if one else None for one in found])}


def _row(fold: Fold, measured: Measured | None) -> dict[str, Any]:
    head = {"fold": fold.number, "run": str(fold.run.folder)}
    if measured is None:
        return head | {"reason": _failure(fold)["reason"]}
    overall = measured.result["overall"]
    return head | {
        "n": overall["n"],
        "images": overall["images"],
        "train": measured.data["train"],
        "masks": measured.result["masks"]["hash"],
        **fold.state()["done"],
        "metrics": measured.values(),
    }


def _baseline(name: str, found: Found) -> dict[str, Any]:
    """Return the figures of a baseline, which are the same for all variants."""
    folds = [next((one for one in of if one), None) for of in zip(*found.values(), strict=True)]
    values = [one.values(name) if one else None for one in folds]
    return {
        "folds": [{"fold": number, "metrics": of} for number, of in enumerate(values)],
        "metrics": _over(values),
    }


def _over(folds: Sequence[dict[str, float] | None]) -> dict[str, dict[str, float]] | None:
    """Return mean and standard deviation over folds of each metric; None where a fold is missing."""
    whole = [of for of in folds if of is not None]
    if len(whole) < len(folds):
        return None
    columns = {name: np.array([of[name] for of in whole]) for name in whole[0]}
    return {
        name: {"mean": float(column.mean()), "sd": float(column.std(ddof=1))}
        for name, column in columns.items()
    }


def _comparisons(found: Found) -> list[dict[str, Any]]:
    """Compare the first variant with each of the others."""
    (one, first), *others = found.items()
    return [_compared(one, first, other, of) for other, of in others]


def _compared(
    one: str, first: Sequence[Measured | None], other: str, second: Sequence[Measured | None]
) -> dict[str, Any]:
    head = {"first": one, "other": other}
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a and b]
    if len(pairs) < len(first):
        return head | {"reason": "a fold of one of them has failed"}
    if any(a.records.keys() != b.records.keys() for a, b in pairs):
        return head | {"reason": "they were measured on different images or masks"}
    ratio = float(np.mean([a.result["overall"]["images"] / a.data["train"] for a, _ in pairs]))
    over_folds = {}
    for metric in pairs[0][0].values():
        differences = [b.values()[metric] - a.values()[metric] for a, b in pairs]
        over_folds[metric] = asdict(corrected(differences, ratio)) | {"folds": differences}
    pooled = compared(
        one,
        Records.join([a.records for a, _ in pairs]),
        other,
        Records.join([b.records for _, b in pairs]),
    )
    comparison = pooled | {"ratio": ratio, "over_folds": over_folds}
    return comparison | {"sentence": sentence(comparison)}


def sentence(comparison: Mapping[str, Any]) -> str:
    """Return in one sentence which variant is better, and how sure that is."""
    one, other = comparison["first"], comparison["other"]
    images = comparison["overall"]["metrics"][HEADLINE]
    training = comparison["over_folds"][HEADLINE]
    mean = training["mean"]
    better, worse = (other, one) if mean > 0 else (one, other)
    words = f"{better} is {abs(mean):.2f} dB better in the hole than {worse}"
    clear = [is_clear(interval) for interval in (images, training)]
    if all(clear):
        return f"{words}, and would be with other training images too, as far as folds can tell"
    if clear[0]:
        return f"{words} as trained here; with other training images it may be otherwise"
    return f"{one} and {other} are not distinguishable ({other} is {mean:+.2f} dB from {one})"
