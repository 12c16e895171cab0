"""How much is lost on other images, and on the same ones changed: a good loss is not the world."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from inpaintlab import masks
from inpaintlab.arrays import Float64
from inpaintlab.data.sources import open_source
from inpaintlab.evaluation.candidate import Candidate
from inpaintlab.evaluation.fillers import OURS, Filler
from inpaintlab.evaluation.measuring import measure_all
from inpaintlab.evaluation.records import Records
from inpaintlab.evaluation.shifts import SHIFTS, STRENGTHS
from inpaintlab.evaluation.statistics import means, unpaired
from inpaintlab.evaluation.subjects import Subjects, open_subjects
from inpaintlab.settings import EvaluateSettings
from inpaintlab.training.validation import MASK_SEED

Parts = Sequence[Mapping[str, Any]]


def other_images(
    candidate: Candidate,
    folder: str,
    settings: EvaluateSettings,
    parts: Parts,
    fillers: Mapping[str, Filler],
    best: str,
    own: Records,
) -> dict[str, Any]:
    """Return how ours fares on the images of another folder, beside its own ones.

    `loss` is how much lower the hole PSNR is than on the own images. Images differ in how hard they
    are for anything, so `gain`, over the baseline `best`, and `gain_loss` say more.
    """
    source = open_source(folder)
    # Whatever split a prepared dataset brings: none of it was trained on, or it is left out.
    everything = list(range(len(source.names)))
    there = open_subjects(
        source, everything, candidate.size, trained_on=candidate.trained_on, max_bad=1.0
    ).first(settings.ood_images)
    frozen = masks.frozen(parts, candidate.size, len(there), MASK_SEED)
    records = measure_all(fillers, there, frozen, settings.batch_size, what=f"evaluating on {folder}")
    (ours, gain), (own_ours, own_gain) = (_ours_and_gain(of, best) for of in (records, own))
    clusters = own.clusters(), records.clusters()
    return {
        "data": folder,
        **records.summary(),
        "gain": means(gain[:, None], clusters[1])[0].as_dict(),
        "loss": unpaired(own_ours, clusters[0], ours, clusters[1]).as_dict(),
        "gain_loss": unpaired(own_gain, clusters[0], gain, clusters[1]).as_dict(),
    }


def shifted_images(
    subjects: Subjects,
    parts: Parts,
    fillers: Mapping[str, Filler],
    best: str,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """Return for each shift and strength what is lost, paired with the same images unchanged."""
    few = subjects.first(settings.corruption_images)
    size = few.images.size
    frozen = masks.frozen(parts, size, len(few), MASK_SEED)
    two = {name: fillers[name] for name in (best, OURS)}

    def measured(what: str, subjects: Subjects) -> Records:
        return measure_all(two, subjects, frozen, settings.batch_size, what=what)

    own = measured("unchanged", few)
    rows = []
    for name, shift in SHIFTS.items():
        for strength in STRENGTHS:
            change = partial(_call, shift, strength)
            other = measured(f"{name} {strength}", few.changed(change))
            rows.append({"shift": name, "strength": strength, **_paired(own, other, best)})
    return {"n": len(few), "baseline": best, "own": _own(own, best), "rows": rows}


def _paired(own: Records, other: Records, best: str) -> dict[str, Any]:
    (before, gain_before), (after, gain_after) = (_ours_and_gain(of, best) for of in (own, other))
    columns = {
        "hole_psnr": after,
        "gain": gain_after,
        "loss": before - after,
        "gain_loss": gain_before - gain_after,
    }
    found = means(np.stack(list(columns.values()), axis=1), own.clusters())
    return {name: mean.as_dict() for name, mean in zip(columns, found, strict=True)}


def _own(own: Records, best: str) -> dict[str, Any]:
    ours, gain = means(np.stack(_ours_and_gain(own, best), axis=1), own.clusters())
    return {"hole_psnr": ours.as_dict(), "gain": gain.as_dict()}


def _ours_and_gain(records: Records, best: str) -> tuple[Float64, Float64]:
    ours = records.values[OURS]["hole_psnr"]
    return ours, ours - records.values[best]["hole_psnr"]


def _call(shift: Callable[..., Any], strength: int, image: Any) -> Any:
    return shift(image, strength)
