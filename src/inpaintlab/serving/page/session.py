"""What one visitor has open: a photo, and the results so far, in a folder of their own."""

import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from inpaintlab.arrays import Bool
from inpaintlab.images import DecodedImage
from inpaintlab.serving.page import photos
from inpaintlab.serving.page.holes import paint
from inpaintlab.serving.page.photos import Fill

#: The oldest result goes when there are more.
MAX_RESULTS = 12


@dataclass(frozen=True)
class Photo:
    """An opened photo: the file as it was sent, a copy to paint on, their heights and widths, notes."""

    file: Path
    shown: Path
    name: str
    size: tuple[int, int]
    shown_size: tuple[int, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A filled photo at full size, the two images to compare, and its number in the session."""

    number: int
    file: Path
    before: Path
    after: Path


@dataclass
class Session:
    """The photo of one visitor and its results, the oldest first.

    Everything lies in `folder`, whose name nobody can guess, until `close` is called.
    """

    folder: Path
    photo: Photo | None = None
    results: list[Result] = field(default_factory=list)
    chosen: int = 0
    count: int = 0

    @classmethod
    def start(cls, parent: Path) -> "Session":
        """Start a session without a photo, with a new folder in `parent`."""
        return cls(Path(tempfile.mkdtemp(prefix="session-", dir=parent)))

    def close(self) -> None:
        """Delete everything that was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, file: Path, name: str | None = None) -> Photo:
        """Take a copy of a file for the photo to work on; `name` is what results are named after.

        Raises `ImageError` and keeps the photo before, if the file cannot be used.
        """
        image = photos.read(file)
        place = self._place()
        kept = Path(shutil.copy(file, place / f"photo{file.suffix}"))
        shown = place / "shown.webp"
        shown_size = photos.show(image, shown)
        before = self.photo
        name = name or photos.plain_name(file)
        self.photo = Photo(kept, shown, name, image.size, shown_size, image.notes)
        if before is not None:
            shutil.rmtree(before.file.parent, ignore_errors=True)
        return self.photo

    def fill(self, fill: Fill, hole: Bool) -> Result:
        """Fill a hole, `[H, W]`, of the photo, and keep the result."""
        assert self.photo is not None
        image = photos.fill_exactly(fill, photos.read(self.photo.file), hole)
        return self._keep(image)

    def _keep(self, image: DecodedImage) -> Result:
        assert self.photo is not None
        self.count += 1
        place = self._place()
        file = place / f"{self.photo.name}-filled-{self.count}.png"
        photos.write(image, file)
        after = place / "after.webp"
        photos.show(image, after)
        before = Path(shutil.copy(self.photo.shown, place / "before.webp"))
        self.results.append(Result(self.count, file, before, after))
        while len(self.results) > MAX_RESULTS:
            shutil.rmtree(self.results.pop(0).file.parent, ignore_errors=True)
        self.chosen = len(self.results) - 1
        return self.results[-1]

    def proceed(self) -> Photo:
        """Make the chosen result the photo to work on."""
        assert self.photo is not None
        result = self.results[self.chosen]
        name = result.file.name.rsplit("-filled-", 1)[0]
        return self.open(result.file, name)

    def layer(self, hole: Bool) -> Path:
        """Write a layer for the editor that shows a hole, under a name that no browser remembers."""
        assert self.photo is not None
        file = self.photo.file.parent / f"layer-{secrets.token_hex(8)}.png"
        paint(hole).save(file, compress_level=1)
        return file

    def _place(self) -> Path:
        """A new folder, so that files keep the names that people are to see."""
        return Path(tempfile.mkdtemp(dir=self.folder))
