"""Every setting of every command. Free of torch, so that `inpaint --help` stays quick.

A setting comes, later ones winning, from: the default here, a YAML recipe (`--config`), the flags of
the command line, and single settings (`-s key=value`). Unknown names are refused everywhere.
"""

from inpaintlab.settings.build import build, dump, typed
from inpaintlab.settings.data import LAYOUTS, AlignSettings, MaskSettings, PrepareSettings
from inpaintlab.settings.evaluation import (
    CompareSettings,
    DiagnoseSettings,
    EvaluateSettings,
    ProbeSettings,
)
from inpaintlab.settings.filling import ExportSettings, FillSettings
from inpaintlab.settings.parts import MASK_SETS, Argument, Flag, Part, Settings
from inpaintlab.settings.serving import ServeSettings
from inpaintlab.settings.training import (
    CheckSettings,
    CrossvalSettings,
    ResolvedTrainSettings,
    SummarySettings,
    TrainSettings,
)
from inpaintlab.settings.variants import vary

__all__ = [
    "LAYOUTS",
    "MASK_SETS",
    "AlignSettings",
    "Argument",
    "CheckSettings",
    "CompareSettings",
    "CrossvalSettings",
    "DiagnoseSettings",
    "EvaluateSettings",
    "ExportSettings",
    "FillSettings",
    "Flag",
    "MaskSettings",
    "Part",
    "PrepareSettings",
    "ProbeSettings",
    "ResolvedTrainSettings",
    "ServeSettings",
    "Settings",
    "SummarySettings",
    "TrainSettings",
    "build",
    "dump",
    "typed",
    "vary",
]
