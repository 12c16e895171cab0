"""Train an image-inpainting network on your own images, know whether to trust it, and use it."""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inpaintlab.data.faces import align
    from inpaintlab.data.leaks import find_leaks
    from inpaintlab.data.mask_sets import write_masks
    from inpaintlab.data.prepare import prepare
    from inpaintlab.data.sources import open_dataset
    from inpaintlab.diagnosis.check import Check, check
    from inpaintlab.diagnosis.diagnose import Diagnosis, diagnose
    from inpaintlab.errors import InpaintlabError
    from inpaintlab.evaluation.baselines import register_baseline
    from inpaintlab.evaluation.command import run_evaluation
    from inpaintlab.evaluation.compare import Comparison, compare, run_comparison
    from inpaintlab.evaluation.cross_validation import CrossValidation
    from inpaintlab.evaluation.crossval import crossval
    from inpaintlab.evaluation.evaluate import evaluate
    from inpaintlab.evaluation.evaluation import Evaluation
    from inpaintlab.evaluation.statistics import Interval
    from inpaintlab.inpainter import Inpainter, fill_files, load
    from inpaintlab.inpainter.export import export
    from inpaintlab.losses import register_loss
    from inpaintlab.masks import read_mask, register_mask
    from inpaintlab.metrics import register_metric
    from inpaintlab.networks import create, register_network
    from inpaintlab.networks.summary import Summary, summarise
    from inpaintlab.settings import (
        AlignSettings,
        CheckSettings,
        CompareSettings,
        CrossvalSettings,
        EvaluateSettings,
        ExportSettings,
        FillSettings,
        MaskSettings,
        PrepareSettings,
        SummarySettings,
        TrainSettings,
    )
    from inpaintlab.training import (
        Adversarial,
        Callback,
        Console,
        Guards,
        Objective,
        PartialConv,
        Reconstruction,
        Recorder,
        TrainedRun,
        Trainer,
        register_objective,
        resume,
        train,
    )

# Imported when first used: `import inpaintlab` must not take the seconds that torch takes.
_PLACES = {
    "Adversarial": "training",
    "AlignSettings": "settings",
    "Callback": "training",
    "Check": "diagnosis.check",
    "CheckSettings": "settings",
    "CompareSettings": "settings",
    "Comparison": "evaluation.compare",
    "Console": "training",
    "CrossValidation": "evaluation.cross_validation",
    "CrossvalSettings": "settings",
    "Diagnosis": "diagnosis.diagnose",
    "EvaluateSettings": "settings",
    "Evaluation": "evaluation.evaluation",
    "ExportSettings": "settings",
    "FillSettings": "settings",
    "Guards": "training",
    "Inpainter": "inpainter",
    "InpaintlabError": "errors",
    "Interval": "evaluation.statistics",
    "MaskSettings": "settings",
    "Objective": "training",
    "PartialConv": "training",
    "PrepareSettings": "settings",
    "Reconstruction": "training",
    "Recorder": "training",
    "Summary": "networks.summary",
    "SummarySettings": "settings",
    "TrainSettings": "settings",
    "TrainedRun": "training",
    "Trainer": "training",
    "align": "data.faces",
    "check": "diagnosis.check",
    "compare": "evaluation.compare",
    "create": "networks",
    "crossval": "evaluation.crossval",
    "diagnose": "diagnosis.diagnose",
    "evaluate": "evaluation.evaluate",
    "export": "inpainter.export",
    "fill_files": "inpainter",
    "find_leaks": "data.leaks",
    "load": "inpainter",
    "open_dataset": "data.sources",
    "prepare": "data.prepare",
    "read_mask": "masks",
    "register_baseline": "evaluation.baselines",
    "register_loss": "losses",
    "register_mask": "masks",
    "register_metric": "metrics",
    "register_network": "networks",
    "register_objective": "training",
    "resume": "training",
    "run_comparison": "evaluation.compare",
    "run_evaluation": "evaluation.command",
    "summarise": "networks.summary",
    "train": "training",
    "write_masks": "data.mask_sets",
}

__version__ = _version("inpaintlab")
__all__ = [
    "Adversarial",
    "AlignSettings",
    "Callback",
    "Check",
    "CheckSettings",
    "CompareSettings",
    "Comparison",
    "Console",
    "CrossValidation",
    "CrossvalSettings",
    "Diagnosis",
    "EvaluateSettings",
    "Evaluation",
    "ExportSettings",
    "FillSettings",
    "Guards",
    "Inpainter",
    "InpaintlabError",
    "Interval",
    "MaskSettings",
    "Objective",
    "PartialConv",
    "PrepareSettings",
    "Reconstruction",
    "Recorder",
    "Summary",
    "SummarySettings",
    "TrainSettings",
    "TrainedRun",
    "Trainer",
    "__version__",
    "align",
    "check",
    "compare",
    "create",
    "crossval",
    "diagnose",
    "evaluate",
    "export",
    "fill_files",
    "find_leaks",
    "load",
    "open_dataset",
    "prepare",
    "read_mask",
    "register_baseline",
    "register_loss",
    "register_mask",
    "register_metric",
    "register_network",
    "register_objective",
    "resume",
    "run_comparison",
    "run_evaluation",
    "summarise",
    "train",
    "write_masks",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'inpaintlab' has no attribute {name!r}")
    return getattr(import_module(f"inpaintlab.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
