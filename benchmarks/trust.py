"""Whether a model knows what it does not know: novelty, intervals, and where Telea does better.

RUN is a model that knows its limits, as `inpaint train` makes it, and DATASET the prepared dataset that
it was trained on. Held-out images are those of validation after the first 1,000, from which limits
were taken; nothing is fitted here. Where there are no more than those, limits are learnt anew with the
first half of them, and the second half is held out. FOLDER has the real images of other kinds, a folder
each, after its first 150. Holes are rectangles of 5 to 50 % of the image.

Printed are:

- of each foreign set, the share that is refused where 95 % of images like those of training pass, and
  the area under the ROC curve with its interval (bootstrap over images), also by hole ratio;
- how many values of held-out images lie in their interval, by hole ratio and depth, and of corrupted
  ones; the rank correlation of stated and true error, of images and of pixels; what is gained by
  taking the surest 80 %; and the cost of the interval beside the network;
- how often the method that is said to be better is better, of images on which both differ by more than
  1 dB, and what filling with it gains or loses.

Usage: python benchmarks/trust.py RUN DATASET [--folder ../shared/data] [--images 500]
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from inpaintlab import TrainSettings, open_dataset
from inpaintlab.baselines import on_tensors, telea
from inpaintlab.checkpoints import Run
from inpaintlab.data.dataset import ImageData, ImageDataset
from inpaintlab.data.loading import Images
from inpaintlab.data.storage import Cache
from inpaintlab.evaluation.corruptions import CORRUPTIONS, corrupt
from inpaintlab.inpainter import Inpainter
from inpaintlab.inpainter.assessment import is_better
from inpaintlab.masks import FrozenMasks, make
from inpaintlab.metrics.per_image import hole_psnr
from inpaintlab.settings import build
from inpaintlab.tensors import to_arrays, to_tensor
from inpaintlab.trust import Seen, Trust, examples, self_test
from inpaintlab.trust.intervals import bins

#: Images of validation that limits were taken from, and are not measured on.
USED = 1000
#: Of other images so many helped to choose how novelty is counted, and are not measured on.
CHOSEN_BY = 150
BATCH, RESAMPLED = 50, 500
FOLDERS = ("faces", "portraits", "photos", "scenes")
BY_RATIO = ((0.05, 0.15), (0.15, 0.3), (0.3, 0.5))


class Model:
    """A model and everything that is asked of it, batch by batch."""

    def __init__(self, run: str) -> None:
        self.run, self.inpainter = run, Inpainter.load(run)
        assert self.inpainter.trust is not None, f"{run} knows nothing of its limits"
        self.trust, self.network = self.inpainter.trust, self.inpainter.network
        self.size = self.inpainter.card.size

    def learn_anew(self, source: ImageData, count: int) -> None:
        """Learn limits with so many images of validation, and no others."""
        masks = build(TrainSettings, config=Run(Path(self.run)).recipe).masks
        train, val = (
            Images(source, of.indices, self.size, name)
            for of, name in ((source.training, "training"), (source.validation, "validation"))
        )
        self.trust = Trust.fit(
            self.network,
            examples.learning(train, make(masks), examples.LEARNT),
            examples.calibration(val, make(masks), count),
        )
        print(f"limits learnt anew with {count} images of validation")

    def novelty(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return how foreign each image is."""
        found = [self.trust.novelty_of(self.network, *pair) for pair in batches(image, mask)]
        return torch.cat(found)

    def seen(self, image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Seen]]:
        """Yield the truth of a batch, and what the network makes of it."""
        for one, hole in batches(image, mask):
            yield one, Seen.of(self.network, one, hole)


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("run")
    parser.add_argument("dataset")
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=500)
    words = parser.parse_args()
    model = Model(words.run)
    source = open_dataset(words.dataset)
    validation = source.validation
    used = USED if len(validation.indices) > USED else len(validation.indices) // 2
    if used < USED:
        model.learn_anew(source, used)
    chosen = validation.indices[used : used + 2 * words.images]
    held_out = read(validation.dataset, chosen, model.size)
    own = next((name for name in FOLDERS if name in words.dataset), "")
    others = {}
    for name in (name for name in FOLDERS if name != own):
        source = open_dataset(str(words.folder / name))
        last = min(CHOSEN_BY + words.images, len(source))
        others[name] = read(source, range(CHOSEN_BY, last), model.size)
    mask = holes(len(held_out), model.size)
    foreign(model, held_out, mask, others | changed(held_out[: words.images]))
    intervals(model, held_out, mask)
    better(model, {"held out": held_out[: words.images], **others})


