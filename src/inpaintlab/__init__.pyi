"""The public names, and where each is defined: read by type checkers and by `__init__.py`."""

from .baselines import register_baseline as register_baseline
from .data.augment import Augmentation as Augmentation, register_augmentation as register_augmentation
from .data.faces import align as align
from .data.leaks import find_leaks as find_leaks
from .data.prepare import prepare as prepare
from .data.sheets import write_masks as write_masks
from .data.sources import open_dataset as open_dataset
from .diagnosis.check import Check as Check, check as check
from .diagnosis.diagnose import Diagnosis as Diagnosis, diagnose as diagnose
from .errors import InpaintlabError as InpaintlabError
from .evaluation.command import run_evaluation as run_evaluation, run_probe as run_probe
from .evaluation.compare import (
    Comparison as Comparison,
    compare as compare,
    run_comparison as run_comparison,
)
from .evaluation.cross_validation import CrossValidation as CrossValidation
from .evaluation.crossval import crossval as crossval
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.evaluation import Evaluation as Evaluation
from .evaluation.probe import probe as probe
from .evaluation.probed import Probed as Probed
from .evaluation.statistics import Interval as Interval
from .inpainter import Inpainter as Inpainter, fill_files as fill_files, load as load
from .inpainter.assessment import Assessment as Assessment
from .inpainter.export import export as export
from .losses import register_loss as register_loss
from .masks import read_mask as read_mask, register_mask as register_mask
from .metrics import register_metric as register_metric
from .networks import create as create, register_network as register_network
from .networks.summary import Summary as Summary, summarise as summarise
from .settings import (
    AlignSettings as AlignSettings,
    CheckSettings as CheckSettings,
    CompareSettings as CompareSettings,
    CrossvalSettings as CrossvalSettings,
    EvaluateSettings as EvaluateSettings,
    ExportSettings as ExportSettings,
    FillSettings as FillSettings,
    MaskSettings as MaskSettings,
    PrepareSettings as PrepareSettings,
    ProbeSettings as ProbeSettings,
    SummarySettings as SummarySettings,
    TrainSettings as TrainSettings,
)
from .training import (
    Adversarial as Adversarial,
    Callback as Callback,
    Console as Console,
    Guards as Guards,
    Objective as Objective,
    PartialConv as PartialConv,
    Reconstruction as Reconstruction,
    Recorder as Recorder,
    TrainedRun as TrainedRun,
    Trainer as Trainer,
    register_objective as register_objective,
    resume as resume,
    train as train,
)
from .trust import Trust as Trust

__version__: str
