"""The main job on drawn portraits: train, evaluate beside classical methods, fill one image.

Usage: python examples/demo.py FOLDER [MINUTES]. `make demo` runs it; it is also the shortest tour of
the Python interface.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from inpaintlab import EvaluateSettings, Inpainter, TrainSettings, run_evaluation, train
from inpaintlab.data import samples


def main(folder: Path, minutes: float = 4.5, portraits: int = 2500) -> None:
    settings = TrainSettings(
        data=f"samples:{portraits}",
        output=folder,
        size=48,
        minutes=minutes,
        batch_size=16,
        validate_every=250,
    )
    train(settings)
    evaluation = run_evaluation(EvaluateSettings(models=[str(folder)]))

    # A portrait that is in neither part of the data, with one eye painted over.
    portrait = Image.fromarray(samples.draw(1_000_003, size=256))
    hole = np.zeros((256, 256), bool)
    hole[80:155, 40:125] = True
    filled = Inpainter.load(folder).fill(portrait, hole)
    damaged = Image.fromarray(np.where(hole[..., None], 255, np.asarray(portrait)).astype(np.uint8))
    for name, image in {"damaged": damaged, "filled": filled, "truth": portrait}.items():
        image.save(folder / f"sample-{name}.png")

    evaluation.answer().show()
    print(f"damaged, filled and true portrait: {folder}/sample-*.png")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 4.5)