def foreign(model: Model, held_out: Tensor, mask: Tensor, others: dict[str, Tensor]) -> None:
    """Print how well foreign images are told from held-out ones."""
    own = model.novelty(held_out, mask).numpy()
    ratio = mask.mean((1, 2, 3)).numpy()
    print(f"held out: {(own <= 1).mean():.1%} of {len(own)} pass")
    shares = [f"holes {low:.0%}–{high:.0%}" for low, high in BY_RATIO]
    columns = ("refused", "where 95 % pass", "AUROC", "its interval", *shares)
    print(f"{'foreign':12}", *(f"{text:>18}" for text in columns))
    for name, images in others.items():
        holes_there = holes(len(images), model.size)
        there, large = model.novelty(images, holes_there).numpy(), holes_there.mean((1, 2, 3)).numpy()
        areas = [auroc(*resampled(own, there, seed)) for seed in range(RESAMPLED)]
        low, high = np.quantile(areas, [0.025, 0.975])
        parts = [
            auroc(own[(ratio > a) & (ratio <= b)], there[(large > a) & (large <= b)])
            for a, b in BY_RATIO
        ]
        refused = [f"{(there > limit).mean():.1%}" for limit in (1, np.quantile(own, 0.95))]
        row = (*refused, f"{auroc(own, there):.3f}", f"{low:.3f}–{high:.3f}")
        each = (f"{part:.3f}" for part in parts)
        print(f"{name:12}", *(f"{text:>18}" for text in (*row, *each)), flush=True)


def intervals(model: Model, held_out: Tensor, mask: Tensor) -> None:
    """Print what intervals hold, and how stated errors go with true ones."""
    inside, total, errors, widths, stated, true = {}, {}, [], [], [], []
    for image, seen in model.seen(held_out, mask):
        width, error = model.trust.uncertainty.half_width(seen), (seen.output - image).abs()
        ratio, deep = bins(seen.mask)
        where = seen.mask > 0
        for key in {*zip(ratio[where].tolist(), deep[where].tolist(), strict=True)}:
            at = where & (ratio == key[0]) & (deep == key[1])
            inside[key] = inside.get(key, 0) + int((error <= width).permute(0, 2, 3, 1)[at[:, 0]].sum())
            total[key] = total.get(key, 0) + 3 * int(at.sum())
        errors.append(error.mean(1, keepdim=True)[where][::7])
        widths.append(width[where][::7])
        stated += [one.psnr for one in model.trust.uncertainty.expected(seen)]
        true.append(hole_psnr(seen.filled, image, seen.mask))
    print(f"\nin their interval: {sum(inside.values()) / sum(total.values()):.1%} of the values")
    rows = {row for row, _ in total}
    for row in sorted(rows):
        each = [f"{inside[key] / total[key]:.1%}" for key in sorted(total) if key[0] == row]
        print(f"  hole ratio, bin {row + 1}; from the edge inwards: {', '.join(each)}")
    for name in CORRUPTIONS:
        print(
            f"  {name}, severity 3: {covered(model, held_out[:300], mask[:300], name):.1%}", flush=True
        )
    psnr, said = torch.cat(true).numpy(), np.array(stated)
    squared = 10 ** (-psnr / 10)
    surest = np.argsort(-said)[: int(0.8 * len(said))]
    print(f"rank correlation: images {spearmanr(said, psnr)[0]:.2f}, pixels "
          f"{spearmanr(torch.cat(widths), torch.cat(errors))[0]:.2f}")  # fmt: skip
    print(f"the surest 80 %: mean squared error {squared[surest].mean() / squared.mean() - 1:+.0%}")
    cost(model, held_out[:100], mask[:100])


