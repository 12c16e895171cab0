"""`report.html`: one self-contained file, and `examples.png` beside it."""

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

from inpaintlab.checkpoints import Run
from inpaintlab.errors import RunError
from inpaintlab.evaluation import table
from inpaintlab.evaluation.baselines import BASELINES, SLOW
from inpaintlab.evaluation.cards import cards, example_grid
from inpaintlab.evaluation.examples import Examples
from inpaintlab.evaluation.figures import quality_by_bin, training_curves
from inpaintlab.evaluation.fillers import OURS
from inpaintlab.evaluation.page import write_page
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.metrics import Figure
from inpaintlab.training.guards.incidents import read_incidents

#: How examples were chosen: key -> heading, and what is said of it.
CHOICES = {
    "random": ("Random examples", "Drawn at random with a fixed seed; nobody picked them."),
    "worst": ("The worst", "The lowest PSNR in the hole of ours, of all that were measured."),
    "best": ("The best", "The highest PSNR in the hole of ours, of all that were measured."),
}
#: The two tables of shifts: key in its rows -> what it says.
LOSSES = {
    "gain_loss": "lost of what is gained over the baseline",
    "loss": "lost in the hole",
}


def write_report(
    run: Run, result: dict[str, Any], examples: Mapping[str, Examples], command: str
) -> None:
    """Write the report of a run, and its random examples as an image.

    Raises `RunError`, before anything is written, where a figure has no baseline beside it.
    """
    check_baselines(result)
    write_atomically(run.examples, encode_png(example_grid(examples["random"].images)))
    write_page(
        run.report,
        "evaluation/report.html.jinja",
        result=result,
        caption=table.caption(result),
        headline=headline(result),
        beside_slow=beside_slow(result),
        copies=table.note_of_copies(result),
        not_measured=table.not_measured(result),
        columns=table.columns(result),
        rows=table.rows(result),
        parts={heading: result[key] for key, heading in table.PARTS.items() if result[key]},
        best=_best,
        slow_names=list(SLOW),
        by_bin=quality_by_bin(result),
        choices=[(*CHOICES[key], cards(of)) for key, of in examples.items()],
        shifts=shift_tables(result["shift"]) if result.get("shift") else [],
        curves=training_curves(run, result),
        incidents=shown_incidents(run),
        command=command,
        recipe=run.recipe.read_text(encoding="utf-8"),
    )


def check_baselines(result: Mapping[str, Any]) -> None:
    """Raise `RunError` where a figure of ours has no baseline beside it, on the same holes.

    A method that was measured on fewer holes than the others has no mean over all of them: it is NaN.
    """
    for place, methods in _tables(result):
        beside = [methods[name] for name in methods if name in BASELINES or name in SLOW]
        if not beside:
            raise RunError(
                f"no report is written: in {place} no baseline stands beside {', '.join(methods)}; "
                f"measure one of {', '.join([*BASELINES, *SLOW])} on the same holes, as inpaint "
                "evaluate does"
            )
        for figure in methods.get(OURS, {}):
            if not any(figure in of for of in beside):
                raise RunError(
                    f"no report is written: in {place} no baseline has {figure}; measure it of all "
                    "methods, or of none"
                )
        for name, figures in methods.items():
            if any(math.isnan(_mean(value)) for value in figures.values()):
                raise RunError(
                    f"no report is written: in {place} {name} was measured on fewer holes than the "
                    "others; measure all methods of a table on the same holes"
                )


def headline(result: Mapping[str, Any]) -> str:
    """Return one sentence: ours beside the best baseline, with the interval of their difference."""
    methods, gain = result["overall"]["methods"], result["gain"]
    ours, theirs = methods[OURS]["hole_psnr"], methods[gain["baseline"]]["hole_psnr"]
    sentence = f"{_dB(ours)} in the hole"
    name = f"{gain['baseline']} ({theirs['mean']:.2f} dB)"
    mean, low, high = gain["mean"], gain["low"], gain["high"]
    if low is not None and low <= 0 <= high:
        return f"{sentence}, not to be told from {name}: {_dB(gain, sign='+')}, pair by pair"
    word = "above"
    if mean < 0:
        word, mean = "below", -mean
        low, high = (None, None) if low is None else (-high, -low)
    sentence += f", {_dB({'mean': mean, 'low': low, 'high': high})} {word} {name}"
    return f"{sentence}, pair by pair" if low is not None else f"{sentence}; too few for intervals"


def beside_slow(result: Mapping[str, Any]) -> str:
    """Return how ours stands beside the best baseline that is too slow for all images."""
    if not (slow := result["slow"]):
        return ""
    psnr = {name: of["hole_psnr"] for name, of in slow["methods"].items() if name in (*SLOW, OURS)}
    best = max((name for name in psnr if name != OURS), key=lambda name: float(psnr[name]["mean"]))
    return (
        f"On the first {slow['images']} images, where slow methods were run too: "
        f"ours {_dB(psnr[OURS])}, {best} {_dB(psnr[best])}"
    )


def shift_tables(shift: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is lost by shift and strength, each loss with its heat, 0 to 1."""
    strengths = sorted({row["strength"] for row in shift["rows"]})
    names = list(dict.fromkeys(row["shift"] for row in shift["rows"]))
    at = {(row["shift"], row["strength"]): row for row in shift["rows"]}
    tables = []
    for key, heading in LOSSES.items():
        most = max(1e-9, *(row[key]["mean"] for row in shift["rows"]))
        lines = {
            name: [
                (at[name, s][key], min(1.0, max(0.0, at[name, s][key]["mean"] / most)))
                for s in strengths
            ]
            for name in names
        }
        tables.append({"heading": heading, "strengths": strengths, "lines": lines})
    return tables


def shown_incidents(run: Run) -> list[dict[str, Any]]:
    """Return what the guards of a run wrote down, with the images as text."""
    images = sorted(run.incidents.glob("*/images.png"))
    found = [base64.b64encode(path.read_bytes()).decode() for path in images]
    incidents = read_incidents(run)
    return [dict(vars(of), image=image) for of, image in zip(incidents, found, strict=True)]


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the methods of every table of a result."""
    yield "the table of all images", result["overall"]["methods"]
    for key, heading in table.PARTS.items():
        for name, row in result[key].items():
            yield f"the table by {heading} ({name})", row["methods"]
    for name, row in (("slow baselines", result["slow"]), ("whole sets", result["sets"])):
        if row:
            yield f"the table of {name}", row["methods"]
    for row in result.get("also", ()):
        yield f"the table of {row['data']}", row["methods"]


def _mean(value: float | Mapping[str, Any]) -> float:
    return float(value["mean"] if isinstance(value, Mapping) else value)


def _dB(mean: Mapping[str, Any], sign: str = "") -> str:  # noqa: N802 - the unit's own spelling
    number, _, interval = table.cell(mean, ".2f", sign=sign).partition(" ")
    return f"{number} dB {interval}".rstrip()


def _best(row: Mapping[str, Any], metric: str, figure: Figure) -> float:
    values: list[float] = [of[metric]["mean"] for of in row["methods"].values() if metric in of]
    return max(values) if figure.higher_is_better else min(values)
