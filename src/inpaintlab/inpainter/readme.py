"""The README of a model that is given away: what it learnt from, how good it is, where it ends."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from inpaintlab.checkpoints import ModelCard, read_json
from inpaintlab.metrics.table import FIGURES
from inpaintlab.runs import Run

#: Figures that the README shows, of those that a result has.
_SHOWN = ("hole_psnr", "psnr", "ssim", "lpips")


def readme(
    card: ModelCard, sha256: str, run: Run | None, repo_id: str, license: str | None = None
) -> str:
    """Return the README of a model as Markdown, with the head that the hub reads.

    What the weights carry is always there; data, masks and figures are where the run folder is, from
    which the weights were loaded. A figure is shown only if it is of these very weights. Of paths only
    the last part is told.
    """
    head = {
        "library_name": "inpaintlab",
        "pipeline_tag": "image-to-image",
        "tags": ["image-inpainting"],
        **({"license": license} if license else {}),
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {repo_id.rpartition('/')[2]}",
        f"Fills holes in images: a network `{card.network}`, trained at {card.size}×{card.size} "
        "pixels with inpaintlab.",
        f"## Use\n\n```\npip install 'inpaintlab[hub]'\n```\n\n```python\n{_code(repo_id)}```",
        "The mask is white where the image is to be filled; every other pixel comes back as it was. "
        "No code is fetched, only weights (safetensors).",
        f"## What it learnt from\n\n{_table(('', ''), _origin(card, sha256, run))}",
        f"## How good it is\n\n{_figures(sha256, run)}",
        f"## Where it ends\n\n{_limits(card.size)}",
        "## Licence\n\n" + (license or "None was stated by who uploaded it: ask before you use it."),
    ]
    return "\n\n".join(parts) + "\n"


def _code(repo_id: str) -> str:
    return (
        "from PIL import Image\n\n"
        "from inpaintlab import Inpainter\n\n"
        f'inpainter = Inpainter.load("{repo_id}")\n'
        'filled = inpainter.fill(Image.open("photo.png"), Image.open("mask.png"))\n'
        'filled.save("filled.png")\n'
    )


def _origin(card: ModelCard, sha256: str, run: Run | None) -> Iterator[tuple[str, str]]:
    """Yield what is known of how the weights came about."""
    facts = card.provenance
    yield "network", f"{card.network}: {_listed(card.arguments)}"
    if "data" in facts:
        yield "images", Path(str(facts["data"])).name
    data = read_json(run.data) if run and run.data.is_file() else {}
    if "train" in data:
        others = f"{data.get('val', 0):,} to validate, {data.get('test', 0):,} to test"
        yield "how many", f"{data['train']:,} learnt from, {others}"
    recipe = yaml.safe_load(run.recipe.read_text(encoding="utf-8")) if run else {}
    for mask in recipe.get("masks") or ():
        yield "holes", _mask(mask)
    names = {"step": "steps", "seed": "seed", "split_hash": "split", "mask_hash": "validation masks"}
    for key, name in names.items():
        if key in facts:
            yield name, str(facts[key])
    yield "SHA-256 of the weights", f"`{sha256}`"
    made_with = [f"{name} {facts[name]}" for name in ("inpaintlab", "torch") if name in facts]
    if made_with:
        yield "made with", ", ".join(made_with)


def _mask(part: Mapping[str, Any]) -> str:
    named = {key: value for key, value in part.items() if key != "name"}
    if "path" in named:
        named["path"] = Path(str(named["path"])).name
    return f"{part['name']}: {_listed(named)}"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _figures(sha256: str, run: Run | None) -> str:
    """Return a table for each result of the run that was measured with these weights."""
    results = (
        [(path.stem, read_json(path)) for path in sorted(run.metrics.glob("*.json"))] if run else []
    )
    found = [(name, result, _measured(result, sha256)) for name, result in results]
    tables = [_result(name, result, model) for name, result, model in found if model]
    if not tables:
        return "It was not measured with these weights: there are no figures to go by."
    return "\n\n".join(tables)


def _measured(result: Mapping[str, Any], sha256: str) -> str:
    """Return the name of the method that has these weights, empty where none has."""
    methods = result["methods"].items() if isinstance(result.get("methods"), Mapping) else ()
    return next((name for name, facts in methods if facts["weights"] == sha256[:16]), "")


def _result(name: str, result: Mapping[str, Any], model: str) -> str:
    methods = result["overall"]["methods"]
    shown = [key for key in _SHOWN if key in methods[model]]
    rows = [
        (
            method if method != model else "this model",
            *(_mean(figures.get(key), FIGURES[key].spec) for key in shown),
        )
        for method, figures in methods.items()
    ]
    gain = result.get("gain")
    sentence = (
        f"\n\nIn the hole it is {_mean(gain['hole_psnr'], '.2f')} dB above {gain['baseline']}, pair by "
        "pair."
        if gain and gain["model"] == model
        else ""
    )
    masks = result["masks"]
    what = f"{Path(str(result['data'])).name}, {result['part']}"
    return (
        f"`{name}`: {what}, {result['overall']['n']:,} images, masks `{masks['hash']}` "
        f"({', '.join(part['name'] for part in masks['parts'])}). Means with their 95 % intervals.\n\n"
        + _table(("", *(FIGURES[key].heading for key in shown)), rows)
        + sentence
    )


def _mean(value: Any, spec: str) -> str:
    """Write a mean with its interval, where there is one."""
    if not isinstance(value, Mapping) or value.get("mean") is None:
        return "–"
    mean = format(value["mean"], spec)
    if value.get("low") is None:
        return mean
    return f"{mean} [{format(value['low'], spec)}, {format(value['high'], spec)}]"


def _limits(size: int) -> str:
    return (
        "- It paints what is likely, not what was there. A filled image is no evidence of anything.\n"
        f"- It has learnt from images of {size}×{size} pixels: a larger hole is filled with the "
        "detail of such an image.\n"
        "- On images unlike those it learnt from it is worse, by how much is not known from here.\n"
        "- A hole of more than 90 % of an image is refused."
    )


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