def covered(model: Model, image: Tensor, mask: Tensor, corruption: str) -> float:
    """Return the share of values in their interval, of corrupted images."""
    found, count = 0.0, 0.0
    spoilt = to_tensor(np.stack([corrupt(corruption, 3, one) for one in to_arrays(image)]))
    for one, seen in model.seen(spoilt, mask):
        held = ((seen.output - one).abs() <= model.trust.uncertainty.half_width(seen)).float()
        found, count = found + float((held * seen.mask).sum()), count + 3 * float(seen.mask.sum())
    return found / count


def cost(model: Model, image: Tensor, mask: Tensor) -> None:
    """Print the processor time of an interval beside that of filling an image, medians."""
    times: dict[str, list[float]] = {"fill": [], "interval": []}
    for one, hole in zip(image, mask, strict=True):
        start = time.process_time()
        model.inpainter.fill(one, hole[None], method="model")
        times["fill"].append(time.process_time() - start)
        seen = Seen.of(model.network, one[None], hole[None])
        start = time.process_time()
        model.trust.uncertainty.half_width(seen)
        times["interval"].append(time.process_time() - start)
    share = np.median(times["interval"]) / np.median(times["fill"])
    head = sum(weight.numel() for weight in model.trust.uncertainty.head.parameters())
    whole = sum(weight.numel() for weight in model.network.parameters())
    print(f"cost: {share:.1%} of the time of a fill, {head / whole:.1%} of the network's parameters")


def better(model: Model, sets: dict[str, Tensor]) -> None:
    """Print how often the better method is named, and what filling with it is worth."""
    classical, right = on_tensors(telea), []
    print(
        f"\n{'better method':12}",
        *(f"{text:>14}" for text in ("model", "Telea", "with fallback", "right")),
    )
    for name, image in sets.items():
        mask = holes(len(image), model.size)
        own, other, named = [], [], []
        for one, seen in model.seen(image, mask):
            own.append(hole_psnr(seen.filled, one, seen.mask))
            other.append(hole_psnr(classical(seen.image, seen.mask), one, seen.mask))
            novelty = model.trust.novelty_of(model.network, seen.image, seen.mask)
            gain = self_test(model.network, classical, seen.image, seen.mask).gain
            named.append(
                torch.tensor(
                    [is_better(*of) for of in zip(gain.tolist(), novelty.tolist(), strict=True)]
                )
            )
        psnr, rival, says = torch.cat(own), torch.cat(other), torch.cat(named)
        differ = (psnr - rival).abs() > 1
        correct = (says == (rival > psnr))[differ].float()
        right.append(correct)
        filled = torch.where(says, rival, psnr)
        print(f"{name:12}", *(f"{float(of.mean()):14.2f}" for of in (psnr, rival, filled)),
              f"{float(correct.mean()):13.1%} of {len(correct)}", flush=True)  # fmt: skip
    print(f"right in {float(torch.cat(right).mean()):.1%} of the images on which they differ by 1 dB")


def changed(image: Tensor) -> dict[str, Tensor]:
    """Return images that no camera takes, and those that it takes the wrong way round."""
    random = torch.Generator().manual_seed(0)
    size = image.shape[-1]
    shuffled = [
        one.flatten(1)[:, torch.randperm(size**2, generator=random)].view(3, size, size) for one in image
    ]
    return {
        "quarter turn": image.rot90(1, (2, 3)),
        "noise": torch.rand(image.shape, generator=random),
        "shuffled": torch.stack(shuffled),
        "inverted": 1 - image,
        "upside down": image.flip(2),
    }


def holes(count: int, size: int) -> Tensor:
    masks = FrozenMasks(make({"name": "rectangles", "side": (0.22, 0.7)}), size, count, 77)
    return torch.stack([masks[row] for row in range(count)])


def batches(image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(image.split(BATCH), mask.split(BATCH), strict=True)


def read(source: ImageDataset, indices: Sequence[int], size: int) -> Tensor:
    """Return middle squares of images; those that are too small are left out."""
    images = Images(source, indices, size, "benchmark", cache=Cache("memory"))
    return images.squares(0, len(images))


def auroc(own: np.ndarray, there: np.ndarray) -> float:
    return float(roc_auc_score(np.r_[np.zeros(len(own)), np.ones(len(there))], np.r_[own, there]))


def resampled(own: np.ndarray, there: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.choice(own, len(own)), random.choice(there, len(there))


if __name__ == "__main__":
    main()
