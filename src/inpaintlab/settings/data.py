"""Settings of what makes data: prepare, align, masks."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from inpaintlab.settings.parts import Part, Settings, as_parts


class PrepareSettings(Settings):
    """Settings of `inpaint prepare`."""

    sources: list[str] = Field(
        default_factory=list, description="folders, .tar shards, hf:NAME data sets"
    )
    output: Path | None = Field(None, description="folder of the dataset, NAME.dataset")
    layout: str | None = Field(None, description="a known data set: its published split is kept")
    min_size: int = Field(32, ge=1, description="images with a shorter side in pixels are left out")
    max_aspect: float = Field(4.0, ge=1, description="longest side over shortest; above: left out")
    near_distance: int = Field(6, ge=0, le=7, description="bits in which look-alikes may differ, of 64")
    group_by: str | None = Field(
        None, description="what stays in one part: folder, name:REGEX or column:NAME"
    )
    stratify: bool | None = Field(None, description="by folder; none: if folders look like classes")
    test_share: float = Field(0.1, ge=0, lt=1, description="share of all images for the test")
    train_share: float = Field(0.8, gt=0, lt=1, description="share of the rest for training")
    folds: int = Field(5, ge=2, le=100, description="folds inside train and val, for k-fold")
    keep: list[str] = Field(default_factory=list, description="findings taken in all the same")
    leave_out: list[str] = Field(default_factory=list, description="other findings to leave out")
    size: int = Field(128, ge=8, description="of the preview: side in pixels")
    augment: Part = Field(Part(name="flip"), description="of the preview: as in training")
    masks: Annotated[list[Part], BeforeValidator(as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="of the preview: as in training",
    )


class AlignSettings(Settings):
    """Settings of `inpaint align`."""

    folder: Path = Field(description="folder of images, searched recursively")
    output: Path = Field(description="new or empty folder for the crops, align.json and align.csv")
    size: int = Field(200, ge=8, description="side of the crops in pixels")
    eyes: str = Field("utkface", description="utkface, celeba-hq, or x,y,x,y in shares of the side")
    detector: str | None = Field(
        None, description="haar, dlib or points; none: points where they are given, else haar"
    )
    points: Path | None = Field(None, description="CSV of eyes, or folder of point lists NAME.txt")
    left_rows: tuple[int, int] = Field((19, 24), description="first and last row of one eye, from 0")
    right_rows: tuple[int, int] = Field((25, 30), description="first and last row of the other eye")
    faces: Literal["largest", "all"] = Field(
        "largest", description="of several faces in an image, or all"
    )
    format: Literal["png", "jpg"] = Field("png", description="of the crops; or jpg")

    @model_validator(mode="after")
    def _points_and_detector_agree(self) -> Self:
        if self.detector == "points" and self.points is None:
            raise ValueError("detector points needs a file: give points, or another detector")
        if self.points is not None and self.detector not in (None, "points"):
            raise ValueError(
                f"points are given, so detector {self.detector} would not be asked: give one"
            )
        for first, last in (self.left_rows, self.right_rows):
            if not 0 <= first <= last:
                raise ValueError(f"rows run from a first to a last, from 0, got {first} to {last}")
        return self


class MaskSettings(Settings):
    """Settings of `inpaint masks`."""

    output: Path = Field(description="folder to write, new or empty")
    masks: Annotated[list[Part], BeforeValidator(as_parts)] = Field(
        default_factory=lambda: [Part(name="rectangles")],
        min_length=1,
        description="mask kinds to draw, mixed by their `weight`",
    )
    size: int = Field(256, ge=8, description="side of a mask in pixels")
    count: int = Field(100, ge=1, le=100_000, description="number of masks")
    seed: int = Field(0, ge=0, description="of all masks; the same seed draws the same ones")
    preview: bool = Field(False, description="write only the sheet")
