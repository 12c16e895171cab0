"""`inpaint prepare --preview`: a sheet of what training would see."""

from inpaintlab import masks
from inpaintlab.configs import PrepareSettings
from inpaintlab.data import augment
from inpaintlab.data.augment import preview_sheet
from inpaintlab.data.loading import Draws, Images
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.sources import open_source
from inpaintlab.errors import DataError
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.randomness import generator_for

#: Samples on the sheet; images tried, as some may be too small.
SAMPLES, TRIED = 24, 48
_SEED = 0


def write_preview(settings: PrepareSettings) -> None:
    """Draw `preview.png` in the dataset: crops, augmented and masked as the settings say.

    Images are chosen at random from the training part. Raises `DataError` where none is as large as
    `size`.
    """
    assert settings.output is not None
    source = open_source(str(settings.output))
    assert source.settled is not None
    train = source.settled.train
    chosen = generator_for(_SEED).initial_seed() % max(1, len(train))
    indices = [train[(chosen + step * len(train) // TRIED) % len(train)] for step in range(TRIED)]
    augmentation = augment.create(settings.augment.name, **settings.augment.arguments)
    stored = augmentation.stored_size(settings.size)
    images = Images(source, sorted(set(indices)), settings.size, "preview", stored=stored)
    if not len(images):
        raise DataError(f"no image is as large as size {settings.size}: -s size=… for the preview")
    mixture = masks.create([part.model_dump() for part in settings.masks])
    draws = Draws(images, mixture, _SEED, augmentation)
    sheet = preview_sheet(draws, SAMPLES)
    write_atomically(DatasetFolder(settings.output).preview, encode_png(sheet))
