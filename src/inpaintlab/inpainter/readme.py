"""The README of a model that is given away: what it learnt from, how good it is, where it ends."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

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


@dataclass(frozen=True)
class _Mean:
    mean: float | None = None
    low: float | None = None
    high: float | None = None

    def __format__(self, spec: str) -> str:
        """Write a mean with its interval, where there is one."""
        if self.mean is None:
            return "–"
        if self.low is None or self.high is None:
            return format(self.mean, spec)
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


@dataclass(frozen=True)
class _Summary:
    n: int
    methods: dict[str, dict[str, _Mean]]


@dataclass(frozen=True)
class _Named:
    name: str


@dataclass(frozen=True)
class _Masks:
    hash: str
    parts: list[_Named]


@dataclass(frozen=True)
class _Method:
    weights: str


@dataclass(frozen=True)
class _Gain:
    model: str
    baseline: str
    hole_psnr: _Mean


@dataclass(frozen=True)
class _Measured:
    """What the README says of a result of `inpaint evaluate`, whose own type is of a room above this."""

    data: str
    part: str
    masks: _Masks
    methods: dict[str, _Method]
    overall: _Summary
    gain: _Gain | None = None

    def section(self, name: str, sha256: str) -> str:
        """Return a table of figures; empty where nothing was measured with these weights."""
        of_ours = (key for key, method in self.methods.items() if method.weights == sha256[:16])
        if not (model := next(of_ours, "")):
            return ""
        figures = self.overall.methods
        shown = [key for key in _SHOWN if key in figures[model]]
        rows = [
            (
                "this model" if method == model else method,
                *(f"{values.get(key, _Mean()):{FIGURES[key].spec}}" for key in shown),
            )
            for method, values in figures.items()
        ]
        masks = ", ".join(part.name for part in self.masks.parts)
        text = (
            f"`{name}`: {Path(self.data).name}, {self.part}, {self.overall.n:,} images, masks "
            f"`{self.masks.hash}` ({masks}). Means with their 95 % intervals.\n\n"
            + _table(("", *(FIGURES[key].heading for key in shown)), rows)
        )
        if self.gain and self.gain.model == model:
            gain = f"{self.gain.hole_psnr:.2f} dB above {self.gain.baseline}"
            text += f"\n\nIn the hole it is {gain}, pair by pair."
        return text


def _figures(sha256: str, run: Run | None) -> str:
    """Return a table for each result of the run that was measured with these weights."""
    sections = []
    for path in sorted(run.metrics.glob("*.json")) if run else []:
        with suppress(ValidationError):  # another kind of result
            sections.append(
                TypeAdapter(_Measured).validate_python(read_json(path)).section(path.stem, sha256)
            )
    found = [section for section in sections if section]
    return "\n\n".join(found) or (
        "It was not measured with these weights: there are no figures to go by."
    )


def _limits(size: int) -> str:
    return (
        "- It paints what is likely, not what was there. A filled image is no evidence of anything.\n"
        f"- It has learnt from images of {size}×{size} pixels: a larger hole is filled with the "
        "detail of such an image.\n"
        "- On images unlike those it learnt from it is worse, by how much is not known from here.\n"
        "- A hole of more than 90 % of an image is refused."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
