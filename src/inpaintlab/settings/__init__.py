"""Every setting of every command. Free of torch, so that `inpaint --help` stays quick.

A setting comes, later ones winning, from: the default here, a YAML recipe (`--config`), the flags of
the command line, and single settings (`-s key=value`). Unknown names are refused everywhere.
"""

from inpaintlab.settings.build import build, dump
from inpaintlab.settings.data import AlignSettings, MaskSettings, PrepareSettings
from inpaintlab.settings.filling import ExportSettings, FillSettings
from inpaintlab.settings.judging import CompareSettings, DiagnoseSettings, EvaluateSettings
from inpaintlab.settings.parts import (
    MASK_SETS,
    Part,
    mask_parts,
)
from inpaintlab.settings.serving import ServeSettings
from inpaintlab.settings.training import CheckSettings, CrossvalSettings, SummarySettings, TrainSettings
from inpaintlab.settings.variants import parse_variation, vary

__all__ = [
    "MASK_SETS",
    "AlignSettings",
    "CheckSettings",
    "CompareSettings",
    "CrossvalSettings",
    "DiagnoseSettings",
    "EvaluateSettings",
    "ExportSettings",
    "FillSettings",
    "MaskSettings",
    "Part",
    "PrepareSettings",
    "ServeSettings",
    "SummarySettings",
    "TrainSettings",
    "build",
    "dump",
    "mask_parts",
    "parse_variation",
    "vary",
]
