"""Settings of what judges a run: evaluate, compare, diagnose."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
)

from inpaintlab.settings.parts import Part, Settings, as_parts


class EvaluateSettings(Settings):
    """Settings of `inpaint evaluate`."""

    run: Path = Field(description="run folder")
    data: str | None = Field(None, description="other images; none: those of the run")
    split: Literal["val", "test"] = Field("val", description="part of the run's own images")
    masks: Annotated[list[Part] | None, BeforeValidator(as_parts)] = Field(
        None, description="mask kinds, or one mask set; none: those of the run"
    )
    limit: int | None = Field(None, ge=1, description="at most so many images")
    batch_size: int = Field(64, ge=1, description="images measured at a time")
    group_by: str | None = Field(
        None, description="groups to give figures for: folder, name:REGEX or column:NAME; none: folder"
    )
    against: list[Path] = Field(default_factory=list, description="further runs beside this one")
    ood: list[str] = Field(
        default_factory=list, description="folders of other images: how much is lost there"
    )
    ood_images: int = Field(1000, ge=1, description="at most so many images of each of them")
    corruptions: bool = Field(
        False, description="how much is lost on the same images turned, blurred, …"
    )
    corruption_images: int = Field(200, ge=1, description="at most so many images are shifted")
    slow_images: int = Field(
        50, ge=0, description="so many images for baselines too slow for all; 0: without them"
    )
    learned: bool = Field(True, description="figures that need a feature network, where it can be had")
    weights: dict[str, str] = Field(
        default_factory=dict,
        description="files of feature networks: fid, lpips, lpips-vgg, efficientnet",
    )
    download: bool = Field(False, description="fetch what is missing of the standard's weights")
    copies: bool = Field(True, description="look for look-alikes among the images learnt from")
    examples: int = Field(8, ge=1, description="random images shown in the report")


class CompareSettings(Settings):
    """Settings of `inpaint compare`."""

    runs: list[Path] = Field(min_length=2, description="run folders; each is compared with the first")
    result: str = Field(
        "val", pattern=r"^[^/\\]+$", description="which result of theirs: NAME of metrics/NAME.json"
    )


class DiagnoseSettings(Settings):
    """Settings of `inpaint diagnose`."""

    run: Path = Field(description="run folder, of a run that ended or was stopped")
    output: Path | None = Field(None, description="page to write; none: diagnosis.html of the run")
    data: str | None = Field(None, description="where its images are now; none: where they were")
    images: int = Field(
        300, ge=8, description="at most so many of validation, and as many of training, are filled"
    )
    sample: int = Field(2000, ge=20, description="at most so many training images are looked at")
    batch_size: int = Field(64, ge=1, description="images filled at a time")
    examples: int = Field(8, ge=1, description="random images shown on the page")
