"""Settings of what uses a network: export, fill."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from inpaintlab.settings.parts import Settings


class ExportSettings(Settings):
    """Settings of `inpaint export`."""

    run: Path = Field(description="run folder, file of weights, or USER/MODEL of the hub")
    output: Path | None = Field(None, description=".onnx file to write; none: model.onnx of the run")
    checks: int = Field(8, ge=1, description="so many random sizes and batches are compared with torch")
    seed: int = Field(0, description="of these sizes, images and holes")


class FillSettings(Settings):
    """Settings of `inpaint fill`."""

    image: Path = Field(description="image, folder, or list: .txt, .jsonl or .csv")
    mask: Path | None = Field(
        None, description="mask for all, or folder of masks; none: beside the images, or in the list"
    )
    output: Path | None = Field(None, description="file to write, or folder if there are several")
    run: Path | None = Field(
        None, description="run folder or file of weights; none: the newest under runs/"
    )
    invert_mask: bool | None = Field(
        None, description="black marks the hole; false: white, though it looks inverted"
    )
    format: Literal["same", "png", "tif", "webp", "bmp", "jpg"] | None = Field(
        None, description="of the results; none: the image's own if it keeps every pixel, else png"
    )
    strategy: Literal["auto", "crop", "whole"] = Field(
        "auto", description="what the network sees: auto, crop or whole"
    )
    blend: Literal["gradient", "none"] = Field(
        "gradient", description="how the fill meets the known pixels: gradient (Poisson) or none"
    )
    shard: str | None = Field(None, description="i/n: only every n-th image, from the i-th on")
    preview: bool = Field(False, description="write a sheet of images and holes, and fill nothing")
    verbose: bool = Field(False, description="say in a line for each image how it is filled")
    workers: int | None = Field(
        None, ge=1, description="threads that read and write; none: as many as processors, up to 4"
    )

    @field_validator("shard")
    @classmethod
    def _shard_is_one_of_so_many(cls, value: str | None) -> str | None:
        if value is not None:
            first, slash, last = value.partition("/")
            if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
                raise ValueError("a shard is i/n with i from 1 to n, as 1/4")
        return value

    @property
    def part(self) -> tuple[int, int]:
        """The shard as two numbers; 1 of 1 where there is none."""
        number, _, count = (self.shard or "1/1").partition("/")
        return int(number), int(count)
