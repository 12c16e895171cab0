"""`inpaint evaluate`: settings to an evaluation, and where it is written."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from inpaintlab import masks
from inpaintlab.checkpoints import Run, read_json
from inpaintlab.data.dataset import ImageDataset, hash_all
from inpaintlab.data.grouping import key_for
from inpaintlab.data.manifest import DatasetFolder, is_dataset
from inpaintlab.data.seal import TestAccess, open_test, read_ledger
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, SettingError
from inpaintlab.evaluation.baselines import BASELINES
from inpaintlab.evaluation.evaluate import Bench, ChosenImages, offered_metrics
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.evaluation_set import EvaluationSet
from inpaintlab.evaluation.lookalikes import Lookalikes, search_lookalikes
from inpaintlab.evaluation.methods import OpenedMethod, name_of, open_methods
from inpaintlab.progress import say
from inpaintlab.reports import Answer
from inpaintlab.runs import free_folder
from inpaintlab.settings import EvaluateSettings, TrainSettings, build
from inpaintlab.training.validation import MASK_SEED


@dataclass(frozen=True)
class Written:
    """An evaluation, and the files that were written of it."""

    result: Evaluation
    folder: Run
    name: str

    def answer(self) -> Answer:
        """Return what the command prints."""
        command = f"inpaint diagnose {self.folder.folder}" if self.folder.recipe.is_file() else ""
        return replace(self.result.answer(report=self.folder.report), command=command)


def run_evaluation(settings: EvaluateSettings) -> Written:
    """Measure models and baselines; write `metrics/NAME.json` and `NAME.csv`, `report.html`, examples.

    They go into `output`, or the folder of the first run. Images that a run was trained on are
    excluded. Raises `RunError`, `DataError`, `MaskError`, `SettingError`, `FeaturesError`.
    """
    opened = open_methods(named(settings.models), settings.through, settings.size)
    run = next((of.run for of in opened.values() if of.run), None)
    recipe = build(TrainSettings, config=run.recipe) if run else None
    data = settings.data or (recipe.data if recipe else None)
    if data is None:
        raise SettingError("say on which images: --data FOLDER (a run folder brings its own)")
    bench = Bench.of(opened, settings.masks, settings.through, settings.size, settings.batch_size)
    dataset = DatasetFolder.open(Path(data)) if is_dataset(Path(data)) else None
    chosen = _choose(settings, data, dataset, recipe, bench, opened)
    images = chosen.open(
        bench.size,
        trained_on=bench.trained_on,
        max_bad=recipe.max_bad_fraction if recipe else 1.0,
        group_by=key_for(settings.group_by, [data]),
        limit=settings.limit,
    )
    result = bench.measure(
        images,
        data=data,
        part=chosen.part,
        slow_images=settings.slow_images,
        offered=offered_metrics(images, settings.learned, settings.weights, settings.download),
        examples=settings.examples,
    )
    result = replace(
        result,
        findings=_findings(settings, chosen, dataset, bench),
        test_access=read_ledger(dataset).sentence() if dataset else None,
        lookalikes=_lookalikes(images, opened, recipe, result) if settings.lookalikes else None,
        command=reproduce(settings),
    )
    corruption_images = settings.corruption_images if settings.corruptions else 0
    result = bench.generalise(result, images, settings.ood, settings.ood_images, corruption_images)
    return _write(result, settings, run)


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


def reproduce(settings: EvaluateSettings) -> str:
    """Return the command that gives the same result again: all settings that are not the defaults."""
    words = ["inpaint", "evaluate", *settings.models]
    given = settings.model_dump(mode="json", exclude_defaults=True, exclude={"models"})
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        if name in ("data", "split", "limit", "group_by", "through", "size", "output"):
            words += [flag, str(value)]
        elif name == "ood":
            words += [word for one in value for word in (flag, one)]
        elif name == "corruptions":
            words.append(flag)
        elif name == "masks" and all(list(part) == ["name"] for part in value):
            words += [word for part in value for word in (flag, part["name"])]
        else:
            words += ["-s", f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return shlex.join(words)


def _choose(
    settings: EvaluateSettings,
    data: str,
    dataset: DatasetFolder | None,
    recipe: TrainSettings | None,
    bench: Bench,
    opened: Mapping[str, OpenedMethod],
) -> ChosenImages:
    """Return the images to measure: the sealed test, a part of the run's own, or other images."""
    if settings.split == "test":
        source = _open_test(settings, data, dataset, bench, opened)
        hashes = hash_all(source)
        return ChosenImages(source, range(len(hashes)), hashes, data, "sealed test")
    own = recipe if recipe and not settings.data else None
    images = open_dataset(data, fold=own.fold if own else None, folds=own.folds if own else None)
    hashes = images.hashes
    if images.is_prepared or own:
        return ChosenImages(images, images.split.val, hashes, data, "validation")
    return ChosenImages(images, range(len(hashes)), hashes, data, "all images not trained on")


def _open_test(
    settings: EvaluateSettings,
    data: str,
    dataset: DatasetFolder | None,
    bench: Bench,
    opened: Mapping[str, OpenedMethod],
) -> ImageDataset:
    """Open the sealed test part; each model's access is in its ledger before an image is read."""
    if dataset is None:
        raise DataError(
            f"no test part of {data} is sealed: inpaint prepare {data} -o NAME.dataset, train on "
            "NAME.dataset, then evaluate with --split test"
        )
    models = {name: of for name, of in opened.items() if of.facts.kind != "baseline"}
    if not models:
        raise SettingError("baselines alone need no test part: evaluate them on --split val")
    sealed = dataset.read_facts()["test"]
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
    """Return what makes a figure worth less than it looks."""
    found = []
    seen = sum(chosen.hashes[index][:16] in bench.trained_on for index in chosen.indices)
    if settings.split == "test" and seen:
        found.append(
            f"{seen} images of the test part have been trained on: they are excluded, but the test is "
            "no longer one; prepare the dataset anew and train again"
        )
    if dataset and read_ledger(dataset).broken_at is not None:
        found.append(read_ledger(dataset).sentence())
    return found


def _lookalikes(
    images: EvaluationSet,
    opened: Mapping[str, OpenedMethod],
    recipe: TrainSettings | None,
    result: Evaluation,
) -> Lookalikes | None:
    """Look for images like those that the first run has learnt from; None where these are gone."""
    if recipe is None:
        return None
    try:
        source = open_dataset(recipe.data, fold=recipe.fold, folds=recipe.folds)
    except DataError as error:
        say(f"look-alikes of images learnt from are not looked for: {error}")
        return None
    trained_on = next(of.trained_on for of in opened.values() if of.run)
    learnt = [index for index, one in enumerate(source.hashes) if one[:16] in trained_on]
    return search_lookalikes(images, source, learnt, result.rows.only(result.overall.methods))


def _write(result: Evaluation, settings: EvaluateSettings, run: Run | None) -> Written:
    """Write result, report and examples into `output`, the folder of the run, or a new one."""
    name = file_name(settings)
    folder = (
        Run(settings.output) if settings.output else run or Run(free_folder(result.data, "evaluation"))
    )
    result.save(folder.metrics, name)
    result.html(folder.report, run)
    result.save_examples(folder.examples)
    return Written(result, folder, name)


def file_name(settings: EvaluateSettings) -> str:
    """Return the name of the files of a result."""
    name = settings.split if settings.data is None else Path(settings.data).name.replace(":", "-")
    if settings.data is not None and settings.split == "test":
        name += "-test"
    return name + ("-fill" if settings.through == "fill" else "")
