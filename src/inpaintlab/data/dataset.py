"""What a dataset is to everything else: numbered images with names and content hashes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from inpaintlab.arrays import UInt8
from inpaintlab.data.splits import Split
from inpaintlab.machine import processors
from inpaintlab.progress import bar


class ImageDataset(Protocol):
    """A numbered collection of images."""

    names: list[str]
    #: The split that the source brings; None: by the content of the images.
    predefined_split: Split | None

    def content_hash(self, index: int) -> str:
        """SHA-256 of what image `index` is made from, in hexadecimal."""
        ...

    def read(self, index: int, size: int | None) -> UInt8:
        """Decode image `index`: RGB uint8 `[H, W, 3]`, its shorter side `size` pixels; None: its own."""
        ...


def hash_all(source: ImageDataset) -> list[str]:
    """Return the content hash of every image, with a progress bar."""
    indices = range(len(source.names))
    with ThreadPoolExecutor(processors()) as pool, bar("hashing", len(indices)) as advance:
        hashes = []
        for content_hash in pool.map(source.content_hash, indices):
            hashes.append(content_hash)
            advance()
    return hashes
