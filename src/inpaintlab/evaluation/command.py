"""`inpaint evaluate` and `inpaint probe`: settings to a result, and where it is written."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inpaintlab import masks
from inpaintlab.baselines import BASELINES
from inpaintlab.checkpoints import Run, read_json
from inpaintlab.data.dataset import ImageDataset, appearances, hash_all
from inpaintlab.data.lookalikes import Appearance, find_lookalikes
from inpaintlab.data.manifest import DatasetFolder, is_dataset
from inpaintlab.data.seal import TestAccess, open_test, read_ledger
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, OutputError, SettingError
from inpaintlab.evaluation.bench import Bench
from inpaintlab.evaluation.evaluate import check_inputs, evaluate
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.evaluation_set import ChosenImages
from inpaintlab.evaluation.methods import OpenedMethod, name_of, open_methods
from inpaintlab.evaluation.probe import probe
from inpaintlab.evaluation.probed import Probed
from inpaintlab.evaluation.result import Lookalikes, Through
from inpaintlab.files import mark_outputs
from inpaintlab.progress import say
from inpaintlab.randomness import MASK_SEED
from inpaintlab.reports import Answer
from inpaintlab.runs import check_images, free_folder
from inpaintlab.settings import EvaluateSettings, Flag, ProbeSettings, TrainSettings, build

#: Name of the page of a probe in a run folder.
PAGE = "probe.html"
#: Of more images than this that were learnt from, so many drawn at random are looked at for look-alikes.
MOST_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Written:
    """An evaluation, and the files that were written of it."""

    result: Evaluation
    folder: Run

    def answer(self) -> Answer:
        """Return what the command prints."""
        command = f"inpaint diagnose {self.folder.folder}" if self.folder.recipe.is_file() else ""
        return replace(self.result.answer(report=self.folder.report), command=command)


def run_evaluation(settings: EvaluateSettings, name: str | None = None) -> Written:
    """Measure models and baselines; write `metrics/NAME.json` and `NAME.csv`, `report.html`, examples.

    A name says what was measured, unless it is given, and no larger result is replaced. They go into
    `output`, or the folder of the first run. Images that a run was trained on are excluded. Raises
    `RunError`, `DataError`, `MaskError`, `SettingError`, `FeaturesError`.
    """
    opened, run, recipe, data = open_models(
        settings.models, settings.data, settings.through, settings.size
    )
    bench = Bench.of(opened, settings.masks, settings.through, settings.size, settings.batch_size)
    check_inputs(bench, settings.weights, settings.ood)
    if settings.output and settings.output.is_file():
        raise OutputError(f"{settings.output} is a file: -o takes the folder of metrics and report")
    dataset = DatasetFolder.open(Path(data)) if is_dataset(Path(data)) else None
    if settings.split == "test":
        source: ImageDataset = _open_test(settings, data, dataset, bench)
        chosen = ChosenImages(source, range(len(source)), data, "sealed test")
    else:
        chosen = validation(data, None if settings.data else recipe)
    own = {"models", "data", "output", "split", "masks", "size", "lookalikes"}
    options = {name: value for name, value in settings.arguments().items() if name not in own}
    max_bad = recipe.max_bad_fraction if recipe else 1.0
    result = evaluate(
        opened, chosen, masks=bench.masks, size=bench.size, max_bad_fraction=max_bad, **options
    )
    result = replace(
        result,
        findings=[*_findings(settings, chosen, dataset, bench), *result.findings],
        test_access=read_ledger(dataset).sentence() if dataset else None,
        lookalikes=_lookalikes(chosen, bench, recipe, result) if settings.lookalikes else None,
        command=reproduce(settings),
    )
    folder = Run(settings.output) if settings.output else run or Run(free_folder(data, "evaluation"))
    mark_outputs(folder.folder)
    mark_outputs(folder.folder, [folder.examples.name])
    name = name or file_name(settings)
    if (kept := result.keep(folder.metrics, name)) != name:
        say(f"kept as metrics/{kept}.json: metrics/{name}.json holds more than this result")
    result.html(folder.report, run, folder.metrics)
    result.save_examples(folder.examples)
    return Written(result, folder)


def run_probe(settings: ProbeSettings) -> Probed:
    """Probe models on validation images, and write a page of it; raises what `run_evaluation` does.

    The page goes into the folder of the first run, unless it is named.
    """
    if settings.output and settings.output.is_dir():
        raise OutputError(f"{settings.output} is a folder: -o takes the page to write, as probe.html")
    asked = open_models(settings.models, settings.data, "network", settings.size)
    chosen = validation(asked.data, None if settings.data else asked.recipe)
    own = {"models", "data", "output"}
    options = {name: value for name, value in settings.arguments().items() if name not in own}
    page = settings.output or _page(asked)
    result = replace(
        probe(asked.methods, chosen, **options), page=page, command=reproduce(settings, "probe")
    )
    result.html().write(page)
    return result


def _page(asked: "Asked") -> Path:
    """Return where the page of some models belongs: into the run, or a new folder."""
    folder = asked.run.folder if asked.run else free_folder(asked.data, "probe")
    mark_outputs(folder)
    mark_outputs(folder, [PAGE])
    return folder / PAGE


class Asked(NamedTuple):
    """Models that a command names, the first run among them with its recipe, and the images."""

    methods: dict[str, OpenedMethod]
    run: Run | None
    recipe: TrainSettings | None
    data: str


def open_models(models: Sequence[str], data: str | None, through: Through, size: int | None) -> Asked:
    """Open what a command names; without `data` images are those of the first run."""
    opened = open_methods(named(models), through, size)
    run = next((of.run for of in opened.values() if of.run), None)
    recipe = build(TrainSettings, config=run.recipe) if run else None
    of = data or (recipe.data if recipe else None)
    if of is None:
        raise SettingError("say on which images: --data FOLDER (a run folder brings its own)")
    if run and not data:
        check_images(run.folder, of, "say --data FOLDER")
    return Asked(opened, run, recipe, of)


def named(models: Sequence[str]) -> dict[str, str]:
    """Return names for models as a command has them; a second one of a name gets a number.

    >>> list(named(["runs/a", "telea", "other/a"]))
    ['a', 'telea', 'a (2)']
    """
    found: dict[str, str] = {}
    for model in models:
        name = model if model in BASELINES else name_of(model)
        numbers = (name if number == 1 else f"{name} ({number})" for number in count(1))
        found[next(free for free in numbers if free not in found)] = model
    return found


def reproduce(settings: EvaluateSettings | ProbeSettings, command: str = "evaluate") -> str:
    """Return the command that gives the same result again: all settings that are not the defaults."""
    words = ["inpaint", command, *settings.models]
    given = settings.model_dump(mode="json", exclude_defaults=True, exclude={"models"})
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        is_flag = any(isinstance(mark, Flag) for mark in type(settings).model_fields[name].metadata)
        several = value if isinstance(value, list) else [value]
        if name == "masks" and all(list(part) == ["name"] for part in several):
            several = [part["name"] for part in several]
        if is_flag and value is True:
            words.append(flag)
        elif is_flag and all(isinstance(one, str | int) for one in several):
            words += [word for one in several for word in (flag, str(one))]
        else:
            words += ["-s", f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return shlex.join(words)


def file_name(settings: EvaluateSettings) -> str:
    """Return the name of the files of a result: what is measured, as far as it was asked for.

    >>> file_name(EvaluateSettings(models=["runs/a"], limit=40))
    'val-n40'
    """
    words: list[str] = [settings.split]
    if settings.data is not None:
        # Folders of one name are told apart by where they are.
        path = Path(settings.data).expanduser()
        where = [_digest(str(path.resolve()))] if path.exists() else []
        words = [path.name.replace(":", "-"), *where, *["test"] * (settings.split == "test")]
    if settings.through == "fill":
        words.append("fill")
    for part in settings.masks or []:
        arguments = json.dumps(part.arguments, sort_keys=True)
        words += [part.name, *([_digest(arguments)] if part.arguments else [])]
    words += [f"{settings.size}px"] * bool(settings.size) + [f"n{settings.limit}"] * bool(settings.limit)
    return "-".join(words)


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]


def validation(data: str, own: TrainSettings | None) -> ChosenImages:
    """Return a run's own validation images, or other images: of a prepared dataset its validation."""
    images = open_dataset(data, fold=own.fold if own else None, folds=own.folds if own else None)
    if images.is_prepared or own:
        return ChosenImages(images, images.split.val, data, "validation")
    return ChosenImages(images, range(len(images)), data, "all images not trained on")


