"""`probe`: small changes of images and masks, and how far they move the fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inpaintlab.arrays import Int64
from inpaintlab.evaluation.bench import Bench
from inpaintlab.evaluation.evaluation_set import ChosenImages, EvaluationSet, choose_images
from inpaintlab.evaluation.methods import name_of, open_methods
from inpaintlab.evaluation.probed import Effect, Probed
from inpaintlab.evaluation.rows import Rows
from inpaintlab.evaluation.statistics import bootstrap_intervals
from inpaintlab.images import encode_png
from inpaintlab.masks import MaskSet
from inpaintlab.metrics import Metric, available, hole_psnr
from inpaintlab.progress import bar
from inpaintlab.randomness import generator_for
from inpaintlab.reports import data_url, sheet
from inpaintlab.tensors import composite, to_arrays
from inpaintlab.trust.probes import PROBES, Moved, has_gradient, move

#: Images that are changed together: a search fills each of them hundreds of times.
TOGETHER = 32
#: Fills whose values move by more than this, the root of their mean square, have moved far: 13 of 255.
MOST = 0.05
#: How many times larger the difference of two fills is shown.
_SEEN = 4


def probe(
    methods: Mapping[str, Any] | Any,
    images: Any,
    *,
    masks: Any = None,
    size: int | None = None,
    limit: int = 64,
    most: float = MOST,
    learned: bool = True,
    baselines: Sequence[str] = ("telea",),
) -> Probed:
    """Change images and masks a little, in the ways of `trust.probes.PROBES`, and see how fills move.

    `methods`, `images`, `masks` and `size` are as in `evaluate`; one without a gradient is searched
    without it. At most `limit` images are changed, and a fill that moves by more than `most`, of 0 to
    1, has moved far. Without `learned` no distance of features is measured. Raises what `evaluate`
    raises.

    >>> import numpy as np
    >>> photos = [np.full((16, 16, 3), 40 * i, np.uint8) for i in range(3)]
    >>> result = probe({"copy": lambda image, mask: image}, photos, size=16, learned=False, baselines=())
    >>> result.effect("worst ± 8/255").moved.mean
    0.0
    """
    named = methods if isinstance(methods, Mapping) else {name_of(methods): methods}
    bench = Bench.of(open_methods(named, "network", size), masks, "network", size, TOGETHER, baselines)
    chosen = images if isinstance(images, ChosenImages) else choose_images(images)
    opened = chosen.open(bench.size, bench.trained_on, limit=limit)
    return probe_bench(bench, opened, chosen.data, most=most, learned=learned)


def probe_bench(
    bench: Bench, images: EvaluationSet, data: str, *, most: float = MOST, learned: bool = True
) -> Probed:
    """Change all of some images a little; the methods of a bench fill them before and after."""
    assert bench.size is not None  # squares
    metrics = available(size=bench.size).metrics if learned else {}
    masks = bench.frozen(images)
    found = _changed(bench, images, masks, metrics.get("hole-distance-efficientnet"))
    clusters = Rows(images.facts(masks)).clusters()
    effects = [
        found[name][change].effect(*change, name, most, clusters)
        for change in _changes()
        for name in found
    ]
    first = images.rows(masks, 0, 1)
    searched = [name for name in found if not has_gradient(bench.methods[name].own, *first)]
    last = [(kind, of.amounts[-1]) for kind, of in PROBES.items()]
    sheets = {name: _sheet([of[change] for change in last]) for name, of in found.items()}
    drawn, size, count = f"{masks.name} #{masks.hash}", bench.size, len(images)
    return Probed(data, size, count, drawn, most, [*found], effects, searched, sheets=sheets)


def _changes() -> list[tuple[str, int]]:
    return [(name, amount) for name, of in PROBES.items() for amount in of.amounts]


def _changed(
    bench: Bench, images: EvaluationSet, masks: MaskSet, features: Metric | None
) -> dict[str, dict[tuple[str, int], "_Column"]]:
    """Return what each change does to the fills of each method, models before baselines."""
    names = sorted(bench.methods, key=lambda name: bench.methods[name].facts.kind == "baseline")
    found = {name: {change: _Column() for change in _changes()} for name in names}
    with bar("probing", len(images) * len(names)) as advance:
        for start in range(0, len(images), TOGETHER):
            image, mask = images.rows(masks, start, stop := min(start + TOGETHER, len(images)))
            for name in names:
                for place, (kind, amount) in enumerate(_changes()):
                    random = generator_for(start, place)  # the same for every method
                    moved = move(kind, amount, bench.methods[name].checked, image, mask, random)
                    found[name][kind, amount].add(moved, image, features)
                advance(stop - start)
    return found


@dataclass
class _Column:
    """What a change has done to the fills of a method, and the images of which it moved the most."""

    values: dict[str, list[Tensor]] = field(default_factory=dict)
    worst: list[Tensor] = field(default_factory=list)
    far: float = -1.0

    def add(self, moved: Moved, truth: Tensor, features: Metric | None) -> None:
        """Take in a batch."""
        distance = moved.distance
        before, after = (composite(truth, fill, moved.where) for fill in (moved.before, moved.after))
        before_psnr, after_psnr = (hole_psnr(fill, truth, moved.where) for fill in (before, after))
        found = {"moved": distance, "lost": before_psnr - after_psnr}
        if features:
            found["distance"] = features(after, before, moved.where)
        for name, column in found.items():
            self.values.setdefault(name, []).append(column)
        place = int(distance.argmax())
        if float(distance[place]) > self.far:
            self.far = float(distance[place])
            white = torch.ones_like(truth)
            shown = (
                composite(truth, white, moved.where),
                before,
                composite(moved.image, white, moved.mask),
                after,
                (_SEEN * (after - before).abs()).clamp(max=1),
            )
            self.worst = [image[place : place + 1] for image in shown]

    def effect(self, probe: str, amount: int, method: str, most: float, clusters: Int64) -> Effect:
        """Return means with their intervals, over all images."""
        values = {key: torch.cat(of).double().numpy() for key, of in self.values.items()}
        columns = bootstrap_intervals(np.stack(list(values.values()), axis=1), clusters)
        far = float(100 * (values["moved"] > most).mean())
        intervals = dict(zip(values, columns, strict=True))
        change = PROBES[probe].label.format(amount)
        return Effect(probe, change, method, far_percent=far, **intervals)


def _sheet(columns: list[_Column]) -> str:
    """Return what moved the most of each change, side by side, as a URL."""
    rows = [np.concatenate([to_arrays(of.worst[row]) for of in columns]) for row in range(5)]
    return data_url(encode_png(sheet(rows)))
