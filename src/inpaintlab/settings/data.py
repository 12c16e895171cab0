"""Settings of the commands that make data: prepare, align, masks."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from inpaintlab.settings.parts import Argument, Flag, Masks, Part, Settings

#: Published datasets whose layout is known, as `inpaintlab.data` has them; this page is free of torch.
LAYOUTS = ("celeba-hq", "ffhq", "imagenet", "paris", "places2")


class PrepareSettings(Settings):
    """Settings of `inpaint prepare`."""

    sources: Annotated[list[str], Argument()] = Field(default_factory=list)
    """Folders of images, .tar shards or hf:NAME; or one of celeba-hq, ffhq, imagenet, paris, places2
    and its folder."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Folder of the new dataset, NAME.dataset."""
    group_by: Annotated[str | None, Flag(metavar="KEY")] = None
    """What stays together in one part, such as a person: folder, name:REGEX or column:NAME."""
    against: Annotated[str | None, Flag(metavar="DATA")] = None
    """Only list images that also stand in this other folder or dataset."""
    preview: Annotated[bool, Flag()] = False
    """Also draw preview.png, what training would see."""
    layout: str | None = None
    """Published dataset, whose own split is kept."""
    min_size: int = Field(default=32, ge=1)
    """Shortest side in pixels that is taken in."""
    max_aspect: float = Field(default=4.0, ge=1)
    """Largest ratio of longest to shortest side that is taken in."""
    near_distance: int = Field(default=6, ge=0, le=7)
    """Bits of 64 in which the hashes of look-alikes may differ."""
    stratify: bool | None = None
    """Whether parts hold equal shares of each folder; by default if folders look like classes."""
    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of all images that is sealed for the test."""
    train_share: float = Field(default=0.8, gt=0, lt=1)
    """Share of the other images that is trained on."""
    folds: int = Field(default=5, ge=2, le=100)
    """Folds for cross-validation, inside training and validation."""
    keep: list[str] = Field(default_factory=list)
    """Findings whose images are taken in all the same."""
    leave_out: list[str] = Field(default_factory=list)
    """Further findings whose images are left out."""
    size: int = Field(default=128, ge=8)
    """Side of the preview's images in pixels."""
    augment: Part = Part("flip")
    """Augmentation in the preview."""
    masks: Masks = Field(default_factory=lambda: [Part("rectangles")], min_length=1)
    """Mask kinds in the preview."""

    @model_validator(mode="before")
    @classmethod
    def _layout_comes_first(cls, values: Any) -> Any:
        sources = values.get("sources") if isinstance(values, dict) else None
        if isinstance(sources, list | tuple) and sources and sources[0] in LAYOUTS:
            return {"layout": sources[0], **values, "sources": list(sources[1:])}
        return values


class AlignSettings(Settings):
    """Settings of `inpaint align`."""

    folder: Annotated[Path, Argument()]
    """Folder of images, searched with all folders in it."""
    output: Annotated[Path, Argument("OUT")]
    """New or empty folder for the crops, align.json and align.csv."""
    size: Annotated[int, Flag()] = Field(default=200, ge=8)
    """Side of the crops in pixels."""
    eyes: Annotated[str, Flag(metavar="WHERE")] = "utkface"
    """Place of the eyes: utkface, celeba-hq, or x,y,x,y in shares of the side."""
    detector: Annotated[str | None, Flag()] = None
    """Detector of eyes: haar, dlib or points; by default points if given, else haar."""
    points: Annotated[Path | None, Flag()] = None
    """Known eyes: a CSV file, or a folder of point lists NAME.txt."""
    left_rows: tuple[int, int] = (19, 24)
    """First and last row of one eye in a point list, counted from 0."""
    right_rows: tuple[int, int] = (25, 30)
    """First and last row of the other eye, counted from 0."""
    faces: Annotated[Literal["largest", "all"], Flag()] = "largest"
    """Which of several faces in an image are cut out."""
    format: Literal["png", "jpg"] = "png"
    """File format of the crops."""

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

    output: Annotated[Path, Argument("OUT")]
    """New or empty folder to write."""
    masks: Masks = Field(default_factory=lambda: [Part("rectangles")], min_length=1)
    """Mask kinds to draw, mixed by their weight."""
    size: Annotated[int, Flag()] = Field(default=256, ge=8)
    """Side of a mask in pixels."""
    count: Annotated[int, Flag()] = Field(default=100, ge=1, le=100_000)
    """Number of masks."""
    seed: Annotated[int, Flag()] = Field(default=0, ge=0)
    """Seed of all masks; the same seed draws the same ones."""
    preview: Annotated[bool, Flag()] = False
    """Write only the sheet."""