def _open_test(
    settings: EvaluateSettings, data: str, dataset: DatasetFolder | None, bench: Bench
) -> ImageDataset:
    """Open the sealed test part; each model's access is in its ledger before an image is read."""
    if dataset is None:
        raise DataError(
            f"no test part of {data} is sealed: inpaint prepare {data} -o NAME.dataset, train on "
            "NAME.dataset, then evaluate with --split test"
        )
    models = {name: of for name, of in bench.methods.items() if of.facts.kind != "baseline"}
    if not models:
        raise SettingError("baselines alone need no test part: evaluate them on --split val")
    sealed = dataset.read_facts().test
    count = min(sealed, settings.limit or sealed)
    # Images of their own sizes are not looked at yet: the hash is that of squares then.
    size = bench.size or next((of.facts.size for of in models.values() if of.facts.size), 256)
    mask_hash = masks.frozen(bench.masks, size, count, MASK_SEED).hash
    for name, of in models.items():
        trained = read_json(of.run.data) if of.run else {}
        access = TestAccess(
            run=of.facts.run or name,
            lineage=trained.get("lineage", of.facts.run or of.facts.weights or name),
            trained=trained.get("began", ""),
            model_hash=of.facts.weights,
            mask_hash=mask_hash,
        )
        if warning := read_ledger(dataset).warning(access):
            say(f"warning: {warning}")
        source = open_test(dataset, access)
    say(f"{read_ledger(dataset).sentence()} ({dataset.ledger})")
    return source


