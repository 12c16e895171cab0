"""`inpaint compare`: two or more runs, pair by pair on the same images and the same masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inpaintlab.checkpoints import Run, read_json
from inpaintlab.data.seal import model_hash
from inpaintlab.errors import RunError
from inpaintlab.evaluation.evaluate import evaluate
from inpaintlab.evaluation.fillers import OURS
from inpaintlab.evaluation.records import Records, read_records
from inpaintlab.evaluation.statistics import is_clear, means, share
from inpaintlab.metrics import FIGURES
from inpaintlab.progress import say
from inpaintlab.settings import CompareSettings, EvaluateSettings

#: The metric that the sentence is about.
HEADLINE = "hole_psnr"


def compare(settings: CompareSettings) -> dict[str, Any]:
    """Compare the first run with each of the others, by results that `inpaint evaluate` has left.

    A run without such a result, or whose weights have changed since, is evaluated first. For each other
    run: mean paired difference (other less first) with its 95 % interval, the share of rows on which it
    wins, overall and by hole-ratio bin, and a sentence. Raises `RunError` where results do not rest on
    the same images and masks, or a file of them was edited.
    """
    names = _names(settings.runs)
    results = [_result(folder, settings) for folder in settings.runs]
    records = [_records(*pair) for pair in zip(settings.runs, results, strict=True)]
    for folder, result, rows in zip(settings.runs[1:], results[1:], records[1:], strict=True):
        _check_same(settings.runs[0], results[0], records[0], folder, result, rows)
    first = records[0]
    return {
        "runs": names,
        "data": results[0]["data"],
        "part": results[0]["part"],
        "masks": results[0]["masks"],
        "n": len(first),
        "images": len(set(first.facts["sha256"])),
        "comparisons": [
            compared(names[0], first, name, rows)
            for name, rows in zip(names[1:], records[1:], strict=True)
        ],
    }


def sentence(comparison: Mapping[str, Any]) -> str:
    """Return in one sentence which run is better, by how much, and where that cannot be told."""
    one, other = comparison["first"], comparison["other"]
    overall = comparison["overall"]["metrics"][HEADLINE]
    words = _difference(overall, one, other)
    bins = comparison["bins"]
    unclear = [name for name, of in bins.items() if not is_clear(of["metrics"][HEADLINE])]
    against = [
        name
        for name, of in bins.items()
        if is_clear(of["metrics"][HEADLINE]) and of["metrics"][HEADLINE]["mean"] * overall["mean"] < 0
    ]
    if is_clear(overall) and against:
        words += f"; the other way round for holes of {', '.join(against)}"
    if is_clear(overall) and unclear:
        words += f"; not distinguishable for holes of {', '.join(unclear)}"
    return words


def _difference(mean: Mapping[str, Any], one: str, other: str) -> str:
    if mean["low"] is None:
        return f"too few images to tell {one} from {other} (by {mean['mean']:+.2f} dB here)"
    if not is_clear(mean):
        return (
            f"{one} and {other} are not distinguishable: {other} is {mean['mean']:+.2f} dB "
            f"[{mean['low']:+.2f}, {mean['high']:+.2f}] from {one}"
        )
    better, low, high = other, mean["low"], mean["high"]
    if mean["mean"] < 0:
        better, low, high = one, -mean["high"], -mean["low"]
    return f"{better} is better by {abs(mean['mean']):.2f} dB [{low:.2f}, {high:.2f}] in the hole"


def compared(one: str, first: Records, other: str, rows: Records) -> dict[str, Any]:
    """Return how `other` differs from `one`, pair by pair, overall and by hole-ratio bin."""
    clusters = first.clusters()
    metrics = [name for name in first.metrics if name in rows.metrics]

    def part(chosen: np.ndarray) -> dict[str, Any]:
        columns = [
            rows.values[OURS][name][chosen] - first.values[OURS][name][chosen] for name in metrics
        ]
        found = means(np.stack(columns, axis=1), clusters[chosen])
        wins = {}
        for name, column in zip(metrics, columns, strict=True):
            # A tie is half a win.
            won = column > 0 if FIGURES[name].higher_is_better else column < 0
            wins[name] = float(won.mean() + (column == 0).mean() / 2)
        return {
            "n": int(chosen.sum()),
            "metrics": {n: mean.as_dict() for n, mean in zip(metrics, found, strict=True)},
            "wins": wins,
            "wins_interval": share(columns[0] > 0, clusters[chosen]).as_dict(),
        }

    comparison = {
        "first": one,
        "other": other,
        "overall": part(np.ones(len(first), bool)),
        "bins": {name: part(first.where("bin", name)) for name in first.kinds_of("bin")},
    }
    return comparison | {"sentence": sentence(comparison)}


def _result(folder: Path, settings: CompareSettings) -> dict[str, Any]:
    """Return the stored result of a run, or measure it now."""
    run = Run.open(folder)
    path = run.metrics / f"{settings.result}.json"
    if path.is_file():
        result: dict[str, Any] = read_json(path)
        if "records" in result and result.get("weights") == model_hash(run.model):
            return result
        say(f"{path} is of other weights than {folder} has now: measured anew")
    elif settings.result != "val":
        raise RunError(
            f"{folder} has no result {settings.result!r}: run inpaint evaluate {folder} with the same "
            "images for both runs"
        )
    return evaluate(EvaluateSettings.model_validate({"run": folder}))


def _records(folder: Path, result: Mapping[str, Any]) -> Records:
    return read_records(Run(folder).metrics / result["records"]["file"], result["records"]["hash"])


def _check_same(
    one: Path,
    first: Mapping[str, Any],
    first_rows: Records,
    other: Path,
    result: Mapping[str, Any],
    rows: Records,
) -> None:
    """Refuse results that do not rest on the same images and the same masks."""
    for what, a, b in (
        ("masks", _mask_name(first), _mask_name(result)),
        ("image size", f"{first['size']} px", f"{result['size']} px"),
    ):
        if a != b:
            raise RunError(
                f"{one} was measured with {what} {a}, {other} with {b}: they cannot be compared; "
                "evaluate both with the same --masks and --data"
            )
    keys = first_rows.keys(), rows.keys()
    if keys[0] != keys[1]:
        common = len(set(keys[0]) & set(keys[1]))
        raise RunError(
            f"{one} and {other} were measured on different images ({common} of {len(keys[0])} rows "
            f"are the same): give both the same images, as in inpaint evaluate {one} --against {other}"
        )


def _mask_name(result: Mapping[str, Any]) -> str:
    return f"{result['masks']['name']} #{result['masks']['hash']}"


def _names(runs: Sequence[Path]) -> list[str]:
    """Return short names of runs, or their paths where these are the same."""
    names = [folder.name for folder in runs]
    return names if len(set(names)) == len(names) else [str(folder) for folder in runs]
