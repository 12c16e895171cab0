"""`inpaint evaluate`: one table of a run and the classical baselines, on the same pictures and masks."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintlab import masks
from inpaintlab.checkpoints import Run, read_json, write_json
from inpaintlab.configs import EvaluateSettings, TrainSettings, build
from inpaintlab.data.loading import Pictures, check_bad, hash_all
from inpaintlab.data.manifest import DatasetFolder, is_dataset
from inpaintlab.data.seal import Look, model_hash, open_test, read_ledger
from inpaintlab.data.sources import Source, open_source
from inpaintlab.data.splits import split
from inpaintlab.errors import DataError
from inpaintlab.evaluation.baselines import BASELINES
from inpaintlab.evaluation.report import write_report
from inpaintlab.inpainter import Inpainter
from inpaintlab.masks import FrozenMasks, Mixture, ratio_bin
from inpaintlab.metrics import METRICS, measure
from inpaintlab.progress import bar, say
from inpaintlab.tensors import composite, to_arrays, to_tensor
from inpaintlab.training.validation import MASK_SEED, Validation

Array = npt.NDArray[np.uint8]
#: Fills a batch: images `[B, 3, H, W]` in [0, 1] and masks to filled images, rounded to 8 bits.
Filler = Callable[[Tensor, Tensor], Tensor]

#: Seed of the choice of examples, the same for every run: nobody picks them.
EXAMPLE_SEED = 7


def evaluate(settings: EvaluateSettings) -> dict[str, Any]:
    """Measure a run and the baselines; write `metrics/NAME.json`, `report.html` and `examples.png`.

    The result holds, for `overall` and for each hole-ratio bin, the number of pictures `n` and, for
    each method, the mean of the per-picture metrics. All methods get the same pictures and the same
    frozen masks, whose hash is in the result. Pictures that the run was trained on are left out.
    Raises `RunError`, `DataError` and `MaskError`.
    """
    run = Run.open(settings.run)
    recipe = build(TrainSettings, config=run.recipe)
    inpainter = Inpainter.load(settings.run)
    size = inpainter.card.size
    parts = settings.masks or recipe.masks
    mixture = masks.create([part.model_dump() for part in parts])
    data = settings.data or recipe.data
    dataset = DatasetFolder.open(Path(data)) if is_dataset(Path(data)) else None
    if settings.split == "test":
        source = _open_test(data, dataset, run, settings, mixture, size)
    else:
        source = open_source(data, None if settings.data else recipe.fold)
    pictures = _open_pictures(run, source, settings, recipe.max_bad, size)
    count = min(len(pictures), settings.limit or len(pictures))
    frozen = FrozenMasks(mixture, size, count, MASK_SEED)
    fillers = {
        **{name: _classical(fill) for name, fill in BASELINES.items()},
        "ours": _ours(inpainter),
    }
    values = _measure(fillers, pictures, frozen, settings.batch)
    result = {
        "inpaintlab": version("inpaintlab"),
        "run": run.folder.name,
        "network": inpainter.card.network,
        "provenance": inpainter.card.provenance,
        "data": data,
        "part": _part(settings, source),
        "test_looks": read_ledger(dataset).sentence() if dataset else None,
        "size": size,
        "masks": {
            "parts": [masks.resolve(part.name, part.arguments) for part in parts],
            "seed": MASK_SEED,
            "hash": frozen.hash,
        },
        **_tabulate(values, frozen.ratios),
    }
    write_json(run.metrics / f"{_file_name(settings)}.json", result)
    write_report(run, result, examples(fillers, pictures, frozen, settings.examples))
    return result


def examples(
    fillers: dict[str, Filler], pictures: Pictures, frozen: FrozenMasks, count: int
) -> dict[str, Array]:
    """Return rows of random examples, uint8 `[N, H, W, 3]`: damaged, each method, truth."""
    random = np.random.default_rng(EXAMPLE_SEED)
    chosen = sorted(random.choice(len(frozen), min(count, len(frozen)), replace=False).tolist())
    image = torch.cat([pictures.squares(index, index + 1) for index in chosen])
    mask = torch.stack([frozen[index] for index in chosen])
    rows = {"damaged": composite(image, torch.ones_like(image), mask)}
    rows |= {name: fill(image, mask) for name, fill in fillers.items()}
    return {name: to_arrays(row) for name, row in (rows | {"truth": image}).items()}


def _open_test(
    data: str,
    dataset: DatasetFolder | None,
    run: Run,
    settings: EvaluateSettings,
    mixture: Mixture,
    size: int,
) -> Source:
    """Open the sealed test part; the look is in its ledger before a picture is read."""
    if dataset is None:
        raise DataError(
            f"no test part of {data} is sealed: inpaint prepare {data} -o NAME.dataset, train on "
            "NAME.dataset, then evaluate with --split test"
        )
    sealed = dataset.read_facts()["test"]
    trained = read_json(run.data)
    frozen = FrozenMasks(mixture, size, min(sealed, settings.limit or sealed), MASK_SEED)
    look = Look(
        run=run.folder.name,
        lineage=trained.get("lineage", run.folder.name),
        trained=trained.get("began", ""),
        model_hash=model_hash(run.model),
        mask_hash=frozen.hash,
    )
    warning = read_ledger(dataset).warning(look)
    if warning:
        say(f"warning: {warning}")
    source = open_test(dataset, look)
    say(f"{read_ledger(dataset).sentence()} ({dataset.ledger})")
    return source


def _part(settings: EvaluateSettings, source: Source) -> str:
    if settings.split == "test":
        return "sealed test"
    return "validation" if source.settled or not settings.data else "all pictures not trained on"


def _open_pictures(
    run: Run, source: Source, settings: EvaluateSettings, max_bad: float, size: int
) -> Pictures:
    """Open the part of a source that is measured, without the pictures that the run has learnt from."""
    hashes = hash_all(source)
    if settings.split == "test" or (settings.data and not source.settled):
        indices = list(range(len(hashes)))
    else:
        indices = (source.settled or split(hashes)).val
    trained_on = set(read_json(run.data)["train_hashes"])
    unseen = [index for index in indices if hashes[index][:16] not in trained_on]
    if len(unseen) < len(indices):
        say(f"{len(indices) - len(unseen)} pictures were trained on by this run: left out")
    pictures = Pictures(source, unseen, size, "evaluation")
    check_bad(pictures.bad, len(unseen), max_bad)
    if not len(pictures):
        raise DataError("there is no picture to evaluate on that the run has not learnt from")
    if pictures.bad:
        say(f"{len(pictures.bad)} pictures passed over, first {pictures.bad[0].reason}")
    return pictures


def _measure(
    fillers: dict[str, Filler], pictures: Pictures, frozen: FrozenMasks, batch: int
) -> dict[str, dict[str, Array]]:
    """Return method -> metric -> one value a picture."""
    collected: dict[str, dict[str, list[Tensor]]] = {
        name: {metric: [] for metric in METRICS} for name in fillers
    }
    with bar("evaluating", len(frozen)) as advance:
        for image, mask in Validation(pictures, frozen, batch).batches():
            for name, fill in fillers.items():
                filled = fill(image, mask)
                for metric, values in measure(filled, image, mask).items():
                    collected[name][metric].append(values)
            for _ in range(len(image)):
                advance()
    return {
        name: {metric: torch.cat(parts).double().numpy() for metric, parts in metrics.items()}
        for name, metrics in collected.items()
    }


def _tabulate(values: dict[str, dict[str, Array]], ratios: list[float]) -> dict[str, Any]:
    """Return means over all pictures and over each hole-ratio bin that has any."""
    names = np.array([ratio_bin(ratio) for ratio in ratios])
    everywhere = np.ones(len(names), bool)

    def row(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        means = {
            name: {metric: float(of[chosen].mean()) for metric, of in metrics.items()}
            for name, metrics in values.items()
        }
        return {"n": int(chosen.sum()), "methods": means}

    bins = {
        name: row(names == name)
        for name in dict.fromkeys(ratio_bin(e / 10) for e in range(1, 11))
        if name in names
    }
    return {"overall": row(everywhere), "bins": bins}


def _classical(fill: Callable[[Array, Array], Array]) -> Filler:
    def fill_batch(image: Tensor, mask: Tensor) -> Tensor:
        holes = mask[:, 0].byte().numpy()
        pairs = zip(to_arrays(image), holes, strict=True)
        return to_tensor(np.stack([fill(*pair) for pair in pairs]))

    return fill_batch


def _ours(inpainter: Inpainter) -> Filler:
    def fill_batch(image: Tensor, mask: Tensor) -> Tensor:
        with torch.inference_mode():
            painted = inpainter.network(image, mask)
        # What a user gets has 8 bits; so have the baselines.
        return to_tensor(to_arrays(composite(image, painted, mask)))

    return fill_batch


def _file_name(settings: EvaluateSettings) -> str:
    if settings.data is None:
        return settings.split
    name = Path(settings.data).name.replace(":", "-")
    return f"{name}-test" if settings.split == "test" else name
