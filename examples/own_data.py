"""Train on images in memory, and measure the run beside a function and a classical method.

Usage: python examples/own_data.py FOLDER. A list stands for any map-style dataset.
"""

import sys
from pathlib import Path

from torch import Tensor

import inpaintlab as il
from inpaintlab.data import samples


def mean_colour(image: Tensor, mask: Tensor) -> Tensor:
    """A method is a function of an image [B, 3, H, W] in [0, 1] and its mask, 1 = hole."""
    known = (image * (1 - mask)).sum((2, 3), keepdim=True) / (1 - mask).sum((2, 3), keepdim=True)
    return known.expand_as(image)


def main(folder: Path, steps: int = 200) -> None:
    photos = il.open_dataset([samples.draw(number, 40) for number in range(120)])
    trainer = il.Trainer(
        *(il.create("swift", size=32, width=8), il.Reconstruction(), photos),
        size=32,
        batch_size=8,
        output=folder,
    )
    run = trainer.fit(steps=steps)
    methods = {"mine": run, "mean": mean_colour, "telea": "telea"}
    result = il.evaluate(methods, photos.validation, masks="rectangles-v1", size=32, learned=False)
    difference = result.paired("mine", "telea", "hole_psnr")
    print(f"{difference.mean:+.2f} dB beside Telea in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
