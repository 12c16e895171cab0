"""How quick loading is: against the training step that it feeds, and against torchvision.

The first prints images per second of the loader over those of the training step, measured in turn in
one process: from decoded images in memory, as in a run, and read again from files for every step.

The second prints images per second of one core over those of torchvision's `ImageFolder` with Pillow
and the same transforms, both without workers and on one thread of one core, files in the page cache:
with crop and mirror, and with everything that the preset `strong` does. Ours is measured with and
without the masks, which `ImageFolder` does not draw. A first epoch reads and decodes; later ones do not.

Usage: python benchmarks/loading.py [FOLDER | samples:N] [SIZE] [BATCH]
       python benchmarks/loading.py torchvision FOLDER [SIZE] [BATCH]
"""

import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from timing import alternate, median, median_ratio
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from inpaintlab import masks
from inpaintlab.data import augment
from inpaintlab.data.dataset import hash_all
from inpaintlab.data.loading import Images
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.data.storage import Cache
from inpaintlab.data.streaming import training_batches
from inpaintlab.settings import TrainSettings
from inpaintlab.training.build import rehearse

BATCHES = 20
#: Images of an epoch in the comparison with torchvision.
EPOCH = 512


class NoMasks:
    """Stands for masks where only the images are measured."""

    def draw(self, height: int, width: int, _: torch.Generator) -> np.ndarray:
        """Return a mask without a hole."""
        return np.zeros((height, width), np.uint8)


def against_step(data: str = "samples:1000", size: int = 64, batch: int = 32) -> None:
    settings = TrainSettings(data="samples:400", size=size, batch_size=batch, steps=10**6)
    trainer = rehearse(settings, Path(tempfile.mkdtemp()))
    fixed = next(trainer.batches_from(trainer.step))
    source = open_dataset(data)
    images = range(min(4000, len(source.names)))
    mixture = masks.make([{"name": "rectangles"}])
    flip, strong = augment.AUGMENTATIONS.create("flip"), augment.AUGMENTATIONS.create("strong")
    large = strong.stored_size(size)
    in_memory = Images(source, images, size, "benchmark", cache=Cache("memory"))
    zoomed = Images(source, images, size, "benchmark", stored=large, cache=Cache("memory"))
    from_files = Images(source, images, size, "benchmark", cache=Cache("off"))
    streams = {
        "loader, decoded images in memory, no worker": (TrainingSamples(in_memory, mixture, 0, flip), 0),
        "the same with the augmentation 'strong'": (TrainingSamples(zoomed, mixture, 0, strong), 0),
        "loader, files read for every step, 1 worker": (
            TrainingSamples(from_files, mixture, 0, flip),
            1,
        ),
    }
    iterators = {
        name: training_batches(draws, BatchSampler(batch), workers)
        for name, (draws, workers) in streams.items()
    }

    def take(name: str):
        return lambda: [next(iterators[name]) for _ in range(BATCHES)]

    functions = {"step": lambda: [trainer.take_step(fixed) for _ in range(3)]}
    seconds = alternate(functions | {name: take(name) for name in iterators})
    steps = [3 * batch / s for s in seconds["step"]]
    print(f"{median(steps):9.0f} images/s  training step at {size} px, both cores, no loading in it")
    for name in iterators:
        speeds = [BATCHES * batch / s for s in seconds[name]]
        print(f"{median(speeds):9.0f} images/s  {name}: {median_ratio(speeds, steps):.1f} × the step")


def against_torchvision(data: str, size: int = 64, batch: int = 32) -> None:
    on_one_core()
    with tempfile.TemporaryDirectory() as root:
        folder = choose(Path(data), Path(root) / "images" / "all", size)
        for preset in ("flip", "strong"):
            compare(folder, preset, size, batch)


def compare(folder: Path, preset: str, size: int, batch: int) -> None:
    source, augmentation = open_dataset(str(folder)), augment.AUGMENTATIONS.create(preset)
    stored = augmentation.stored_size(size)
    rectangles = masks.make([{"name": "rectangles"}])
    everything = range(len(source.names))

    def read() -> Images:
        return Images(source, everything, size, "benchmark", stored=stored, cache=Cache("memory"))

    def epoch(images: Images, kind) -> None:
        batches = training_batches(
            TrainingSamples(images, kind, 0, augmentation), BatchSampler(batch), 0
        )
        for _ in range(len(images) // batch):
            next(batches)

    def hashed_epoch() -> None:
        hash_all(source)
        epoch(read(), rectangles)

    transform = {"flip": crop_and_mirror, "strong": strong}[preset](size)
    loader = DataLoader(ImageFolder(str(folder.parent), transform), batch, shuffle=True, drop_last=True)
    kept, cache = read(), Cache("disk", folder.parent.parent / "cache")
    mapped = Images(source, everything, size, "benchmark", stored=stored, cache=cache)
    assert kept.bad == []
    seconds = alternate(
        {
            "ImageFolder, every epoch": lambda: [None for _ in loader],
            "ours, first epoch": lambda: epoch(read(), NoMasks()),
            "ours, first epoch, with masks and hashes": hashed_epoch,
            "ours, later epochs": lambda: epoch(kept, NoMasks()),
            "ours, later epochs, from the mapped file": lambda: epoch(mapped, NoMasks()),
            "ours, later epochs, with masks": lambda: epoch(kept, rectangles),
        }
    )
    print(f"{preset} at {size} px, images/s of one core, and over ImageFolder's")
    theirs = seconds["ImageFolder, every epoch"]
    for name, times in seconds.items():
        print(f"{len(kept) / median(times):9.0f} {median_ratio(theirs, times):7.2f}  {name}")


def crop_and_mirror(size: int) -> v2.Transform:
    return v2.Compose(
        [
            v2.Resize(size),
            v2.RandomCrop(size),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def strong(size: int) -> v2.Transform:
    """What the preset does, by torchvision, each step on the kind of image it is quickest with."""
    preset = augment.AUGMENTATIONS.create("strong")
    colours = preset.brightness, preset.contrast, preset.saturation, preset.hue
    bilinear, smallest = v2.InterpolationMode.BILINEAR, 1 / preset.zoom**2
    return v2.Compose(
        [
            v2.Resize(preset.stored_size(size)),
            v2.RandomCrop(preset.stored_size(size)),
            v2.RandomRotation(preset.rotate, bilinear),
            v2.RandomResizedCrop(size, (smallest, 1), (1, 1)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(*colours),
            v2.ToImage(),
            v2.RandomApply([v2.GaussianBlur(7, (0.1, preset.blur))], preset.blur_probability),
            v2.RandomApply([v2.JPEG((preset.jpeg, 100))], preset.jpeg_probability),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def choose(data: Path, folder: Path, size: int) -> Path:
    """Link images that are large enough for everything into a folder, and read them once."""
    folder.mkdir(parents=True)
    files = (path for path in sorted(data.iterdir()) if min(Image.open(path).size) >= 1.5 * size)
    for path, _ in zip(files, range(EPOCH), strict=False):
        (folder / path.name).symlink_to(path.resolve())
        path.read_bytes()
    return folder


def on_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


if __name__ == "__main__":
    versus = against_torchvision if sys.argv[1:2] == ["torchvision"] else against_step
    words = sys.argv[2:] if versus is against_torchvision else sys.argv[1:]
    versus(*words[:1], *(int(word) for word in words[1:3]))
