"""`inpaint prepare --preview`: a sheet of what training would see."""

import torch

from inpaintlab import masks
from inpaintlab.arrays import UInt8
from inpaintlab.data import augment
from inpaintlab.data.loading import Images
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.mask_sets import grid
from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.randomness import generator_for
from inpaintlab.settings import PrepareSettings
from inpaintlab.tensors import to_arrays

#: Samples on the sheet; images tried, as some may be too small.
SAMPLES, TRIED = 24, 48
_SEED = 0


def write_preview(settings: PrepareSettings) -> None:
    """Draw `preview.png` in the dataset: crops, augmented and masked as the settings say.

    Images are chosen at random from the training part. Raises `DataError` where none is as large as
    `size`.
    """
    assert settings.output is not None
    data = open_dataset(settings.output)
    train = data.split.train
    chosen = generator_for(_SEED).initial_seed() % max(1, len(train))
    indices = [train[(chosen + step * len(train) // TRIED) % len(train)] for step in range(TRIED)]
    augmentation = augment.AUGMENTATIONS.create(settings.augment.name, **settings.augment.arguments)
    stored = augmentation.stored_size(settings.size)
    images = Images(data.dataset, sorted(set(indices)), settings.size, "preview", stored=stored)
    if not len(images):
        raise DataError(f"no image is as large as size {settings.size}: -s size=… for the preview")
    mixture = masks.make(settings.masks)
    samples = TrainingSamples(images, mixture, _SEED, augmentation)
    sheet = preview_sheet(samples, SAMPLES)
    write_atomically(DatasetFolder(settings.output).preview, encode_png(sheet))


def preview_sheet(samples: TrainingSamples, count: int) -> UInt8:
    """Return the first `count` samples of training in a grid, uint8 `[H, W, 3]`.

    The hole is tinted red, so that the image under it can still be seen.
    """
    images, masks, _ = samples.collate([samples[number] for number in range(count)])
    tint = torch.tensor([1.0, 0.1, 0.1])[:, None, None]
    return grid(to_arrays(torch.where(masks > 0, 0.5 * (images + tint), images)))
