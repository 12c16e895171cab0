"""Settings of the commands that judge a run: evaluate, compare, diagnose."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from inpaintlab.settings.parts import Argument, Flag, Masks, Settings
from inpaintlab.settings.words import as_pairs


class EvaluateSettings(Settings):
    """Settings of `inpaint evaluate`."""

    models: Annotated[list[str], Argument("MODELS…")] = Field(min_length=1)
    """Run folders, files of weights, ONNX files, USER/MODEL of the hub or names of baselines."""
    data: Annotated[str | None, Flag()] = None
    """Folder or dataset of other images; by default the validation part of the first run's own."""
    through: Annotated[Literal["network", "fill"], Flag()] = "network"
    """Measure the network on squares, or what a user gets: each image filled at its own size."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Folder of metrics and report; by default that of the first run, or a new one."""
    split: Annotated[Literal["val", "test"], Flag()] = "val"
    """Part of the run's own images; each access to the test is recorded."""
    masks: Annotated[Masks | None, Flag(metavar="KIND|SET|FOLDER")] = None
    """Mask kind, folder of mask files, or frozen set as nvidia-style-v1; by default as in training."""
    ood: Annotated[list[str], Flag(metavar="FOLDER")] = Field(default_factory=list)
    """Folder of out-of-distribution images, to measure how much is lost there."""
    corruptions: Annotated[bool, Flag()] = False
    """Measure how much is lost on images turned, moved, blurred and more."""
    probe: Annotated[bool, Flag()] = False
    """Change the first images by a little, and measure how far that moves the fill."""
    real_or_filled: Annotated[bool, Flag()] = False
    """Measure how often a classifier, trained for it, tells a fill from the truth: 50 % is best."""
    faces: Annotated[bool, Flag()] = False
    """Images are aligned faces of 96 px and more: measure how far the person is from the true one."""
    group_by: Annotated[str | None, Flag(metavar="KEY")] = None
    """Groups to give figures for: folder, name:REGEX or column:NAME; by default folder."""
    limit: Annotated[int | None, Flag()] = Field(default=None, ge=1)
    """Most images that are measured."""
    weights: Annotated[dict[str, str], BeforeValidator(as_pairs), Flag(metavar="NAME=PATH")] = Field(
        default_factory=dict
    )
    """File of a feature network: fid, lpips, lpips-vgg or efficientnet."""
    size: int | None = Field(default=None, ge=8)
    """Side of the squares in pixels; by default that of the networks."""
    batch_size: int = Field(default=64, ge=1)
    """Images measured at a time."""
    ood_images: int = Field(default=1000, ge=1)
    """Most images of each out-of-distribution folder."""
    corruption_images: int = Field(default=200, ge=1)
    """Most images that are corrupted."""
    probe_images: int = Field(default=32, ge=1)
    """Most images that are changed by a little."""
    slow_images: int = Field(default=50, ge=0)
    """Images for slow baselines; 0 leaves these baselines out."""
    variants: int = Field(default=4, ge=0, le=32)
    """Fills of each hole, of networks whose fills vary, to tell how far apart they are and how good the
    best is; 0 leaves that out."""
    learned: bool = True
    """Whether to give metrics that need a feature network, if it is there."""
    download: bool = False
    """Whether to download missing weights of standard feature networks."""
    lookalikes: bool = True
    """Whether to look for look-alikes among the training images."""
    examples: int = Field(default=8, ge=1)
    """Random images shown in the report."""


class CompareSettings(Settings):
    """Settings of `inpaint compare`."""

    runs: Annotated[list[Path], Argument()] = Field(min_length=2)
    """Two run folders or more; each is compared with the first."""
    result: Annotated[str, Flag(metavar="NAME")] = Field(default="val", pattern=r"^[^/\\]+$")
    """Result to compare, NAME of the file metrics/NAME.json."""


class ProbeSettings(Settings):
    """Settings of `inpaint probe`."""

    models: Annotated[list[str], Argument("MODELS…")] = Field(min_length=1)
    """Run folders, files of weights, ONNX files, USER/MODEL of the hub or names of baselines."""
    data: Annotated[str | None, Flag()] = None
    """Folder or dataset of other images; by default the validation part of the first run's own."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Page to write; by default probe.html of the first run, or of a new folder."""
    masks: Annotated[Masks | None, Flag(metavar="KIND|SET|FOLDER")] = None
    """Mask kind, folder of mask files, or frozen set as nvidia-style-v1; by default as in training."""
    limit: Annotated[int, Flag()] = Field(default=64, ge=1)
    """Most images that are changed."""
    most: Annotated[float, Flag(metavar="0…1")] = Field(default=0.05, gt=0, lt=1)
    """A fill moves far where its values move by more than this, the root of their mean square."""
    size: int | None = Field(default=None, ge=8)
    """Side of the squares in pixels; by default that of the networks."""
    baselines: list[str] = Field(default_factory=lambda: ["telea"])
    """Classical methods beside the models."""
    learned: bool = True
    """Whether to measure distances of features too, where there is a network for them."""


class DiagnoseSettings(Settings):
    """Settings of `inpaint diagnose`."""

    run: Annotated[Path, Argument()]
    """Run folder of a finished or stopped run."""
    data: Annotated[str | None, Flag()] = None
    """Folder or dataset of the run's images; by default as in training."""
    ood: Annotated[list[str], Flag(metavar="FOLDER")] = Field(default_factory=list)
    """Folder of images that the run is to be used on, to see how many of them it refuses."""
    output: Annotated[Path | None, Flag("-o", "--output")] = None
    """Page to write; by default diagnosis.html of the run."""
    images: int = Field(default=300, ge=8)
    """Most images that are filled, of validation and of training each."""
    sample: int = Field(default=2000, ge=20)
    """Most training images that are looked at."""
    batch_size: int = Field(default=64, ge=1)
    """Images filled at a time."""
    examples: int = Field(default=8, ge=1)
    """Random images shown on the page."""
