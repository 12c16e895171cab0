"""Settings of the commands that use a network: export, fill."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from inpaintlab.settings.parts import Argument, Flag, Settings

#: More fills of one hole are refused: all stand in memory at once.
MOST_VARIANTS = 32
#: The largest seed that torch takes in every release.
MOST_SEED = 2**63 - 1
#: How far fills go from the middle, as a share of how far they went in training: at 1 some have marks
#: where there should be a mouth (docs/explanation/real.md). Beyond the most a network has never been.
SPREAD, MOST_SPREAD = 0.75, 1.5


class ExportSettings(Settings):
    """Settings of `inpaint export`."""

    run: Annotated[Path, Argument()]
    """Run folder, file of weights, or USER/MODEL of the hub."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """.onnx file to write; by default model.onnx of the run."""
    checks: int = Field(default=8, ge=1)
    """Random sizes and batches that are compared with torch."""
    seed: int = 0
    """Seed of the sizes, images and holes of the comparison."""


class FillSettings(Settings):
    """Settings of `inpaint fill`."""

    image: Annotated[Path, Argument()]
    """Image, folder, or list of images: .txt, .jsonl or .csv."""
    mask: Annotated[Path | None, Argument()] = None
    """Mask file of the same size, white = hole, or folder of masks; by default
    NAME_mask.png beside NAME.png, or as the list says."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """File to write, whose suffix names the format; for several images a folder."""
    run: Annotated[Path | None, Flag()] = None
    """Run folder or file of weights; by default the newest under runs/, or else the model that
    comes with inpaintlab."""
    invert_mask: Annotated[bool | None, Flag()] = None
    """Take black for the hole; or white, though the masks look inverted."""
    grey_mask: Annotated[bool, Flag()] = False
    """Take masks that are grey in more than half of them; above the middle is the hole."""
    format: Annotated[Literal["same", "png", "tif", "webp", "bmp", "jpg"] | None, Flag()] = None
    """File format of several results; by default the image's own if it is lossless, else png."""
    variants: Annotated[int, Flag()] = Field(default=1, ge=1, le=MOST_VARIANTS)
    """Fills of each hole, the most typical first; the others are called NAME-2 and so on. Asks for a
    model that was trained with --look real."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the variants."""
    spread: float = Field(default=SPREAD, gt=0, le=MOST_SPREAD)
    """How far variants go from the middle; at 1 as far as in training, where some have marks."""
    method: Annotated[str, Flag()] = "auto"
    """auto (by how thick a hole is), model, model+detail, or a baseline such as telea,
    biharmonic or patchmatch."""
    strategy: Annotated[Literal["auto", "crop", "pieces", "whole"], Flag()] = "auto"
    """What the network sees of an image."""
    blend: Annotated[Literal["gradient", "none"], Flag()] = "gradient"
    """How the fill meets the known pixels: gradient (Poisson) or none."""
    fallback: Annotated[Literal["none", "auto"], Flag()] = "none"
    """What fills an image unlike those the model was trained on: none (the model), or auto (Telea,
    where it does better on hidden squares of the image)."""
    strict: Annotated[bool, Flag()] = False
    """Write no result for an image that the model is not to be trusted with, and exit with 1."""
    uncertainty: Annotated[Path | None, Flag()] = None
    """Image file to write, of one image: how far values in the hole may be off, from dark (0) to
    bright (half the range)."""
    judge: bool = True
    """Say which images are unlike those the model was trained on; takes about 10 ms an image."""
    shard: Annotated[str | None, Flag(metavar="I/N")] = None
    """Fill only the I-th of N equal parts of the images."""
    preview: Annotated[bool, Flag()] = False
    """Write a sheet of images and holes, and fill nothing."""
    verbose: bool = False
    """Say for each image how it is filled."""
    workers: int | None = Field(default=None, ge=1)
    """Threads that read and write; by default one per processor, at most 4."""

    @field_validator("shard")
    @classmethod
    def _shard_is_one_of_so_many(cls, value: str | None) -> str | None:
        if value is not None:
            first, slash, last = value.partition("/")
            if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
                raise ValueError("a shard is i/n with i from 1 to n, as 1/4")
        return value

    @model_validator(mode="after")
    def _a_fallback_is_one_fill(self) -> Self:
        if self.fallback != "none" and self.variants > 1:
            raise ValueError("a fallback fills a hole in one way: leave --fallback or --variants out")
        return self

    @property
    def part(self) -> tuple[int, int]:
        """The shard as two numbers; 1 of 1 where there is none."""
        number, _, count = (self.shard or "1/1").partition("/")
        return int(number), int(count)
