"""`inpaint evaluate`: a run beside classical methods, on the same images and the same frozen masks."""

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab import masks
from inpaintlab.checkpoints import read_json, write_json
from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.grouping import key_for
from inpaintlab.data.manifest import DatasetFolder, is_dataset
from inpaintlab.data.seal import TestAccess, model_hash, open_test, read_ledger
from inpaintlab.data.sources import open_source
from inpaintlab.data.splits import split
from inpaintlab.errors import DataError
from inpaintlab.evaluation.baselines import BASELINES, SLOW
from inpaintlab.evaluation.candidate import Candidate
from inpaintlab.evaluation.copies import find_copies
from inpaintlab.evaluation.examples import choose_examples
from inpaintlab.evaluation.fillers import OURS, classical
from inpaintlab.evaluation.generalisation import other_images, shifted_images
from inpaintlab.evaluation.measuring import measure_all
from inpaintlab.evaluation.records import Records
from inpaintlab.evaluation.report import write_report
from inpaintlab.evaluation.subjects import Subjects, open_subjects
from inpaintlab.evaluation.whole_sets import whole_sets
from inpaintlab.metrics import Available, available
from inpaintlab.progress import say
from inpaintlab.settings import EvaluateSettings
from inpaintlab.training.validation import MASK_SEED


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a run and the baselines; write `metrics/NAME.json`, `NAME.csv`, `report.html`, examples.

    All methods get the same images and the same frozen masks, whose name and hash are in the result.
    Images that a run was trained on are left out. `overall`, and each entry of `bins`, `borders`,
    `kinds` and `groups`, holds the number of rows `n` and of `images`, and for each method and metric
    the mean of the per-image values with its 95 % interval; `gain` is ours less
    the best quick baseline in hole PSNR, pair by pair. Slow methods have their own table of the first
    images, `slow`. Raises `RunError`, `DataError`, `MaskError`, `SettingError`, `FeaturesError`.
    """
    candidate = Candidate.open(settings)
    parts = [part.model_dump() for part in settings.masks or candidate.recipe.masks]
    data = settings.data or candidate.recipe.data
    dataset = DatasetFolder.open(Path(data)) if is_dataset(Path(data)) else None
    offered = (
        available(settings.weights, settings.download, candidate.size)
        if settings.learned
        else Available({}, [], [])
    )
    if settings.split == "test":
        source = _open_test(data, dataset, candidate, settings, parts)
    else:
        recipe = candidate.recipe
        source = open_source(data) if settings.data else open_source(data, recipe.fold, recipe.folds)
    subjects, seen = _open_subjects(candidate, source, settings, data)
    frozen = masks.frozen(parts, candidate.size, len(subjects), MASK_SEED)
    fillers = candidate.fillers()
    records = measure_all(
        fillers,
        subjects,
        frozen,
        settings.batch_size,
        slow={name: classical(fill) for name, fill in SLOW.items()},
        slow_images=settings.slow_images,
        learned=offered.metrics,
        sets=offered.sets,
    )
    result = {
        "inpaintlab": version("inpaintlab"),
        "run": candidate.run.folder.name,
        "network": candidate.inpainter.card.network,
        "provenance": candidate.inpainter.card.provenance,
        "weights": model_hash(candidate.run.model),
        "data": data,
        "part": _part(settings, source),
        "test_looks": read_ledger(dataset).sentence() if dataset else None,
        "size": candidate.size,
        "masks": frozen.facts(),
        "findings": _findings(dataset, seen, settings),
        **tabulate(records, list(fillers), offered),
    }
    if settings.copies:
        result["copies"] = _copies(subjects, candidate, records, list(fillers))
    best = best_baseline(result)
    if settings.ood:
        result["also"] = [
            other_images(candidate, folder, settings, parts, fillers, best, records)
            for folder in settings.ood
        ]
    if settings.corruptions:
        result["shift"] = shifted_images(subjects, parts, fillers, best, settings)
    name = _file_name(settings)
    result["records"] = {
        "file": f"{name}.csv",
        "hash": records.write(candidate.run.metrics / f"{name}.csv"),
    }
    write_json(candidate.run.metrics / f"{name}.json", result)
    shown = choose_examples(fillers, subjects, frozen, records, settings.examples)
    write_report(candidate.run, result, shown, reproduce(settings))
    return result


def tabulate(records: Records, quick: Sequence[str], offered: Available) -> dict[str, Any]:
    """Return the tables of a result: over all rows, and by bin, border, kind and group."""
    everywhere = records.only(quick)

    def by(fact: str, label: Any = str) -> dict[str, Any]:
        values = everywhere.kinds_of(fact)
        if len(values) < 2 and fact != "bin":  # a table of one part is the table of all
            return {}
        return {
            label(value): everywhere.take(everywhere.where(fact, value)).summary() for value in values
        }

    slow = records.take(records.measured())
    sets, missing = whole_sets(everywhere, quick, offered)
    overall = everywhere.summary()
    best = best_baseline({"overall": overall})
    return {
        "overall": overall,
        "gain": {"baseline": best, **records.difference(OURS, best, "hole_psnr").as_dict()},
        "bins": by("bin"),
        "borders": by("border", lambda touches: "touching the border" if touches else "inside"),
        "kinds": by("kind"),
        "groups": by("group"),
        "slow": slow.summary() if set(records.values) > set(quick) and len(slow) else None,
        "sets": sets,
        "unavailable": [{"name": of.name, "reason": of.reason} for of in missing],
    }


def best_baseline(result: Mapping[str, Any]) -> str:
    """Return the name of the quick classical method with the best hole PSNR."""
    methods = result["overall"]["methods"]
    return max(BASELINES, key=lambda name: methods[name]["hole_psnr"]["mean"])


def reproduce(settings: EvaluateSettings) -> str:
    """Return the command that gives the same result again: all settings that are not the defaults."""
    words = ["inpaint", "evaluate", str(settings.run)]
    given = settings.model_dump(mode="json", exclude_defaults=True, exclude={"run"})
    for name, value in given.items():
        if name in ("data", "split", "limit", "group_by"):
            words += ["--" + name.replace("_", "-"), str(value)]
        elif name in ("against", "ood"):
            words += [word for one in value for word in (f"--{name}", one)]
        elif name == "corruptions":
            words.append("--corruptions")
        elif name == "masks" and all(list(part) == ["name"] for part in value):
            words += [word for part in value for word in ("--masks", part["name"])]
        else:
            words += ["-s", f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return shlex.join(words)


def _copies(
    subjects: Subjects, candidate: Candidate, records: Records, quick: Sequence[str]
) -> dict[str, Any] | None:
    """Return which measured images look like one learnt from, and the figures without them.

    None where the images that the run was trained with are not there any more.
    """
    recipe = candidate.recipe
    try:
        source = open_source(recipe.data, recipe.fold, recipe.folds)
    except DataError as error:
        say(f"look-alikes of images learnt from are not looked for: {error}")
        return None
    hashes = hash_all(source)
    learnt_from = [index for index, one in enumerate(hashes) if one[:16] in candidate.trained_on]
    found = find_copies(subjects, source, learnt_from)
    copies = {subjects.hashes[place][:16] for place in found.pop("places")}
    others = np.array([one not in copies for one in records.facts["sha256"]])
    found["without"] = records.only(quick).take(others).summary() if copies and others.any() else None
    return found


def _open_test(
    data: str,
    dataset: DatasetFolder | None,
    candidate: Candidate,
    settings: EvaluateSettings,
    parts: Sequence[Mapping[str, Any]],
) -> ImageDataset:
    """Open the sealed test part; the look is in its ledger before an image is read."""
    if dataset is None:
        raise DataError(
            f"no test part of {data} is sealed: inpaint prepare {data} -o NAME.dataset, train on "
            "NAME.dataset, then evaluate with --split test"
        )
    sealed = dataset.read_facts()["test"]
    trained = read_json(candidate.run.data)
    count = min(sealed, settings.limit or sealed)
    look = TestAccess(
        run=candidate.run.folder.name,
        lineage=trained.get("lineage", candidate.run.folder.name),
        trained=trained.get("began", ""),
        model_hash=model_hash(candidate.run.model),
        mask_hash=masks.frozen(parts, candidate.size, count, MASK_SEED).hash,
    )
    warning = read_ledger(dataset).warning(look)
    if warning:
        say(f"warning: {warning}")
    source = open_test(dataset, look)
    say(f"{read_ledger(dataset).sentence()} ({dataset.ledger})")
    return source


def _part(settings: EvaluateSettings, source: ImageDataset) -> str:
    if settings.split == "test":
        return "sealed test"
    return "validation" if source.predefined_split or not settings.data else "all images not trained on"


def _open_subjects(
    candidate: Candidate, source: ImageDataset, settings: EvaluateSettings, data: str
) -> tuple[Subjects, int]:
    """Open the part of a source that is measured; the second value counts what was learnt from of it."""
    hashes = hash_all(source)
    if settings.split == "test" or (settings.data and not source.predefined_split):
        indices = list(range(len(hashes)))
    else:
        indices = (source.predefined_split or split(hashes)).val
    subjects = open_subjects(
        source,
        indices,
        candidate.size,
        trained_on=candidate.trained_on,
        max_bad=candidate.recipe.max_bad_fraction,
        by=key_for(settings.group_by, [data]),
        hashes=hashes,
    )
    seen = sum(hashes[index][:16] in candidate.trained_on for index in indices)
    return subjects.first(settings.limit), seen


def _findings(dataset: DatasetFolder | None, seen: int, settings: EvaluateSettings) -> list[str]:
    """Return what makes a figure worth less than it looks."""
    found = []
    if settings.split == "test" and seen:
        found.append(
            f"{seen} images of the test part have been trained on: they are left out, but the test is "
            "no longer one; prepare the dataset anew and train again"
        )
    if dataset and read_ledger(dataset).broken_at is not None:
        found.append(read_ledger(dataset).sentence())
    return found


def _file_name(settings: EvaluateSettings) -> str:
    if settings.data is None:
        return settings.split
    name = Path(settings.data).name.replace(":", "-")
    return f"{name}-test" if settings.split == "test" else name
