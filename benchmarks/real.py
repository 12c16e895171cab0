"""What `train --look real` gains and costs, beside `faithful`, in the same minutes, over some seeds.

Runs are trained into FOLDER, or taken from there. All fill the same holes of the same images, those of
validation. Columns: hole PSNR, sharpness in three octaves, how often a classifier tells a fill from the
truth, the Fréchet and kernel distance of hole crops by EfficientNet-Lite0, and the Fréchet distance by
a network that nothing was trained with. That one is trained here, in some minutes, on the training
images of UTKFace, whose file names say age, sex and origin; of others it is left out. Of four fills of
each hole: how far they are apart, and the hole PSNR of the best. Of faces from 96 px on, the first 300:
the distance from the true face by dlib's embedding.

The last line sets `real` beside `faithful`: ratios, of what is told those of the distances from 50 %,
and in dB the difference. Fréchet distances fall with the number of images: take all, and compare on
equally many.

Usage: python benchmarks/real.py DATASET [--size 64] [--minutes 30] [--seeds 3] [--masks rectangles]
       [--images ALL] [--folder runs/real] [--methods telea,patchmatch]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintlab import open_dataset
from inpaintlab.data.dataset import ImagePart
from inpaintlab.evaluation.bench import Bench
from inpaintlab.evaluation.evaluation_set import ChosenImages
from inpaintlab.evaluation.methods import open_methods
from inpaintlab.evaluation.rows import Rows
from inpaintlab.features import VectorNetwork, efficientnet_vector
from inpaintlab.metrics import (
    LEAST_FACE,
    Available,
    Distributions,
    IdentityDistance,
    RealOrFilled,
    Unavailable,
    hole_crops,
)
from inpaintlab.settings import TrainSettings
from inpaintlab.tensors import to_tensor
from inpaintlab.training import train

LOOKS = ("faithful", "real")
SHOWN = ("hole_psnr", "sharpness", "sharpness_2_4", "sharpness_4_8", "told_percent")
#: Of fills that vary alone.
VARIED = ("diversity", "best_hole_psnr")
#: Embeddings of faces take their time: of so many images.
FACES = 300
#: Steps of the network that nothing was trained with, images in each, and its side.
STEPS, BATCH, SIDE = 2500, 64, 64


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("dataset")
    for name, default in (("size", 64), ("seeds", 3), ("images", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--masks", default="rectangles")
    parser.add_argument("--folder", type=Path, default=Path("runs/real"))
    parser.add_argument("--methods", default="telea,patchmatch")
    words = parser.parse_args()
    data = open_dataset(words.dataset)
    sets = [Distributions(efficientnet_vector(), "-efficientnet", hole_crops)]
    labelled = labels(data.training)
    if labelled:
        sets.append(Distributions(attributes(data.training, labelled), "-attributes", hole_crops))
    faces = bool(labelled) and words.size >= LEAST_FACE
    for seed in range(words.seeds):
        runs = {look: trained(words, look, seed) for look in LOOKS}
        beside = words.methods.split(",") if words.methods else []
        bench = Bench.of(
            open_methods({**{name: name for name in beside}, **{k: str(v) for k, v in runs.items()}}),
            [words.masks],
            "network",
            words.size,
            64,
            [],
        )
        chosen = ChosenImages(data, data.validation.indices, words.dataset, "val")
        images = chosen.open(words.size, bench.trained_on, limit=words.images)
        collectors = [Distributions(of.network, suffix_of(of), of.cut) for of in sets]
        offered = Available({}, collectors, [], RealOrFilled(), variants=4)
        masks = bench.frozen(images)
        show(bench.measure(images, masks, offered), collectors, seed)
        if faces:
            tested = images.rows(masks, 0, min(FACES, len(images)))
            distance = IdentityDistance()
            far = {name: distance(bench.fills[name](*tested), *tested).mean() for name in LOOKS}
            print("distance from the true face", {name: f"{of:.3f}" for name, of in far.items()})


def suffix_of(distributions: Distributions) -> str:
    return distributions.figures[0].removeprefix("fd")


def trained(words: argparse.Namespace, look: str, seed: int) -> Path:
    """Return the folder of a run, which is trained unless it is there."""
    folder: Path = words.folder / f"{look}-{words.size}-{seed}"
    if not (folder / "finished").exists():
        settings = TrainSettings(
            data=words.dataset,
            output=folder,
            size=words.size,
            minutes=words.minutes,
            masks=[words.masks],
            look=look,
            seed=seed,
        )
        train(settings)
        (folder / "finished").touch()
    return folder


def show(rows: Rows, collectors: list[Distributions], seed: int) -> None:
    """Print a line for each method, and the last one beside the one before it."""
    summary = rows.summary().methods
    print(f"\nseed {seed}, {len(rows)} holes")
    found = {}
    for name, of in summary.items():
        values = {metric: of[metric].mean for metric in SHOWN if metric in of}
        varied = {metric: of[metric].mean for metric in VARIED if metric in of}
        for one in collectors:
            scores = one.scores(name)
            distances = {key: scores[key] for key in one.figures[:2]}
            values |= {
                k: float("nan") if isinstance(v, Unavailable) else v for k, v in distances.items()
            }
        found[name] = values
        if varied:
            print(f"{name}: four fills of each hole", *(f"{k} {v:.3f}" for k, v in varied.items()))
    print(f"{'':12}", *(f"{metric:>18}" for metric in found["real"]))
    for name, values in found.items():
        print(f"{name:12}", *(f"{value:18.4g}" for value in values.values()), flush=True)
    beside = [_beside(metric, *(found[look][metric] for look in LOOKS)) for metric in found["real"]]
    print(f"{'beside':12}", *(f"{value:18.3f}" for value in beside), flush=True)


def _beside(metric: str, faithful: float, real: float) -> float:
    """Return how `real` stands to `faithful`: in dB the difference, of others the ratio."""
    if metric == "hole_psnr":
        return real - faithful
    least = 50 if metric == "told_percent" else 0
    return (real - least) / (faithful - least)


def labels(part: ImagePart) -> list[tuple[float, int, int]] | None:
    """Return age, sex and origin of each image by its name, as UTKFace writes them, or None."""
    found = []
    for name in part.names:
        words = Path(str(name)).name.split("_")
        if len(words) < 4 or not all(word.isdecimal() for word in words[:3]):
            found.append((0.0, 0, 0))
        else:
            found.append((int(words[0]) / 50 - 1, int(words[1]) % 2, int(words[2]) % 5))
    known = sum(label != (0.0, 0, 0) for label in found)
    return found if known > len(found) / 2 else None


def attributes(part: ImagePart, labelled: list[tuple[float, int, int]]) -> VectorNetwork:
    """Train a network to tell age, sex and origin from pieces of faces; return its features."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = nn.Sequential(
            nn.PixelUnshuffle(2),
            _block(12, 48),
            _block(48, 64),
            _block(64, 96),
            nn.Conv2d(96, 96, 3),
            nn.ReLU(),
        )
        head = nn.Linear(96, 8)
    images = torch.cat(
        [to_tensor(part.dataset.read(index, SIDE)[:SIDE, :SIDE]) for index in part.indices]
    )
    age, sex, origin = (torch.tensor(column) for column in zip(*labelled, strict=True))
    optimiser = torch.optim.AdamW([*body.parameters(), *head.parameters()], 2e-3, weight_decay=1e-3)
    for chosen, piece in _pieces(images, generator):
        found = head(body(2 * piece - 1).mean((2, 3)))
        loss = (
            F.mse_loss(found[:, 0], age[chosen].float())
            + F.cross_entropy(found[:, 1:3], sex[chosen])
            + F.cross_entropy(found[:, 3:], origin[chosen])
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return VectorNetwork(nn.Sequential(_Scaled(), body, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 96, 32)


def _pieces(images: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield squares of any size cut out of images, all brought to one side, as hole crops are."""
    for step in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        side = int(torch.randint(SIDE // 2, SIDE + 1, (1,), generator=generator))
        top, left = torch.randint(SIDE - side + 1, (2,), generator=generator).tolist()
        piece = images[chosen, :, top : top + side, left : left + side]
        piece = F.interpolate(piece, (SIDE, SIDE), mode="bilinear")
        yield chosen, piece.flip(3) if step % 2 else piece


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class _Scaled(nn.Module):
    """Brings images to the side and the range that the network was trained at."""

    def forward(self, image: Tensor) -> Tensor:
        return 2 * F.interpolate(image, (SIDE, SIDE), mode="bilinear") - 1


if __name__ == "__main__":
    main()