def _findings(
    settings: EvaluateSettings, chosen: ChosenImages, dataset: DatasetFolder | None, bench: Bench
) -> list[str]:
    found = []
    hashes = hash_all(chosen.dataset)
    seen = sum(hashes[index][:16] in bench.trained_on for index in chosen.indices)
    if settings.split == "test" and seen:
        found.append(
            f"{seen} images of the test part have been trained on: they are excluded, but the test is "
            "no longer one; prepare the dataset anew and train again"
        )
    if dataset and read_ledger(dataset).broken_at is not None:
        found.append(read_ledger(dataset).sentence())
    return found


def _lookalikes(
    chosen: ChosenImages, bench: Bench, recipe: TrainSettings | None, result: Evaluation
) -> Lookalikes | None:
    """Look for images like those that the first run has learnt from; None where these are gone."""
    if recipe is None:
        return None
    try:
        source = open_dataset(recipe.data, fold=recipe.fold, folds=recipe.folds)
    except DataError as error:
        say(f"look-alikes of images learnt from are not looked for: {error}")
        return None
    trained_on = next(of.trained_on for of in bench.methods.values() if of.run)
    learnt = [index for index, one in enumerate(source.hashes) if one[:16] in trained_on]
    looked_at = learnt
    if len(learnt) > MOST_LOOKED_AT:
        random = np.random.default_rng(0)
        looked_at = sorted(random.choice(learnt, MOST_LOOKED_AT, replace=False).tolist())
    rows = result.rows.only(result.overall.methods)
    hashes, measured = hash_all(chosen.dataset), set(rows.facts["sha256"])
    ours = _looks(chosen.dataset, [i for i in chosen.indices if hashes[i][:16] in measured])
    theirs = _looks(source, looked_at)
    likest: dict[int, int] = {}
    for a, b, _ in find_lookalikes(list(ours.values()), list(theirs.values())):
        likest.setdefault(list(ours)[a], list(theirs)[b])
    copies = {hashes[index][:16] for index in likest}
    others = np.array([one not in copies for one in rows.facts["sha256"]], bool)
    names, known = chosen.dataset.names, source.names
    return Lookalikes(
        len(learnt),
        len(looked_at),
        [(str(names[index]), str(known[other])) for index, other in sorted(likest.items())],
        rows.take(others).summary() if copies and others.any() else None,
    )


def _looks(dataset: ImageDataset, indices: Sequence[int]) -> dict[int, Appearance]:
    found = zip(indices, appearances(dataset, indices), strict=True)
    return {index: look for index, look in found if look is not None}
